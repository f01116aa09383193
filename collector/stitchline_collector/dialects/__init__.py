"""Other products' clients: what they send becomes our events, and they are answered as they expect.

Enters: requests of Segment's, RudderStack's, Snowplow's and PostHog's clients. Leaves: events on the path that all take, `ingest`.
Guaranteed: as for the native protocol; what is rejected is kept under the dialect's name and can be replayed.

    segment, snowplow, posthog    bytes -> events: pure functions
    opened                        what they share
    replies                       what each client is answered
    doors                         addresses, keys, CORS: the HTTP part
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..decode import Decoded, Limits
from . import posthog, segment, snowplow
from .opened import Opened

_OPEN: Mapping[str, Callable[[bytes], Opened]] = {
    segment.NAME: segment.open_body,
    snowplow.NAME: snowplow.open_body,
    posthog.NAME: lambda raw: posthog.open_body(raw, {}, "", len(raw)),
}


def read_again(kind: str, raw: bytes, source: str, limits: Limits) -> Decoded | None:
    """Read what a dialect rejected; None when it is no dialect's.

    Args:
        kind: Of the failed event: the dialect.
        raw: As it was kept.
        source: As it was stored.
        limits: What an event may hold now.

    Raises:
        Unreadable, TooManyEvents: it can still not be read.
    """
    opened = _OPEN.get(kind)
    return None if opened is None else opened(raw).decoded(source, limits)
