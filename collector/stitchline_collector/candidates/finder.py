"""Probable links, found anew: devices compared, weights learnt, pairs written.

Enters: an engine whose events carry networks. Leaves: one run in the tables `identity_candidate_*`, which the view
`identity_candidates` shows; older runs are removed. Guaranteed: nothing here joins anybody: no table that persons are made of is
written. A run that died is never seen, and removed by the next; two at once do not meet. The same events give
the same pairs and the same probabilities.

Why not Splink: it compares columns of records, and what tells devices apart here are sets of networks and days, which it would be
handed as finished SQL; its ClickHouse dialect, a package of its own, asks for an embedded engine below version 3, and
what is left to it is the fitting, `learning`. See docs/decisions/0032.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from ..engine import Engine, Session
from ..sql_files import folder
from .features import CHAINS, FEATURES, OWN_FEATURES, VERSION, beginning, filled
from .learning import Frame, Model, Pattern, learn, shares

_encode_lines = msgspec.json.Encoder().encode_lines
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ABANDONED_AFTER_US = 86_400_000_000  # no run takes a day


class Limits(NamedTuple):
    """What is looked at.

    Attributes:
        days: of events, back from the latest arrival.
        most_devices: a network with more is everybody's, and links nobody.
        most_pairs: of one device, the closest; counted once as the lower and once as the higher of a pair.
        sample: devices that strangers are drawn from.
        rounds: how often each of them is drawn.
    """

    days: int = 90
    most_devices: int = 50
    most_pairs: int = 50
    sample: int = 20_000
    rounds: int = 5


DEFAULT_LIMITS = Limits()


class Run(NamedTuple):
    """What a run found.

    Attributes:
        number: of the run.
        devices: compared.
        pairs: by pattern.
        model: learnt from them.
    """

    number: int
    devices: int
    pairs: dict[Pattern, int]
    model: Model


def find(
    engine: Engine, limits: Limits = DEFAULT_LIMITS, tell: Callable[[str], None] = lambda _what: None
) -> Run:
    """Find probable links.

    Args:
        engine: migrated, its events stitched.
        limits: what is looked at.
        tell: told what is being done.

    Raises:
        EngineError: ClickHouse broke off; the run of before is shown on.
    """
    session = engine.session()
    try:
        return _find(session, limits, tell)
    finally:
        session.close()


def _find(session: Session, limits: Limits, tell: Callable[[str], None]) -> Run:
    number = int(session.query("SELECT toUnixTimestamp64Micro(now64(6))")[0][0])
    tell("comparing devices")
    _run(session, "candidates_devices", run=number, days=limits.days)
    _run(session, "candidates_pairs", run=number, most_devices=limits.most_devices, most_pairs=limits.most_pairs)  # fmt: skip
    pairs = _patterns(
        session.query(
            "SELECT pattern, count() FROM identity_candidate_pairs FINAL WHERE run = {run:UInt64} GROUP BY pattern",
            {"run": number},
        )
    )
    strangers = _patterns(
        session.query(
            _statement("candidates_strangers"),
            {"run": number, "sample": limits.sample, "rounds": limits.rounds},
        )
    )
    tell("learning")
    run = Run(number, _devices(session, number), pairs, learn(pairs, _frame(strangers)))
    tell("writing")
    _write(session, run)
    _remove_others(session, number)
    return run


def _statement(job: str) -> str:
    return filled((folder("jobs") / f"{job}.sql").read_text(encoding="utf-8"))


def _run(session: Session, job: str, **parameters: int) -> None:
    session.command(_statement(job), parameters)


def _patterns(rows: list[tuple[str, int]]) -> dict[Pattern, int]:
    return {tuple(pattern.split(",")): int(count) for pattern, count in rows}


def _devices(session: Session, number: int) -> int:
    counted = session.query(
        "SELECT count() FROM identity_candidate_devices FINAL WHERE run = {run:UInt64}", {"run": number}
    )
    return int(counted[0][0])


def _frame(strangers: dict[Pattern, int]) -> Frame:
    known = []
    for place, feature in enumerate(OWN_FEATURES):
        counts: Counter[str] = Counter()
        for pattern, count in strangers.items():
            counts[pattern[place]] += count
        known.append(shares(counts, feature.levels))
    return Frame(CHAINS, beginning(), known)


def _write(session: Session, run: Run) -> None:
    """The model's own row last: with it the run becomes visible."""
    levels_rows = [
        (run.number, feature.name, level, m[level], u[level], run.model.weight_of(place, level))
        for place, (feature, m, u) in enumerate(zip(FEATURES, run.model.m, run.model.u, strict=True))
        for level in feature.levels
    ]
    patterns = [
        (run.number, ",".join(pattern), count, run.model.weight(pattern), run.model.probability(pattern))
        for pattern, count in sorted(run.pairs.items())
    ]
    moment = (_EPOCH + dt.timedelta(microseconds=run.number)).strftime("%Y-%m-%d %H:%M:%S.%f")
    names = [feature.name for feature in FEATURES]
    model = (
        run.number, moment, VERSION, names, run.model.prior, run.devices, sum(run.pairs.values()), len(run.model.objective), run.model.networks_learnt,
    )  # fmt: skip
    _insert(session, "levels", "run feature level m u weight", levels_rows)
    _insert(session, "patterns", "run pattern pairs weight probability", patterns)
    _insert(
        session,
        "models",
        "run decided_at version features prior devices pairs rounds networks_learnt",
        [model],
    )


def _insert(session: Session, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        body = _encode_lines(rows)
        session.insert_body(f"identity_candidate_{table}", columns.split(), body, "JSONCompactEachRow")


def _remove_others(session: Session, number: int) -> None:
    """Remove what finished and dead runs left, and of this one what only the comparison needed; another may be at work."""
    dead = number - _ABANDONED_AFTER_US
    for table in ("devices", "pairs", "levels", "patterns"):
        rows = session.query(
            "SELECT DISTINCT partition FROM system.parts WHERE active AND database = {database:String} AND table = {table:String}"
            " AND (toUInt64(partition) < {dead:UInt64} OR toUInt64(partition) IN (SELECT run FROM identity_candidate_models))"
            " AND (toUInt64(partition) != {number:UInt64} OR table = 'identity_candidate_devices')",
            {"database": session.database, "table": f"identity_candidate_{table}", "dead": dead, "number": number},
        )  # fmt: skip
        for (partition,) in rows:
            session.command(f"ALTER TABLE identity_candidate_{table} DROP PARTITION {int(partition)}")
