"""Make the views over journeys in a migrated database.

Enters: an engine, and the text of a `journey.toml` or none. Leaves: `journey_events`, `journey_stages`, `journey_milestones`, and
each file of `clickhouse/views` as a view, and where it can be asked about a past moment as `NAME_asof`. Guaranteed: without a text, the one that was given last holds, so that whoever migrates
without it takes nothing away; a definition that ClickHouse refuses changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stitchline_collector import sql_files

from ..cluster import select_of
from ..migrate import run_everywhere
from .definition import JourneyError, read
from .past import has_past, name_of, of_then
from .statements import events_of_then, statements

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine

_LAST = "SELECT argMax(text, defined_at) FROM journey_definitions"
_REMEMBER = "INSERT INTO journey_definitions (text) VALUES ({text:String})"


def journey_text(file: str) -> str | None:
    """Read a journey file and check it.

    Args:
        file: its path; empty for none.

    Returns:
        Its text, or None without a file.

    Raises:
        JourneyError: it cannot be read; the message names file and line.
    """
    if not file:
        return None
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
        read(text)
    except OSError as error:
        raise JourneyError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise JourneyError(f"{file}: {error}") from None
    return text


def prepare(engine: Engine, text: str | None = None) -> None:
    """Make the views, and remember the definitions.

    Args:
        engine: its database is migrated.
        text: of a `journey.toml`; None for the one given last, or the usual stages if there was none.

    Raises:
        JourneyError: the definitions are wrong.
        EngineError: ClickHouse refused a statement or cannot be reached.
    """
    session = engine.session()
    try:
        last = str(session.query(_LAST)[0][0])
        journey = read(last if text is None else text)
        person_events = select_of("person_events_by_device", session.query, engine.database)
        made = statements(engine.database, journey, person_events)
        for view in made:
            # Analysed before anything is replaced: a definition that does not work must not take the working one's place.
            session.query(f"EXPLAIN QUERY TREE {view.partition(' AS ')[2]}")
        then = events_of_then(
            engine.database, journey
        )  # after its parameter is known it can be analysed, not before
        run_everywhere(engine, [*made, then, *_questions(engine.database)])
        if text is not None and text != last:
            session.command(_REMEMBER, parameters={"text": text})
    finally:
        session.close()


def _questions(database: str) -> list[str]:
    texts = {file.stem: file.read_text(encoding="utf-8") for file in sql_files.files("views")}
    texts |= {name_of(name): of_then(text) for name, text in texts.items() if has_past(name, text)}
    # A view reads another by its name only when it is asked, so their order does not matter.
    return [f"CREATE OR REPLACE VIEW {database}.{name} AS\n{text}" for name, text in texts.items()]
