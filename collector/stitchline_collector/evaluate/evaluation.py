"""One evaluation: an answer and the methods it is compared with, on one world.

Enters: the truth, and the answer of a collector or database. Leaves: an `Evaluation`, to be printed, drawn or kept as JSON. Guaranteed: all
methods are judged by the same functions on the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from ..simulate import Summary
from .answer_key import AnswerKey, NoWorld
from .answers import Answers
from .baselines import Baselines
from .metrics import Scores, score

OURS = "stitchline"
# Where several people use one device: there a wrong person is most likely.
SHARED = (
    "shared_device_signed_in",
    "shared_device_unsigned",
    "shared_device_nobody",
    "borrowed_device",
    "kiosk",
)

Progress = Callable[[str], None]
"""Told what is being done."""


class Evaluation(msgspec.Struct, frozen=True):
    """The result.

    Attributes:
        world: what `simulation.json` says.
        missing: events of the world that the database does not have; they count as nobody's.
        foreign: events of the database that are none of this world; they count for nothing.
        methods: scores by name of the method, ours first where there is one.
    """

    world: Summary
    missing: int
    foreign: int
    methods: dict[str, Scores]


def evaluate(key: AnswerKey, answers: Answers | None, progress: Progress = lambda _what: None) -> Evaluation:
    """Judge an answer and the methods it is compared with.

    Args:
        key: the truth.
        answers: of Stitchline; None judges the others alone.
        progress: told what is being done.
    """
    progress("reading what the events say")
    baselines = Baselines.of(key)
    methods: dict[str, Scores] = {}
    for name, labels in _all(answers, baselines):
        progress(f"judging: {name}")
        methods[name] = score(key, baselines.names, labels)
    missing, foreign = (answers.missing, answers.foreign) if answers else (0, 0)
    return Evaluation(_world(key), missing, foreign, methods)


def _all(answers: Answers | None, baselines: Baselines) -> Iterator[tuple[str, Sequence[int]]]:
    if answers:
        yield OURS, answers.labels
    yield from baselines.methods()


def _world(key: AnswerKey) -> Summary:
    path = key.folder / "simulation.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError) as error:
        raise NoWorld(
            f"{path} cannot be read: the simulation was not finished, make it again ({error})"
        ) from None
