"""What is in ClickHouse, counted exactly: an audit table beside `events_raw` that no merge can tidy up.

`events_raw` is a ReplacingMergeTree, so a segment loaded twice would be hidden by the next merge. A materialized view writes the
id of each inserted row into a plain MergeTree, where it stays.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter

from tests.processes import CollectorProcess
from tests.system.senders import Crowd

_PREPARE = """
import sys
from stitchline_collector.engine import Engine
from stitchline_collector.migrate import apply
with Engine.open(sys.argv[1]) as engine:
    apply(engine)
    session = engine.session()
    session.command("CREATE TABLE audit (event_id UUID) ENGINE = MergeTree ORDER BY event_id "
                    "SETTINGS non_replicated_deduplication_window = 10000")
    session.command("CREATE MATERIALIZED VIEW audit_view TO audit AS SELECT event_id FROM events_raw")
    session.close()
"""


def prepare(dsn: str) -> None:
    """Make the tables and the audit, in a process of its own so that the embedded engine is free again."""
    subprocess.run([sys.executable, "-c", _PREPARE, dsn], check=True, timeout=120)


def metrics(collector: CollectorProcess) -> dict[str, float]:
    """Every sample of `/metrics`, by name and labels as they are printed."""
    status, _, body = collector.request("GET", "/metrics")
    assert status == 200
    lines = (line for line in body.decode().splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def wait_until_loaded(collector: CollectorProcess, within_s: float = 90) -> None:
    """Wait until nothing is on the way any more."""
    deadline = time.monotonic() + within_s
    while True:
        found = metrics(collector)
        if not any(found[f'stitchline_rows_spooled{{kind="{kind}"}}'] for kind in ("accepted", "rejected")):
            return
        assert time.monotonic() < deadline, f"still spooled after {within_s} s\n{collector.log()[-3000:]}"
        time.sleep(0.05)


def ids(collector: CollectorProcess, table: str) -> Counter[str]:
    """How often each event id stands in a table or view."""
    status, _, body = collector.request(
        "POST", "/v1/sql?format=TSV", f"SELECT toString(event_id) FROM {table}".encode(), timeout_s=120
    )
    assert status == 200, body
    return Counter(body.decode().split())


def check_exactly_once(collector: CollectorProcess, crowd: Crowd) -> str:
    """Every acknowledged event is there once, and no event twice; returns a line for the reader."""
    wait_until_loaded(collector)
    events, loaded = ids(collector, "events"), ids(collector, "audit")
    acknowledged, unanswered = crowd.acknowledged, set(crowd.unanswered)
    lost = [id_ for id_ in acknowledged if events[id_] == 0]
    assert not lost, (
        f"{len(lost)} of {len(acknowledged)} acknowledged events are lost\n{collector.log()[-5000:]}"
    )
    assert max(events.values(), default=1) == 1
    assert set(loaded) <= set(events) <= set(acknowledged) | unanswered
    doubled = sum(count - 1 for count in loaded.values())
    # ClickHouse, killed inside an insert, may have fed the audit and not the table; the rows put back feed it again.
    put_back = sum(int(count) for count in re.findall(r"(\d+) of \d+ rows of .* put back", collector.log()))
    assert doubled <= put_back, f"{doubled} events were loaded twice\n{collector.log()[-5000:]}"
    return (
        f"{len(acknowledged):,} acknowledged, each there once; "
        f"{len(unanswered & set(events)):,} of {len(unanswered):,} unanswered there too; "
        f"{put_back:,} put back; {crowd.statuses}"
    )
