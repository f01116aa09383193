"""`context` of a Segment message: device, page, campaign and what else surrounds the event.

Enters: its JSON, and that of the batch around it. Leaves: values of our columns, and as JSON what has none. Guaranteed: a value is
taken out only when it stands in a column in full.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from ..wire import Campaign, Device, Page, Sdk, Text, Url
from .opened import (
    TEXT,
    URL,
    Devices,
    cut_address,
    decode_any,
    encode,
    name_of,
    part,
    take,
    take_contacts,
    take_pixels,
    without_empty,
)

NOTHING = b"{}"
_DIRECT = "$direct"
_RUDDER_JS = "com.rudderlabs.javascript"  # it calls itself the app
_TYPES = {
    "mobile": "phone",
    "phone": "phone",
    "android": "phone",
    "ios": "phone",
    "ipados": "tablet",
    "tablet": "tablet",
    "desktop": "desktop",
    "tv": "tv",
    "watch": "watch",
    "watchos": "watch",
}


class Context(msgspec.Struct, frozen=True):
    """What a context says.

    Attributes:
        traits: A JSON object, without what became identifiers.
        rest: A JSON object `{"context": ...}` of what has no column; `NOTHING` when all has.
    """

    device: Device
    sdk: Sdk
    page: Page | None
    campaign: Campaign | None
    session_id: str
    consent: dict[str, bool]
    identifiers: dict[str, str]
    traits: bytes
    rest: bytes


class _HasPage(msgspec.Struct):
    page: Raw = Raw(b"")


class _UsualPage(msgspec.Struct, forbid_unknown_fields=True):
    """What Segment's browser client says of a page."""

    url: Url = ""
    title: Text = ""
    referrer: Url = ""
    path: str = ""
    search: str = ""


_usual_page = msgspec.json.Decoder(_UsualPage).decode
_has_page = msgspec.json.Decoder(_HasPage).decode


class Contexts:
    """Contexts of one batch, each read once.

    A page's messages differ in little but the page, so the rest of a context is read once for all of them: it takes a third off what a browser's
    message costs.

    Args:
        around: The context of the batch: for what a message does not say.
        devices: Of the batch.
    """

    def __init__(self, around: bytes, devices: Devices) -> None:
        self._around = around
        self._devices = devices
        self._whole: dict[bytes, Context] = {}
        self._without_page: dict[bytes, Context] = {}

    def read(self, json: bytes) -> Context:
        """The context of a message: an object."""
        context = self._whole.get(json)
        if context is None:
            context = self._whole[json] = self._read(json)
        return context

    def sdk(self) -> Sdk:
        """The library of the first message."""
        return next((context.sdk for context in self._whole.values()), Sdk())

    def _read(self, json: bytes) -> Context:
        page = bytes(_has_page(json).page)
        # What stands in the text once can be cut out of it without reading where.
        if not page.startswith(b"{") or json.count(page) != 1:
            return read_context(json, self._around, self._devices)
        rest = json.replace(page, b"null")
        context = self._without_page.get(rest)
        if context is None:
            context = self._without_page[rest] = read_context(rest, self._around, self._devices)
        return _with_page(context, page)


def _with_page(context: Context, json: bytes) -> Context:
    page, left = _page_and_rest(json)
    rest = context.rest
    if left != NOTHING:
        others = b"}}" if rest is NOTHING else b"," + rest[len(b'{"context":{') :]
        rest = b'{"context":{"page":%s%s' % (left, others)
    return Context(
        context.device,
        context.sdk,
        page,
        context.campaign,
        context.session_id,
        context.consent,
        context.identifiers,
        context.traits,
        rest,
    )


def _page_and_rest(json: bytes) -> tuple[Page | None, bytes]:
    """The page, and as JSON what is no part of ours."""
    try:
        said = _usual_page(json)
    except msgspec.ValidationError:  # another client's, or a text longer than the column
        fields = decode_any(json)
        return page_of(fields, taken=True), encode(without_empty(fields))
    referrer = said.referrer
    left = {}
    if referrer == _DIRECT:
        left["referrer"], referrer = referrer, ""
    if said.path:
        left["path"] = said.path
    if said.search:
        left["search"] = said.search
    page = Page(said.url, said.title, referrer)
    return page if page.url or page.title or page.referrer else None, encode(left) if left else NOTHING


