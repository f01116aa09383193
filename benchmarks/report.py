"""Writes the figures of `docs/performance.md`: each block between `<!-- figures: NAME -->` and `<!-- end -->`.

In: the JSON files of whole runs. Out: the document, its words untouched. Guaranteed: no figure stands there that is not in a file; a
benchmark without one says so.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.results import Result, Table, as_markdown, read

DOCUMENT = ROOT / "docs" / "performance.md"
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write(names: list[str], document: Path = DOCUMENT) -> None:
    """Fill in the figures that there are.

    Raises:
        ValueError: the document has no block for one of the names.
    """
    text = document.read_text()
    missing = set(names) - {found[1] for found in _BLOCK.findall(text)} - {"targets"}
    if missing:
        raise ValueError(f"{document} has no block for {', '.join(sorted(missing))}")
    results = {name: result for name in names if (result := read(name)) is not None}
    document.write_text(_BLOCK.sub(lambda found: found[1] + _block(found[2], results) + found[3], text))
    print(f"wrote the figures of {', '.join(results) or 'nothing'} into {document.relative_to(ROOT)}")


def _block(name: str, results: dict[str, Result]) -> str:
    if name == "targets":
        return _targets(results)
    result = results.get(name)
    return _figures(result) if result else f"Not measured yet: `python -m benchmarks {name}`.\n"


def _figures(result: Result) -> str:
    tables = "\n".join(as_markdown(table) for table in result.finding.tables)
    parameters = ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
        for name, value in result.finding.parameters.items()
    )
    machine = result.machine
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, Python {machine['python']}, Linux {machine['kernel']}"
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    load = " and ".join(f"{average:.2f}" for average in result.load_average)
    return f"{tables}\n{result.measured_at}; {where}; {versions}. {parameters}. Load average before and after: {load}.\n"


def _targets(results: dict[str, Result]) -> str:
    rows = [
        [one.what, one.wanted, one.measured, "yes" if one.met else "**no**", name]
        for name, result in results.items()
        for one in result.finding.targets
    ]
    if not rows:
        return "Not measured yet: `make bench`.\n"
    return as_markdown(Table("Wanted and measured", ["", "wanted", "measured", "met", "benchmark"], rows))
