"""The Debian package, made, installed, upgraded, removed and purged in a bare Debian."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / name) for name in ("docker", "clients")]

import docker_image as image  # noqa: E402
import namespace  # noqa: E402

REASON = namespace.refused() or ("needs root" if os.geteuid() else "")
if not shutil.which("debootstrap"):
    REASON = "no debootstrap"

# As `make deb` does it; what it needs is there from building the image, which shares these layers.
MAKE = """
set -e
cd /src
contrib/dist/deb /opt/chatgate/bin/python /packages
# And an older one, which has something that is gone by now.
dpkg-deb --raw-extract /packages/chatgate_*.deb /old
sed -i 's/^Version: .*/Version: 0.0.9/' /old/DEBIAN/control
touch /old/usr/lib/chatgate/gone.py
dpkg-deb -Znone --build /old /packages
"""

# What apt does is in the output when a command fails.
LIFE = """
set -ex
old=$(ls /packages/chatgate_0.0.9_*.deb) new=$(ls /packages/chatgate_0.1.0_*.deb)
apt-get update
apt-get install --yes --no-install-recommends "$old"
id chatgate
test "$(stat -c %U:%a /var/lib/chatgate)" = chatgate:700
! test -e /usr/lib/python3/dist-packages/gevent

chatgate --dir /var/lib/chatgate init --domain 127.94.0.1 --local --listen 127.94.0.1
test "$(stat -c %U /var/lib/chatgate/conf.d)" = chatgate
cd /tmp
echo "raise SystemExit('this file is no part of it')" >email.py
chatgate --dir /var/lib/chatgate accounts create someone --password "a long enough word" >/dev/null
setpriv --reuid chatgate --regid chatgate --clear-groups chatgate --dir /var/lib/chatgate serve >/tmp/log 2>&1 &
for i in $(seq 100); do ! grep -q "chatgate: ready" /tmp/log || break; sleep 0.2; done
grep -q "chatgate: ready" /tmp/log || { cat /tmp/log; exit 1; }
chatgate --dir /var/lib/chatgate ping --count 1
kill $!
wait $! || :

dpkg --info "$new"
dpkg --contents "$new" >/tmp/contents
for file in bash-completion/completions/chatgate zsh/vendor-completions/_chatgate fish/vendor_completions.d/chatgate.fish; do
    grep "/usr/share/$file$" /tmp/contents
done
dpkg --fsys-tarfile "$new" | tar -xO ./usr/share/man/man1/chatgate.1.gz | zcat | grep "^.SS chatgate accounts create "
apt-get install --yes --no-install-recommends "$new"
test "$(dpkg-query -W -f '${Version}' chatgate)" = 0.1.0
! test -e /usr/lib/chatgate/gone.py
chatgate --dir /var/lib/chatgate accounts list | grep someone
chatgate --dir /var/lib/chatgate check
dpkg --verify chatgate
grep ExecStart=/usr/bin/chatgate /usr/lib/systemd/system/chatgate.service
! grep /opt/chatgate /usr/lib/systemd/system/chatgate.*

apt-get remove --yes chatgate
! test -e /usr/bin/chatgate
! test -e /usr/lib/chatgate
test -e /var/lib/chatgate/data/mail.db
apt-get purge --yes chatgate
! test -e /var/lib/chatgate
"""


def tracked(source):
    """The files of the tree; the image gets fewer of them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", source]
    listed = subprocess.run(command, cwd=image.ROOT, capture_output=True, text=True, check=True).stdout
    return [image.ROOT / name for name in listed.split("\0") if name]


@pytest.mark.skipif(not (image.ROOT / ".git").exists(), reason="this is no git checkout")
@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_it_is_installed_upgraded_removed_and_purged(monkeypatch):
    monkeypatch.setattr(image, "context", tracked)
    steps = image.instructions()
    whole_tree = next(number for number, (word, value) in enumerate(steps) if (word, value.split()[0]) == ("COPY", "."))
    # The Debian where it is installed has GnuPG, for the ping, but nothing of how it was made.
    packages = "apt-get update && apt-get install --yes --no-install-recommends gpg gpg-agent"
    image.build(
        [
            *steps[: whole_tree + 1],
            ("RUN", MAKE),
            ("FROM", "${DEBIAN}"),
            ("RUN", packages),
            ("COPY", "--from=build /packages /packages"),
            ("RUN", LIFE),
        ]
    )
