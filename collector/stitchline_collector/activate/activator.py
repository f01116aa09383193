"""Looks at new events and new persons, about twice a second, and puts what they fire into the outbox.

The order of a round is: read parts of the inbox; decide; **outbox, on disk**; then write down what was told and who is in what; then drop
the parts. Dying between any two repeats the round, with the same ids. Parts are looked at only after the stitcher has read all
evidence that came with them: else somebody would be told of as the device that they were for a second.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ..engine import Engine, EngineError, QueryError, Reader, ReadLimits, Session
from ..logs import Log
from ..segments import Segment
from ..segments.members import question
from ..segments.statements import person_of
from ..stitch import Progress
from . import inbox, triggers
from .outbox import Message, Outbox
from .people import People, some
from .triggers import BEGINNING, Fired, Left, segment_trigger
from .webhooks import Webhook

INTERVAL_S = 0.5
_PAUSE_S = 5.0
_LIMITS = ReadLimits(time_s=300, result_rows=100_000_000, result_bytes=8 * 1024**3, memory_bytes=4 * 1024**3)
_STATE_COLUMNS = ["trigger", "node", "is_in", "occurrence", "changed_at"]
_TOLD_COLUMNS = ["webhook", "node", "id", "told_at"]
log = Log(__name__)
_encode_lines = msgspec.json.Encoder().encode_lines


class _Seen(NamedTuple):
    """What waits for the stitcher.

    Attributes:
        parts: of the inbox.
        rounds: of stitching that had caught up by then.
        changes: nodes that had got another person by then.
    """

    parts: list[str]
    rounds: int
    changes: int


class Activator:
    """Decides; one thread.

    Args:
        webhooks: the receivers.
        segments: that are defined, by name.
        outbox: where messages go.
        send: told of messages that are on disk, on this thread.
        progress: of the stitcher of this process; another process's stitcher means that that process decides.
        sweep_s: seconds between two looks at everybody, for what only the passing of time changes.

    Attributes:
        deciding: held while it decides.
        withheld, capped: what was not told, by webhook: consent is missing, or it would be too many.
    """

    def __init__(
        self,
        webhooks: Sequence[Webhook],
        segments: Mapping[str, Segment],
        outbox: Outbox,
        send: Callable[[list[Message]], None],
        progress: Callable[[], Progress],
        sweep_s: float,
    ) -> None:
        self.deciding = threading.Lock()
        self.withheld: Counter[str] = Counter()
        self.capped: Counter[str] = Counter()
        self._webhooks = webhooks
        self._milestones = sorted({name for webhook in webhooks for name in webhook.milestones})
        named = sorted({name for webhook in webhooks for name in webhook.segments})
        self._segments = [segments[name] for name in named]
        self._outbox = outbox
        self._send = send
        self._progress = progress
        self._sweep_s = sweep_s
        self._next_sweep = 0.0
        self._seen: _Seen | None = None
        self._changes = 0
        self._changed_since = ""

    def run(self, engine: Engine, stop: threading.Event) -> None:
        """Decide until told to stop; ClickHouse may come and go meanwhile."""
        while not stop.is_set():
            try:
                self._converse(engine, stop)
            except Exception as error:  # a dead activator would be a silent one
                if not isinstance(error, (EngineError, OSError)):
                    log.exception("deciding failed unexpectedly", event="deciding_failed")
                log.warning(
                    "webhooks pause for %(pause_s).0f s: %(error)s",
                    event="webhooks_pause",
                    pause_s=_PAUSE_S,
                    error=error,
                )
                self._seen = None
                stop.wait(_PAUSE_S)

    def _converse(self, engine: Engine, stop: threading.Event) -> None:
        session = engine.session()
        try:
            reader = engine.reader(_LIMITS)
            try:
                self._complain_of_unknown(reader)
                while not stop.wait(INTERVAL_S):
                    with self.deciding:
                        self.round(session, reader)
            finally:
                reader.close()
        finally:
            session.close()

    def _complain_of_unknown(self, reader: Reader) -> None:
        known = {row[0] for row in reader.query("SELECT milestone FROM journey_milestones")}
        for name in self._milestones:
            if name not in known:
                log.error(
                    "webhooks: the journey in force has no milestone %(milestone)r, so nobody reaches it",
                    event="milestone_unknown",
                    milestone=name,
                )

    def round(self, session: Session, reader: Reader) -> None:
        """Look at what the stitcher has caught up with, and note what came since.

        Raises:
            EngineError: ClickHouse broke off; the next round does it again.
            OSError: the outbox cannot be written.
        """
        progress = self._progress()
        if progress.standby or not progress.caught_up:
            self._seen = None
            return
        # The round under way when the parts were listed may have begun before: the one after it has not.
        if self._seen is not None and progress.caught_up >= self._seen.rounds + 2:
            self._decide(session, reader, self._seen)
            self._seen = None
        if self._segments and time.monotonic() >= self._next_sweep:
            self._sweep(session, reader)
            self._next_sweep = time.monotonic() + self._sweep_s
        if self._seen is None:
            found = inbox.parts(session)
            if found or progress.persons_changed != self._changes:
                self._seen = _Seen(found, progress.caught_up, progress.persons_changed)

    def _decide(self, session: Session, reader: Reader, seen: _Seen) -> None:
        fired: list[Fired] = []
        left: list[Left] = []
        if self._milestones and seen.parts:
            fired += triggers.milestones(reader, seen.parts, self._milestones)
        latest = self._changed_since
        if self._segments:
            persons = triggers.persons_of(reader, seen.parts) if seen.parts else set()
            changed, latest = self._changed(reader)
            now = dt.datetime.now(dt.UTC)
            for people in some(reader, persons | changed):
                for segment in self._segments:
                    if not segment.sql:
                        members = triggers.among(reader, segment, people, now)
                        entered, gone = triggers.compared(segment, people, members)
                        fired += entered
                        left.append(gone)
        self._tell(session, reader, fired, left)
        inbox.drop(session, seen.parts)
        self._changes, self._changed_since = seen.changes, latest

    def _changed(self, reader: Reader) -> tuple[set[int], str]:
        """Persons who got other nodes since the last look, and up to when."""
        since = self._changed_since
        latest = str(reader.query("SELECT toString(max(known_from)) FROM identity_log")[0][0])
        if not since or latest == since:  # what was before the start is the sweep's
            return set(), latest
        rows = reader.query(
            "SELECT DISTINCT person_id FROM identity_log WHERE known_from > {since:DateTime64(6, 'UTC')}",
            {"since": since},
        )
        return {row[0] for row in rows}, latest

    def _sweep(self, session: Session, reader: Reader) -> None:
        """Look at everybody: for what time alone changes, and for segments of SQL."""
        for segment in self._segments:
            try:
                members = triggers.members_of(reader, segment, dt.datetime.now(dt.UTC))
            except QueryError as error:  # the others' members are not to wait for this one's SQL
                log.error(  # noqa: TRY400
                    "segment %(people_segment)s cannot be looked at: %(error)s",
                    event="segment_unanswered",
                    people_segment=segment.name,
                    error=error,
                )
                continue
            self._compare(session, reader, segment, members)

    def _compare(self, session: Session, reader: Reader, segment: Segment, members: set[int]) -> None:
        trigger = segment_trigger(segment)
        if not reader.query(triggers.BEGUN, {"trigger": trigger}):
            # The beginning is no entry: who is in it on the first day is not news.
            self._write_states(session, [(trigger, person, 1, 0) for person in members])
            self._write_states(session, [(trigger, BEGINNING, 1, 0)])
            return
        fired: list[Fired] = []
        left: list[Left] = []
        for people in some(reader, members ^ self._persons_in(reader, trigger)):
            entered, gone = triggers.compared(segment, people, members)
            fired += entered
            left.append(gone)
        self._tell(session, reader, fired, left)

    def _persons_in(self, reader: Reader, trigger: str) -> set[int]:
        """Who is written down as being in a segment, as of now."""
        rows = reader.query(triggers.PERSONS_IN, {"trigger": trigger})
        return {row[0] for row in rows}

    def _tell(self, session: Session, reader: Reader, fired: list[Fired], left: Iterable[Left]) -> None:
        """Put messages on disk, hand them on, and only then write down what happened."""
        messages: list[Message] = []
        for webhook in self._webhooks:
            messages += self._messages(reader, webhook, fired)
        if messages:
            self._outbox.put(messages)
            self._send(messages)
            now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
            told = [(one.webhook, one.node, one.id, now) for one in messages]
            _insert(session, "activation_told", _TOLD_COLUMNS, told)
        rows = [(one.trigger, one.node, 1, one.occurrence) for one in fired]
        for one in left:
            rows += self._closed(reader, one)
        self._write_states(session, rows)

    def _closed(self, reader: Reader, left: Left) -> list[tuple[str, int, int, int]]:
        if not left.nodes:
            return []
        asked = {"trigger": left.trigger, "nodes": left.nodes}
        rows = reader.query(triggers.OCCURRENCES, asked)
        return [(left.trigger, node, 0, occurrence) for node, occurrence in rows]

    def _messages(self, reader: Reader, webhook: Webhook, fired: Iterable[Fired]) -> list[Message]:
        wanted = {("milestone.reached", name) for name in webhook.milestones}
        wanted |= {("segment.entered", name) for name in webhook.segments}
        now = dt.datetime.now(dt.UTC)
        mine = [one for one in fired if (one.kind, one.name) in wanted and _is_new(one, now, webhook)]
        by_purpose: dict[str, list[Fired]] = defaultdict(list)
        for one in mine:
            by_purpose[self._purpose(webhook, one)].append(one)
        messages: list[Message] = []
        counts: Counter[int] = Counter()
        for purpose, of_purpose in by_purpose.items():
            for people in some(reader, {one.person for one in of_purpose}):
                known = _known(reader, people, purpose, webhook.namespaces, now)
                told = people.told(webhook.name, webhook.window_s) if webhook.most_per_person else {}
                here = set(people.persons)
                for one in (one for one in of_purpose if one.person in here):
                    if not known.get(one.person, {}).get("agreed"):
                        self.withheld[webhook.name] += 1
                    elif (
                        webhook.most_per_person
                        and told.get(one.person, 0) + counts[one.person] >= webhook.most_per_person
                    ):
                        self.capped[webhook.name] += 1
                    else:
                        counts[one.person] += 1
                        messages.append(_message(webhook, one, purpose, known[one.person], now))
        return messages

    def _purpose(self, webhook: Webhook, fired: Fired) -> str:
        if fired.kind == "milestone.reached":
            return webhook.consent
        return next(segment.consent for segment in self._segments if segment.name == fired.name)

    def _write_states(self, session: Session, rows: Sequence[tuple[str, int, int, int]]) -> None:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        _insert(session, "activation_states", _STATE_COLUMNS, [(*row, now) for row in rows])


def agrees(reader: Reader, node: int, purpose: str) -> bool:
    """Whether the person of a node, as of now, has agreed to a purpose.

    Raises:
        EngineError: ClickHouse is away.
    """
    person = reader.query(f"SELECT {person_of('{node:UInt64}')}", {"node": node})[0][0]
    known = _known(reader, People(reader, [person]), purpose, (), dt.datetime.now(dt.UTC))
    return bool(known.get(person, {}).get("agreed"))


def _is_new(fired: Fired, now: dt.datetime, webhook: Webhook) -> bool:
    return fired.occurred_at is None or (now - fired.occurred_at).total_seconds() <= webhook.max_age_s


def _known(
    reader: Reader, people: People, purpose: str, namespaces: Sequence[str], now: dt.datetime
) -> dict[int, dict[str, Any]]:
    """What a message says of people, by person."""
    everybody = Segment("everybody", consent=purpose)
    asked = question(reader, everybody, now, namespaces=namespaces, among=True)
    given = {**asked.parameters, "persons": list(people.persons), "nodes": people.nodes}
    return {row["person_id"]: row for row in reader.query(asked.sql, given).dicts()}


def _message(
    webhook: Webhook, fired: Fired, purpose: str, known: Mapping[str, Any], now: dt.datetime
) -> Message:
    data: dict[str, Any] = {
        fired.kind.partition(".")[0]: fired.name,
        "occurrence": fired.occurrence,
        "person_id": str(fired.person),
        "identifiers": {
            namespace: [value for name, value in known["identifiers"] if name == namespace]
            for namespace in webhook.namespaces
        },
        "stage": known["stage"],
        "devices": known["devices"],
        "channels": list(known["channels"]),
    }
    if fired.event:
        data["event"] = fired.event
    body = {"type": fired.kind, "timestamp": now.isoformat(timespec="milliseconds"), "data": data}
    return Message(
        triggers.identifier_of(webhook.name, fired),
        webhook.name,
        now.timestamp(),
        fired.node,
        purpose,
        json.dumps(body, ensure_ascii=False),
    )


def _insert(session: Session, table: str, columns: list[str], rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        settings = {"date_time_input_format": "best_effort"}
        session.insert_body(
            table, columns, _encode_lines(list(rows)), "JSONCompactEachRow", settings=settings
        )
