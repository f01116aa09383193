"""A batch of one event from the query of an image's address: e-mail opens, and pages without scripts.

    /v1/pixel.gif?key=KEY&name=email_opened&email=HASH&campaign_name=autumn&offer=42

`name event_id occurred_at channel stage session_id` are the event's fields; `user email phone anonymous` are identifiers, others
are written `id_loyalty=...`; `device` is the device's id; `url title referrer` are the page; `campaign_*` and `utm_*` the campaign.
Whatever else is there becomes a property.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
GIF_HEADERS = {"Content-Type": "image/gif", "Cache-Control": "no-cache, no-store, must-revalidate"}

_FIELDS = frozenset({"name", "event_id", "occurred_at", "channel", "stage", "session_id"})
_NAMESPACES = frozenset({"user", "email", "phone", "anonymous"})
_PAGE = frozenset({"url", "title", "referrer"})
_UTM = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}


def pixel_batch(query: Mapping[str, str]) -> bytes:
    """The query as the body of a batch, to be read like any other."""
    event: dict[str, object] = {"type": "track", "name": "email_opened", "channel": "email"}
    parts: dict[str, dict[str, str]] = {
        "identifiers": {},
        "page": {},
        "campaign": {},
        "device": {},
        "properties": {},
    }
    for name, value in query.items():
        if name in _FIELDS:
            event[name] = value
        elif name != "key":
            part, field = _place(name)
            parts[part][field] = value
    event |= {name: part for name, part in parts.items() if part}
    return msgspec.json.encode({"events": [event]})


def _place(name: str) -> tuple[str, str]:
    """The part of the event a parameter belongs to, and its name there."""
    if name in _NAMESPACES:
        return "identifiers", name
    if name.startswith("id_"):
        return "identifiers", name.removeprefix("id_")
    if name in _PAGE:
        return "page", name
    if name in _UTM:
        return "campaign", _UTM[name]
    if name.startswith("campaign_"):
        return "campaign", name.removeprefix("campaign_")
    return ("device", "id") if name == "device" else ("properties", name)
