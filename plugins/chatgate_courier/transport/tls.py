"""TLS with other servers: which certificates are good enough for which destination."""

from __future__ import annotations

import ssl
from typing import Any, Literal, NamedTuple

from chatgate.api import Reply, ip, trusting, verifying
from chatgate_courier.security.dane import Tlsa, authenticates, presented_chain
from chatgate_courier.transport.contract import Failed
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.wire import Broken, reason, within


class Trust(NamedTuple):
    """What a host has to prove. verify: a certificate that is valid for its name, by an authority we trust. dane: the
    certificate that its TLSA records name, see `Dane`. any: whatever certificate. none: no TLS.

    records, names: for dane.
    """

    kind: Literal["verify", "dane", "any", "none"]
    records: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()


VERIFIED, ANY, PLAIN = Trust("verify"), Trust("any"), Trust("none")

# By the number of OpenSSL's verification error.
_EXPIRED, _NOT_YET, _SELF_SIGNED, _UNKNOWN, _WRONG_NAME, _WRONG_IP = 10, 9, 18, {2, 19, 20, 21, 27}, 62, 64


class Tls:
    """Contexts, made once."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options

    def prepare(self) -> None:
        """Load the authorities now. Raises OSError if there are none, or `ca_file` cannot be used."""
        _ = self._verifying

    def handshake(self, sock: Any, host: str, trust: Trust, session: Any = None) -> Any:
        """The socket with TLS. session: of an earlier connection to the same host with the same trust. Raises Failed;
        the socket is closed then, and for whatever else is raised.
        """
        try:
            context = self._verifying if trust.kind == "verify" else trusting()
        except BaseException:  # what is wrong here is not the host's fault
            sock.close()
            raise
        try:
            name = None if ip(host) and trust.kind != "verify" else host  # RFC 6066 §3: no IP address is sent
            secured = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False, session=session)
            sock = secured
            with within(self._options.tls_seconds):
                secured.do_handshake()
            if trust.kind == "dane" and not authenticates(trust.records, presented_chain(secured), trust.names):
                reply = Reply(451, "4.7.5", f"{host} has a certificate that its TLSA records do not name")
                raise Failed("TLS", reply, "Its operator must publish a TLSA record for the new certificate (DANE)")
            return secured
        except ssl.SSLCertVerificationError as error:
            sock.close()
            said, advice = _certificate(error)
            raise Failed("TLS", Reply(451, "4.7.5", f"{host} {said}"), advice) from None
        except ValueError:
            sock.close()
            raise Failed("TLS", Reply(451, "4.7.5", f"{host[:100]} is no name that a certificate can have")) from None
        except (OSError, Broken) as error:
            sock.close()
            said = reason(error) if isinstance(error, OSError) else str(error)
            raise Failed(
                "TLS", Reply(451, "4.7.5", f"{host} {said} in the TLS handshake"), "It must speak TLS 1.2 or later"
            ) from None
        except BaseException:
            sock.close()
            raise

    @property
    def _verifying(self) -> Any:
        return verifying(self._options.ca_file)


def _certificate(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    """What is wrong with a certificate, and what to do."""
    code = error.verify_code
    if code == _EXPIRED:
        return "has a certificate that is expired", "Its operator must renew the certificate"
    if code == _NOT_YET:
        return "has a certificate that is not valid yet", "Compare the clocks of both servers"
    if code == _SELF_SIGNED:
        return "has a self-signed certificate", "Its operator must get one that is signed by a known authority"
    if code in _UNKNOWN:
        return (
            "has a certificate of an unknown authority",
            "Its operator must send the intermediate certificates, too, and use a known authority",
        )
    if code in (_WRONG_NAME, _WRONG_IP):
        return "has a certificate for another name", "The certificate must be for the host named in the MX record"
    return "has an invalid certificate", "See what `openssl s_client` says about it"
