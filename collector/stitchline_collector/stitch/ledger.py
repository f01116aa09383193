"""What the stitcher writes down.

Enters: decisions. Leaves: rows of the identity tables. Guaranteed: nothing is written for what is already recorded, and
each method may be repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..engine import Session
from .claims import Place
from .evidence import KIND_NAMES, Collected, Key
from .sessions import ClaimKind, Owner

_encode_lines = msgspec.json.Encoder().encode_lines
_NO_MOMENT = "1970-01-01 00:00:00.000"
_MOST_SESSIONS = 64  # told apart: more are no better evidence
_EDGE_COLUMNS = (
    "node neighbour kind namespace neighbour_namespace is_place neighbour_is_place first_seen last_seen known_at event_id sessions"
).split()


class Ledger:
    """Writes decisions and evidence.

    Args:
        session: the stitcher's own.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def write_persons(self, changed: Mapping[int, int], previous: Mapping[int, int], known_from: str) -> None:
        """Record the new person of some nodes.

        Args:
            changed: person by node.
            previous: the same before; a node that is missing was its own person.
            known_from: the moment of the decision.
        """
        # Members first: one too many is told by identity_map, one too few would never be found.
        members = ((person, node) for node, person in changed.items() if person != node)
        self._insert("identity_members", ["person_id", "node"], members)
        self._insert(
            "identity_log",
            ["node", "known_from", "person_id", "previous_person_id"],
            ((node, known_from, person, previous.get(node, node)) for node, person in changed.items()),
        )

    def write_quarantine(
        self, changed: Mapping[Key, str], namespaces: Mapping[int, str], known_from: str
    ) -> None:
        """Record which evidence is refused by which rule; an empty rule takes it back."""
        self._insert(
            "identity_quarantine_raw",
            ["node", "neighbour", "kind", "namespace", "neighbour_namespace", "rule", "known_from"],
            (
                (
                    key.low,
                    key.high,
                    KIND_NAMES[key.kind],
                    namespaces[key.low],
                    namespaces[key.high],
                    rule,
                    known_from,
                )
                for key, rule in changed.items()
            ),
        )

    def write_claims(self, collected: Collected) -> None:
        """Record who used which device in which session."""
        self._insert(
            "identity_claims",
            ["device_node", "session_node", "kind", "node", "moment", "at"],
            (
                (
                    claim.device_node,
                    claim.session_node,
                    claim.kind.name.lower(),
                    claim.node,
                    claim.at if claim.kind in (ClaimKind.LOGIN, ClaimKind.LOGOUT) else _NO_MOMENT,
                    claim.at,
                )
                for claim in collected.claims
            ),
        )

    def write_sessions(self, changed: Mapping[Place, list[Owner]], known_from: str) -> None:
        """Record whose some sessions are; an empty list is nobody."""
        self._insert(
            "identity_sessions",
            ["session_node", "device_node", "known_from", "starts", "owners"],
            (
                (*place, known_from, [one.start for one in found], [one.node for one in found])
                for place, found in changed.items()
            ),
        )

    def write_evidence(self, collected: Collected, news: Iterable[Key]) -> None:
        """Record all evidence, and the identifiers of what is new."""
        self._insert(
            "identity_unlinks",
            ["node", "neighbour", "unlinked_at", "relinked_at", "event_id"],
            _unlink_rows(collected),
        )
        self._insert(
            "identity_nodes", ["node", "namespace", "value", "first_seen"], _identifier_rows(collected, news)
        )
        self._insert("identity_edges", _EDGE_COLUMNS, _edge_rows(collected))

    def _insert(self, table: str, columns: list[str], rows: Iterable[tuple[object, ...]]) -> None:
        if body := _encode_lines(list(rows)):
            self._session.insert_body(table, columns, body, "JSONCompactEachRow")


def _unlink_rows(collected: Collected) -> Iterable[tuple[object, ...]]:
    for one in collected.unlinks:
        times = (_NO_MOMENT, one.at) if one.is_withdrawn else (one.at, _NO_MOMENT)
        for node, neighbour in ((one.low, one.high), (one.high, one.low)):
            yield node, neighbour, *times, one.event_id


def _identifier_rows(collected: Collected, news: Iterable[Key]) -> Iterable[tuple[object, ...]]:
    for key in news:
        for node in (key.low, key.high):
            identifier = collected.identifiers[node]
            yield node, identifier.namespace, identifier.value, collected.edges[key].first_seen
    for node, identifier in collected.blocked.items():
        yield node, identifier.namespace, identifier.value, _NO_MOMENT
    for one in collected.unlinks:
        for node in (one.low, one.high):
            identifier = collected.identifiers[node]
            yield node, identifier.namespace, identifier.value, one.first_at


def _edge_rows(collected: Collected) -> Iterable[tuple[object, ...]]:
    """Write each edge in both directions; in one insert, so that never only one of them is there."""
    for key, seen in collected.edges.items():
        evidence = (
            seen.first_seen,
            seen.last_seen,
            seen.known_at,
            seen.event_id,
            sorted(seen.sessions)[:_MOST_SESSIONS],
        )
        for node, neighbour in ((key.low, key.high), (key.high, key.low)):
            ends = (collected.identifiers[node].namespace, collected.identifiers[neighbour].namespace)
            places = (node in seen.places, neighbour in seen.places)
            yield node, neighbour, KIND_NAMES[key.kind], *ends, *places, *evidence
