from __future__ import annotations

import sys
from pathlib import Path

import pytest
from chatgate_selfservice import SelfService

from chatgate.testing import SHIPPED, imap_client, new_login

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "imap"):  # protocol traces are at home there
    sys.path.insert(0, str(folder))

from selfservice_page import QUICK  # noqa: E402


@pytest.fixture
def gateway(gateway_factory):
    return gateway_factory(*SHIPPED, SelfService, **QUICK, imap={"login_failure_seconds": 0.0, "plaintext_login": True})


@pytest.fixture
def anna(gateway):
    """(address, password) of somebody who has been there."""
    login = new_login(gateway)
    imap_client(gateway, login).logout()
    return login
