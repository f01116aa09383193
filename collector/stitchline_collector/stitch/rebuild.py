"""Everybody decided anew from all evidence, by set operations inside ClickHouse.

Enters: the evidence tables and the rules. Leaves: rows of the identity tables, only where the answer differs from what stands
there. Guaranteed: the answer that `resolve` gives for all evidence at once, and so the answer of the rounds. One that died while it
wrote is begun again by whoever stitches next.

How. Nobody's nodes are counted out. The rest falls into connected components, found by contraction: each node takes a
label out of its neighbours, a user's wherever there is one, and the edges between different labels are the next, much
smaller graph. A component in which no rule can be broken is one person. The others, few, are resolved one by one, by the
same function as in a round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from ..engine import Session
from ..logs import Log
from .claims import Claims, Place
from .evidence import Key, Kind
from .resolve import Edge, Unlinks, merged_users, resolve
from .rules import IdentityRules
from .sessions import Owner
from .statements import array

log = Log(__name__)

_encode_lines = msgspec.json.Encoder().encode_lines
_SLICE_NODES = 200_000  # nodes of doubtful components, or devices, in memory at a time
_TABLES = {
    "rebuild_nobodys": "node UInt64",
    "rebuild_nodes": "node UInt64, class UInt8, first_seen UInt64, label UInt64, users Array(UInt64), others Array(UInt64)",
    "rebuild_links": "node UInt64, neighbour UInt64",
    "rebuild_links_next": "node UInt64, neighbour UInt64",
    "rebuild_labels": "round UInt16, node UInt64, label UInt64",
    "rebuild_final": "node UInt64, label UInt64",
    "rebuild_components": "label UInt64, person_id UInt64, is_doubtful UInt8, nodes Array(UInt64)",
    "rebuild_persons": "node UInt64, person_id UInt64",
    "rebuild_refused": "node UInt64, neighbour UInt64, kind Enum8('login' = 1, 'link' = 2, 'contact' = 3, 'merge' = 4), "
    "namespace String, neighbour_namespace String, rule String",
}
_COLUMNS = {
    "rebuild_persons": ["node", "person_id"],
    "rebuild_refused": ["node", "neighbour", "kind", "namespace", "neighbour_namespace", "rule"],
}
_IS_DEVICE, _IS_CONTACT = (
    "{0} IN ('device', 'anonymous')".format,
    "{0} NOT IN ('device', 'anonymous', 'user')".format,
)

# What joins nobody: first whatever could, in one pass; then these few exactly, pairs seen in several ways counting once.
_CANDIDATES = f"""
INSERT INTO rebuild_links
SELECT node, 0
FROM identity_edges
GROUP BY node
HAVING max(is_place)
    OR {_IS_DEVICE("any(namespace)")} AND (countIf(neighbour_namespace = 'user') > 1 OR count() > {{shared_contact_values}})
    OR {_IS_CONTACT("any(namespace)")} AND count() > {{hub_contact_neighbours}}
"""  # noqa: S608 -- made of constants and numbers
_NOBODYS = f"""
INSERT INTO rebuild_nobodys
WITH candidates AS
(
    SELECT node, neighbour, any(namespace) AS own, any(neighbour_namespace) AS other, max(is_place) AS place,
        max(kind = 'login') AS is_login
    FROM identity_edges
    WHERE node IN (SELECT node FROM rebuild_links) AND node NOT IN ({{blocked}}) AND neighbour NOT IN ({{blocked}})
    GROUP BY node, neighbour
)
SELECT node
FROM candidates
GROUP BY node
HAVING max(place)
    OR {_IS_DEVICE("any(own)")} AND (count() > {{hub_device_neighbours}} OR {{signed_in}} > 1)
    OR {_IS_CONTACT("any(own)")} AND count() > {{hub_contact_neighbours}}
UNION DISTINCT
SELECT node
FROM candidates
WHERE {_IS_DEVICE("own")} AND {_IS_CONTACT("other")}
GROUP BY node, other
HAVING count() > {{shared_contact_values}}
UNION DISTINCT
SELECT arrayJoin({{blocked}})
"""  # noqa: S608 -- made of constants and numbers

# The first contraction: a node takes the label of its user, else the smallest among itself and its neighbours. Classes are
# 0 user, 1 e-mail, 2 phone, 3 another contact, 4 device, 5 anonymous id.
_NODES = """
INSERT INTO rebuild_nodes
SELECT
    node,
    any(own) AS class,
    toUnixTimestamp64Milli(min(since)) + 2208988800000,
    multiIf(
        class = 0, node,
        minIf(neighbour, is_user) AS user != 0, user,
        countIf(is_open) = 0, node,
        least(node, minIf(neighbour, is_open))),
    groupArrayIf(neighbour, is_user),
    groupArrayIf(neighbour, is_open AND NOT is_user AND own != 0)
