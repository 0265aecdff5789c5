"""The files in which mail programs look up a domain's mail service."""

from __future__ import annotations

from xml.sax.saxutils import escape

from chatgate_site.endpoints import Endpoint, Endpoints

_SOCKET = {"ssl": "SSL", "starttls": "STARTTLS"}


def config_xml(domain: str, title: str, endpoints: Endpoints) -> str:
    """Mozilla's autoconfig format, version 1.1. Delta Chat tries the servers in this order, and needs host, port and
    user name of each.
    """
    servers = [_server("incomingServer", "imap", endpoints.host, e) for e in endpoints.imap()]
    servers += [_server("outgoingServer", "smtp", endpoints.host, e) for e in endpoints.smtp()]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="{escape(domain)}">
    <domain>{escape(domain)}</domain>
    <displayName>{escape(title)}</displayName>
    <displayShortName>{escape(title)}</displayShortName>
{"".join(servers)}  </emailProvider>
</clientConfig>
"""


def _server(element: str, kind: str, host: str, endpoint: Endpoint) -> str:
    return f"""    <{element} type="{kind}">
      <hostname>{escape(host)}</hostname>
      <port>{endpoint.port}</port>
      <socketType>{_SOCKET[endpoint.security]}</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </{element}>
"""
