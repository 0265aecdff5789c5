"""The plugin in a whole gateway, over real sockets; `gateway_factory` comes with chatgate."""

import importlib.metadata
import smtplib
from collections.abc import Callable

import pytest
from chatgate_example import Example

from chatgate.api import Gateway
from chatgate.testing import SHIPPED, imap_client, new_login, pgp_message, smtp_client


def test_it_can_be_enabled_by_its_name() -> None:
    names = [point.name for point in importlib.metadata.entry_points(group="chatgate")]
    assert "example" in names


def test_too_many_recipients_are_refused(gateway_factory: Callable[..., Gateway]) -> None:
    gateway = gateway_factory(*SHIPPED, Example, example={"max_recipients": 2})
    alice, *others = [new_login(gateway) for _ in range(4)]
    for login in [alice, *others]:
        imap_client(gateway, login).logout()  # a first login makes the account
    with smtp_client(gateway, alice) as client:
        client.sendmail(alice[0], [others[0][0]], pgp_message(alice[0], others[0][0]))
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(alice[0], [login[0] for login in others], pgp_message(alice[0], others[0][0]))
    assert refused.value.smtp_code == 554
