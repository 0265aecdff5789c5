"""What the shipped plugins have a backup take (chatgate_backup)."""

from chatgate.testing import SHIPPED


def test_each_plugin_with_files_of_its_own_names_them(gateway_factory):
    plugins = {*SHIPPED, "dkim", "courier", "sweeper", "invite", "turn", "appversions"}
    gateway = gateway_factory(*plugins)
    answers = gateway.hub.backup.each(None, gateway=gateway)
    found = {said.plugin: {kept.name for kept in said.answer} for said in answers if said.answer}
    assert found == {
        "maildb": {"mail"},
        "dkim": {"keys"},
        "tls": {"example.org-key", "example.org-chain"},
        "passwordless": {"freeze-0"},
        "push": {"tokens"},
        "invite": {"invitations"},
        "courier": {"peers", "courier", "mta-sts"},
        "sweeper": {"clock"},
        "turn": {"secret"},
        "appversions": {"versions"},
    }
