"""Consent that was taken back, as a wish to be erased.

Enters: `consent` events that say no to analytics, out of a queue that ClickHouse fills as it takes them. Leaves: erasures, all that wait in
one go. Guaranteed: an event on the event path costs nothing more; a queue that was not read to its end is read again, which is harmless.

Whose word counts for whom: a server's key speaks for whomever it names. Any other key sits in a browser or an app, where everybody can
read it, so it speaks for the installation that it sends from, and not for the person that this installation belongs to: whoever can say
that they are `user:42` could have `user:42` erased.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple

from ..activate.inbox import drop, parts
from ..ask.asked import Asked
from ..engine import Engine, EngineError
from ..logs import Log
from ..metrics import Sample
from ..migrate import run_everywhere
from ..stitch import Desk, Standby
from ..stitch.identifiers import DEVICE, is_identifier, rank
from ..stitch.statements import LARGE, array
from ..suppression.suppressions import Withdrawn
from .erasing import Erasing, long_lease
from .journal import Request
from .subject import SharedByMany, Subject, find, find_device, together

TABLE = "withdrawals_inbox"
OUTCOMES = ("erased", "nothing_stored", "taken_back", "shared")
_PAUSE_S = 5.0
_PAUSE_TIMES = 10.0  # as long as the last ones took: erasing takes a tenth of the stitcher's time at most
_MOST_TOGETHER = 200  # in one erasure: to find whose each of them is takes a few statements
_REFUSES = "type = 'consent' AND mapContains(consent, 'analytics') AND NOT consent['analytics']"
_AGREES = "type = 'consent' AND consent['analytics']"
# What arrives so late is history that is imported: it tells what was, and asks for nothing.
_FEED = f"""\
CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.withdrawals_feed TO {{database}}.{TABLE} AS
SELECT event_id, toYYYYMMDD(device_time) AS day, device.id AS device_id, device.type IN ('kiosk', 'atm', 'pos', 'server') AS is_place,
    identifiers, by_server, occurred_at
FROM {{database}}.events_raw
WHERE {_REFUSES} AND received_at > now() - toIntervalDay(7)
"""
_READ = """
SELECT toString(event_id), day, device_id, is_place, CAST(identifiers, 'Array(Tuple(String, String))'), by_server, occurred_at
FROM withdrawals_inbox WHERE _part IN ({parts}) ORDER BY occurred_at, event_id
"""
# Of each node: what is stored besides refusals; when it last agreed by itself, and by a server's word.
_STORED = f"""
SELECT arrayJoin(arrayFilter(one -> one IN {{nodes}}, [person_node, device_node])) AS node, countIf(NOT ({_REFUSES})),
    maxIf(occurred_at, {_AGREES} AND device_node = node), maxIf(occurred_at, {_AGREES} AND by_server)
FROM events_raw
WHERE (toYYYYMMDD(device_time), device.id) IN (SELECT day, device_id FROM identity_visits WHERE node IN {{nodes}})
    AND (person_node IN {{nodes}} OR device_node IN {{nodes}})
