"""Debian's postfix and opendkim as the mail server of somebody else. Only in a namespace: the files that
fetch_postfix.py has unpacked lie over those of /usr there.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import network
from bed import Bed
from fetch_postfix import FILES
from people import until

USERS = {"postfix": 71001, "postdrop": 71002, "opendkim": 71003}
SELECTOR = "post"
PLACE = Path("/mnt")  # the folder of a test is for its owner alone
MASTER = """\
smtp      inet  n - n - - smtpd
2500      inet  n - n - - smtpd -o smtpd_milters=
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""
MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
meta_directory = {files}/etc/postfix
maillog_file = /dev/stdout
myhostname = {host}
mydomain = {domain}
myorigin = {domain}
mydestination =
alias_maps =
local_recipient_maps =
mynetworks = {hub}
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/people
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/key.pem, {folder}/cert.pem
smtp_tls_CAfile = {authority}
smtp_tls_security_level = may
smtp_tls_loglevel = 1
smtp_dns_support_level = enabled
internal_mail_filter_classes = bounce
milter_default_action = tempfail
message_size_limit = 52428800
virtual_mailbox_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""
# What signs nothing and passes everything is no proof: it refuses what is not signed well.
OPENDKIM = """\
Mode sv
Socket inet:8891@127.0.0.1
Domain {domain}
Selector {selector}
KeyFile {folder}/dkim/{key}
InternalHosts {hub}, 127.0.0.1
Nameservers {hub}
Canonicalization relaxed/simple
On-BadSignature reject
On-KeyNotFound tempfail
On-NoSignature reject
AlwaysAddARHeader yes
Syslog no
RequireSafeKeys no
UserID opendkim
"""


def lay_over(folder: Path) -> None:
    """Have the unpacked packages and their users on this system, and a place that all of them may enter."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", PLACE], check=True)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={FILES}/usr:/usr", "/usr"], check=True)
    for name, form in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin"), ("group", "{0}:x:{1}:")):
        lines = [form.format(*user) for user in USERS.items()]
        (folder / name).write_text(Path(f"/etc/{name}").read_text().rstrip("\n") + "\n" + "\n".join(lines) + "\n")
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


class Postfix:
    """A host "mail.DOMAIN" with mailboxes for people. Its opendkim signs what we and itself send, and wants from others
    what is signed.
    """

    def __init__(self, bed: Bed, number: int, domain: str, people: Sequence[str]) -> None:
        self.bed, self.domain, self.name = bed, domain, f"mail.{domain}"
        self.folder = PLACE / domain
        for name in ("queue", "data", "mail", "dkim"):
            (self.folder / name).mkdir(parents=True)
        for name in ("data", "mail"):
            os.chown(self.folder / name, USERS["postfix"], USERS["postfix"])
        os.chown(self.folder / "dkim", USERS["opendkim"], USERS["opendkim"])
        (self.folder / "people").write_text("".join(f"{who}@{domain} {who}/\n" for who in people))
        (self.folder / "master.cf").write_text(MASTER)
        facts = {
            "folder": self.folder,
            "files": FILES,
            "host": self.name,
            "domain": domain,
            "hub": network.HUB,
            "uid": USERS["postfix"],
            "authority": bed.authority.file,
        }
        (self.folder / "main.cf").write_text(MAIN.format(**facts))
        self.host = bed.host(number, self.name)
        bed.zone[domain] = {"MX": f"10 {self.name}."}
        self.certificate(self.name)
        for key in ("published", "another"):
            self._make_key(key)
        self._log = self.folder / "log"

    def certificate(self, name: str, days_ago: int = 0) -> None:
        """A new one for this name, expired so long ago. A running postfix shows it from the next connection on."""
        self.bed.authority.certificate([name], self.folder / "cert.pem", self.folder / "key.pem", days_ago)

    def start(self, key: str = "published", dkim: bool = True, **settings: str) -> None:
        """key: which one signs. dkim: is anything signed and checked? settings: of main.cf, kept for later starts."""
        self._configure(key, dkim, settings)
        self._sign = self._begin("opendkim", "-f", "-x", str(self.folder / "opendkim.conf"))
        self._master = self._begin("postfix", "-c", str(self.folder), "start-fg")
        until(f"{self.name} listens", lambda: self._listens(25))

    def restart(self, key: str = "published", dkim: bool = True, **settings: str) -> None:
        self._configure(key, dkim, settings)
        self._sign.kill()  # it would take its time
        self._sign.wait()
        self._sign = self._begin("opendkim", "-f", "-x", str(self.folder / "opendkim.conf"))
        since = len(self.log())
        self._run("postfix", "-c", str(self.folder), "reload")  # a whole start takes seconds, for checks of all files
        self.says("reload -- version", since)

    def stop(self) -> None:
        self._run("postfix", "-c", str(self.folder), "stop")
        self._sign.kill()
        for process in (self._master, self._sign):
            process.wait(20)

    def _configure(self, key: str, dkim: bool, settings: dict[str, str]) -> None:
        milter = "inet:127.0.0.1:8891" if dkim else ""
        wanted = {"smtpd_milters": milter, "non_smtpd_milters": milter, **settings}
        changes = [f"{name}={value}" for name, value in wanted.items()]
        self._run("postconf", "-c", str(self.folder), "-e", *changes)
        facts = {"domain": self.domain, "selector": SELECTOR, "folder": self.folder, "hub": network.HUB}
        (self.folder / "opendkim.conf").write_text(OPENDKIM.format(**facts, key=f"{key}.private"))

    def _begin(self, *command: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen([*self.host.under, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Of the program that starts all others."""
        return self._master.pid

    def flush(self) -> None:
        """Try now what is queued."""
        self._run("postqueue", "-c", str(self.folder), "-f")

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def says(self, text: str, since: int = 0) -> str:
        """Wait until this is in the log, past so many characters; its line."""
        line = ""

        def there() -> bool:
            nonlocal line
            line = next((line for line in self.log()[since:].splitlines() if text in line), "")
            return bool(line)

        until(f"{self.name} says {text!r}", there)
        return line

    def mails(self, who: str) -> list[bytes]:
        """What has come for this person."""
        new = self.folder / "mail" / who / "new"
        return [path.read_bytes() for path in sorted(new.iterdir())] if new.exists() else []

    def _make_key(self, name: str) -> None:
        folder = self.folder / "dkim"
        modulus = ["openssl", "genrsa", "-out", str(folder / f"{name}.private"), "2048"]
        subprocess.run(modulus, check=True, capture_output=True)
        (folder / f"{name}.private").chmod(0o600)
        os.chown(folder / f"{name}.private", USERS["opendkim"], USERS["opendkim"])
        if name == "published":
            convert = ["openssl", "rsa", "-in", str(folder / f"{name}.private"), "-pubout"]
            pem = subprocess.run(convert, check=True, capture_output=True, text=True).stdout
            public = "".join(line for line in pem.splitlines() if not line.startswith("-"))
            self.bed.zone[f"{SELECTOR}._domainkey.{self.domain}"] = {"TXT": f"v=DKIM1; k=rsa; p={public}"}
            self.bed.publish()

    def _listens(self, port: int) -> bool:
        assert self._master.poll() is None and self._sign.poll() is None, self.log()
        try:
            socket.create_connection((self.host.address, port), 1).close()
        except OSError:
            return False
        return True

    def _run(self, *command: str) -> None:
        done = subprocess.run([*self.host.under, *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
