"""An evaluation as tables: for a terminal, and for the documentation.

Enters: an `Evaluation`. Leaves: `Table`s of texts, and Markdown. Guaranteed: the terminal and the page show the same cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .evaluation import OURS, SHARED, Evaluation
from .metrics import Quality, Scores, Shares

_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OUTCOMES = {
    "wrong": "Events given to a wrong person",
    "right": "Events given to the right person",
    "nobody": "Events given to nobody",
}


class Table(NamedTuple):
    """A table; the first column is text, the others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(evaluation: Evaluation) -> list[Table]:
    """All tables of an evaluation: the methods, their persons, then each outcome by stratum."""
    return [
        _groups(evaluation),
        _of_all(evaluation),
        _persons(evaluation),
        *(_outcome(evaluation, outcome) for outcome in _OUTCOMES),
    ]


def markdown(table: Table) -> str:
    """A table as Markdown, under its title."""
    lines = [
        f"**{table.title}**\n",
        _line(table.header),
        _line(("---", *("---:" for _ in table.header[1:]))),
        *map(_line, table.rows),
    ]
    return "\n".join(lines) + "\n"


def fill_in(page: str, evaluation: Evaluation) -> str:
    """Write the figures into a page.

    Args:
        page: text with blocks between `<!-- figures: NAME -->` and `<!-- end -->`; names are `world`, `methods`, `strata` and
            `parameters`.
        evaluation: what to write.

    Raises:
        ValueError: a block of another name.
    """
    blocks = dict(_blocks(evaluation))
    unknown = {name for _, name, _ in _BLOCK.findall(page)} - blocks.keys()
    if unknown:
        raise ValueError(f"no figures called {', '.join(sorted(unknown))}: there are {', '.join(blocks)}")
    return _BLOCK.sub(lambda found: found[1] + blocks[found[2]] + found[3], page)


def _blocks(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    groups, of_all, persons, *outcomes = tables(evaluation)
    yield "world", _of_world(evaluation)
    yield "methods", "\n".join(map(markdown, (groups, of_all, persons)))
    yield "strata", "\n".join(map(markdown, outcomes))
    yield "parameters", markdown(_parameters(evaluation))


def _of_world(evaluation: Evaluation) -> str:
    world = evaluation.world
    text = (
        f"{world.people:,} people, seed {world.seed}: {world.events:,} events, {world.solvable_events:,} of them solvable, in "
        f"{world.batches:,} batches; {world.repeated_events:,} events came twice.\n"
    )
    if OURS not in evaluation.methods:
        text += "Stitchline itself was not measured.\n"
    if evaluation.missing:
        text += f"{evaluation.missing:,} events were missing and count as nobody's.\n"
    return text


def _groups(evaluation: Evaluation) -> Table:
    header = ("method", "precision", "recall", "F0.5", "B³ prec.", "B³ recall", "B³ F0.5")
    rows = [(name, *_qualities(scores)) for name, scores in evaluation.methods.items()]
    return Table("Solvable events: pairwise, and B-cubed", header, rows)


def _of_all(evaluation: Evaluation) -> Table:
    rows = [(name, *_numbers(scores.pairwise_of_all)) for name, scores in evaluation.methods.items()]
    return Table("All events, unsolvable ones too: pairwise", ("method", "precision", "recall", "F0.5"), rows)


def _qualities(scores: Scores) -> Iterator[str]:
    yield from _numbers(scores.pairwise)
    yield from _numbers(scores.b_cubed)


def _numbers(quality: Quality) -> Iterator[str]:
    yield from (f"{number:.3f}" for number in (quality.precision, quality.recall, quality.f05))


def _persons(evaluation: Evaluation) -> Table:
    header = ("method", "persons", "over-merged", "with two users")
    rows = [
        (name, f"{scores.persons:,}", _percent(scores.over_merged), f"{scores.users_sharing_a_person:,}")
        for name, scores in evaluation.methods.items()
    ]
    return Table("Persons that stand for somebody", header, rows)


def _outcome(evaluation: Evaluation, outcome: str) -> Table:
    methods = list(evaluation.methods.values())
    rows = [
        (_stratum(stratum), f"{shares.events:,}", *(_share(scores, stratum, outcome) for scores in methods))
        for stratum, shares in methods[0].strata.items()
    ]
    return Table(_OUTCOMES[outcome], ("stratum", "events", *evaluation.methods), rows)


def _share(scores: Scores, stratum: str, outcome: str) -> str:
    shares: Shares = scores.strata[stratum]
    return _percent({"right": shares.right, "wrong": shares.wrong, "nobody": shares.nobody}[outcome])


def _stratum(stratum: str) -> str:
    return stratum.replace("shared_device", "shared").replace("_", " ") + (" *" if stratum in SHARED else "")


def _parameters(evaluation: Evaluation) -> Table:
    from ..simulate import Behaviour

    meanings = {row.name: row.meaning for row in Behaviour().rows()}
    rows = [
        (meanings.get(name, ""), name.replace("_", " "), _value(value))
        for name, value in evaluation.world.behaviour.items()
    ]
    return Table("Behaviour", ("meaning", "name", "value"), rows)


def _value(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
