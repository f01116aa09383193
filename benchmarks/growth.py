"""Does the cost grow with the work and no faster: twice the events, the people, the days, each alone and all together.

People, evidence and events are those of the benchmark `identity`. Each size has a folder and processes of its own; what is told is
the cost for each event, person or question beside that of the smallest size. How loading behaves while a table grows is told by `sustained`.
"""

from __future__ import annotations

from typing import Any

from benchmarks.identity import alone
from benchmarks.results import Finding, Run, Table, Target, median

EVENTS, PEOPLE, DAYS = 500_000, 50_000, 90
QUICK_EVENTS, QUICK_PEOPLE = 50_000, 5_000
# By the row of the table: how many times the events, the people and the days of the first one.
SIZES = {
    "500,000 events": (1, 1, 1),
    "twice the events": (2, 1, 1),
    "twice the people": (1, 2, 1),
    "twice the days": (1, 1, 2),
    "twice of all": (2, 2, 2),
}
LEVEL = 1.3  # of the smallest size's cost, with twice of all


def measure(run: Run) -> Finding:
    events, people = (QUICK_EVENTS, QUICK_PEOPLE) if run.quick else (EVENTS, PEOPLE)
    found = {}
    for name, (more_events, more_people, more_days) in SIZES.items():
        run.say(name)
        found[name] = _one(run, name, events * more_events, people * more_people, DAYS * more_days)
    names = list(SIZES)
    first, last = found[names[0]], found[names[-1]]
    rows = [[name, *(shown(found[name][key]) for key, shown in _COLUMNS.values())] for name in names]
    note = (
        "us/person: to decide each anew; us/event: CPU of all questions of `views` together; look-up: one person by identifier, p50. Bytes are those "
        "of merged tables, of events for each event and of identity for each person. Memory is the most of the process that asked the "
        "questions."
    )
    targets = [
        Target(
            f"{label}, twice of all",
            f"<= {LEVEL} x",
            f"{last[key] / first[key]:.2f} x",
            last[key] / first[key] <= LEVEL,
        )
        for label, (key, _) in _COLUMNS.items()
        if key != "peak_mb"
    ]
    table = Table("The same work, more of it", ["", *_COLUMNS], rows, note)
    return Finding([table], targets, {"events": events, "people": people, "days": DAYS}, [found])


def _one(run: Run, name: str, events: int, people: int, days: int) -> dict[str, float]:
    folder = run.folder / name.replace(" ", "-").replace(",", "")
    alone(folder, "make", people=people)
    rebuild_s = median(alone(folder, "rebuild")["seconds"] for _ in range(run.times(3)))
    alone(folder, "make_events", people=people, events=events, days=days)
    views: dict[str, Any] = alone(folder, "views", rounds=run.times(3))
    look_ups = alone(folder, "look_ups", number=20 if run.quick else 200)["ms"]
    sizes = alone(folder, "sizes")
    return {
        "rebuild_us": rebuild_s * 1e6 / people,
        "views_us": sum(median(times) for times in views["cpu_s"].values()) * 1e6 / events,
        "look_up_ms": median(look_ups),
        "event_bytes": sizes["events_bytes"] / events,
        "person_bytes": sizes["identity_bytes"] / people,
        "peak_mb": views["peak_mb"],
    }


_COLUMNS = {
    "us/person": ("rebuild_us", "{:.1f}".format),
    "us/event": ("views_us", "{:.1f}".format),
    "look-up ms": ("look_up_ms", "{:.1f}".format),
    "B/event": ("event_bytes", "{:.1f}".format),
    "B/person": ("person_bytes", "{:.0f}".format),
    "most MB": ("peak_mb", "{:,.0f}".format),
}
