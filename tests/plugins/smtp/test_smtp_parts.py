"""Options by themselves."""

import pytest
from chatgate_smtp.options import SmtpOptions


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