FROM
(
    SELECT
        node, neighbour, first_seen AS since,
        multiIf(namespace = 'user', 0, namespace = 'email', 1, namespace = 'phone', 2, namespace = 'device', 4,
            namespace = 'anonymous', 5, 3) AS own,
        neighbour NOT IN (SELECT node FROM rebuild_nobodys) AS is_open,
        is_open AND neighbour_namespace = 'user' AS is_user
    FROM identity_edges
    WHERE node NOT IN (SELECT node FROM rebuild_nobodys)
)
GROUP BY node
"""
# A user's label is itself, so a pair with a user needs no second look. The two directions of any other pair bring the labels of
# both ends together: no join.
_LINKS = """
INSERT INTO rebuild_links
SELECT DISTINCT one, another
FROM
(
    SELECT min(least(low, high)) AS one, max(greatest(low, high)) AS another
    FROM
    (
        SELECT label AS a, user AS b, label AS low, user AS high FROM rebuild_nodes ARRAY JOIN users AS user WHERE user != label
        UNION ALL
        SELECT node AS a, other AS b, label AS low, label AS high FROM rebuild_nodes ARRAY JOIN others AS other
    )
    GROUP BY least(a, b), greatest(a, b)
)
WHERE one != another
"""

# Each further contraction: labels for what is left, and the links between different labels.
_LABELS = """
INSERT INTO rebuild_labels
SELECT {round}, node, least(node, min(neighbour))
FROM (SELECT node, neighbour FROM rebuild_links UNION ALL SELECT neighbour, node FROM rebuild_links)
GROUP BY node
"""
_NEXT_LINKS = """
INSERT INTO rebuild_links_next
SELECT DISTINCT least(one.label, other.label), greatest(one.label, other.label)
FROM rebuild_links AS links
INNER JOIN (SELECT node, label FROM rebuild_labels WHERE round = {round}) AS one ON links.node = one.node
INNER JOIN (SELECT node, label FROM rebuild_labels WHERE round = {round}) AS other ON links.neighbour = other.node
WHERE one.label != other.label
"""
# A node may have a label of several rounds; composed they agree, and ANY takes one of them.
_COMPOSE = """
INSERT INTO rebuild_final
SELECT labels.node, if(further.label = 0, labels.label, further.label)
FROM (SELECT node, label FROM rebuild_labels WHERE round = {round}) AS labels
ANY LEFT JOIN rebuild_final AS further ON further.node = labels.label
"""

# A component that breaks nothing is one person, named as in `resolve`: the smallest (class, first seen, node), packed into a number.
_COMPONENTS = """
INSERT INTO rebuild_components
SELECT
    component,
    toUInt64(bitAnd(min(bitOr(bitShiftLeft(toUInt128(multiIf(class = 0, 0, class <= 3, 1, class)), 112),
        bitOr(bitShiftLeft(toUInt128(first_seen), 64), toUInt128(node)))), toUInt128(18446744073709551615))),
    countIf(class = 0) > 1 OR countIf(class = 1) > 1 OR countIf(class = 2) > 1 OR countIf(class = 3) > 1
        OR countIf(class = 4) > {devices} OR countIf(class = 5) > {anonymous}
        OR max(node IN (SELECT node FROM identity_unlinks)),
    groupArray(node)
FROM
(
    SELECT nodes.node AS node, class, first_seen, if(final.label = 0, nodes.label, final.label) AS component
    FROM (SELECT node, class, first_seen, label FROM rebuild_nodes) AS nodes
    ANY LEFT JOIN rebuild_final AS final ON final.node = nodes.label
)
GROUP BY component
"""
_DOUBTFUL = """
SELECT node, neighbour, toUInt8(kind), any(namespace), any(neighbour_namespace), toString(min(first_seen)),
    toString(max(last_seen)), neighbour IN (SELECT node FROM rebuild_nobodys)
FROM identity_edges
WHERE node IN (SELECT arrayJoin(nodes) FROM rebuild_components WHERE is_doubtful AND sipHash64(label) % {slices} = {slice})
    AND neighbour NOT IN ({blocked})
