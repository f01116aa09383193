"""Every fault: how it strikes, how it is over, and what the collector must say about it.

A fault strikes while clients send. It is over by itself or by what an operator does; nobody touches the collector. Most strike a
collector of one process and one with workers alike; those of workers are for the second alone.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from backports import zstd

from stitchline_collector.spool.frames import frames
from tests.chaos.proxy import Mood
from tests.chaos.stage import Stage, until

LOADING_WAITS = r"loading waits, .* safe on disk"
REFUSING = Mood({"max_memory_usage": "1"})


class Fault:
    """One fault.

    Args:
        dice: Decides its particulars, the same for the same seed.

    Attributes:
        says: What a line of the collector's log must match.
        counts: What the name and labels of a metric that grows begin with.
        is_noticed_at_once: Whether it is said and counted before the fault is over.
        may_be_lost: Ids of acknowledged events that no collector can save: their bytes on disk were destroyed.
    """

    says = ""
    counts = ""
    is_noticed_at_once = True

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.may_be_lost: set[str] = set()

    def strike(self, stage: Stage) -> None:
        """Begin."""
        raise NotImplementedError

    def end(self, stage: Stage) -> None:
        """It is over."""


class CollectorKilled(Fault):
    """kill -9, and a start some time later, as a supervisor does."""

    is_noticed_at_once = False

    def strike(self, stage: Stage) -> None:
        stage.collector.kill_all()
        left = [path for path in stage.spool.glob("*/*") if path.stat().st_size]
        if any(path.suffix in (".open", ".sealed", ".split") for path in left):
            self.says, self.counts = r"adopted .* segments to load", "stitchline_rows_recovered_total"

    def end(self, stage: Stage) -> None:
        stage.collector.start()


class CollectorKilledInItsStart(CollectorKilled):
    """kill -9 while it recovers what the kill before left."""

    def strike(self, stage: Stage) -> None:
        stage.collector.kill_all()
        stage.collector.start(until_ready=False)
        stage.senders.go_on_for(self.dice.uniform(0.1, 2.5))
        super().strike(stage)


class CollectorFrozen(Fault):
    """SIGSTOP, as a machine that stands still."""

    def strike(self, stage: Stage) -> None:
        stage.signal(signal.SIGSTOP)

    def end(self, stage: Stage) -> None:
        stage.signal(signal.SIGCONT)


class _Child(Fault):
    """Something becomes of one process of several: the parent says so, counts it and starts another."""

    what, why = "", ""

    def strike(self, stage: Stage) -> None:
        name = self.name(stage)
        pid = stage.pid(name)
        self.says = rf"{name}, process {pid}, {self.what}.*\n(.*\n)*.*starting {name} again"
        self.counts = f'stitchline_process_restarts_total{{process="{name.split()[0]}",reason="{self.why}"}}'
        self.hurt(pid)
        stage.wait_for_successor(name, pid)

    def name(self, stage: Stage) -> str:
        """Which process."""
        return self.dice.choice([part for part in stage.parts if part.startswith("worker")])

    def hurt(self, pid: int) -> None:
        """What becomes of it."""
        raise NotImplementedError


class WorkerKilled(_Child):
    """kill -9 of a process that takes events."""

    what, why = "ended with -9", "died"

    def hurt(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)


class LoaderKilled(WorkerKilled):
    """kill -9 of the process that loads."""

    def name(self, stage: Stage) -> str:
        del stage
        return "loader"


class WorkerHangs(_Child):
    """SIGSTOP of a process that takes events, for ever."""

    what, why = "hangs", "hung"

    def hurt(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)


class LoaderHangs(WorkerHangs):
    """SIGSTOP of the process that loads, for ever."""

    def name(self, stage: Stage) -> str:
        del stage
        return "loader"


class ParentKilled(Fault):
    """kill -9 of the parent alone: the others end by themselves, and the next start waits for them."""

    is_noticed_at_once = False

    def strike(self, stage: Stage) -> None:
        stage.collector.kill()

    def end(self, stage: Stage) -> None:
        stage.collector.start()


class ParentFrozen(Fault):
    """SIGSTOP of the parent: the others go on."""

    def strike(self, stage: Stage) -> None:
        os.kill(stage.collector.pid, signal.SIGSTOP)

    def end(self, stage: Stage) -> None:
        os.kill(stage.collector.pid, signal.SIGCONT)


class ClickHouseKilled(Fault):
    """kill -9 of ClickHouse: connections are refused until it is back."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="unreachable"}'

    def strike(self, stage: Stage) -> None:
        stage.server.kill()

    def end(self, stage: Stage) -> None:
        stage.server.start()


