"""What an operator can set in conf.d/NN-courier.toml."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import Networks, option
from chatgate_courier.mta_sts_page import PublishingOptions
from chatgate_courier.policy import rules
from chatgate_courier.sending.options import SendingOptions
from chatgate_courier.transport.options import TransportOptions


@dataclass(frozen=True)
class PolicyOptions:
    peers: tuple[str, ...] = option(
        ("[*] verify=no", "_* verify=no", "nauta.cu tls=no"),
        "How mail goes to which domains, a rule each: a domain, *.domain, an IP address in brackets, [*] for all of "
        "these, _* or *, and any of deny, deny=TEXT, allow, hold, route=HOST:PORT, proxy=socks5://HOST:PORT, tls=no, "
        "verify=no, way=https, way=smtp. `chatgate peers` makes further rules, which stand above these.",
    )
    mxdeliv: bool = option(
        True, "Other servers may deliver mail by HTTPS too, at /mxdeliv of the site, with the limits of 20-smtp.toml."
    )
    private_networks: tuple[str, ...] = option(
        (), "Addresses or networks that are not on the Internet, such as 10.0.0.0/8, to which mail may go all the same."
    )


@dataclass(frozen=True)
class CourierOptions(TransportOptions, PublishingOptions, SendingOptions, PolicyOptions):
    """Their fields come in the opposite order."""

    def __post_init__(self) -> None:
        TransportOptions.__post_init__(self)
        PublishingOptions.__post_init__(self)
        SendingOptions.__post_init__(self)
        rules(self.peers)
        Networks(self.private_networks)
