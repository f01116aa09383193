"""The segments of all processes of a group, for the one that loads them.

The loader looks at the folders of the others several times a second, takes what is sealed there, and removes it when ClickHouse
has it; those who write look only at how much is on disk. What a folder's process counted, what was found without having been
counted and what has left it stand together in the folder's lock file, so a loader that is killed goes on with the next look.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from ..front import Front
from ..intake import MAY_BE_ON_ITS_WAY, Intake
from ..load import Loader
from ..logs import Log
from ..spool import Folder, Segment, adopt
from ..spool.folder import LOCK, sealed_segments, size_on_disk
from ..spool.group import group_of, take
from ..spool.segment import CORRUPT, token_of
from .counts import TABLES, Counts, Totals

_MEASURE_EVERY = 4  # looks
K = TypeVar("K")
log = Log(__name__)


class GroupIntake(Intake):
    """The segments of a group.

    Args:
        spool: The folder of all spool folders.
        group: The number of the group.
        totals: What the group counted in folders that are gone.
    """

    look_every_s = 0.25

    def __init__(self, spool: Path, group: int, totals: Totals) -> None:
        super().__init__(spool)
        self.loads = totals.loads
        self.restarts = totals.restarts
        self._group = group
        self._totals = totals
        self._folder: Folder | None = None  # until the disk has space for it
        self._own, *self._homeless = totals.before_folders
        self._folders: dict[Path, Counts] = {}
        self._looked_into: set[Path] = set()
        self._known: dict[str, Segment] = {}  # by token: on their way to ClickHouse
        self._counting = threading.RLock()  # between looks, the loader and who asks
        self._missed: dict[tuple[Path, str], tuple[int, int]] = {}  # at the last look: acknowledged, missing
        self._looks = 0

    def open(self, front: Front, loader: Loader) -> None:
        """Make the rooms that write the own folder, as soon as the disk has space for it."""
        self._front, self._loader = front, loader
        counts = self._own
        front.open(
            self._make_folder, self._submit, lambda: loader.backlog, counts, counts.replies, counts.faults
        )

    def _make_folder(self) -> Folder:
        with self._counting:
            folder = self._folder = Folder.create(self._spool_path, self._group)
            self._own.move_into(folder.path)
            self._folders[folder.path] = self._own
        return folder

    def close(self) -> None:
        """Leave the own folder, when nothing writes it any more: the next loader adopts it, with what was counted."""
        if self._folder:
            self._folder.release()

    def look(self) -> None:
        """Take what the others sealed, and adopt what the dead left.

        Raises:
            OSError: not now.
        """
        with self._counting:
            others = self._meet()
        for path in others:
            is_new = path not in self._looked_into
            self._looked_into.add(path)
            for place, segment in enumerate(sealed_segments(path, self._known, self._count_damage)):
                # Seen for the first time, a loader that was killed may have sent it.
                self._submit(segment, sent_before=is_new and place < MAY_BE_ON_ITS_WAY)
            self._miss(path)
        for folder, segments in adopt(self._spool_path, self._group, self._known):
            self._adopted[folder.path] = folder
            self._folders[folder.path] = self._counts_of(folder.path)
            self._recount(folder.path, segments)
            for place, segment in enumerate(segments):
                # Rows move within a mended segment, while the parts of a split one are known by their places.
                self._submit(segment, sent_before=place < MAY_BE_ON_ITS_WAY or folder.damages > 0)
            self.damages += folder.damages
            log.info(
                "adopted %(folder)s: %(segments)d segments to load",
                event="spool_adopted",
                folder=folder.path,
                segments=len(segments),
            )
            self._remove_if_empty(folder.path)
        for path in [path for path in self._folders if not path.exists()]:  # adopted and found empty
            self._recount(path, [])
            self._depart(path)
        self._looked_into.intersection_update(self._folders)
        self._missed = {key: found for key, found in self._missed.items() if key[0] in self._folders}
        if self._looks % _MEASURE_EVERY == 0:
            self._front.spool.measured(lambda: size_on_disk(self._spool_path))
        self._looks += 1

    def gone(self, segment: Segment) -> None:
        """A segment left the disk (called on the loader's thread)."""
        self._front.spool.freed(segment.size)
        with self._counting:
            known = self._known.pop(segment.token)
            self._folders[segment.path.parent].gone[segment.table] += known.rows
        self._remove_if_empty(segment.path.parent)

    def damaged(self, segment: Segment, rows: int) -> None:
        """Rows of a segment were lost to the disk (called on the loader's thread)."""
        with self._counting:
            known = self._known[segment.token]
            self._known[segment.token] = structs.replace(known, rows=known.rows - rows)
            self._folders[segment.path.parent].gone[segment.table] += rows

    def _miss(self, path: Path) -> None:
        """Count what was acknowledged in a folder and is gone though nobody took it, which shows when its process pauses.

        How many rows a segment had that was damaged or away when it was first looked at, only its writer knew.
        """
        with self._counting:
            counts = self._folders[path]
            acknowledged = {table: counts.acknowledged(table) for table in TABLES}
            on_disk = [file for file in path.glob("*-*.*") if file.suffix != CORRUPT]
            unseen = {file.stem.partition("-")[2] for file in on_disk if token_of(file) not in self._known}
            for table, count in acknowledged.items():
                before, missed = self._missed.get((path, table), (0, 0))
                missing = count - counts.gone[table]
                if count != before or table in unseen or missing <= counts.lost[table]:
                    missing = 0
                else:
                    missing -= self._known_rows(path, table)
                # Twice the same: between two names, a segment that is just being sealed may have been overlooked.
                if missing > counts.lost[table] and missing == missed:
                    self._lose(path, table, missing)
                self._missed[path, table] = count, missing

    def _known_rows(self, path: Path, table: str) -> int:
        here = [one for one in list(self._known.values()) if one.path.parent == path]
        return sum(one.rows for one in here if one.table == table)

    def _lose(self, path: Path, table: str, rows: int) -> None:
        log.error(
            "%(rows)d rows of %(folder)s were gone before they could be loaded",
            event="rows_lost",
            rows=rows - self._folders[path].lost[table],
            folder=path,
        )
        self._folders[path].lost[table] = rows

    def _count_damage(self) -> None:
        self.damages += 1

    def is_last(self) -> bool:
        """Whether nobody else writes segments that are to be loaded here."""
        return not any(path not in self._adopted for path in self._others())

    def _others(self) -> Iterator[Path]:
        """Folders of the group that another process writes, or wrote until a moment ago."""
        own = self._folder and self._folder.path
        for path in sorted(self._spool_path.glob("[!.]*")):
            try:
                if path not in self._adopted and path != own and group_of(path / LOCK) == self._group:
                    yield path
            except (FileNotFoundError, NotADirectoryError):
                continue

    def _submit(self, segment: Segment, *, sent_before: bool = False) -> None:
        self._known[segment.token] = segment
        self._loader.submit(segment, sent_before=sent_before)

    def _counts_of(self, path: Path) -> Counts:
        """The counts of an adopted folder."""
        try:
            if (
                group_of(path / LOCK) != self._group
            ):  # of an earlier start: nothing of it was counted in this one
                take(path / LOCK, self._group)
            return self._folders.get(path) or Counts.of(path)
        except OSError:  # a full disk: then they last as long as this process
            return Counts.homeless()

    def _recount(self, path: Path, found: list[Segment]) -> None:
        """Count what a dead process had on disk and had not counted: written, but nobody was told."""
        with self._counting:
            counts = self._folders[path]
            for table in TABLES:
                rows = counts.gone[table] + self._known_rows(path, table)
                rows += sum(one.rows for one in found if one.table == table)
                uncounted = rows + counts.lost[table] - counts.acknowledged(table)
                counts.recovered[table] = max(0, uncounted)
                if uncounted < 0:
                    self._lose(path, table, counts.lost[table] - uncounted)

    def _remove_if_empty(self, path: Path) -> None:
        folder = self._adopted.get(path)
        if folder is not None and folder.remove_if_empty():
            self._depart(path)
            del self._adopted[path]

    def _depart(self, path: Path) -> None:
        """Keep the counts of a folder that is gone."""
        with self._counting:
            counts = self._folders.pop(path, None)
            if counts is not None:
                self._totals.add(counts)

    def _meet(self) -> list[Path]:
        """Learn of folders as soon as somebody counts in them: what is acknowledged there is not to be missing until the next look."""
        found = []
        for path in self._others():
            with contextlib.suppress(FileNotFoundError):  # it went this moment
                if path not in self._folders:
                    self._folders[path] = Counts.of(path)
                found.append(path)
        return found

    def _all(self) -> list[Counts]:
        self._meet()
        self._own.single["commits"] = self._front.spool.commits
        own = [] if self._folder else [self._own]
        return [self._totals, *self._folders.values(), *own, *self._homeless]

    @property
    def workers(self) -> int:
        """Processes that write a folder, this one left out."""
        return sum(1 for path in self._others())

    @property
    def accepted(self) -> int:
        """Events acknowledged and on disk."""
        with self._counting:
            return sum(counts.accepted for counts in self._all())

    @property
    def suppressed(self) -> int:
        """Events acknowledged and not kept, because they tell of somebody erased."""
        with self._counting:
            return sum(counts.suppressed for counts in self._all())

    @property
    def rejected(self) -> Mapping[str, int]:
        """Rejected events by reason."""
        with self._counting:
            return _sum([counts.rejected for counts in self._all()])

    @property
    def replies(self) -> Mapping[int, int]:
        """Requests by status."""
        with self._counting:
            return _sum([counts.replies for counts in self._all()])

    @property
    def faults(self) -> Mapping[str, int]:
        """Commits that the disk did not take, by reason."""
        with self._counting:
            return _sum([counts.faults for counts in self._all()])

    @property
    def unready(self) -> str:
        """Why one of the others cannot acknowledge, or nothing."""
        with self._counting:
            theirs = [*self._homeless, *(self._folders.get(path) for path in self._others())]
        return "a worker is not ready" if any(one and one.now["unready"] for one in theirs) else ""

    def lost(self, table: str) -> int:
        """Rows counted by another process, of which nothing was left when they were looked for."""
        with self._counting:
            return sum(counts.lost[table] for counts in self._all())

    @property
    def recovered(self) -> Mapping[str, int]:
        """Rows found on disk that nobody had counted, by spool table."""
        with self._counting:
            return _sum([counts.recovered for counts in self._all()])

    @property
    def commits(self) -> int:
        """Group commits."""
        with self._counting:
            return sum(counts.single["commits"] for counts in self._all())

    def spooled(self, table: str) -> int:
        """Rows on disk, not in ClickHouse yet."""
        with self._counting:
            self._meet()
            return sum(
                # Rows may have gone before they were counted: a moment, while their commit is answered.
                max(
                    0,
                    counts.acknowledged(table)
                    + counts.recovered[table]
                    - counts.gone[table]
                    - counts.lost[table],
                )
                for counts in self._folders.values()
            )


def _sum(parts: Iterable[Mapping[K, int]]) -> Counter[K]:
    total: Counter[K] = Counter()
    for part in parts:
        total.update(dict(part))
    return total