class ClickHouseFrozen(Fault):
    """SIGSTOP of ClickHouse: it takes connections and does not answer."""

    def strike(self, stage: Stage) -> None:
        os.kill(stage.server.pid, signal.SIGSTOP)

    def end(self, stage: Stage) -> None:
        os.kill(stage.server.pid, signal.SIGCONT)


class _Moody(Fault):
    """The proxy has a mood for a while."""

    def mood(self) -> Mood:
        raise NotImplementedError

    def strike(self, stage: Stage) -> None:
        stage.proxy.become(self.mood())

    def end(self, stage: Stage) -> None:
        stage.proxy.become()


class ClickHouseSlow(_Moody):
    """Each request takes a second or so longer."""

    def mood(self) -> Mood:
        return Mood(delay_s=self.dice.uniform(0.3, 1.5))


class AnswersLost(_Moody):
    """ClickHouse does what it is asked, and the collector does not hear of it."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="unreachable"}'

    def mood(self) -> Mood:
        return Mood(lose_answers=self.dice.uniform(0.5, 1.0))


class RequestsCut(_Moody):
    """ClickHouse sees the first half of a request, and then nothing more."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="unreachable"}'

    def mood(self) -> Mood:
        return Mood(cut_bodies=self.dice.uniform(0.5, 1.0))


class MemoryLimit(_Moody):
    """ClickHouse has no memory left for anybody."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="memory_limit_exceeded"}'

    def mood(self) -> Mood:
        return REFUSING


class TooManyParts(_Moody):
    """Merges lag so far behind that ClickHouse takes no new parts."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="too_many_parts"}'

    def mood(self) -> Mood:
        return Mood({"parts_to_throw_insert": "1", "parts_to_delay_insert": "1"})


