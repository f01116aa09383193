"""What each client is answered: the table of docs/clients.md as code.

Clients act on little more than the status. None ever gets a 3xx: Segment's take it for delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from ..receive.pixel import GIF, GIF_HEADERS
from ..receive.refusals import Refusal


class Replies(msgspec.Struct, frozen=True):
    """The answers to one kind of client.

    Attributes:
        accepted: When everything is on disk.
        over_rate: Status for a key that is over its rate: 429 makes some clients drop, others wait.
        is_keyless: Whether the client has no way to send a key.
        keeps_too_large: Whether what is too large is kept in `failed_events` and answered as accepted, because the client would
            send it for ever.
    """

    accepted: Callable[[], web.Response]
    over_rate: int = 503
    is_keyless: bool = False
    keeps_too_large: bool = False

    def refused(self, refusal: Refusal) -> web.Response:
        """The answer to what is not taken."""
        if refusal.status == 429 and self.over_rate != 429:
            refusal = Refusal(self.over_rate, refusal.error, refusal.hint, refusal.retry_after_s)
        answer = refusal.response()
        # Segment's and RudderStack's Python clients read `code` and `message`: without them RudderStack's takes any status for a
        # failure of the network, and tries for half an hour what will never be taken. PostHog's reads `detail`.
        answer.body = msgspec.json.encode(
            {
                "code": str(refusal.status),
                "message": refusal.error,
                "detail": refusal.error,
                "error": refusal.error,
                "hint": refusal.hint,
            }
        )
        return answer


def _json(value: Any) -> Callable[[], web.Response]:
    body = msgspec.json.encode(value)
    return lambda: web.Response(body=body, content_type="application/json")


def gif() -> web.Response:
    """An image of one transparent pixel."""
    return web.Response(body=GIF, headers=GIF_HEADERS)


SEGMENT = Replies(_json({"success": True}), over_rate=429)
SEGMENT_PIXEL = Replies(gif, over_rate=429)
SNOWPLOW = Replies(lambda: web.Response(text="ok"), is_keyless=True, keeps_too_large=True)
SNOWPLOW_PIXEL = Replies(gif, is_keyless=True)
POSTHOG = Replies(_json({"status": "Ok"}))


def posthog_results(uuids: list[str], rejected: dict[int, str]) -> web.Response:
    """The newer answer of PostHog: what became of each event; what is kept in `failed_events` is not to be sent again."""
    results = {
        uuid: {"result": "drop", "details": rejected[index]} if index in rejected else {"result": "ok"}
        for index, uuid in enumerate(uuids)
        if uuid
    }
    return _json({"results": results})()


def segment_settings(key: str) -> web.Response:
    """What `analytics.load()` asks for first."""
    return _json({"integrations": {"Segment.io": {"apiKey": key}}, "plan": {}})()


def rudder_source(key: str) -> web.Response:
    """What RudderStack's browser client asks for first: a source without destinations."""
    return _json(
        {
            "source": {
                "id": "stitchline",
                "name": "stitchline",
                "writeKey": key,
                "enabled": True,
                "workspaceId": "stitchline",
                "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
                "destinations": [],
                "connections": [],
            },
            "updatedAt": "2026-01-01T00:00:00.000Z",
        }
    )()


_POSTHOG_CONFIG: dict[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocapture_opt_out": False,
    "autocaptureExceptions": False,
    "analytics": {"endpoint": "/i/v0/e/"},
    "elementsChainAsString": True,
    "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
    "sessionRecording": False,
    "heatmaps": False,
    "surveys": False,
    "productTours": False,
    "defaultIdentifiedOnly": True,
    "toolbarParams": {},
    "isAuthenticated": False,
    "siteApps": [],
    "siteAppsJS": [],
}
_POSTHOG_FLAGS: dict[str, Any] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}


def posthog_config(key: str) -> web.Response:
    """What posthog-js asks for first: nothing is enabled."""
    return _json({"token": key, **_POSTHOG_CONFIG})()


def posthog_config_script(key: str) -> web.Response:
    """The same, as a script."""
    name = msgspec.json.encode(key).decode().replace("<", "\\u003c")
    config = msgspec.json.encode({"token": key, **_POSTHOG_CONFIG}).decode().replace("<", "\\u003c")
    text = (
        "(function(){var c=window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{};"
        f"c[{name}]={{config:{config},siteApps:[]}};}})();"
    )
    return web.Response(text=text, content_type="application/javascript")


def posthog_flags() -> web.Response:
    """The answer to who asks for feature flags: there are none."""
    return _json({**_POSTHOG_CONFIG, **_POSTHOG_FLAGS})()
