"""One segment, one insert; and the way around a row that ClickHouse refuses."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import msgspec

from ..engine import DataRejected, EngineUnavailable, Session
from ..logs import Log
from ..rows import EVENT_COLUMNS, FAILED_COLUMNS, FailedRow, encode_lines, quote_bytes
from ..spool import CorruptSegment, Segment, check_whole, read_lines
from ..spool.folder import sync_directory
from ..spool.frames import frame
from ..spool.segment import CORRUPT, SPLIT
from .audit import missing

log = Log(__name__)

TABLES = {"events": ("events_raw", EVENT_COLUMNS), "failed": ("failed_events_raw", FAILED_COLUMNS)}
FORMAT = "JSONCompactEachRow"
SETTINGS = {
    "date_time_input_format": "best_effort",
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "async_insert": 0,  # would acknowledge before the rows are in the table
    # A property "01/02/2026" is a text; guessed to be a date it would read back as another one.
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
    # Columns are only ever added at the end, so what an older version left in the spool is still a row of today's table.
    "input_format_json_compact_allow_variable_number_of_columns": 1,
    "type_json_skip_duplicated_paths": 1,  # {"a": 1, "a": 2} keeps its first value instead of refusing the segment
}
SKIP_UNREADABLE = {"input_format_allow_errors_num": 2**31, "input_format_allow_errors_ratio": 1}
NO_SETTINGS: Mapping[str, int] = MappingProxyType({})


class Loaded(msgspec.Struct, frozen=True):
    """What became of a segment's rows."""

    rows: int
    isolated: int = 0
    erased: int = 0


Sift = Callable[[list[bytes]], list[bytes]]
"""Leaves out lines that are not to be loaded. The same lines give the same rest, or less of it: so a repeated insert brings nothing back."""


def insert_segment(session: Session, segment: Segment, sift: Sift | None = None) -> Loaded:
    """Send a segment; its bytes as they lie on disk, unless something is to be left out.

    Raises:
        CorruptSegment: it cannot be read; nothing was sent.
        DataRejected: ClickHouse refuses a row; nothing of the segment has landed.
        EngineError: not now.
    """
    body = segment.path.read_bytes()
    check_whole(body)
    if len(body) != segment.size:
        raise CorruptSegment(f"{len(body):,} bytes instead of {segment.size:,}")
    rows = segment.rows
    if sift is not None:
        lines = sift(read_lines(body))
        if (rows := len(lines)) < segment.rows:
            body = _body(lines)
    try:
        if rows:
            _insert(session, segment.table, body, segment.token)
    except (EngineUnavailable, DataRejected):
        raise
    except Exception:
        # A wrong checksum has another name in each engine: ask the segment itself, too costly to do before each insert.
        read_lines(body)
        raise
    return Loaded(rows, erased=segment.rows - rows)


def insert_split(session: Session, segment: Segment, sift: Sift | None = None) -> Loaded:
    """Send a segment so that only the rows that ClickHouse refuses stay out; they go to `failed_events`.

    Each insert has a token of its own made of the segment's, so a crash in between repeats nothing. The segment's name says
    that it is split from before the first of them until it is removed: it must never be sent whole after a part of it was.
    """
    lines = _sifted(segment, sift)
    token = _token(segment, lines)
    try:
        isolated = _insert_sound(session, segment, lines, token)
    except DataRejected:
        # Refused although it could be read, by a constraint perhaps: halve it until the row stands alone.
        isolated = sum(_insert_part(session, segment, lines, token, *part) for part in _parts(0, len(lines)))
    return Loaded(len(lines) - isolated, isolated, segment.rows - len(lines))


def _sifted(segment: Segment, sift: Sift | None) -> list[bytes]:
    lines = read_lines(segment.path.read_bytes())
    return lines if sift is None else sift(lines)


def _token(segment: Segment, lines: list[bytes]) -> str:
    """What the tokens of a segment's parts begin with, which name rows by their places: where lines were left out, those are others."""
    if len(lines) == segment.rows:
        return segment.token
    rest = hashlib.blake2b(b"\n".join(lines), digest_size=8)
    return f"{segment.token}-{rest.hexdigest()}"


def _insert_sound(session: Session, segment: Segment, lines: list[bytes], token: str) -> int:
    """Have ClickHouse skip what it cannot read, see what is missing, and return how many rows that is.

    A segment of 200 rows with 20 refused: 4 inserts that write and 20 that do not, where halving takes some 150.
    """
    _insert(session, segment.table, _body(lines), f"{token}[sound]", SKIP_UNREADABLE)
    refused = {}
    for index in missing(session, segment.table, lines):
        try:  # alone, for its reason; ClickHouse may have skipped a sound neighbour too
            _insert(session, segment.table, _body([lines[index]]), f"{token}[{index}:{index + 1}]")
        except DataRejected as error:
            refused[index] = str(error)
    if refused:
        _isolate(session, segment, lines, refused, token, "isolated")
    return len(refused)


