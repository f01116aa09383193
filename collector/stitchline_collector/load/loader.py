"""The loader's thread: oldest segment first, again and again until ClickHouse has it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, MutableMapping

import msgspec

from ..engine import DataRejected, EngineError, Session
from ..logs import Log
from ..spool import CorruptSegment, Segment
from ..spool.folder import recover_segment
from ..suppression.exchange import Exchange
from ..suppression.suppressions import Suppressions
from .insert import Loaded, Sift, insert_segment, insert_split, mark_split, restore

log = Log(__name__)

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0


class Loads(msgspec.Struct):
    """What has become of the rows of each table since the start; written by the loader's thread only."""

    loaded: MutableMapping[str, int] = msgspec.field(default_factory=lambda: {"events": 0, "failed": 0})
    isolated: MutableMapping[str, int] = msgspec.field(default_factory=lambda: {"events": 0, "failed": 0})
    damaged: MutableMapping[str, int] = msgspec.field(default_factory=lambda: {"events": 0, "failed": 0})
    erased: MutableMapping[str, int] = msgspec.field(default_factory=lambda: {"events": 0, "failed": 0})
    damages: int = 0  # segments found damaged on disk
    retries: Counter[str] = msgspec.field(default_factory=Counter)  # by reason
    fault: str = ""  # why the last attempt failed; empty when it did not


