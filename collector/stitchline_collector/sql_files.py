"""Where the SQL files lie: inside an installed wheel, or in the checkout beside the code.

In: the name of one of the folders of `clickhouse/`. Out: its path, or the files in it, in order.
Guaranteed: the wheel's own copy (`stitchline_collector/_sql`) wins where it exists, so that an installed collector
never reads a checkout that happens to lie near it.
"""

from __future__ import annotations

from pathlib import Path

_IN_WHEEL = Path(__file__).parent / "_sql"
_IN_CHECKOUT = Path(__file__).parents[2] / "clickhouse"


def folder(name: str) -> Path:
    """Return the path of one folder of SQL files.

    Args:
        name: `migrations`, `queries`, `jobs` or `cluster`.

    Returns:
        An existing folder.

    Raises:
        FileNotFoundError: neither place has it; the installation is broken.
    """
    root = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT
    path = root / name
    if not path.is_dir():
        raise FileNotFoundError(f"no SQL files at {path}: install stitchline again")
    return path


def files(name: str) -> list[Path]:
    """List the SQL files of a folder, sorted by name.

    Args:
        name: the folder, as for `folder`.

    Returns:
        Paths that end in `.sql`; the number a migration begins with gives the order.
    """
    return sorted(folder(name).glob("*.sql"))