GROUP BY node
"""
_EVIDENCE = "SELECT DISTINCT node FROM identity_edges WHERE node IN {nodes}"
log = Log(__name__)


class Withdrawal(NamedTuple):
    """One row of the queue.

    Attributes:
        namespace, value: for whom it speaks.
        at: when it was said.
    """

    event_id: str
    day: int
    device_id: str
    is_place: bool
    by_server: bool
    at: dt.datetime
    namespace: str
    value: str


def hear(engine: Engine, *, wanted: bool) -> None:
    """Have the queue filled from now on; or emptied, and filled no more."""
    is_replicated = engine.cluster is not None and engine.cluster.replicated
    if wanted and not is_replicated:
        run_everywhere(engine, [_FEED.format(database=engine.database)])
        return
    if wanted:
        log.error(
            "erase_on_withdrawal: nobody can be erased from a cluster with replicas yet: withdrawals are recorded only",
            event="withdrawals_on_replicas",
        )
    run_everywhere(engine, [f"DROP VIEW IF EXISTS {engine.database}.withdrawals_feed"])
    session = engine.session()
    try:
        session.command(f"TRUNCATE TABLE IF EXISTS {TABLE}")
    finally:
        session.close()


class Withdrawing:
    """Erases who took consent back.

    Args:
        erasing: does the work.
        between_rounds: runs something on the stitcher's thread.

    Attributes:
        outcomes: withdrawals by what became of them.
    """

    def __init__(
        self, erasing: Erasing, between_rounds: Callable[[Callable[[Desk], Any]], Future[Any]]
    ) -> None:
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._erasing = erasing
        self._between_rounds = between_rounds
        self._under_way: Future[Any] | None = None
        self._due_at = 0.0

    def look(self) -> None:
        """Begin to erase who waits, unless that is under way or it is too early; to be called now and then."""
        is_free = self._under_way is None or self._under_way.done()
        if is_free and time.monotonic() >= self._due_at:
            self._due_at = time.monotonic() + _PAUSE_S
            with contextlib.suppress(EngineError):  # not yet
                self._under_way = self._between_rounds(self._erase_waiting)
                self._under_way.add_done_callback(_tell_failure)

    def terms(self) -> Iterable[tuple[str, str, str, list[Sample]]]:
        """The metric."""
        yield (
            "counter",
            "stitchline_withdrawals",
            "Withdrawals of consent to analytics, by what became of them, where they erase",
            [({"outcome": outcome}, number) for outcome, number in dict(self.outcomes).items()],
        )

    def _erase_waiting(self, desk: Desk) -> None:
        began = time.monotonic()
        try:
            names = parts(desk.session, TABLE)
            if not names:
                return
            with long_lease(desk):
                self._erasing.finish_pending(desk)
                waiting = _last_words(_read(desk, names))
                for first in range(0, len(waiting), _MOST_TOGETHER):
                    self._erase(desk, waiting[first : first + _MOST_TOGETHER])
            drop(desk.session, names, TABLE)
        finally:
            took_s = time.monotonic() - began
            self._due_at = time.monotonic() + max(_PAUSE_S, _PAUSE_TIMES * took_s)

    def _erase(self, desk: Desk, withdrawals: list[Withdrawal]) -> None:
        found = _nodes(desk, withdrawals)
        stored, agreed = _stored(desk, found)
        subjects: list[Subject] = []
        withdrawn: list[Withdrawn] = []
        outcomes: Counter[str] = Counter()
        for one, node in zip(withdrawals, found, strict=True):
            outcome = "erased"
            if node not in stored:
                outcome = "nothing_stored"
            elif one.at < agreed.get((node, one.by_server), one.at):
                outcome = "taken_back"
            else:
                try:
                    subject = _subject(desk, one)
                except SharedByMany:
                    outcome = "shared"
                else:
                    pairs = [(namespace, value) for namespace, value, _ in subject.identifiers]
                    subjects.append(subject)
                    withdrawn.append(Withdrawn(pairs, subject.sessions, one.at, one.by_server))
            outcomes[outcome] += 1
        if subjects:
            everybody = together(subjects)
            now = dt.datetime.now(dt.UTC)
            request = Request(
                id=uuid.uuid4().hex,
                requested_at=now,
                subject=everybody,
                withdrawn=withdrawn,
                withdrawals=len(withdrawn),
            )
            self._erasing.carry_out(desk, request, everybody)
        self.outcomes.update(outcomes)


def _read(desk: Desk, names: list[str]) -> list[Withdrawal]:
    found = []
    for event_id, day, device_id, is_place, identifiers, by_server, at in desk.session.query(
        _READ.format(parts=", ".join(f"'{name}'" for name in names))
    ):
        named = [(namespace, value) for namespace, value in identifiers if is_identifier(value)]
        if device_id:
            named.append((DEVICE, device_id))
        if not by_server:
            named = [one for one in named if one[0] == DEVICE]
        if named:
            who = min(named, key=lambda one: rank(one[0]))
            moment = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
            found.append(Withdrawal(event_id, day, device_id, bool(is_place), bool(by_server), moment, *who))
    return found


def _last_words(withdrawals: Iterable[Withdrawal]) -> list[Withdrawal]:
    """Of several by the same, the last."""
    return list({(one.by_server, one.namespace, one.value): one for one in withdrawals}.values())


def _nodes(desk: Desk, withdrawals: list[Withdrawal]) -> list[int]:
    """The node of each."""
    namespaces, values = [one.namespace for one in withdrawals], [one.value for one in withdrawals]
    rows = desk.session.query(
        "SELECT arrayMap((namespace, value) -> sipHash64(namespace, '\\0', value), {namespaces:Array(String)}, {values:Array(String)})",
        {"namespaces": namespaces, "values": values},
    )
    return list(rows[0][0])


def _stored(desk: Desk, nodes: list[int]) -> tuple[set[int], dict[tuple[int, bool], dt.datetime]]:
    """Of which of some nodes anything is stored; and when consent was last given, by node and whether by a server."""
    asked = array(sorted(set(nodes)))
    stored = {row[0] for row in desk.session.query(_EVIDENCE.format(nodes=asked), settings=LARGE)}
    agreed: dict[tuple[int, bool], dt.datetime] = {}
    for node, events, by_itself, by_server in desk.session.query(_STORED.format(nodes=asked), settings=LARGE):
        stored |= {node} if events else set()
        for is_server, at in ((False, by_itself), (True, by_server)):
            agreed[node, is_server] = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return stored, agreed


def _subject(desk: Desk, one: Withdrawal) -> Subject:
    if one.by_server:
        return find(desk.session, Asked(one.namespace, one.value, f"{one.namespace}:{one.value}"))
    if one.is_place:
        raise SharedByMany
    subject = find_device(desk.session, one.value)
    subject.kept = [(one.event_id, one.day, one.device_id)]
    return subject


def _tell_failure(done: Future[Any]) -> None:
    error = done.exception()
    if error is not None and not isinstance(error, Standby):  # else whoever stitches has heard them
        log.error(
            "withdrawals wait to be erased, and are tried again: %(error)s",
            event="withdrawals_waiting",
            error=error,
        )