GROUP BY node, neighbour, kind
"""

_BEFORE = "dictGetOrDefault('identity_recent', 'person_id', node, dictGetOrDefault('identity_base', 'person_id', node, node))"
_DECIDED = """
SELECT arrayJoin(nodes) AS node, person_id FROM rebuild_components WHERE NOT is_doubtful
UNION ALL
SELECT node, person_id FROM rebuild_persons
UNION ALL
SELECT node, 0 FROM rebuild_nobodys
"""
# What is not decided any more, because its values were blocked or erased, is its own person again.
_LEFT_OVER = f"""
INSERT INTO rebuild_persons
SELECT node, node
FROM identity_map
WHERE person_id != node AND node NOT IN (SELECT node FROM ({_DECIDED}))
"""  # noqa: S608 -- made of constants
_WRITE_MEMBERS = f"""
INSERT INTO identity_members (person_id, node)
SELECT person_id, node FROM ({_DECIDED}) WHERE person_id != node AND person_id != {_BEFORE}
"""  # noqa: S608 -- made of constants
_WRITE_LOG = f"""
INSERT INTO identity_log (node, known_from, person_id, previous_person_id)
SELECT node, {{known_from:DateTime64(6, 'UTC')}}, person_id, {_BEFORE} AS before FROM ({_DECIDED}) WHERE person_id != before
"""  # noqa: S608 -- made of constants
_WRITE_QUARANTINE = """
INSERT INTO identity_quarantine_raw (node, neighbour, kind, namespace, neighbour_namespace, rule, known_from)
SELECT node, neighbour, kind, max(space), max(neighbour_space), max(wanted) AS verdict, {known_from:DateTime64(6, 'UTC')}
FROM
(
    SELECT node, neighbour, kind,
        namespace AS space, neighbour_namespace AS neighbour_space, rule AS wanted, '' AS stands
    FROM rebuild_refused
    UNION ALL
    SELECT node, neighbour, kind, toString(namespace), toString(neighbour_namespace), '', toString(rule)
    FROM identity_quarantine_raw FINAL
)
GROUP BY node, neighbour, kind
HAVING verdict != max(stands)
"""


class Rebuild:
    """One rebuild.

    Args:
        session: the stitcher's own.
        rules: to decide by.
        blocked: nodes of the values that name nobody.
    """

    def __init__(
        self,
        session: Session,
        rules: IdentityRules,
        blocked: frozenset[int],
    ) -> None:
        self._session = session
        self._rules = rules
        self._numbers = {
            "blocked": array(sorted(blocked)),
            "hub_device_neighbours": rules.hub_device_neighbours,
            "hub_contact_neighbours": rules.hub_contact_neighbours,
            "shared_contact_values": rules.shared_contact_values,
            "devices": rules.limit("device"),
            "anonymous": rules.limit("anonymous"),
        }

    @contextmanager
    def working_tables(self) -> Iterator[None]:
        """Give it the tables it works in."""
        self._drop_tables()
        for name, columns in _TABLES.items():
            self._session.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
        try:
            yield
        finally:
            self._drop_tables()

    def decide(self) -> None:
        """Find the person of every node that has evidence."""
        log.info("places and hubs", event="rebuild_places")
        unlinks = self._unlinks()
        self._count_nobodys(unlinks)
        log.info("connected components", event="rebuild_components")
        self._run(_NODES)
        self._run(_LINKS)
        self._contract()
        log.info("persons", event="rebuild_persons")
        self._run(_COMPONENTS)
        self._resolve_doubtful(unlinks)
        if self._session.query("SELECT count() FROM identity_log")[0][0]:
            self._run(_LEFT_OVER)

    def write(self, known_from: str) -> int:
        """Write what differs from what stands there; returns how many nodes got another person."""
        log.info("writing what differs", event="rebuild_writes")
        moment = {"known_from": known_from}
        self._session.command(_WRITE_QUARANTINE, moment)
        self._session.command(_WRITE_MEMBERS)
        self._session.command(_WRITE_LOG, moment)
        written = self._session.query(
            "SELECT count() FROM identity_log WHERE known_from = {known_from:DateTime64(6, 'UTC')}", moment
        )
        return int(written[0][0])

    def sessions(self, claims: Claims) -> Iterator[dict[Place, list[Owner]]]:
        """Decide whose the sessions are on all shared devices; some at a time, those that differ from what stands there."""
        counted = self._session.query("SELECT count() FROM rebuild_nobodys")
        slices = -(-int(counted[0][0]) // _SLICE_NODES)
        for number in range(slices):
            rows = self._session.query(
                "SELECT node FROM rebuild_nobodys WHERE sipHash64(node) % {slices:UInt32} = {number:UInt32}",
                {"slices": slices, "number": number},
            )
            yield claims.changed({node for (node,) in rows}, [])

    def _run(self, statement: str, **numbers: object) -> None:
        self._session.command(statement.format(**self._numbers, **numbers))

    def _contract(self) -> None:
        number = 0
        while self._session.query("SELECT count() FROM rebuild_links")[0][0]:
            number += 1
            self._run(_LABELS, round=number)
            self._run(_NEXT_LINKS, round=number)
            self._session.command("EXCHANGE TABLES rebuild_links AND rebuild_links_next")
            self._session.command("TRUNCATE TABLE rebuild_links_next")
        for back in range(number, 0, -1):
            self._run(_COMPOSE, round=back)

    def _unlinks(self) -> dict[tuple[int, int], str]:
        rows = self._session.query(
            "SELECT node, neighbour, toString(max(unlinked_at)) FROM identity_unlinks WHERE node < neighbour "
            "GROUP BY node, neighbour HAVING max(unlinked_at) > max(relinked_at)"
        )
        return {(node, neighbour): moment for node, neighbour, moment in rows}

    def _count_nobodys(self, unlinks: Unlinks) -> None:
        rows = self._session.query(
            "SELECT node, neighbour, toString(min(first_seen)), toString(max(last_seen)) FROM identity_edges "
            "WHERE kind = 'merge' AND node < neighbour GROUP BY node, neighbour"
        )
        account = merged_users(
            (Edge(Kind.MERGE, first, low, high, last) for low, high, first, last in rows), unlinks
        )
        signed_in = "countIf(is_login AND other = 'user')"
        if account:  # users that a server has merged count as one
            accounts = f"transform(neighbour, {array(account)}, {array(account.values())}, neighbour)"
            signed_in = f"uniqExactIf({accounts}, is_login AND other = 'user')"
        self._run(_CANDIDATES)
        self._run(_NOBODYS, signed_in=signed_in)
        self._session.command("TRUNCATE TABLE rebuild_links")

    def _resolve_doubtful(self, unlinks: Unlinks) -> None:
        counted = self._session.query("SELECT sum(length(nodes)) FROM rebuild_components WHERE is_doubtful")
        nodes = int(counted[0][0])
        slices = -(-nodes // _SLICE_NODES)
        for number in range(slices):
            log.info(
                "resolving one by one: %(slice)d of %(slices)d, %(identifiers)d identifiers in all",
                event="rebuild_resolves",
                slice=number + 1,
                slices=slices,
                identifiers=nodes,
            )
            rows = self._session.query(_DOUBTFUL.format(slices=slices, slice=number, **self._numbers))
            self._resolve(rows, unlinks)

    def _resolve(self, rows: Iterable[tuple[Any, ...]], unlinks: Unlinks) -> None:
        edges: set[Edge] = set()
        namespaces: dict[int, str] = {}
        nobodys: set[int] = set()
        for node, neighbour, kind, own, other, first_seen, last_seen, is_nobodys in rows:
            edges.add(Edge(Kind(kind), first_seen, min(node, neighbour), max(node, neighbour), last_seen))
            namespaces[node], namespaces[neighbour] = own, other
            if is_nobodys:
                nobodys.add(neighbour)
        resolution = resolve(edges, namespaces, nobodys=nobodys, unlinks=unlinks, rules=self._rules)
        self._insert(
            "rebuild_persons",
            ((node, person) for node, person in resolution.persons.items() if node not in nobodys),
        )
        self._insert(
            "rebuild_refused",
            (_refused_row(key, namespaces, rule) for key, rule in resolution.refused.items()),
        )

    def _insert(self, table: str, rows: Iterable[tuple[object, ...]]) -> None:
        columns = _COLUMNS[table]
        if body := _encode_lines(list(rows)):
            self._session.insert_body(table, columns, body, "JSONCompactEachRow")

    def _drop_tables(self) -> None:
        for name in _TABLES:
            self._session.command(f"DROP TABLE IF EXISTS {name} SYNC")


def _refused_row(key: Key, namespaces: dict[int, str], rule: str) -> tuple[object, ...]:
    return key.low, key.high, key.kind.name.lower(), namespaces[key.low], namespaces[key.high], rule
