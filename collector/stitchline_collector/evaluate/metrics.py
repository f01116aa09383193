"""How good an answer is: numbers from a contingency table.

Enters: for each event its true person and the person an answer gives it. Leaves: `Quality`, and shares by stratum. Guaranteed: pairs
are counted, never made: the cost is one pass over the events.

**Pairwise.** Of all pairs of solvable events: precision is the share of those put together that are of one person; recall the share of
those of one person that are put together. F0.5 counts precision twice as much as recall: a stranger's events in a
journey do more harm than a gap. The same is also counted over all events of people who are in the data: there recall cannot be high,
and precision is lost where events that nobody can tell are given to somebody.

**B-cubed** (Bagga and Baldwin 1998) asks the same for each event, and takes the mean: people with few events count as much.

**Right, wrong, nobody.** A predicted person stands for the true person who made most of its events that say a `user`; if
none does, most of those that say a contact. An event is *right* if its predicted person stands for its true person,
*wrong* if it stands for another, and *nobody's* if it stands for none: it is anonymous, or belongs to nobody. Whatever is given to
somebody although a passer-by did it is wrong.

**Over-merged** are predicted persons that stand for somebody and hold events of more than one true person, among all that
stand for somebody. **Users sharing a person** are predicted persons whose own events say more than one `user`.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from .answer_key import NOT_ANYWHERE, STRATA, AnswerKey

NOBODY = 0  # the label of an event that belongs to nobody; it shares it with no other


class Quality(msgspec.Struct, frozen=True):
    """Three numbers of one way to count, between 0 and 1."""

    precision: float
    recall: float
    f05: float


class Shares(msgspec.Struct, frozen=True):
    """What became of the events of a stratum."""

    events: int
    right: float
    wrong: float
    nobody: float


class Scores(msgspec.Struct, frozen=True):
    """All about one answer; see the module."""

    pairwise: Quality
    b_cubed: Quality
    pairwise_of_all: Quality
    persons: int
    over_merged: float
    users_sharing_a_person: int
    strata: dict[str, Shares]


class Names:
    """What events say by themselves: which predicted person stands for whom depends on it.

    Attributes:
        users: by event number: 0, or a number for the user it says.
        contacts: by event number: whether it says a contact.
    """

    def __init__(self, events: int) -> None:
        self.users = array("I", bytes(4 * events))
        self.contacts = bytearray(events)


def score(key: AnswerKey, names: Names, labels: Sequence[int]) -> Scores:
    """Judge an answer.

    Args:
        key: the truth.
        names: what the events say.
        labels: the answer: predicted person by event number; `NOBODY` for none.
    """
    solvable = [(labels[n], key.people[n]) for n, is_so in enumerate(key.solvable) if is_so]
    known = [
        (label, person) for label, person in zip(labels, key.people, strict=True) if person != NOT_ANYWHERE
    ]
    owners = owners_of(key.people, names, labels)
    return Scores(
        pairwise=pairwise(solvable),
        b_cubed=b_cubed(solvable),
        pairwise_of_all=pairwise(known),
        persons=len(owners),
        over_merged=_over_merged(key.people, labels, owners),
        users_sharing_a_person=users_sharing(names, labels),
        strata=_strata(key, labels, owners),
    )


def pairwise(answers: Iterable[tuple[int, int]]) -> Quality:
    """Pairwise quality of (predicted, true) of each event."""
    table = Counter(answers)
    predicted, true = _margins(table)
    both = sum(_pairs(count) for (label, _), count in table.items() if label != NOBODY)
    together = sum(_pairs(count) for label, count in predicted.items() if label != NOBODY)
    return _quality(both, together, both, sum(_pairs(count) for count in true.values()))


def b_cubed(answers: Iterable[tuple[int, int]]) -> Quality:
    """B-cubed quality of (predicted, true) of each event; one that is nobody's is alone."""
    table = Counter(answers)
    predicted, true = _margins(table)
    precision = recall = 0.0
    for (label, person), count in table.items():
        if label == NOBODY:
            precision += count
            recall += count / true[person]
        else:
            precision += count * count / predicted[label]
            recall += count * count / true[person]
    events = table.total()
    return _quality(precision, events, recall, events)


def owners_of(people: Sequence[int], names: Names, labels: Sequence[int]) -> dict[int, int]:
    """The true person that each predicted person stands for, for those that stand for one."""
    by_user: Counter[tuple[int, int]] = Counter()
    by_contact: Counter[tuple[int, int]] = Counter()
    for number, label in enumerate(labels):
        if label == NOBODY or people[number] == NOT_ANYWHERE:
            continue
        if names.users[number]:
            by_user[label, people[number]] += 1
        elif names.contacts[number]:
            by_contact[label, people[number]] += 1
    return _most(by_contact) | _most(by_user)


def users_sharing(names: Names, labels: Sequence[int]) -> int:
    """How many predicted persons hold events that say different users."""
    users: dict[int, int] = {}
    sharing: set[int] = set()
    for label, user in zip(labels, names.users, strict=True):
        if user and label != NOBODY and users.setdefault(label, user) != user:
            sharing.add(label)
    return len(sharing)


def _over_merged(people: Sequence[int], labels: Sequence[int], owners: dict[int, int]) -> float:
    holds: dict[int, int] = {}
    mixed: set[int] = set()
    for label, person in zip(labels, people, strict=True):
        if label in owners and holds.setdefault(label, person) != person:
            mixed.add(label)
    return len(mixed) / len(owners) if owners else 0.0


def _strata(key: AnswerKey, labels: Sequence[int], owners: dict[int, int]) -> dict[str, Shares]:
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for number, stratum in enumerate(key.strata):
        owner = owners.get(labels[number])
        outcome = "nobody" if owner is None else "right" if owner == key.people[number] else "wrong"
        counts[stratum][outcome] += 1
    return {STRATA[stratum]: _shares(counts[stratum]) for stratum in sorted(counts)}


def _shares(counts: Counter[str]) -> Shares:
    events = counts.total()
    return Shares(events, *(counts[outcome] / events for outcome in ("right", "wrong", "nobody")))


def _most(counts: Counter[tuple[int, int]]) -> dict[int, int]:
    """The person with the highest count by label; of equals the smallest."""
    best: dict[int, tuple[int, int]] = {}
    for (label, person), count in counts.items():
        best[label] = max(best.get(label, (0, 0)), (count, -person))
    return {label: -person for label, (_, person) in best.items()}


def _margins(table: Counter[tuple[int, int]]) -> tuple[Counter[int], Counter[int]]:
    predicted: Counter[int] = Counter()
    true: Counter[int] = Counter()
    for (label, person), count in table.items():
        predicted[label] += count
        true[person] += count
    return predicted, true


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _quality(right: float, given: float, found: float, wanted: float) -> Quality:
    """Precision and recall of nothing are 1: nothing wrong was said, nothing was missed."""
    precision = right / given if given else 1.0
    recall = found / wanted if wanted else 1.0
    weighted = 0.25 * precision + recall
    return Quality(precision, recall, 1.25 * precision * recall / weighted if weighted else 0.0)
