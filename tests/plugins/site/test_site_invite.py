"""Which link a gateway hands out, and that it says what Delta Chat needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from chatgate_site import invite
from site_fakes import ImapOptions, SmtpOptions, make

from chatgate.api import hookimpl


def link(folder: Path, *args, **settings) -> str:
    return make(folder, *args, **settings).hub.plugin("site").at().inviter.link()


def parts(dclogin: str) -> tuple[str, dict[str, str]]:
    """As the app reads it: address and parameters."""
    scheme, _, rest = dclogin.partition(":")
    assert scheme == "dclogin"
    address, _, query = rest.partition("?")
    return address, {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}


def test_a_name_with_a_certificate_has_one_link_for_everybody(tmp_path):
    standard = {"https": ("*:443",), "http": ("*:80",)}
    assert link(tmp_path, "example.org", signed=True, **standard) == "dcaccount:https://example.org/new"
    assert link(tmp_path, "example.org", hostname="mx.example.org", signed=True, **standard) == (
        "dcaccount:https://mx.example.org/new"
    )
    assert link(tmp_path, "example.org", signed=True, https=("*:8443",)) == "dcaccount:https://example.org:8443/new"


def test_an_underscore_name_may_be_self_signed(tmp_path):
    assert link(tmp_path, "_cg.test", https=("*:443",)) == "dcaccount:https://_cg.test/new"


def test_behind_a_reverse_proxy_the_link_has_the_public_address(tmp_path):
    proxied = {"https": (), "http": ("127.0.0.1:8080",), "signed": True}
    assert link(tmp_path, "example.org", url="https://example.org/", **proxied) == "dcaccount:https://example.org/new"


def test_without_https_the_app_makes_up_the_account(tmp_path):
    assert link(tmp_path, "example.org", signed=True, https=(), http=()) == "dcaccount:example.org"


@pytest.mark.parametrize(
    ("domain", "hostname", "host"),
    [("[127.0.0.4]", "", "127.0.0.4"), ("[IPv6:::1]", "", "::1"), ("localhost", "127.0.0.1", "127.0.0.1")],
)
def test_an_ip_and_a_self_signed_name_get_dclogin(tmp_path, domain, hostname, host):
    address, parameters = parts(link(tmp_path, domain, hostname=hostname))
    name, _, at = address.partition("@")
    assert re.fullmatch("[a-z0-9]{9}", name) and at == domain.lower()
    assert re.fullmatch("[A-Za-z0-9]{22}", parameters.pop("p"))
    assert parameters == {
        "v": "1", "ih": host, "ip": "993", "is": "ssl", "sh": host, "sp": "465", "ss": "ssl", "ic": "3"
    }  # fmt: skip


def test_other_ports_need_dclogin(tmp_path):
    moved = {"imap": ImapOptions(("127.0.0.1:2993",), ()), "smtp": SmtpOptions(("127.0.0.1:2465",), ())}
    _, parameters = parts(link(tmp_path, "example.org", signed=True, **moved))
    assert (parameters["ip"], parameters["is"], parameters["sp"], parameters["ss"]) == ("2993", "ssl", "2465", "ssl")
    assert "ic" not in parameters  # the certificate is good


def test_starttls_ports_when_there_are_no_others(tmp_path):
    moved = {"imap": ImapOptions((), ("*:2143",)), "smtp": SmtpOptions((), ("*:2587",))}
    _, parameters = parts(link(tmp_path, "example.org", signed=True, **moved))
    assert (parameters["ip"], parameters["is"], parameters["sp"], parameters["ss"]) == (
        "2143", "starttls", "2587", "starttls"
    )  # fmt: skip


def test_mapped_ports_are_the_clients_ports(tmp_path):
    moved = {"imap": ImapOptions(("*:1993",), ()), "smtp": SmtpOptions(("*:1465",), ())}
    mapped = {"url": "https://example.org", "imap_port": 993, "smtp_port": 465}
    assert link(tmp_path, "example.org", signed=True, **mapped, **moved) == "dcaccount:https://example.org/new"


def test_each_dclogin_is_another_account(tmp_path):
    inviter = make(tmp_path, "[127.0.0.1]").hub.plugin("site").at().inviter
    assert len({inviter.link() for _ in range(20)}) == 20


def test_the_real_port_is_told_while_running(start):
    running = start("localhost", hostname="127.0.0.1")
    assert running.site.at().endpoints.url == f"http://127.0.0.1:{running.port('http')}"


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbarimg (Debian: zbar-tools) is not installed")
def test_pictures_decode_to_the_link(tmp_path):
    text = link(tmp_path, "[127.0.0.1]")
    picture = tmp_path / "qr.png"
    picture.write_bytes(invite.png(text))
    done = subprocess.run(["zbarimg", "-q", "--raw", picture], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == text


def test_svg_and_png_show_the_same_modules(tmp_path):
    import io

    import png

    text = "dcaccount:https://example.org/new"
    width, _, rows, _ = png.Reader(io.BytesIO(invite.png(text))).read()
    picture = [[row[x] == 0 for x in range(0, width, 10)] for y, row in enumerate(rows) if y % 10 == 0]
    drawn = [[False] * len(picture) for _ in picture]
    path = re.search(r'fill="#000" d="([^"]+)"', invite.svg(text))[1]
    for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        for column in range(int(x), int(x) + int(run)):
            drawn[int(y)][column] = True
    assert drawn == picture
    assert not any(picture[3]) and any(picture[4])  # a quiet zone of four modules, as scanners want it


def test_a_new_certificate_changes_the_link(site):
    """As when an authority's certificate takes the place of the first, self-signed one."""
    import os
    from dataclasses import replace

    tls, chain = site.gateway.hub.plugin("tls"), site.gateway.certificate().chain
    assert site.site.at().inviter.link().startswith("dcaccount:")
    chain.rename(chain.with_suffix(".old"))
    assert site.site.at().inviter.link().startswith("dcaccount:") and not chain.exists()
    chain.write_text("nonsense")
    assert site.site.at().inviter.link().startswith("dcaccount:")
    chain.with_suffix(".old").rename(chain)
    os.utime(chain, (1, 1))
    site.gateway.hub._manager.unregister(tls)

    class Other:
        @hookimpl
        def chatgate_certificate(self, domain):
            return replace(tls.chatgate_certificate(domain), self_signed=True)

    site.gateway.hub.load([("other", Other())])
    assert site.site.at().inviter.link().startswith("dclogin:")


def test_drawn_credentials_use_all_characters():
    drawn = [invite.draw("x.test") for _ in range(400)]
    names, passwords = ("".join(texts) for texts in zip(*drawn, strict=True))
    assert len(set(drawn)) == 400
    assert set(names.replace("@x.test", "")) == set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert len(set(passwords)) == 62 and {len(password) for _, password in drawn} == {22}
    # each position of the password varies, the last as well as the first
    assert min(len({password[n] for _, password in drawn}) for n in range(22)) > 50
