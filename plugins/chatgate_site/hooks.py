"""The hook that this plugin asks; it exists only where the plugin is enabled (`@hookimpl(optionalhook=True)`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate.api import hookspec

if TYPE_CHECKING:
    import bottle

    from chatgate_site.plugin import Site


@hookspec
def chatgate_site_routes(app: bottle.Bottle, site: Site) -> None:
    """Add pages to the site. Called once at start; add routes to this bottle application. The site's own pages take
    precedence over added ones of the same path.

    Four keywords of a route are for the site: `max_body` (octets that a request body may have, default 0: none; a body
    must come with its length), `plain_http=True` (answers over HTTP where other pages redirect to HTTPS),
    `counted=False` (requests do not count towards `requests_per_minute`; for a path without wildcards), and
    `discreet=True` (there also when the operator wants a `discreet` server: it does not tell what this server is).
    `request.environ["chatgate.session"]` is the connection's Session; REMOTE_ADDR is not set. Its `tls` is also True
    for a request that a trusted reverse proxy got by HTTPS, as it says in X-Forwarded-Proto.

    `site.page(template, …)` answers with a page that looks like the others; see `site` for other helpers.
    """
