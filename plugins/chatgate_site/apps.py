"""Where the app is to be had: the stores, and which of them a device has. It is a hint only: all are shown."""

from __future__ import annotations

from typing import NamedTuple


class Store(NamedTuple):
    name: str
    link: str


class System(NamedTuple):
    """A kind of device. signs: what its browsers have in their User-Agent field."""

    name: str
    signs: tuple[str, ...]
    stores: tuple[Store, ...]


# In the order in which their signs are looked for: Android says that it is Linux, too.
SYSTEMS = (
    System(
        "Android",
        ("android",),
        (
            Store("Google Play", "https://play.google.com/store/apps/details?id=chat.delta"),
            Store("F-Droid", "https://f-droid.org/app/com.b44t.messenger"),
        ),
    ),
    System(
        "iPhone, iPad",
        ("iphone", "ipad", "ipod"),
        (Store("App Store", "https://apps.apple.com/app/delta-chat/id1459523234"),),
    ),
    System("Windows", ("windows",), (Store("Microsoft Store", "https://apps.microsoft.com/detail/9pjtxx7hn3pk"),)),
    System(
        "macOS",
        ("macintosh", "mac os x"),
        (Store("Mac App Store", "https://apps.apple.com/app/delta-chat-desktop/id1462750497"),),
    ),
    System(
        "Ubuntu Touch", ("ubuntu touch",), (Store("OpenStore", "https://open-store.io/app/deltatouch.lotharketterer"),)
    ),
    System("Linux", ("linux", "x11"), (Store("Flathub", "https://flathub.org/apps/chat.delta.desktop"),)),
)


def system(user_agent: str) -> System | None:
    """The one from which a request with this User-Agent field (RFC 9110 §10.1.5) seems to come."""
    said = user_agent.lower()
    return next((one for one in SYSTEMS if any(sign in said for sign in one.signs)), None)
