"""Which segments there are to load, where they come from, and what was counted of them.

Enters: what the own spool sealed, and folders that dead processes left. Leaves: segments for the loader, and the terms of
"nothing disappears silently". This is the intake of a collector of one process; that of several is in `workers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from .front import Front
from .load import Loader, Loads
from .logs import Log
from .spool import Folder, Segment, adopt

ADOPT_EVERY_S = 5.0
MAY_BE_ON_ITS_WAY = 8  # segments of a folder: of two tables, not always sealed in the order they were opened
log = Log(__name__)


class Intake:
    """The segments of one process.

    Args:
        spool: The folder of all spool folders.

    Attributes:
        loads: What became of the rows.
        look_every_s: Pause between two looks at what others left.
        restarts: Other processes started again, by which and why.
    """

    look_every_s = ADOPT_EVERY_S

    def __init__(self, spool: Path) -> None:
        self.loads = Loads()
        self._spool_path = spool
        self.restarts: Mapping[tuple[str, str], int] = {}
        self.damages = 0  # segments found damaged before they came to the loader
        self._adopted: dict[Path, Folder] = {}
        self._recovered = {"events": 0, "failed": 0}

    def open(self, front: Front, loader: Loader) -> None:
        """Make the own folder, and the rooms that write it."""
        self._front, self._loader = front, loader
        front.open(partial(Folder.create, self._spool_path), loader.submit, lambda: loader.backlog)

    def close(self) -> None:
        """Leave the own folder, when nothing writes it any more."""
        self._front.spool.remove_folder_if_empty()

    def look(self) -> None:
        """Adopt what dead processes left.

        Raises:
            OSError: not now.
        """
        for folder, segments in adopt(self._spool_path):
            self._adopted[folder.path] = folder
            self._front.spool.adopted(segments)
            for place, segment in enumerate(segments):
                self._recovered[segment.table] += segment.rows
                # The loader goes in order, so only one of the first can have been on its way.
                # Rows move within a mended segment, while the parts of a split one are known by their places.
                doubtful = place < MAY_BE_ON_ITS_WAY or folder.damages > 0
                self._loader.submit(segment, sent_before=doubtful)
            self.damages += folder.damages
            log.info(
                "adopted %(folder)s: %(segments)d segments to load",
                event="spool_adopted",
                folder=folder.path,
                segments=len(segments),
            )

    def gone(self, segment: Segment) -> None:
        """A segment left the disk (called on the loader's thread)."""
        self._front.spool.freed(segment.size)
        folder = self._adopted.get(segment.path.parent)
        if folder is not None and folder.remove_if_empty():
            del self._adopted[segment.path.parent]

    def damaged(self, segment: Segment, rows: int) -> None:
        """Rows of a segment were lost to the disk (called on the loader's thread)."""

    def lost(self, _table: str) -> int:
        """Rows counted by another process, of which nothing was left when they were looked for."""
        return 0

    def is_last(self) -> bool:
        """Whether nobody else writes segments that are to be loaded here."""
        return True

    @property
    def unready(self) -> str:
        """Why another process cannot acknowledge, or nothing."""
        return ""

    @property
    def accepted(self) -> int:
        """Events acknowledged and on disk."""
        return self._front.ingest.ingested.accepted

    @property
    def suppressed(self) -> int:
        """Events acknowledged and not kept, because they tell of somebody erased."""
        return self._front.ingest.ingested.suppressed

    @property
    def rejected(self) -> Mapping[str, int]:
        """Rejected events by reason."""
        return self._front.ingest.ingested.rejected

    @property
    def replies(self) -> Mapping[int, int]:
        """Requests by status."""
        return self._front.receiver.replies

    @property
    def faults(self) -> Mapping[str, int]:
        """Commits that the disk did not take, by reason."""
        return self._front.spool.faults

    @property
    def recovered(self) -> Mapping[str, int]:
        """Rows found on disk at start or left by others, by spool table."""
        return self._recovered

    @property
    def commits(self) -> int:
        """Group commits."""
        return self._front.spool.commits

    def spooled(self, table: str) -> int:
        """Rows on disk, not in ClickHouse yet."""
        return self._front.spool.open_rows(table) + self._loader.waiting_rows(table)
