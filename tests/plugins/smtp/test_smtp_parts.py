"""Options by themselves; what a connection leaves behind."""

import gc
import weakref

import pytest
from chatgate_smtp.dialogue import Dialogue
from chatgate_smtp.options import SmtpOptions

from chatgate.testing import until


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_user_send_per_minute": 0},
        {"max_user_send_burst_size": 0},
        {"max_recipients": 0},
        {"max_command_bytes": 100},
        {"max_line_bytes": 500},
        {"min_upload_rate": 0},
    ],
)
def test_options_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmtpOptions(**wrong)


def test_a_connection_leaves_nothing_for_the_garbage_collector(sender, monkeypatch):
    made = []
    begin = Dialogue.__init__

    def noted(dialogue, *given):
        begin(dialogue, *given)
        made.append(weakref.ref(dialogue))

    monkeypatch.setattr(Dialogue, "__init__", noted)
    client = sender()
    client.ask("MAIL FROM:<alice@example.org>")
    gc.collect()
    gc.disable()
    try:
        client.ask("QUIT")
        until(lambda: made[0]() is None)
    finally:
        gc.enable()
