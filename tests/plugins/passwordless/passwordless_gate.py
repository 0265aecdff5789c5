"""A gateway with the plugin passwordless, a policy and a store, and what tests do with it."""

import dataclasses
import re

import gevent
from chatgate_maildb.plugin import MailDb
from chatgate_passwordless import Passwordless, PasswordlessOptions

from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.hookspecs import hookimpl
from chatgate.hosting.options import CoreOptions
from chatgate.network.session import Credentials, Session
from chatgate.reply import Reply
from chatgate.running.accounts import NewAccount
from chatgate.running.gateway import Gateway
from chatgate.store.records import Account, AccountExists

QUICK = {"scrypt_cost": 10, "refusal_seconds": 0.0}
ADDRESS, PASSWORD = "abcdefghi@example.org", "a password of mine"


class Accounts:
    """The part of a store that accounts need. Each call gives others a turn, as a database may."""

    def __init__(self):
        self.by_address = {}
        self.made = 0

    def account(self, address):
        gevent.sleep(0)
        return self.by_address.get(address)

    def create_account(self, address, secret, quota=None):
        gevent.sleep(0.002)
        if address in self.by_address:
            raise AccountExists
        self.made += 1
        self.by_address[address] = Account(self.made, address, secret, quota=quota)
        return self.by_address[address]

    def accounts(self):
        return list(self.by_address.values())

    def tombstone(self, address):
        return None

    def set_secret(self, account_id, secret, was=None):
        gevent.sleep(0.002)
        account = next(a for a in self.by_address.values() if a.id == account_id)
        if was is not None and account.secret != was:
            return False
        self.by_address[account.address] = dataclasses.replace(account, secret=secret)
        return True

    def delete_account(self, account_id, tombstone=True, final=False):
        self.by_address = {k: a for k, a in self.by_address.items() if a.id != account_id}

    def close(self):
        pass


class Memory:
    def __init__(self, gateway, options):
        self.store = Accounts()

    @hookimpl
    def chatgate_open_store(self):
        return self.store


class Policy:
    """A policy plugin with one answer."""

    answer = None
    invitation = None

    def __init__(self, gateway, options):
        self.asked = []

    @hookimpl
    def chatgate_admit(self, request):
        self.asked.append((request.address, request.way))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @hookimpl
    def chatgate_invitation(self, address, token, password):
        return self.invitation if token == "token" or password.startswith("token") else None


class Gate:
    """A gateway and what the tests do with it."""

    def __init__(self, folder, domain="example.org", store="memory", **options):
        self.options = PasswordlessOptions(**(QUICK | options))
        plugins = (
            Enabled("memory", Memory, None) if store == "memory" else Enabled("maildb", MailDb, MailDb.Options()),
            Enabled("passwordless", Passwordless, self.options),
            Enabled("policy", Policy, None),
        )
        self.gateway = Gateway(Config(folder, CoreOptions(domain=domain), plugins))
        self.store, self.policy = self.gateway.store, self.gateway.hub.plugin("policy")
        self.guesses = self.gateway.hub.plugin("passwordless")._guesses

    def login(self, address=ADDRESS, password=PASSWORD, peer="127.0.0.1"):
        session = Session("imap", peer)
        return self.gateway.hub.authenticate(session=session, credentials=Credentials(address, password))

    def create(self, address=ADDRESS, password=PASSWORD, way="site", generated=False, token=""):
        return self.gateway.accounts.create(NewAccount(address, password, way, generated, token=token))


def wrong(reply):
    assert isinstance(reply, Reply)
    assert (reply.code, reply.enhanced, reply.imap) == (535, "5.7.8", "AUTHENTICATIONFAILED")
    assert re.fullmatch(r"[ -~]+", reply.text) and "authentication" in reply.text.lower()
    return reply
