"""The page as a browser without scripts uses it."""

import http.client
from urllib.parse import urlencode

from chatgate.testing import client_tls, port

QUICK = {"passwordless": {"scrypt_cost": 10, "refusal_seconds": 0.0}, "selfservice": {"wrong_password_seconds": 0.0}}


def ask(gateway, method="POST", path="/account", **fields):
    connection = http.client.HTTPSConnection("127.0.0.1", port(gateway, "https"), timeout=60, context=client_tls())
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(fields) if method == "POST" else None, headers)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def act(gateway, login, do="look", status=200, **fields):
    answer, page = ask(gateway, address=login[0], password=login[1], do=do, **fields)
    assert answer.status == status, page
    assert answer.headers["cache-control"] == "no-store" and not answer.headers["set-cookie"]
    assert login[1] not in page, "a password never comes back"
    return page
