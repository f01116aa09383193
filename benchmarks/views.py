"""The analysts' views at size: each over ten million events of a million people, beside counting each person's events.

People, evidence and events are those of the benchmark `identity`, made by ClickHouse itself. Each question is asked through the view, in
turn with the yardstick, on the embedded engine.
"""

from __future__ import annotations

from benchmarks.identity import alone
from benchmarks.results import Finding, Run, Table, Target, median
from benchmarks.views_questions import LIMIT, QUESTIONS

WANTED_S = 3.0


def measure(run: Run) -> Finding:
    people, events = (20_000, 100_000) if run.quick else (1_000_000, 10_000_000)
    run.say(f"making the evidence of {people:,} people")
    alone(run.folder, "make", people=people)
    run.say(f"making {events:,} events")
    alone(run.folder, "make_events", people=people, events=events)
    run.say("asking each view")
    found = alone(run.folder, "views", rounds=run.times(3))
    seconds = {name: median(times) for name, times in found["seconds"].items()}
    rows = [
        [
            name,
            f"{seconds[name]:.2f}",
            f"{seconds[name] / seconds[LIMIT]:.1f}",
            f"{median(found['cpu_s'][name]):.2f}",
        ]
        for name in (LIMIT, *QUESTIONS)
    ]
    note = (
        "Over all of them, stitched unless it says otherwise. The first row is what every question about people needs; the ratio is to it. "
        "CPU is that of all threads."
    )
    table = Table(f"Each view over {events:,} events", ["", "s", "ratio", "CPU s"], rows, note)
    targets = [
        Target(name, f"<= {WANTED_S:.0f} s", f"{seconds[name]:.2f} s", seconds[name] <= WANTED_S)
        for name in QUESTIONS
    ]
    return Finding([table], targets, {"people": people, "events": events}, [found])
