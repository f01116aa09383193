"""`stitchline` whose clock a test sets: by so many seconds, read from a file, the wall clock is off in this process.

Only Python's wall clocks are moved, as a step by NTP moves them; the monotonic clock goes on.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

from stitchline_collector import ingest
from stitchline_collector.__main__ import main

FILE = "STITCHLINE_TEST_CLOCK_OFFSET"  # the variable that names the file
_time = time.time


def _offset_s() -> float:
    file = Path(os.environ[FILE])
    return float(file.read_text()) if file.exists() else 0.0


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=_offset_s())


if __name__ == "__main__":
    time.time = lambda: _time() + _offset_s()
    time.time_ns = lambda: int(time.time() * 1e9)
    _, *others = ingest.Ingest.__init__.__defaults__ or ()
    ingest.Ingest.__init__.__defaults__ = (_now, *others)  # the seam that its own tests use
    main()