class Loader:
    """Loads segments in the order they were submitted.

    Args:
        connect: Opens a session of its own for the loader's thread; may raise `EngineError`, and is then called again.
        on_gone: Told of each segment that left the disk, on the loader's thread.
        loads: Where its rows are counted; None is here.
        suppressions: Whose rows are left out; None is nobody's.
        on_damaged: Told of each segment that was found damaged, and how many of its rows were lost, on the loader's thread.

    Attributes:
        loading: Held while a segment is being loaded.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        on_gone: Callable[[Segment], None],
        loads: Loads | None = None,
        suppressions: Suppressions | None = None,
        on_damaged: Callable[[Segment, int], None] = lambda _segment, _rows: None,
    ) -> None:
        self.loading = threading.Lock()
        self._suppressions = suppressions
        self._exchange = None if suppressions is None else Exchange(suppressions)
        self.loads = loads or Loads()
        self._connect = connect
        self._on_gone = on_gone
        self._on_damaged = on_damaged
        self._segments: deque[Segment] = deque()
        self._doubtful: set[str] = set()  # tokens that ClickHouse may know without having the rows
        self._session: Session | None = None
        self._waits_for = ""  # the reason of the last failure; empty when there was none
        self._stopping = threading.Event()
        self._work = threading.Semaphore(0)
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def submit(self, segment: Segment, *, sent_before: bool = False) -> None:
        """Queue a sealed segment; from any thread.

        Args:
            segment: To be loaded.
            sent_before: Its insert may have been under way when a process was killed.
        """
        if sent_before:
            self._doubtful.add(segment.token)
        self._segments.append(segment)
        self._work.release()

    @property
    def backlog(self) -> int:
        """Segments waiting."""
        return len(self._segments)

    def waiting_rows(self, table: str) -> int:
        """Rows of a table's segments waiting."""
        return sum(segment.rows for segment in list(self._segments) if segment.table == table)

    def stop(self, timeout_s: float) -> bool:
        """Load what is queued for at most `timeout_s`, then end; returns whether everything was loaded."""
        self._deadline = time.monotonic() + timeout_s
        self._stopping.set()
        self._work.release()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 5)
        return not self._segments

    def _run(self) -> None:
        failures = 0
        while True:
            if self._stopping.is_set() and (not self._segments or time.monotonic() > self._deadline):
                return self._close()
            if not self._segments:
                self._work.acquire()
                continue
            try:
                with self.loading:
                    self._load(self._segments[0])
                failures = 0
            except Exception as error:  # a dead loader would be a silent one
                if not isinstance(error, (EngineError, OSError)):
                    log.exception("loading failed unexpectedly", event="loading_failed")
                failures += 1
                self._doubtful.update(segment.token for segment in list(self._segments)[:1])
                self._note(error)
                if self._wait(failures):
                    return self._close()

    def _load(self, segment: Segment) -> None:
        """Bring the first segment of the queue home."""
        if self._session is None:
            self._session = self._connect()
        if self._exchange is not None:
            self._exchange(self._session)
        try:
            sift = self._sift(segment)
            done = (
                insert_split(self._session, segment, sift)
                if segment.is_split
                else insert_segment(self._session, segment, sift)
            )
            if segment.token in self._doubtful:
                restore(self._session, segment, sift)
                self._doubtful.discard(segment.token)
        except FileNotFoundError:
            if not segment.path.parent.exists():  # a disk that is away may come back
                raise
            log.error(  # noqa: TRY400
                "%(segment)s is gone, and %(rows)d rows with it",
                event="segment_gone",
                segment=segment.path,
                rows=segment.rows,
            )
            self.loads.damaged[segment.table] += segment.rows
            self._segments.popleft()
            self._on_gone(segment)
        except DataRejected as error:
            log.warning(
                "ClickHouse refuses a row of %(segment)s, sending it in parts: %(error)s",
                event="row_refused",
                segment=segment.path,
                error=error,
            )
            self._segments[0] = mark_split(segment)
        except CorruptSegment as error:
            log.error(  # noqa: TRY400
                "%(segment)s cannot be sent as it is: %(error)s",
                event="segment_unreadable",
                segment=segment.path,
                error=error,
            )
            self._replace_damaged(segment)
        else:
            self._finish(segment, done)

    def _sift(self, segment: Segment) -> Sift | None:
        """What leaves out of a segment whom it is not to bring back; None where it can bring nobody."""
        suppressions = self._suppressions
        if suppressions is None or not suppressions.concern(segment.path):
            return None
        return lambda lines: suppressions.kept_lines(segment.table, lines)

    def _finish(self, segment: Segment, done: Loaded) -> None:
        segment.path.unlink()
        self._segments.popleft()
        self.loads.loaded[segment.table] += done.rows
        self.loads.isolated[segment.table] += done.isolated
        self.loads.erased[segment.table] += done.erased
        self._go_on()
        self._on_gone(segment)

    def _replace_damaged(self, segment: Segment) -> None:
        """Go on with what of a damaged segment can still be read."""
        try:
            sound = recover_segment(segment.path, self._count_damage)
        except OSError:
            # No space to keep the damaged part: loading the others makes some.
            self._segments.rotate(-1)
            raise
        lost = segment.rows - (sound.rows if sound else 0)
        self.loads.damaged[segment.table] += lost
        self._on_damaged(segment, lost)
        if sound is None:
            self._segments.popleft()
            self._on_gone(segment)
        else:
            self._doubtful.add(segment.token)  # parts of it may have been sent, and rows have moved within it
            self._segments[0] = sound

    def _count_damage(self) -> None:
        self.loads.damages += 1

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _note(self, error: Exception) -> None:
        self._close()  # a broken connection is not to be used again
        reason = _reason(error)
        self.loads.retries[reason] += 1
        self.loads.fault = str(error)
        if reason != self._waits_for:  # not its text, which may tell of other bytes each time
            self._waits_for = reason
            log.warning(
                "loading waits, %(segments)d segments are safe on disk: %(reason)s: %(error)s",
                event="loading_waits",
                segments=len(self._segments),
                reason=reason,
                error=error,
            )

    def _go_on(self) -> None:
        if self._waits_for:
            log.info(
                "loading goes on after %(reason)s, %(segments)d segments to go",
                event="loading_goes_on",
                reason=self._waits_for,
                segments=len(self._segments),
            )
        self._waits_for = self.loads.fault = ""

    def _wait(self, failures: int) -> bool:
        """Back off, with jitter; returns whether it is time to give up."""
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures, 10))
        self._stopping.wait(random.uniform(FIRST_WAIT_S, longest))  # noqa: S311 -- jitter, not a secret
        if self._stopping.is_set():
            time.sleep(FIRST_WAIT_S)
        return self._stopping.is_set() and time.monotonic() > self._deadline


def _reason(error: Exception) -> str:
    """Why loading waits, in one of a few words."""
    if isinstance(error, EngineError):
        return error.reason
    return "disk" if isinstance(error, OSError) else "unexpected"