def restore(session: Session, segment: Segment, sift: Sift | None = None) -> int:
    """Insert what of a segment is not in ClickHouse although its insert succeeded: see `audit`.

    Call it after `insert_segment` or `insert_split`. Its inserts need no lasting token: whatever becomes of them, the next
    comparison sees it.

    Returns:
        Rows that were missing.

    Raises:
        EngineError: not now.
    """
    lines = _sifted(segment, sift)
    token = _token(segment, lines)
    gone = missing(session, segment.table, lines)
    if gone and segment.is_split:
        gone = [index for index in gone if not _is_isolated(session, token, index)]
    if not gone:
        return 0
    log.warning(
        "%(missing)d of %(rows)d rows of %(segment)s were not in ClickHouse: put back",
        event="rows_put_back",
        missing=len(gone),
        rows=len(lines),
        segment=segment.path,
    )
    try:
        _insert(session, segment.table, _body(lines[index] for index in gone), uuid.uuid4().hex)
    except DataRejected:
        for index in gone:
            try:
                _insert(session, segment.table, _body([lines[index]]), uuid.uuid4().hex)
            except DataRejected as error:
                _isolate(session, segment, lines, {index: str(error)}, token, uuid.uuid4().hex)
    return len(gone)


def _is_isolated(session: Session, token: str, index: int) -> bool:
    """Whether a row that is not in its table stands in `failed_events`."""
    found = session.query(
        "SELECT count() FROM failed_events_raw WHERE failure_id = {id:UUID}",
        {"id": str(_failure_id(token, index))},
    )
    return bool(found[0][0])


def mark_split(segment: Segment) -> Segment:
    """Note on disk that the segment is to be sent in parts."""
    if segment.is_split:
        return segment
    split = segment.renamed(SPLIT)
    sync_directory(split.path.parent)  # a power loss must not make it whole again after a part was sent
    return split


def _insert_part(
    session: Session, segment: Segment, lines: list[bytes], token: str, first: int, last: int
) -> int:
    """Insert lines[first:last] and return how many of them were refused."""
    try:
        _insert(session, segment.table, _body(lines[first:last]), f"{token}[{first}:{last}]")
    except DataRejected as error:
        if last - first == 1:
            _isolate(session, segment, lines, {first: str(error)}, token, str(first))
            return 1
        return sum(_insert_part(session, segment, lines, token, *part) for part in _parts(first, last))
    return 0


def _parts(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The halves of a range; a range of one is its own only part."""
    middle = (first + last) // 2
    if middle > first:
        yield first, middle
    if last > middle:
        yield middle, last


def _isolate(
    session: Session, segment: Segment, lines: list[bytes], refused: Mapping[int, str], token: str, part: str
) -> None:
    """Keep refused rows, given by their places with ClickHouse's reasons."""
    if segment.table != "events":
        # Rows of failed_events that cannot be told to ClickHouse at all: a file beside the segment is the last place for them.
        kept = segment.path.with_suffix(CORRUPT)
        with kept.open("ab") as file:
            file.write(_body(lines[index] for index in refused))
            file.flush()
            os.fsync(file.fileno())
        log.error(
            "ClickHouse refuses %(rows)d rows of failed_events, kept as %(kept)s: %(error)s",
            event="failed_rows_refused",
            rows=len(refused),
            kept=kept,
            error=next(iter(refused.values())),
        )
        return
    now = dt.datetime.now(dt.UTC)
    rows = [
        FailedRow(
            failure_id=_failure_id(token, index),
            received_at=now,
            source="",
            kind="row",
            event_id=lines[index][2:38].decode(errors="replace"),
            reason=reason[:2000],
            path="",
            raw=quote_bytes(lines[index]),
        )
        for index, reason in refused.items()
    ]
    _insert(session, "failed", frame(encode_lines(rows)), f"{token}[{part}]")


def _failure_id(token: str, index: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{token}[{index}]")


def _body(lines: Iterable[bytes]) -> bytes:
    return frame(b"".join(line + b"\n" for line in lines))


def _insert(
    session: Session, table: str, body: bytes, token: str, settings: Mapping[str, int] = NO_SETTINGS
) -> None:
    name, columns = TABLES[table]
    own = {"insert_deduplication_token": token, **settings}
    session.insert_body(name, columns, body, FORMAT, "zstd", SETTINGS | own)
