"""`python -m benchmarks [NAME ...]`: measure, print tables, keep JSON; `python -m benchmarks report`: write the documentation's figures."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    dialects,
    footprint,
    freshness,
    growth,
    identity,
    ingest,
    load,
    overload,
    report,
    results,
    sdk,
    steps,
    sustained,
    views,
    workers,
)
from benchmarks.processes import Failed
from benchmarks.results import Finding, Run

BENCHMARKS: dict[str, Callable[[Run], Finding]] = {
    "ingest": ingest.measure,
    "load": load.measure,
    "sustained": sustained.measure,
    "sdk": sdk.measure,
    "freshness": freshness.measure,
    "bytes": footprint.measure,
    "identity": identity.measure,
    "views": views.measure,
    "growth": growth.measure,
    "dialects": dialects.measure,
    "steps": steps.measure,
    "overload": overload.measure,
    "workers": workers.measure,
}

BUSY = 0.3  # load average of a minute above which the machine is not quiet


def main() -> None:
    options = _options()
    if options.names == ["report"]:
        report.write(list(BENCHMARKS))
        return
    failed = [name for name in options.names or BENCHMARKS if not _measure(name, options)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (all of them), or report"
    )
    parser.add_argument(
        "--quick", action="store_true", help="try everything out in short; figures go to results/quick"
    )
    parser.add_argument("--rounds", type=int, help="how often each contender is measured")
    parser.add_argument(
        "--folder", type=Path, help="on which disk to work (default: the system's temporary folder)"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS) - {"report"}
    if unknown or ("report" in options.names and len(options.names) > 1):
        parser.error(f"no benchmark of that name: {', '.join(unknown) or 'report stands alone'}")
    return options


def _measure(name: str, options: argparse.Namespace) -> bool:
    began, load_average = time.monotonic(), os.getloadavg()[0]

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {name}: {what}", file=sys.stderr, flush=True)

    if load_average > BUSY:
        say(f"the load average is {load_average:.1f}: something else is running, and the figures will suffer")
    with tempfile.TemporaryDirectory(prefix="stitchline-bench-", dir=options.folder) as folder:
        try:
            finding = BENCHMARKS[name](Run(Path(folder), options.quick, options.rounds, say))
        except Failed as failure:
            say(f"failed: {failure}")
            return False
    found = results.result(name, finding, load_average)
    path = results.write(found, quick=options.quick)
    print(results.show(found), flush=True)
    say(f"kept as {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return True


if __name__ == "__main__":
    main()
