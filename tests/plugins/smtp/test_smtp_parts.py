"""Budgets and options by themselves."""

import pytest
from chatgate_smtp.limits import Budget, Share
from chatgate_smtp.options import SmtpOptions


def test_shares_of_a_budget():
    budget = Budget(100)
    with Share(budget) as one, Share(budget) as two:
        assert one.become(60) and not two.become(50) and two.become(40)
        assert budget.free == 0
        assert one.become(10) and two.become(90)
    assert budget.free == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_user_send_per_minute": 0},
        {"max_user_send_burst_size": 0},
        {"max_recipients": 0},
        {"max_command_bytes": 100},
        {"max_line_bytes": 500},
    ],
)
def test_options_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmtpOptions(**wrong)
