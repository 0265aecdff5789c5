"""The hook that this plugin asks; it exists only where the plugin is enabled (`@hookimpl(optionalhook=True)`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate.api import hookspec

if TYPE_CHECKING:
    import bottle

    from chatgate_site.plugin import Site


@hookspec
def chatgate_site_routes(app: bottle.Bottle, site: Site) -> None:
    """What pages do you add to the site? Asked once at start; add routes to this bottle application. A page of the site
    itself wins over one of the same path.

    Two keywords of a route are the site's: `max_body` (octets of request body it takes, default 0: none; a body must
    come with its length), and `plain_http=True` (answers over HTTP where other pages redirect to HTTPS).
    `request.environ["chatgate.session"]` is the connection's Session; REMOTE_ADDR is not set.

    `site.page(template, …)` answers with a page that looks as the others do; see there for what else it lends.
    """
