"""The queue of events that were not looked at yet: a table whose data parts are the messages, as the stitcher's inbox.

A merge may replace listed parts by a larger one. Then they are gone under their old names, nothing is dropped, and the larger part is
looked at later: twice is harmless.
"""

from __future__ import annotations

from ..engine import Engine, QueryError, Session
from ..migrate import run_everywhere

TABLE = "activation_inbox"
_NO_SUCH_DATA_PART = 232
_MAX_PARTS = 200
_MAX_ROWS = 50_000
_FEED = """\
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.activation_feed TO {database}.activation_inbox AS
SELECT event_id, toYYYYMMDD(device_time) AS day, device.id AS device_id FROM {database}.events_raw
"""


def feed(engine: Engine) -> None:
    """Have new events put into the queue from now on."""
    run_everywhere(engine, [_FEED.format(database=engine.database)])


def starve(engine: Engine) -> None:
    """Without webhooks nobody would empty the queue."""
    run_everywhere(engine, [f"DROP VIEW IF EXISTS {engine.database}.activation_feed"])
    session = engine.session()
    try:
        session.command("TRUNCATE TABLE IF EXISTS activation_inbox")
    finally:
        session.close()


def parts(session: Session, table: str = TABLE) -> list[str]:
    """The names of the oldest parts of a queue, at least one if there is any."""
    found = session.query(
        "SELECT name, rows FROM system.parts WHERE active AND rows > 0 AND table = {table:String} "
        "AND database = {database:String} ORDER BY min_block_number",
        {"database": session.database, "table": table},
    )
    names: list[str] = []
    total = 0
    for name, rows in found[:_MAX_PARTS]:
        if names and total + rows > _MAX_ROWS:
            break
        names.append(str(name))
        total += rows
    return names


def drop(session: Session, names: list[str], table: str = TABLE) -> None:
    """Take parts off a queue; what a merge has replaced stays."""
    for name in names:
        try:
            session.command(f"ALTER TABLE {table} DROP PART '{name}'")
        except QueryError as error:
            if error.code != _NO_SUCH_DATA_PART:
                raise
