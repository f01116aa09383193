"""A segment file and what its name says."""

from __future__ import annotations

from pathlib import Path

import msgspec

OPEN, SEALED, SPLIT, CORRUPT = ".open", ".sealed", ".split", ".corrupt"


class Segment(msgspec.Struct, frozen=True):
    """A segment that takes no more rows.

    Attributes:
        path: Where it lies; `.sealed`, or `.split` once ClickHouse has refused one of its rows.
        rows: Lines in it.
        size: Bytes on disk.
    """

    path: Path
    rows: int
    size: int

    @property
    def table(self) -> str:
        """The stream it belongs to: `events` or `failed`."""
        return self.path.stem.partition("-")[2]

    @property
    def token(self) -> str:
        """The insert's deduplication token: the same for as long as the segment exists, and never used again."""
        return token_of(self.path)

    @property
    def is_split(self) -> bool:
        """Whether its rows have to be inserted in parts."""
        return self.path.suffix == SPLIT

    def renamed(self, suffix: str) -> Segment:
        """The same segment in another state."""
        path = self.path.with_suffix(suffix)
        self.path.rename(path)
        return Segment(path, self.rows, self.size)


def token_of(path: Path) -> str:
    """The token of the segment at a path, in whatever state it is."""
    return f"{path.parent.name}/{path.stem}"


def segment_path(folder: Path, number: int, table: str) -> Path:
    """Where the segment `number` of a folder is written."""
    return folder / f"{number:010d}-{table}{OPEN}"
