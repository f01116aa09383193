"""What must be true after each fault, asked of ClickHouse, of `/metrics` and of the log."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial

from tests.chaos.clients import Record
from tests.chaos.faults import Fault
from tests.chaos.stage import Metrics, Stage, until

_KINDS = ("accepted", "rejected")
_PUT_BACK = re.compile(r"(\d+) of \d+ rows of .* put back")
_OF_ONE_LIFE = (  # counted by the loader in its own memory; all else outlives each process but the parent
    "stitchline_load_retries_total",
    "stitchline_spool_damaged_segments_total",
)
_UNEXPECTED = ("Traceback", "loading failed unexpectedly")


class Mark:
    """Where a step began: what the collector had said and counted by then."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._pids = self._counting()
        self._said = len(stage.collector.log())
        self._counted = self._last = stage.metrics()

    def said(self) -> str:
        """The log since."""
        return self._stage.collector.log()[self._said :]

    def remember(self) -> None:
        """Keep what it has counted: a part is about to be killed, and may count from 0 afterwards."""
        self._last = self._stage.metrics()

    def grew(self, name: str) -> bool:
        """Whether a metric whose sample begins so has grown since, in the life of then or in the one of now."""
        before, now = _sum(self._counted, name), _sum(self._stage.metrics(), name)
        (parent, loader), (parent_now, loader_now) = self._pids, self._counting()
        is_new = parent_now != parent or (loader_now != loader and name.startswith(_OF_ONE_LIFE))
        return now > (0 if is_new else before) or _sum(self._last, name) > before

    def _counting(self) -> tuple[int, int]:
        """The processes with whose end counters begin anew."""
        return self._stage.collector.pid, self._stage.pid("loader" if self._stage.workers else "collector")

    def wait_until_noticed(self, fault: Fault) -> None:
        """Wait until the collector has said what it must."""
        if fault.says:
            until(lambda: re.search(fault.says, self.said()), f"the log says {fault.says!r}")
        if fault.counts:
            until(lambda: self.grew(fault.counts), f"{fault.counts} grows")


def settle(stage: Stage) -> None:
    """Wait until nothing is on its way any more."""
    until(stage.is_ready, "ready again, by itself")
    waiting = _spooled(stage)
    while waiting:  # after minutes without ClickHouse, loading may take as long again
        until(partial(_waits_less, stage, waiting), f"less than {waiting:,.0f} rows wait to be loaded")
        waiting = _spooled(stage)


def check_sums(stage: Stage) -> None:
    """The terms of `/metrics` add up."""
    now = stage.metrics()
    received = now["stitchline_events_received_total"]
    taken = {
        "accepted": now["stitchline_events_accepted_total"],
        "rejected": _sum(now, "stitchline_events_rejected_total"),
    }
    assert received == sum(taken.values()), f"received {received}, {taken}"
    for kind, count in taken.items():
        terms = {
            name: now[f'stitchline_rows_{name}{{kind="{kind}"}}']
            for name in ("recovered_total", "loaded_total", "isolated_total", "spooled", "damaged_total")
        }
        entered = count + terms.pop("recovered_total")
        assert entered == sum(terms.values()), f"{kind}: {entered} entered, but {terms}"


def check_record(stage: Stage, mark: Mark, fault: Fault, record: Record, name: str) -> str:
    """Every acknowledged event is there exactly once; returns a line for the reader."""
    events = _counts(stage, "SELECT toString(event_id) FROM events WHERE name = {name:String}", name)
    loaded = _counts(stage, "SELECT toString(event_id) FROM chaos_audit WHERE name = {name:String}", name)
    failed = _counts(stage, "SELECT event_id FROM failed_events_raw", name)
    wanted = record.acknowledged - record.poisoned
    lost = wanted - events.keys() - fault.may_be_lost
    assert not lost, f"{len(lost)} of {len(wanted)} acknowledged events are not there: {sorted(lost)[:5]}"
    refused = record.poisoned | record.rejected
    lost = refused - failed.keys() - fault.may_be_lost
    assert not lost, (
        f"{len(lost)} of {len(refused)} refused events are not in failed_events: {sorted(lost)[:5]}"
    )
    strange = events.keys() - wanted - record.unanswered
    assert not strange, f"{len(strange)} events are there that nobody was told of: {sorted(strange)[:5]}"
    assert max(events.values(), default=1) == 1, "the view shows an event twice"
    put_back = sum(int(count) for count in _PUT_BACK.findall(mark.said()))
    mine = record.acknowledged | record.rejected | record.unanswered
    twice = [id_ for id_, count in (loaded + failed).items() if count > 1 and id_ in mine]
    assert len(twice) <= put_back, f"{len(twice)} events were loaded twice: {twice[:5]}"
    gone = len(fault.may_be_lost & record.acknowledged - events.keys())
    return (
        f"{len(wanted):,} acknowledged, {len(refused):,} refused, {gone} destroyed on disk; {record.statuses}"
    )


def check_app(stage: Stage, told: tuple[int, int], destroyed: int) -> str:
    """What the SDK took is there once, but for what was destroyed on disk; returns a line for the reader."""
    tracked, lost = told
    assert lost == 0, f"the SDK lost {lost} events\n{stage.app.log()}"
    ((there, different),) = stage.ask(
        "SELECT count(), uniqExact(toInt64(properties.n)) FROM events WHERE name = 'sdk'"
    )
    assert there == different, f"the view shows {there - different} events of the SDK twice"
    assert tracked - destroyed <= there <= tracked, f"{tracked} tracked by the SDK, but {there} are there"
    return f"{tracked:,} by the SDK"


def check_log(mark: Mark) -> None:
    """The collector says what happened, without a traceback."""
    for words in _UNEXPECTED:
        assert words not in mark.said(), f"the log says {words!r}:\n{mark.said()[-4000:]}"


def _waits_less(stage: Stage, rows: float) -> bool:
    return _spooled(stage) < rows


def _spooled(stage: Stage) -> float:
    now = stage.metrics()
    return sum(now[f'stitchline_rows_spooled{{kind="{kind}"}}'] for kind in _KINDS)


def _counts(stage: Stage, query: str, name: str) -> Counter[str]:
    return Counter(row[0] for row in stage.ask(query, name=name))


def _sum(metrics: Metrics, begin: str) -> float:
    return sum(value for name, value in metrics.items() if name.startswith(begin))