class ReadOnly(_Moody):
    """The user may only read."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="readonly"}'

    def mood(self) -> Mood:
        return Mood({"readonly": "1"})


class WrongSchema(Fault):
    """Somebody renames a column, and has it back later."""

    says, counts = LOADING_WAITS, 'stitchline_load_retries_total{reason="no_such_column_in_table"}'

    def strike(self, stage: Stage) -> None:
        stage.tell("ALTER TABLE events_raw RENAME COLUMN geo TO geo_renamed")

    def end(self, stage: Stage) -> None:
        stage.tell("ALTER TABLE events_raw RENAME COLUMN geo_renamed TO geo")


class RowsRefused(Fault):
    """Events that are right and that ClickHouse refuses all the same."""

    says, counts = r"ClickHouse refuses a row", "stitchline_rows_isolated_total"

    def strike(self, stage: Stage) -> None:
        stage.senders.poison.set()

    def end(self, stage: Stage) -> None:
        stage.senders.poison.clear()


class DiskFull(Fault):
    """No byte is free where the spool lies."""

    says, counts = r"the spool cannot be written", 'stitchline_spool_faults_total{reason="disk_full"}'

    def strike(self, stage: Stage) -> None:
        if self.dice.random() < 0.5:  # else the loader goes on giving space back
            stage.proxy.become(REFUSING)
        until(lambda: self._is_full(stage), "503 with a full disk")

    def end(self, stage: Stage) -> None:
        stage.free_disk()
        stage.proxy.become()

    @staticmethod
    def _is_full(stage: Stage) -> bool:
        stage.fill_disk()
        return 503 in stage.senders.record.statuses


class ClockStepped(Fault):
    """The clock is set, by seconds or by months, forth or back."""

    def strike(self, stage: Stage) -> None:
        stage.set_clock(self.dice.choice([-1, 1]) * self.dice.choice([0.5, 30, 3600, 86_400 * 40]))

    def end(self, stage: Stage) -> None:
        stage.set_clock(0)


class _Damage(Fault):
    """The bytes of a segment change under the collector, while ClickHouse takes none."""

    says, counts = r"is damaged", "stitchline_spool_damaged_segments_total"
    is_noticed_at_once = False
    states: tuple[str, ...] = ("sealed",)

    def strike(self, stage: Stage) -> None:
        stage.proxy.become(REFUSING)
        until(lambda: len(self._segments(stage)) > 2, "sealed segments on disk")
        self.damage(self.dice.choice(self._segments(stage)))

    def end(self, stage: Stage) -> None:
        stage.proxy.become()

    def damage(self, path: Path) -> None:
        """Destroy a part of a segment and note whose bytes they were."""
        raise NotImplementedError

    def lose(self, part: memoryview) -> None:
        """Note the events of a frame."""
        self.may_be_lost |= {line[2:38].decode() for line in zstd.decompress(part).split(b"\n")[:-1]}

    def _segments(self, stage: Stage) -> list[Path]:
        found = [path for state in self.states for path in stage.spool.glob(f"*/*-events.{state}")]
        return sorted(path for path in found if _is_filled(path))


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # sealed meanwhile, under another name
        return False


class SegmentCorrupt(_Damage):
    """One bit of a segment is turned over."""

    def damage(self, path: Path) -> None:
        data = path.read_bytes()
        parts = list(frames(data))
        number = self.dice.randrange(len(parts))
        at = sum(len(part) for part in parts[:number]) + self.dice.randrange(len(parts[number]))
        changed = bytearray(data)
        changed[at] ^= 1 << self.dice.randrange(8)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(changed[at : at + 1])
        keeps_its_frames = [len(part) for part in frames(bytes(changed))] == [len(part) for part in parts]
        for part in parts[number : number + 1 if keeps_its_frames else None]:
            self.lose(part)
        if path.suffix == ".open" and not keeps_its_frames:
            # What follows the last whole frame looks like a commit that did not end.
            self.says, self.counts = "is damaged|cut a torn tail", ""


class SegmentTorn(_Damage):
    """The end of a segment is gone."""

    def damage(self, path: Path) -> None:
        data = path.read_bytes()
        parts = list(frames(data))
        self.lose(parts[-1])
        os.truncate(path, len(data) - self.dice.randint(1, len(parts[-1])))


class SegmentCorruptWhileDead(SegmentCorrupt):
    """The same while no collector runs: also in the segment that was being written."""

    states = ("sealed", "open")

    def strike(self, stage: Stage) -> None:
        stage.proxy.become(REFUSING)
        until(lambda: len(self._segments(stage)) > 2, "segments on disk")
        stage.collector.kill_all()
        self.damage(self.dice.choice(self._segments(stage)))

    def end(self, stage: Stage) -> None:
        super().end(stage)
        stage.collector.start()


OF_ALL: tuple[type[Fault], ...] = (
    CollectorKilled,
    CollectorKilledInItsStart,
    CollectorFrozen,
    ClickHouseKilled,
    ClickHouseFrozen,
    ClickHouseSlow,
    AnswersLost,
    RequestsCut,
    MemoryLimit,
    TooManyParts,
    ReadOnly,
    WrongSchema,
    RowsRefused,
    DiskFull,
    ClockStepped,
    SegmentCorrupt,
    SegmentTorn,
    SegmentCorruptWhileDead,
)
OF_WORKERS: tuple[type[Fault], ...] = (
    WorkerKilled,
    LoaderKilled,
    WorkerHangs,
    LoaderHangs,
    ParentKilled,
    ParentFrozen,
)
FOR_MINUTES: tuple[type[Fault], ...] = (
    ClickHouseKilled,
    ClickHouseFrozen,
    MemoryLimit,
    TooManyParts,
    ReadOnly,
)
WITHOUT_ANOTHER_KILL = (CollectorKilled, CollectorFrozen, SegmentCorruptWhileDead, ParentKilled, ParentFrozen)
