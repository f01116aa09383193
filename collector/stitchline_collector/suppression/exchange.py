"""Who is suppressed, told to all collectors of one ClickHouse.

Enters: the suppressions of a data folder, and a session. Leaves: what others have suppressed or let come back, in the data folder; what
only it knows, in the table `suppressions`. Guaranteed: what is loaded after an exchange is sifted by all that was told before it.
Nothing happens with the embedded engine, which only one data folder has.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from ..engine import Session
from .suppressions import Erased, Suppressions

_LOOK = "SELECT count(), max(changed_at) FROM suppressions"
# Also what another server wrote a little earlier and that came later.
_HEAR = """
SELECT id, argMax(record, is_back), max(is_back) FROM suppressions
WHERE changed_at >= {since:DateTime64(6, 'UTC')} - INTERVAL 10 MINUTE GROUP BY id
"""
_COLUMNS = ["id", "record", "is_back"]
_FIRST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_decode = msgspec.json.Decoder(Erased).decode
_encode = msgspec.json.Encoder().encode


class Exchange:
    """What one thread has heard; the first time is a look at all of it, later ones at what has changed.

    Args:
        suppressions: of the data folder.
    """

    def __init__(self, suppressions: Suppressions) -> None:
        self._suppressions = suppressions
        self._heard: dict[str, Erased] = {}
        self._since = _FIRST
        self._seen: tuple[Any, int] = (None, -1)

    def __call__(self, session: Session) -> None:
        """Hear and tell.

        Raises:
            EngineError: not now.
        """
        if session.embedded:
            return
        found = session.query(_LOOK)[0]
        if (found, self._suppressions.version) == self._seen:
            return
        latest: dt.datetime = found[1]
        if self._seen[0] != found:
            for id_, record, is_back in session.query(_HEAR, {"since": self._since}):
                if id_ not in self._heard or is_back:
                    self._heard[id_] = _decode(record)
        version, news = self._suppressions.exchange(self._heard)
        if news:
            rows = b"".join(_encode([one.id, _encode(one).decode(), one.is_back]) + b"\n" for one in news)
            session.insert_body("suppressions", _COLUMNS, rows, "JSONCompactEachRow")
            self._heard.update((one.id, one) for one in news)
        self._since = max(self._since, latest)
        self._seen = (found, version)
