"""Real OpenPGP software for the gate's tests: GnuPG with keys of its own in a folder of its own."""

import shutil
import subprocess

import gnupg
import pytest

GPG = shutil.which("gpg")


@pytest.fixture(scope="session")
def gpg(tmp_path_factory):
    """A gnupg.GPG that holds the secret keys of ecc@example.org and rsa@example.org."""
    if GPG is None:
        pytest.skip("no gpg program: these tests need GnuPG to make real OpenPGP messages")
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    made = gnupg.GPG(gpgbinary=GPG, gnupghome=str(home), options=["--allow-weak-key-signatures"])
    for user, kind, subkey in (("ecc@example.org", "ed25519", "cv25519"), ("rsa@example.org", "rsa2048", "rsa2048")):
        base = [GPG, "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*base, "--quick-gen-key", user, kind, "sign", "never"], check=True, capture_output=True)
        fingerprint = next(key["fingerprint"] for key in made.list_keys() if user in key["uids"][0])
        subprocess.run([*base, "--quick-add-key", fingerprint, subkey, "encrypt"], check=True, capture_output=True)
    yield made
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True)
