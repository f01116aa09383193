"""Stitchline: tag what people do with who, where, when and at which stage, and send it without blocking.

>>> import stitchline
>>> client = stitchline.Client("http://127.0.0.1:8765", "dev", channel="app", device={"type": "phone"})
>>> client.identify(user="42", email="alice@example.org")
True
>>> client.track("product_viewed", {"price": 19.9}, stage="consideration")
True
>>> client.close()
True
"""

from __future__ import annotations

from stitchline._client import Client
from stitchline._default import (
    client,
    close,
    consent,
    flush,
    identify,
    init,
    link,
    logout,
    page,
    screen,
    track,
    unlink,
)
from stitchline._event import Campaign, Device, Page, Tags
from stitchline._exceptions import ConfigurationError, InvalidEvent, StitchlineError
from stitchline._link_tokens import LinkToken, make_link_token, read_link_token, take_link_token
from stitchline._losses import Drop
from stitchline._scope import Scope
from stitchline._version import __version__

__all__ = [
    "Campaign",
    "Client",
    "ConfigurationError",
    "Device",
    "Drop",
    "InvalidEvent",
    "LinkToken",
    "Page",
    "Scope",
    "StitchlineError",
    "Tags",
    "__version__",
    "client",
    "close",
    "consent",
    "flush",
    "identify",
    "init",
    "link",
    "logout",
    "make_link_token",
    "page",
    "read_link_token",
    "screen",
    "take_link_token",
    "track",
    "unlink",
]