def read_context(json: bytes, around: bytes, devices: Devices) -> Context:
    """Read a context.

    Args:
        json: Of the message: an object.
        around: Of the batch: for what the message does not say.
        devices: Of the batch.
    """
    fields: dict[str, Any] = decode_any(json)
    if around != NOTHING:
        shared: Any = decode_any(around)
        fields = {**shared, **fields} if isinstance(shared, dict) else fields
    identifiers: dict[str, str] = {}
    if traits := part(fields, "traits"):
        take_contacts(traits, identifiers)
    page = campaign = None
    if found := part(fields, "page"):
        page = page_of(found, taken=True)
    if found := part(fields, "campaign"):
        campaign = Campaign(
            **{
                name: value
                for name in ("source", "medium", "name", "term", "content")
                if (value := take(found, name))
            }
        )
    device = devices.same(_device(fields))
    sdk = part(fields, "library")
    library = Sdk(take(sdk, "name"), take(sdk, "version"))
    session = name_of(fields.pop("sessionId", ""))
    consent = _consent(fields)
    cut_address(fields, "ip")
    left = without_empty(
        {name: without_empty(value) if isinstance(value, dict) else value for name, value in fields.items()}
    )
    rest = encode({"context": left}) if left else NOTHING
    return Context(device, library, page, campaign, session, consent, identifiers, encode(traits), rest)


def page_of(fields: object, *, taken: bool = False) -> Page | None:
    """The page of an object that describes one; its values stay in the object unless they are taken."""
    if not isinstance(fields, dict):
        return None
    found = fields if taken else dict(fields)
    # RudderStack's browser client writes `$direct` where there is none.
    referrer = "" if found.get("referrer") == _DIRECT else take(found, "referrer", URL)
    page = Page(take(found, "url", URL), take(found, "title", TEXT), referrer)
    return page if page.url or page.title or page.referrer else None


def _device(fields: dict[str, Any]) -> Device:
    device, system = part(fields, "device"), part(fields, "os")
    screen, app = part(fields, "screen"), part(fields, "app")
    model = take(device, "model")
    return Device(
        id=take(device, "id"),
        type=_type(device, model),
        os=take(system, "name"),
        os_version=take(system, "version"),
        manufacturer=take(device, "manufacturer"),
        model=model,
        app_version="" if app.get("namespace") == _RUDDER_JS else take(app, "version"),
        locale=take(fields, "locale"),
        timezone=take(fields, "timezone"),
        screen_width=take_pixels(screen, "width"),
        screen_height=take_pixels(screen, "height"),
    )


def _type(device: dict[str, Any], model: str) -> str:
    """What kind of device it is; mobile clients name the system there instead."""
    given = device.get("type")
    known = _TYPES.get(given.lower(), "") if isinstance(given, str) else ""
    if known:
        del device["type"]
    return "tablet" if known == "phone" and "ipad" in model.lower() else known


def _consent(fields: dict[str, Any]) -> dict[str, bool]:
    """What was agreed to: `consent.categoryPreferences`, or RudderStack's lists of ids; purposes in lower case."""
    said: dict[str, bool] = {}
    preferences = part(part(fields, "consent"), "categoryPreferences")
    for purpose, agreed in preferences.items():
        if isinstance(agreed, bool):
            said[purpose.lower()[:64]] = agreed
    managed = part(fields, "consentManagement")
    for name, agreed in (("allowedConsentIds", True), ("deniedConsentIds", False)):
        ids = managed.get(name)
        if isinstance(ids, list):
            said |= {one.lower()[:64]: agreed for one in ids if isinstance(one, str) and one}
    return {purpose: agreed for purpose, agreed in list(said.items())[:32] if purpose}
