"""docs/site.md names every route there is, and no other."""

import re
from pathlib import Path

from chatgate_invite import Invite
from chatgate_selfservice import SelfService
from chatgate_site.challenges import Challenges
from chatgate_site.new import New
from chatgate_site.wsgi import Site as Application

from chatgate.testing import SHIPPED

PAGE = Path(__file__).parents[3] / "docs/site.md"


def shown(octets):
    """As the page has it. What is not bounded by the route itself is mail."""
    return "`max_message_bytes`" if octets > 1 << 40 else str(octets or "–")


def test_the_page_names_each_route_with_the_body_it_takes(gateway_factory):
    gateway = gateway_factory(*SHIPPED, SelfService, Invite, "courier", site={"http": ("127.0.0.1:0",), "https": ()})
    site = gateway.hub.plugin("site")
    new, challenges = New(gateway, site.options, site._places), Challenges(gateway, "")
    app = Application(gateway, site._places, site._pages, new, challenges, site).app
    there = {(route.method, route.rule, shown(route.config.get("max_body", 0))) for route in app.routes}
    told = set()
    for method, places, body in re.findall(r"^\| ([A-Z]+) \| (`/.*?) \| .* \| (\S+) \|$", PAGE.read_text(), re.M):
        told |= {(method, place, body) for place in re.findall(r"`(.*?)`", places)}
    assert told == there
