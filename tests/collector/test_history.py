"""Files of batches: read whole, in any compression, to the same events each time."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.decode import Limits, Unreadable
from stitchline_collector.enrich import Enricher
from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.enrich.geo import GeoDatabase
from stitchline_collector.enrich.privacy import Privacy
from stitchline_collector.history import Unusable
from stitchline_collector.history.batches import Batches, read
from stitchline_collector.history.bookmark import Bookmark, Count, Mark
from stitchline_collector.history.reading import PIECE_BYTES, Block, Changed, Place, blocks
from stitchline_collector.rows import EVENT_COLUMNS, FAILED_COLUMNS

WRITTEN_AT = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
SENT_AT = "2024-05-01T10:00:00Z"
MANY = 10 * PIECE_BYTES
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00pzst"


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "name": "x", "occurred_at": "2024-05-01T09:59:00Z", **fields}


def line(*events: dict[str, Any], **envelope: Any) -> bytes:
    return json.dumps({"sent_at": SENT_AT, "device": {"id": "d"}, **envelope, "events": events}).encode()


class Stored:
    """What some lines come to: events and failures as dictionaries by column."""

    def __init__(self, *lines: bytes, first_line: int = 1, limits: Limits | None = None) -> None:
        enricher = Enricher(Contacts(b"k" * 32), Privacy(), GeoDatabase())
        batches = Batches(enricher, limits or Limits(), "legacy")
        self.rows = batches.rows(b"\n".join(lines) + b"\n", first_line, "old.jsonl", WRITTEN_AT)
        self.events = [
            dict(zip(EVENT_COLUMNS, json.loads(row), strict=True)) for row in self.rows.events.splitlines()
        ]
        self.failed = [
            dict(zip(FAILED_COLUMNS, json.loads(row.decode(errors="replace")), strict=True))
            for row in self.rows.failed.splitlines()
        ]

    def ids(self) -> list[str]:
        return [event["event_id"] for event in self.events]


# reading


def read_all(data: bytes, after: Place | None = None, max_line_bytes: int = MANY) -> list[Block]:
    return list(blocks(io.BufferedReader(io.BytesIO(data)), after or Place(), max_line_bytes))


# A file whose first bytes are those of a compressed one is taken for one, so lines begin as JSON does.
_lines = st.lists(
    st.binary(max_size=40).map(lambda text: text and b"{" + text.replace(b"\n", b"")), max_size=30
)
_compressions: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in members": lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
    "zstd": zstd.compress,
    "zstd in frames": lambda data: zstd.compress(data[:9]) + zstd.compress(data[9:]),
    "pzstd": lambda data: SKIPPABLE + zstd.compress(data),
}


@pytest.mark.parametrize("compression", _compressions)
def test_compression_is_told_by_content(compression: str) -> None:
    text = b"".join(b"line %d\n" % i for i in range(300_000))

    found = read_all(_compressions[compression](text))

    assert b"".join(block.data for block in found) == text
    assert len(found) > 1
    assert all(block.data.endswith(b"\n") for block in found)
    assert found[-1].end.lines == 300_000


@given(_lines, st.integers(0, 30))
def test_reading_goes_on_at_any_line_where_it_stopped(lines: list[bytes], stop: int) -> None:
    before = b"".join(text + b"\n" for text in lines[:stop])
    whole = b"\n".join([*lines, b"last"])
    place = read_all(before)[-1].end if before else Place()

    rest = read_all(whole, place)

    assert b"".join(block.data for block in rest) == whole[len(before) :]
    assert rest[0].first_line == before.count(b"\n") + 1


def test_a_place_means_the_same_in_another_compression() -> None:
    text = b"one\ntwo\n"
    place = read_all(text)[-1].end

    assert read_all(gzip.compress(text + b"three\n"), place)[0].data == b"three\n"


@pytest.mark.parametrize("edited", [b"onE\ntwo\nthree\n", b"one\n", b""])
def test_a_file_that_was_edited_before_the_place_is_noticed(edited: bytes) -> None:
    place = read_all(b"one\ntwo\n")[-1].end

    with pytest.raises(Changed):
        read_all(edited, place)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_of_a_file_that_is_cut_off_the_whole_lines_come_first(compress: Callable[[bytes], bytes]) -> None:
    text = b"".join(uuid.uuid4().hex.encode() + b"\n" for _ in range(100_000))
    found = blocks(io.BufferedReader(io.BytesIO(compress(text)[:-1000])), Place(), MANY)
    got = b""

    with pytest.raises(Unusable, match="cut off"):  # noqa: PT012 -- what comes before it counts
        for block in found:
            got += block.data

    assert text.startswith(got)
    assert got.endswith(b"\n")
    assert len(got) > len(text) // 2


def test_a_damaged_file_is_named_so() -> None:
    text = b"".join(uuid.uuid4().hex.encode() + b"\n" for _ in range(10_000))
    damaged = bytearray(gzip.compress(text))
    damaged[len(damaged) // 2] ^= 0xFF

    with pytest.raises(Unusable, match=r"damaged|cut off"):
        read_all(bytes(damaged))


def test_a_line_longer_than_the_limit_ends_the_reading() -> None:
    with pytest.raises(Unusable, match="line 2 is longer than max_inflated_bytes"):
        read_all(b"short\n" + b"x" * 5000, max_line_bytes=4000)


# batches


@pytest.mark.parametrize("place", ["begin", "middle", "end", "spaced"])
def test_received_at_counts_wherever_it_stands(place: str) -> None:
    rest = {"sent_at": SENT_AT, "device": {"id": "d"}, "events": [track(properties={"a": "ü\ud83d"})]}
    at = {"received_at": "2024-05-01T12:00:00Z"}
    text = json.dumps(
        {
            "begin": at | rest,
            "middle": {"channel": "app"} | at | rest,
            "end": rest | at,
            "spaced": at | rest,
        }[place],
        indent=2 if place == "spaced" else None,
    )

    (event,) = Stored(text.replace("\n", " ").encode()).events

    assert event["received_at"] == "2024-05-01T12:00:00Z"
    assert event["clock"]["offset_ms"] == 7_200_000
    assert event["occurred_at"] == "2024-05-01T11:59:00Z"
    assert event["device_time"] == "2024-05-01T09:59:00Z"


_texts = st.sampled_from(
    ['"received_at":"2020-01-01T00:00:00Z"', '{"received_at": "x",', ',"received_at":"x"}', "\\", '"', "a"]
)


@given(
    st.dictionaries(_texts | st.text(max_size=5), _texts | st.lists(_texts, max_size=2), max_size=4),
    st.permutations(["received_at", "sent_at", "channel", "events"]),
    st.sampled_from(["with", "without"]),
)
def test_no_text_inside_an_event_is_taken_for_received_at(
    properties: dict[str, Any], order: list[str], received: str
) -> None:
    parts: dict[str, Any] = {
        "received_at": "2024-05-01T12:00:00Z",
        "sent_at": SENT_AT,
        "channel": ',"received_at":"2020-01-01T00:00:00Z"}',
        "events": [track(properties=properties)],
    }
    text = json.dumps({name: parts[name] for name in order if received == "with" or name != "received_at"})

    found = read(text.encode(), Limits())

    assert found.received_at == dt.datetime.fromisoformat(
        parts["received_at"] if received == "with" else SENT_AT
    )
    assert json.loads(bytes(found.decoded.events[0].properties)) == properties
    assert found.decoded.defaults.channel == parts["channel"]


def test_without_received_at_nothing_is_said_of_the_clock() -> None:
    (event,) = Stored(line(track())).events

    assert event["received_at"] == event["sent_at"] == SENT_AT
    assert event["clock"] == {}
    assert event["occurred_at"] == event["device_time"] == "2024-05-01T09:59:00Z"


def test_without_any_time_a_batch_arrived_when_its_file_was_written() -> None:
    (event,) = Stored(json.dumps({"events": [track()]}).encode()).events

    assert event["received_at"] == "2025-03-01T00:00:00Z"
    assert event["occurred_at"] == "2024-05-01T09:59:00Z"


def test_a_clock_that_runs_ahead_is_corrected_as_it_was_then() -> None:
    (event,) = Stored(line(track(), received_at="2024-05-01T09:00:00Z")).events

    assert event["clock"]["offset_ms"] == -3_600_000
    assert event["occurred_at"] == "2024-05-01T08:59:00Z"


@pytest.mark.parametrize("received_at", ["yesterday", "2024-05-01T10:00:00", 7, "1960-01-01T00:00:00Z"])
def test_a_received_at_that_is_no_time_rejects_the_line(received_at: Any) -> None:
    stored = Stored(line(track(), received_at=received_at))

    assert stored.events == []
    assert "received_at" in stored.failed[0]["reason"]


def test_imported_events_count_as_a_servers_and_carry_their_source() -> None:
    (event,) = Stored(line(track())).events

    assert (event["source"], event["by_server"], event["ip"], event["agent"]) == ("legacy", True, "", {})


def test_an_event_without_id_gets_the_same_one_at_every_import() -> None:
    text = line(track(), track(), track(event_id=str(uuid.UUID(int=7))))

    first, elsewhere = Stored(text).ids(), Stored(line(track(seq=5)), text + b"\r", first_line=100).ids()[1:]

    assert first == elsewhere
    assert len(set(first)) == 3
    assert [uuid.UUID(id_).version for id_ in first[:2]] == [8, 8]
    assert first[2] == str(uuid.UUID(int=7))


def test_a_rejected_neighbour_does_not_change_an_events_id() -> None:
    text = line(track(properties={"note": "x" * 500}), track())

    strict, large = Stored(text, limits=Limits(max_event_bytes=300)), Stored(text)

    assert strict.ids() == large.ids()[1:]
    assert strict.failed[0]["failure_id"] == large.ids()[0]


def test_an_event_without_id_and_time_happened_when_its_batch_arrived() -> None:
    (event,) = Stored(line({"type": "track", "name": "x"})).events

    assert event["occurred_at"] == event["device_time"] == SENT_AT


def test_an_event_that_nothing_gives_a_time_is_rejected_alone() -> None:
    stored = Stored(json.dumps({"events": [track(), {"type": "track", "name": "lost"}]}).encode())

    assert len(stored.events) == 1
    assert "nothing says when it happened" in stored.failed[0]["reason"]
    assert json.loads(stored.failed[0]["raw"]) == {"events": [{"type": "track", "name": "lost"}]}


def test_a_rejected_event_says_where_it_stood_and_arrives_as_its_batch_did() -> None:
    stored = Stored(
        line(track()), line(track(), track(naem="x"), received_at="2024-05-01T10:00:01Z"), first_line=41
    )

    (failed,) = stored.failed
    assert len(stored.events) == 2
    assert (failed["path"], failed["kind"]) == ("old.jsonl:42 $.events[1]", "batch")
    assert failed["received_at"] == "2024-05-01T10:00:01Z"
    assert json.loads(failed["raw"])["events"] == [track(naem="x")]


@pytest.mark.parametrize("text", [b"no JSON", b'{"evnets":[]}', b"[]", b'{"events":7}', b"\xff\xfe"])
def test_a_line_that_is_no_batch_is_kept_and_rejects_no_other(text: bytes) -> None:
    stored = Stored(line(track()), text, b"", b"  ", line(track()))

    (failed,) = stored.failed
    assert (len(stored.events), stored.rows.batches) == (2, 2)
    assert (failed["path"], failed["received_at"]) == ("old.jsonl:2", "2025-03-01T00:00:00Z")
    assert failed["reason"]
    assert failed["failure_id"] == Stored(text).failed[0]["failure_id"]


def test_a_batch_may_be_longer_than_a_request() -> None:
    stored = Stored(line(*[track(seq=i) for i in range(50)]), limits=Limits(max_batch_events=10))

    assert [event["seq"] for event in stored.events] == list(range(50))


def test_a_line_that_cannot_be_read_says_why() -> None:
    with pytest.raises(Unreadable):
        read(b"{", Limits())


# bookmarks


def test_a_bookmark_is_found_by_content_source_and_clickhouse(tmp_path: Path) -> None:
    mark = Mark(Place(10, 2, 99), Count().plus(5, ["too large: 7"]))
    Bookmark(tmp_path, "a.jsonl", b"head", "source and dsn").write(mark)

    assert Bookmark(tmp_path, "renamed.jsonl", b"head", "source and dsn").read() == mark
    assert Bookmark(tmp_path, "a.jsonl", b"other head", "source and dsn").read() == Mark()
    assert Bookmark(tmp_path, "a.jsonl", b"head", "another source").read() == Mark()


def test_a_broken_bookmark_is_none(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path, "a.jsonl", b"head", "target")
    bookmark.write(Mark(Place(10, 2, 99)))
    next(tmp_path.iterdir()).write_text('{"file":"a.jsonl","mark":{"pla')

    assert bookmark.read() == Mark()
