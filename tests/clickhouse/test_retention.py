"""Old rows go by themselves, where the operator says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stitchline_collector.retention import Retention, keep

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine, Session

_EVENT = """
INSERT INTO events_raw (event_id, type, name, occurred_at, device_time, received_at, device)
SELECT generateUUIDv4(), 'track', '{name}', {at}, {at}, now64(3), ('d', '', '', '', '', '', '', '', '', 0, 0)
"""


def names(session: Session) -> list[str]:
    session.command("ALTER TABLE events_raw MATERIALIZE TTL", settings={"mutations_sync": 2})
    session.command("OPTIMIZE TABLE events_raw FINAL")
    return [name for (name,) in session.query("SELECT name FROM events_raw ORDER BY name")]


def test_what_happened_longer_ago_than_is_kept_goes_and_wild_clocks_stay(engine: Engine) -> None:
    session = engine.session()
    moments = {
        "old": "now64(3) - toIntervalDay(40)",
        "recent": "now64(3)",
        "future": "toDateTime64('2150-01-01 00:00:00', 3, 'UTC')",
    }
    for name, at in moments.items():
        session.command(_EVENT.format(name=name, at=at))

    assert sorted(keep(session, Retention(events_days=30))) == ["events_raw", "identity_visits"]

    assert names(session) == ["future", "recent"]
    session.close()


def test_a_rule_is_applied_once_changed_and_taken_back(engine: Engine) -> None:
    session = engine.session()
    assert keep(session, Retention()) == []
    both = Retention(events_days=30, failed_events_days=7)
    assert len(keep(session, both)) == 3
    assert keep(session, both) == []
    assert keep(session, Retention(events_days=30, failed_events_days=8)) == ["failed_events_raw"]

    assert len(keep(session, Retention())) == 3

    engines = session.query(
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name IN ('events_raw', 'failed_events_raw')"
    )
    session.close()
    assert [one for (one,) in engines if "TTL" in one] == []
