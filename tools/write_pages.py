# noqa: INP001 (a script, in no package)
"""Write what pages take from the program and from each other: the table of settings, the list of decisions.

In: the settings' table; the titles of `docs/decisions/0*.md`. Out: `docs/configuration.md` and `docs/decisions/README.md`,
changed between their markers. Run it after either changed; a test fails until then.
"""

from __future__ import annotations

from pathlib import Path

from stitchline_collector.settings import reference

DOCS = Path(__file__).parents[1] / "docs"


def decisions() -> str:
    """The list of decision records, by number, each with its title."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    titles = [record.read_text().partition("\n")[0].removeprefix("# ") for record in records]
    return "".join(f"- [{title}]({record.name})\n" for title, record in zip(titles, records, strict=True))


def pages() -> dict[Path, str]:
    """Each page with what belongs between its markers."""
    return {
        page: _between((DOCS / page).read_text(), marker, content)
        for page, marker, content in (
            (DOCS / "configuration.md", "settings", reference()),
            (DOCS / "decisions" / "README.md", "decisions", decisions()),
        )
    }


def _between(page: str, marker: str, content: str) -> str:
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    before, _, rest = page.partition(begin)
    return before + begin + content + end + rest.partition(end)[2]


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
