"""Lines of a file -> rows of `events_raw` and `failed_events_raw`.

Enters: a block of lines, each a batch as `POST /v1/events` takes it, with `received_at` beside `sent_at` where it is known when
it arrived. Leaves: rows, encoded. Guaranteed: the same line always gives the same event ids, failure ids and device times, whatever
file it stands in; one bad event never rejects its neighbours, one bad line never its own.

- The clock is corrected by `received_at`. Without it, `sent_at` stands in and nothing is corrected; without both, the time
  given with the file (when it was last written).
  What is learnt of a sender's clock is not kept between runs, so an import that goes on learns it anew.
- An event without `event_id` gets a UUIDv8 (RFC 9562) made of its line and its place there. Where it has no time either, it
  happened when its batch arrived; if that is not known, it is rejected.
- A batch may be longer than `max_batch_events`: that limit protects a collector from strangers.
- Whoever may write to the data folder is trusted as a server's key is, and has no address or agent of a browser.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import sys
import uuid
from typing import NamedTuple

import msgspec
from msgspec import Raw

from ..decode import Decoded, Limits, Rejected, Rejection, Unreadable, decode, mend_surrogates
from ..enrich import Arrival, Enricher, lines
from ..rows import FailedRow, encode_lines, quote_bytes
from ..suppression.suppressions import Suppressions
from ..wire import Envelope, Moment
from .foreign import FORMS

_NO_TIME = (
    "occurred_at is missing, and its batch has neither received_at nor sent_at: nothing says when it happened"
)
NATIVE = "native"
_EARLIEST, _LATEST = 1970, 2199  # what ClickHouse can be told, as in `decode`
_WHOLE_LINE = 0xFFFFFFFF  # stands where an event's index would
# Written first or last in a line, `received_at` is cut out of it as text; elsewhere the line is taken apart and put together again.
# For a batch of 50 events that costs 4 or 16 us, against 34. No JSON text has these bytes there with another meaning: a quote inside a string
# follows a backslash.
_AT_BEGIN = re.compile(rb'\s*\{\s*"received_at"\s*:\s*("[^"\\]*")\s*,')
_AT_END = re.compile(rb',\s*"received_at"\s*:\s*("[^"\\]*")\s*\}\s*\Z')
_LONGEST_AT_END = 100
_moment = msgspec.json.Decoder(Moment)


class _Envelope(Envelope, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    received_at: Raw | msgspec.UnsetType = msgspec.UNSET


_envelope = msgspec.json.Decoder(_Envelope)


class Rows(NamedTuple):
    """What a block came to: encoded rows and how many they are.

    Attributes:
        events: Lines of `events_raw`.
        accepted: How many.
        failed: Lines of `failed_events_raw`.
        reasons: Why, for each of them.
        batches: Lines that were batches.
        suppressed: Events and rejections left out, because they tell of somebody erased.
    """

    events: bytes
    accepted: int
    failed: bytes
    reasons: list[str]
    batches: int
    suppressed: int = 0


class Batches:
    """Reads lines; keeps what the enricher learns of clocks from line to line, so lines are to come in their order.

    Args:
        enricher: The steps that every event takes.
        limits: Of an event; that of a batch is not applied.
        source: The name under which the events are stored.
        form: What the lines are: native batches, or one of `foreign.FORMS`.
        suppressions: Who was erased; None is nobody.
    """

    def __init__(
        self,
        enricher: Enricher,
        limits: Limits,
        source: str,
        form: str = NATIVE,
        suppressions: Suppressions | None = None,
    ) -> None:
        self._suppressions = suppressions
        self._enricher = enricher
        self._limits = msgspec.structs.replace(limits, max_batch_events=sys.maxsize)
        self._source = source
        self._form = form
        self._kind = "batch" if form == NATIVE else form

    def rows(self, data: bytes, first_line: int, name: str, written_at: dt.datetime) -> Rows:
        """Read some lines.

        Args:
            data: Whole lines.
            first_line: The number of the first one in its file.
            name: The file, to find a rejected event again.
            written_at: When a line without any time arrived.
        """
        events: list[bytes] = []
        failed: list[FailedRow] = []
        accepted = batches = suppressed = 0
        reasons: list[str] = []
        for number, text in enumerate(data.split(b"\n"), start=first_line):
            if not text or text.isspace():
                continue
            place = f"{name}:{number}"
            try:
                line = self._read(text)
            except Unreadable as error:
                if self._suppressions and self._suppressions.tells(text):
                    suppressed += 1
                    continue
                failed.append(self._failed_line(text, str(error), place, written_at))
                reasons.append(str(error))
                continue
            batches += 1
            encoded, kept = self._events(line, written_at)
            accepted += kept
            suppressed += len(line.decoded.events) - kept
            events.append(encoded)
            if self._suppressions:
                told = [one for one in line.decoded.rejected if self._suppressions.tells(bytes(one.raw))]
                suppressed += len(told)
                line.decoded.rejected[:] = [one for one in line.decoded.rejected if one not in told]
            if line.decoded.rejected:
                failed += self._failed_events(line, place, written_at)
                reasons += [rejected.rejection.reason for rejected in line.decoded.rejected]
        return Rows(b"".join(events), accepted, encode_lines(failed), reasons, batches, suppressed)

    def _read(self, text: bytes) -> Line:
        if self._form == NATIVE:
            return read(text, self._limits)
        found = FORMS[self._form](text, self._source, self._limits)
        return _settled(text, text, found.decoded, found.received_at)

    def _events(self, line: Line, written_at: dt.datetime) -> tuple[bytes, int]:
        """The rows of a line's events, and how many are kept."""
        if not line.decoded.events:
            return b"", 0
        arrival = Arrival(line.received_at or written_at, self._source, by_server=True)
        rows = self._enricher.rows(line.decoded, arrival)
        if self._suppressions:
            rows = self._suppressions.kept(rows)
        return (lines(arrival, rows) if rows else b""), len(rows)

    def _failed_events(self, line: Line, place: str, written_at: dt.datetime) -> list[FailedRow]:
        """The rejections of a line.

        Their ids are those that their events would have got, so that a replay and a repeated import make one event.
        """
        digest = _digest(line.text)
        return [
            FailedRow(
                failure_id=_id(digest, rejection.index),
                received_at=line.received_at or written_at,
                source=self._source,
                kind=self._kind,
                event_id=rejection.event_id,
                reason=rejection.reason,
                path=f"{place} {rejection.path}",
                raw=quote_bytes(raw),
            )
            for rejection, raw in line.decoded.rejected
        ]

    def _failed_line(self, text: bytes, reason: str, place: str, written_at: dt.datetime) -> FailedRow:
        return FailedRow(
            failure_id=_id(_digest(text), _WHOLE_LINE),
            received_at=written_at,
            source=self._source,
            kind=self._kind,
            event_id="",
            reason=reason,
            path=place,
            raw=quote_bytes(text),
        )


