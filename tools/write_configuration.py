# noqa: INP001 (a script, in no package)
"""Write the table of settings into docs/configuration.md, between its markers.

In: the program's own table. Out: the page, changed or not. Run it after a setting changed; a test fails until then.
"""

from __future__ import annotations

from pathlib import Path

from stitchline_collector.settings import reference

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"


def written(page: str) -> str:
    """The page with the program's table between its markers."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + reference() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
