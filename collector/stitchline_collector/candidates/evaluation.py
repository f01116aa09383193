"""A simulated town in a database of its own: stitched, searched for probable links, and compared with the truth.

Enters: an engine whose database may be thrown away, and a simulation's folder. Leaves: a `Calibration`; the database stays. Guaranteed: the
same way as in earnest: the same tables, the same stitching, the same search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from .. import migrate
from ..engine import Engine, Session
from ..stitch import Stitcher
from .calibration import Calibration, Scored, calibrate
from .finder import DEFAULT_LIMITS, Limits, find
from .networks import Shares
from .town import COLUMNS, Town

_ROWS_OF_AN_INSERT = 50_000
_encode_lines = msgspec.json.Encoder().encode_lines
_PAIRS = "SELECT low_name, high_name, probability, is_one_person FROM identity_candidates"
# The devices that a search compares: seen in a network, and neither a place nor nobody's.
_DEVICES = """
SELECT DISTINCT concat('device:', device.id)
FROM events
WHERE received_at >= (SELECT max(received_at) FROM events_raw) - toIntervalDay({days:UInt32}) AND ip != ''
    AND device.type NOT IN ('kiosk', 'atm', 'pos', 'server')
    AND device_node NOT IN (SELECT node FROM identity_map WHERE person_id = 0)
"""


def evaluate(
    engine: Engine,
    folder: Path,
    limits: Limits = DEFAULT_LIMITS,
    shares: Shares | None = None,
    tell: Callable[[str], None] = lambda _what: None,
) -> Calibration:
    """Find probable links in a simulated town, and judge them.

    Args:
        engine: its database is made, and filled.
        folder: that `stitchline simulate` wrote.
        limits: of the search.
        shares: how the town is connected.
        tell: told what is being done.

    Raises:
        FileNotFoundError: the folder holds no simulation.
        EngineError: ClickHouse broke off.
    """
    town = Town(folder, shares)
    migrate.apply(engine)
    session = engine.session()
    try:
        tell("simulating")
        _load(session, town.rows())
        tell("stitching")
        _stitch(engine)
        find(engine, limits, tell)
        tell("comparing with the truth")
        devices = [device for (device,) in session.query(_DEVICES, {"days": limits.days})]
        scored = [Scored(*row) for row in session.query(_PAIRS)]
        return calibrate(scored, devices, town.owners())
    finally:
        session.close()


def _load(session: Session, rows: Iterator[list[Any]]) -> None:
    while batch := list(islice(rows, _ROWS_OF_AN_INSERT)):
        settings = {"date_time_input_format": "best_effort"}
        session.insert_body("events_raw", COLUMNS, _encode_lines(batch), "JSONCompactEachRow", None, settings)


def _stitch(engine: Engine) -> None:
    stitcher = Stitcher(engine)
    while stitcher.round():
        pass
    stitcher.close()