class Line(NamedTuple):
    """A line as read: its batch, and when that arrived."""

    text: bytes
    decoded: Decoded
    received_at: dt.datetime | None


def read(text: bytes, limits: Limits) -> Line:
    """Read one line.

    Raises:
        Unreadable: it is no batch, or its `received_at` is no time.
    """
    given, body = _take_received_at(text)
    received_at = None if given is None else _read_moment(given)
    return _settled(text, body, decode(body, limits), received_at)


def _settled(text: bytes, body: bytes, decoded: Decoded, received_at: dt.datetime | None) -> Line:
    line = Line(text, decoded, received_at or decoded.defaults.sent_at)
    for event in decoded.events:
        if event.event_id is None:
            line = _settle(line, body)
            break
    if received_at is None:
        # Nothing can be said of the sender's clock: it must not look as if it had been compared with ours.
        decoded.defaults.sent_at = None
    return line


def _take_received_at(line: bytes) -> tuple[bytes | None, bytes]:
    """The JSON of `received_at`, None without one, and the line without it."""
    if b'"received_at"' not in line:
        return None, line
    found = _AT_BEGIN.match(line)
    if found:
        return found[1], b"{" + line[found.end() :]
    found = _AT_END.search(line, max(0, len(line) - _LONGEST_AT_END))
    if found:
        return found[1], line[: found.start()] + b"}"
    try:
        envelope = _envelope.decode(mend_surrogates(line))
    except (msgspec.MsgspecError, RecursionError):
        return None, line  # `decode` says what is wrong with it
    given, envelope.received_at = envelope.received_at, msgspec.UNSET
    return (None, line) if given is msgspec.UNSET else (bytes(given), msgspec.json.encode(envelope))


def _read_moment(given: bytes) -> dt.datetime:
    try:
        moment = _moment.decode(given)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(f"received_at: {error}") from None
    if not _EARLIEST <= moment.year <= _LATEST:
        raise Unreadable(f"received_at: {moment.isoformat()} is outside {_EARLIEST} to {_LATEST}")
    return moment


def _settle(line: Line, body: bytes) -> Line:
    """Give the events without id one that is the same at every import, and reject those that nothing gives a time."""
    decoded, digest = line.decoded, _digest(line.text)
    gone = {rejected.rejection.index for rejected in decoded.rejected}
    indices = (index for index in range(len(decoded.events) + len(gone)) if index not in gone)
    events, rejected = [], list(decoded.rejected)
    for index, event in zip(indices, decoded.events, strict=True):
        if event.event_id is None:
            event.occurred_at = event.occurred_at or line.received_at
            if event.occurred_at is None:
                path = f"$.events[{index}].occurred_at"
                rejected.append(Rejected(Rejection(index, "", _NO_TIME, path), _alone(body, index)))
                continue
            event.event_id = _id(digest, index)
        events.append(event)
    return line._replace(decoded=Decoded(decoded.defaults, events, rejected))


def _alone(body: bytes, index: int) -> bytes:
    """A batch of just one of a batch's events; the whole batch where it cannot be taken apart as it is."""
    try:
        envelope = msgspec.json.decode(mend_surrogates(body), type=Envelope)
    except msgspec.MsgspecError:
        return body
    envelope.events = [envelope.events[index]]
    return msgspec.json.encode(envelope)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text.strip(), digest_size=32).digest()


def _id(digest: bytes, index: int) -> uuid.UUID:
    made = hashlib.blake2b(index.to_bytes(4), key=digest, digest_size=16).digest()
    return uuid.UUID(int=int.from_bytes(made) & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
