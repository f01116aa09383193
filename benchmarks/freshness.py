"""Seconds from the `200` until an event is seen in `person_events`, under load, ClickHouse embedded.

While a generator sends 5,000 events a second, four times a second a probe is sent: a device nobody has seen is used without a login, and then
by a user known from another device. Two moments are noted: when the probe's events are in `person_events` (visible), and when
the event before the login belongs to the person of the other device (stitched).

One thread asks for all that is outstanding, again and again, over `POST /v1/sql`, and by the column that finds a few devices by the
sorting key: `person_events` under another name, without reading all events for each question. A probe counts as seen when the answer that holds
it has arrived, so the figures are too high by the time of one question and its answer at most, which is printed beside them.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any

import msgspec

from benchmarks.events import moment, now
from benchmarks.plan import Part, Plan, Server, Slice
from benchmarks.processes import WRITE_KEY, Collector, Failed, run_plan
from benchmarks.results import Finding, Run, Table, Target, median, percentile

RATE, BATCH_EVENTS, CONNECTIONS = 5_000, 10, 32
PREPARED_EVENTS = 100_000
PROBES_PER_S = 4.0
SETTLE_S = 5.0  # under load before the first probe
GIVE_UP_S = 30.0
KEPT = 0.98  # of the rate: less, and it was not measured under that load
WANTED_S = 2.0


class Probe(msgspec.Struct):
    """One probe: `device` is new, `known` is where its user was seen before."""

    number: int
    device: str
    known: str
    acknowledged_at: float = 0.0
    visible_s: float | None = None
    stitched_s: float | None = None


class Watch:
    """Sends probes and looks for them."""

    def __init__(self, collector: Collector) -> None:
        self.probes: list[Probe] = []
        self.poll_s: list[float] = []
        self._collector = collector
        self._run_id = uuid.uuid4().hex[:8]
        self._outstanding: list[Probe] = []
        self._over = threading.Event()
        self._errors: list[Exception] = []

    def prepare(self, count: int) -> None:
        """Make the users known on their first devices."""
        for number in range(count):
            self.probes.append(
                Probe(number, f"probe-{self._run_id}-{number}", f"known-{self._run_id}-{number}")
            )
        self._send([_event(probe.known, user=f"{self._run_id}-{probe.number}") for probe in self.probes])

    def watch(self) -> None:
        """Send all probes, and look for them until each is found or given up."""
        asking = threading.Thread(target=self._ask_always, name="asking", daemon=True)
        asking.start()
        began = time.monotonic()
        for probe in self.probes:
            time.sleep(max(0.0, began + probe.number / PROBES_PER_S - time.monotonic()))
            events = [_event(probe.device), _event(probe.device, user=f"{self._run_id}-{probe.number}")]
            self._send(events)
            probe.acknowledged_at = time.monotonic()
            self._outstanding.append(probe)
        deadline = time.monotonic() + GIVE_UP_S
        while self._outstanding and not self._errors and time.monotonic() < deadline:
            time.sleep(0.1)
        self._over.set()
        asking.join()
        if self._errors:
            raise self._errors[0]

    def _send(self, events: list[dict[str, Any]]) -> None:
        reply = json.loads(
            self._collector.request("POST", "/v1/events", json.dumps({"events": events}).encode(), WRITE_KEY)
        )
        if reply["accepted"] != len(events):
            raise Failed(f"a probe was refused: {reply}")

    def _ask_always(self) -> None:
        try:
            while not self._over.is_set():
                self._ask()
        except Exception as error:  # noqa: BLE001 -- raised by `watch`
            self._errors.append(error)

    def _ask(self) -> None:
        asked = list(self._outstanding)
        if not asked:
            time.sleep(0.005)
            return
        devices = ", ".join(f"'{device}'" for probe in asked for device in (probe.device, probe.known))
        began = time.monotonic()
        found = self._collector.sql(
            f"SELECT device_id, person_id, empty(identifiers) FROM person_events_by_device WHERE device_id IN ({devices})"
        )
        seen_at = time.monotonic()
        self.poll_s.append(seen_at - began)
        person = {(device, anonymous): person_id for device, person_id, anonymous in found}
        for probe in asked:
            _note(probe, person.get((probe.device, 1)), person.get((probe.known, 0)), seen_at)
            if probe.stitched_s is not None:
                self._outstanding.remove(probe)


def _note(probe: Probe, person: Any, known_person: Any, seen_at: float) -> None:
    if person is not None and probe.visible_s is None:
        probe.visible_s = seen_at - probe.acknowledged_at
    if person is not None and person == known_person:
        probe.stitched_s = seen_at - probe.acknowledged_at


def _event(device: str, user: str = "") -> dict[str, Any]:
    event = {"type": "track", "name": "freshness_probe", "occurred_at": moment(now()), "channel": "app"}
    return event | {"device": {"id": device, "type": "phone"}, "identifiers": {"user": user} if user else {}}


def measure(run: Run) -> Finding:
    seconds = 8 if run.quick else 60
    with Collector(run.folder) as collector:
        watch = Watch(collector)
        watch.prepare(int(seconds * PROBES_PER_S))
        run.say(f"{RATE:,} events/s, {len(watch.probes)} probes in {seconds} s")
        offered = _under_load(run, collector, watch, seconds)
    unseen = sum(probe.stitched_s is None for probe in watch.probes)
    visible = [GIVE_UP_S if probe.visible_s is None else probe.visible_s for probe in watch.probes]
    stitched = [GIVE_UP_S if probe.stitched_s is None else probe.stitched_s for probe in watch.probes]
    rows = [_row("visible in person_events", visible), _row("stitched to its person", stitched)]
    rows.append(_row("one question and its answer", watch.poll_s))
    took = offered.events / offered.seconds
    note = f"{took:,.0f} events/s were accepted meanwhile; {len(watch.probes)} probes, {unseen} not stitched within {GIVE_UP_S:.0f} s."
    return Finding(
        [Table("Seconds from the 200, ClickHouse embedded", ["", "p50", "p90", "p99", "most"], rows, note)],
        [_target("visible", visible, took), _target("stitched", stitched, took)],
        {"rate": RATE, "batch_events": BATCH_EVENTS, "probes_per_s": PROBES_PER_S, "seconds": seconds},
        [
            {
                "probes": msgspec.to_builtins(watch.probes),
                "questions_s": watch.poll_s,
                "offered": msgspec.to_builtins(offered),
            }
        ],
    )


def _under_load(run: Run, collector: Collector, watch: Watch, seconds: float) -> Slice:
    servers = [Server("collector", collector.port, True, collector.pid)]
    parts = [Part("collector", SETTLE_S + seconds, RATE)]
    lines = run_plan(
        Plan(servers, parts, CONNECTIONS, BATCH_EVENTS, PREPARED_EVENTS), run.folder / "generator.log"
    )
    next(lines)  # it is connected and begins
    time.sleep(SETTLE_S)
    watch.watch()
    result = msgspec.json.decode(next(lines), type=Slice)
    lines.close()
    return result


def _target(what: str, seconds: list[float], took: float) -> Target:
    p99 = percentile(seconds, 99)
    name = f"{what}, p99 at {RATE:,} events/s"
    return Target(name, f"<= {WANTED_S:.0f} s", f"{p99:.2f} s", p99 <= WANTED_S and took >= KEPT * RATE)


def _row(name: str, seconds: list[float]) -> list[str]:
    return [
        name,
        f"{median(seconds):.2f}",
        *(f"{percentile(seconds, percent):.2f}" for percent in (90, 99, 100)),
    ]
