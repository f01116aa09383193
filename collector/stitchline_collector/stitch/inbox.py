"""The queue of sightings: a table whose data parts are the messages.

Enters: rows that the materialized view writes with each insert of events. Leaves: sightings, part by part. Guaranteed: a row
is dropped only after it was read from a part that was still whole then.

A merge may replace listed parts by a larger one at any moment. Then reading by the old names finds nothing, dropping them
is refused, and the larger part is read in the next round: reading twice is harmless, because evidence only widens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..engine import QueryError, Session
from .evidence import Identifier, Sighting

_NO_SUCH_DATA_PART = 232
_MAX_PARTS = 200  # names in one statement

_READ = """
SELECT
    toString(kind), by_server, is_place, device_node, session_node,
    arrayMap(pair -> (pair.1, pair.2, sipHash64(pair.1, '\\0', pair.2)),
        arrayPushFront(CAST(identifiers, 'Array(Tuple(String, String))'), ('device', device))),
    arrayMap(pair -> (pair.1, pair.2, sipHash64(pair.1, '\\0', pair.2)), CAST(linked, 'Array(Tuple(String, String))')),
    toString(min(first_seen)), toString(max(last_seen)), toString(min(known_at)), any(event_id)
FROM identity_inbox
WHERE _part IN ({parts}) AND sipHash64(device, mapValues(identifiers)) % {slices} = {slice}
GROUP BY kind, by_server, is_place, device, device_node, session_node, identifiers, linked,
    if(kind IN ('identify', 'logout'), first_seen, toDateTime64(0, 3, 'UTC'))
"""


class Parts(NamedTuple):
    """Some parts of the inbox.

    Attributes:
        names: of the parts, oldest first.
        rows: in all of them.
        more: whether others are waiting.
    """

    names: list[str]
    rows: int
    more: bool


class Inbox:
    """The inbox as one stitcher sees it.

    Args:
        session: the stitcher's own.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def parts(self, max_rows: int) -> Parts:
        """List the oldest parts, about so many rows, at least one part if there is any."""
        # The count comes from the parts' headers: an idle round costs this one statement.
        if not self._session.query("SELECT count() FROM identity_inbox")[0][0]:
            return Parts([], 0, more=False)
        found = self._session.query(
            "SELECT name, rows FROM system.parts WHERE active AND rows > 0 AND table = 'identity_inbox' "
            "AND database = {database:String} ORDER BY min_block_number",
            {"database": self._session.database},
        )
        names: list[str] = []
        total = 0
        for name, rows in found:
            if names and (total + rows > max_rows or len(names) == _MAX_PARTS):
                return Parts(names, total, more=True)
            names.append(name)
            total += rows
        return Parts(names, total, more=False)

    def sightings(self, parts: Parts, max_rows: int) -> Iterator[list[Sighting]]:
        """Read parts, about so many rows at a time; a part may be larger than that after a long absence."""
        slices = max(1, -(-parts.rows // max_rows))
        names = ", ".join(f"'{name}'" for name in parts.names)
        for number in range(slices):
            rows = self._session.query(_READ.format(parts=names, slices=slices, slice=number))
            yield [_sighting(row) for row in rows]

    def drop(self, parts: Parts) -> None:
        """Take parts that were read off the queue; those that a merge has replaced stay, within the larger part."""
        try:
            self._drop(parts.names)
        except QueryError as error:
            if error.code != _NO_SUCH_DATA_PART:
                raise
            for name in parts.names:
                self._drop_if_there(name)

    def _drop_if_there(self, name: str) -> None:
        try:
            self._drop([name])
        except QueryError as error:
            if error.code != _NO_SUCH_DATA_PART:
                raise

    def _drop(self, names: list[str]) -> None:
        self._session.command(
            "ALTER TABLE identity_inbox " + ", ".join(f"DROP PART '{name}'" for name in names)
        )


def _sighting(row: tuple[Any, ...]) -> Sighting:
    kind, by_server, is_place, device_node, session_node, own, linked, *rest = row
    return Sighting(
        kind,
        bool(by_server),
        bool(is_place),
        device_node,
        session_node,
        _identifiers(own),
        _identifiers(linked),
        *rest,
    )


def _identifiers(triples: Iterable[tuple[str, str, int]]) -> list[Identifier]:
    return [Identifier(*triple) for triple in triples]
