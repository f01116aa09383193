"""Nothing disappears silently: the terms of `/metrics` add up, whatever happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clickhouse_server import ClickHouseServer
from tests.processes import CollectorProcess
from tests.system.ledger import metrics, wait_until_loaded
from tests.system.senders import HEADERS, batch, event


@pytest.fixture
def server(clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[ClickHouseServer]:
    del clickhouse_server  # asked for only to learn whether one can run here
    with ClickHouseServer(tmp_path / "server") as server:
        yield server


def mixed_load(collector: CollectorProcess) -> tuple[int, int]:
    """Send good, bad and poisonous events; returns what the answers said was accepted and rejected."""
    accepted = rejected = 0
    poison = json.dumps(event(properties={"a": "POISON"})).replace('"POISON"', "1e999").encode()
    bodies = [
        batch(*[event() for _ in range(7)]),
        batch(event(), event(naem="unknown"), event(seq="wrong"), event()),
        batch(event(), event(type="nonsense")),
        b'{"events":[' + poison + b"," + json.dumps(event()).encode() + b"]}",
        b'{"events":[{"type":"track","name":"\xff"}]}',
    ]
    for body in bodies:
        status, _, answer = collector.request("POST", "/v1/events", body, HEADERS)
        assert status == 200
        accepted += json.loads(answer)["accepted"]
        rejected += len(json.loads(answer)["rejected"])
    for body, status in ((b"{", 400), (b"", 400)):
        assert collector.request("POST", "/v1/events", body, HEADERS)[0] == status
    return accepted, rejected


def check_sums(collector: CollectorProcess) -> dict[str, float]:
    """Hold the equations of `metrics.py` against one scrape."""
    found = metrics(collector)
    by_reason = sum(
        value for name, value in found.items() if name.startswith("stitchline_events_rejected_total{")
    )
    assert found["stitchline_events_received_total"] == found["stitchline_events_accepted_total"] + by_reason

    def term(name: str, kind: str) -> float:
        return found[f'stitchline_rows_{name}{{kind="{kind}"}}']

    for kind, taken in (("accepted", found["stitchline_events_accepted_total"]), ("rejected", by_reason)):
        assert taken + term("recovered_total", kind) == sum(
            term(name, kind) for name in ("loaded_total", "isolated_total", "damaged_total", "spooled")
        ), kind
    return found


def test_the_terms_add_up_through_mixed_load_outage_and_restart(
    server: ClickHouseServer, tmp_path: Path
) -> None:
    collector = CollectorProcess(tmp_path / "data", server.dsn()).start()
    try:
        accepted, rejected = mixed_load(collector)
        wait_until_loaded(collector)
        found = check_sums(collector)
        assert found["stitchline_events_accepted_total"] == accepted
        assert found["stitchline_events_received_total"] == accepted + rejected
        assert found['stitchline_rows_isolated_total{kind="accepted"}'] == 1
        assert found['stitchline_requests_total{status="200"}'] == 5
        assert found['stitchline_requests_total{status="400"}'] == 2

        server.kill()
        more = mixed_load(collector)
        found = check_sums(collector)
        assert found['stitchline_rows_spooled{kind="accepted"}'] == more[0]
        assert found["stitchline_ready"] == 1

        collector.restart()  # while ClickHouse is away: all of it is recovered from disk
        assert check_sums(collector)['stitchline_rows_recovered_total{kind="accepted"}'] == more[0]
        third = mixed_load(collector)
        server.start()
        wait_until_loaded(collector)
        check_sums(collector)

        total = accepted + more[0] + third[0]
        assert collector.sql("SELECT count() FROM events") == [[total - 3]]
        assert collector.sql("SELECT kind, count() FROM failed_events GROUP BY kind ORDER BY kind") == [
            ["batch", rejected + more[1] + third[1]],
            ["row", 3],
        ]
    finally:
        collector.kill()


def test_rejections_are_told_apart_by_few_reasons(collector: Callable[..., CollectorProcess]) -> None:
    process = collector()
    bad = [
        event(naem="x"),
        event(seq="x"),
        event(event_id="x"),
        event(occurred_at="1900-01-01T00:00:00Z"),
        event(properties={"a": "x" * 70_000}),
        {"name": "x"},
    ]
    process.send(*bad)

    reasons = {name for name in metrics(process) if name.startswith("stitchline_events_rejected_total")}

    assert reasons == {
        f'stitchline_events_rejected_total{{reason="{reason}"}}'
        for reason in ("unknown_field", "wrong_type", "invalid", "out_of_range", "too_large", "missing_field")
    }


def test_live_and_ready_say_what_they_mean(collector: Callable[..., CollectorProcess]) -> None:
    process = collector()

    assert json.loads(process.request("GET", "/health/live")[2]) == {"live": True}
    ready = json.loads(process.request("GET", "/health/ready")[2])
    assert ready == {"ready": True, "why": "", "loading": "ok", "spooled_events": 0}
