"""Why two identifiers are one person, or what stands between them."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from stitchline_collector.ask.asked import Asked
from stitchline_collector.ask.why import Unseen, why
from tests.ask.towns import towns
from tests.stitch.stories import event, load
from tests.stitch.test_stitcher import stitch

if TYPE_CHECKING:
    from stitchline_collector.engine import Engine, Reader

PAIRS = 25


def asked(text: str) -> Asked:
    namespace, _, value = text.partition(":")
    return Asked(namespace, value, text)


def explain(engine: Engine, one: str, other: str) -> dict[str, Any]:
    reader = engine.reader()
    answer = why(reader, asked(one), asked(other))
    reader.close()
    assert isinstance(answer, dict)
    return answer


def way(answer: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(step["from"], step["kind"], step["refused_by"], step["to"]) for step in answer["steps"]]


@pytest.mark.parametrize("seed", range(1))
def test_there_is_a_real_path_exactly_where_both_are_one_person(engine: Engine, seed: int) -> None:
    load(engine, towns(seed))
    stitch(engine)
    reader = engine.reader()
    persons = {
        row[0]: row[1]
        for row in reader.query("SELECT concat(namespace, ':', value), person_id FROM identifiers")
    }
    accepted, recorded = evidence(reader)
    luck = random.Random(seed)
    names = sorted(persons)
    together = [
        (one, other) for one in names for other in names if persons[one] == persons[other] and one != other
    ]
    pairs = luck.sample(together, min(PAIRS, len(together)))
    pairs += [(luck.choice(names), luck.choice(names)) for _ in range(PAIRS)]
    for one, other in pairs:
        answer = why(reader, asked(one), asked(other))
        assert isinstance(answer, dict)
        steps = answer["steps"]
        are_one = persons[one] == persons[other] != 0
        assert answer["one_person"] == are_one
        assert bool(steps and all(not step["refused_by"] for step in steps)) == (are_one and one != other), (
            one,
            other,
        )
        if steps:
            assert (steps[0]["from"], steps[-1]["to"]) == (one, other)
            assert all(step["to"] == following["from"] for step, following in pairwise(steps))
            for step in steps:
                edge = frozenset((step["from"], step["to"])), step["kind"]
                assert edge in recorded
                assert (edge in accepted) == (not step["refused_by"])
                assert bool(step["refused_by"]) == bool(step["because"])
                assert step["event"]["name"]
    reader.close()


def evidence(reader: Reader) -> tuple[set[Any], set[Any]]:
    """All edges that are not in quarantine, and all edges, by their ends' names and their kind."""
    names = {
        row[0]: row[1] for row in reader.query("SELECT node, concat(namespace, ':', value) FROM identifiers")
    }

    def read(table: str) -> set[Any]:
        found = reader.query(f"SELECT DISTINCT node, neighbour, toString(kind) FROM {table}")
        return {(frozenset((names[row[0]], names[row[1]])), row[2]) for row in found}

    edges = read("identity_edges")
    return edges - read("identity_quarantine"), edges


def test_each_step_tells_kind_times_sessions_and_an_event(engine: Engine) -> None:
    load(
        engine,
        [
            event(0, "P", type="identify", user="A", name="sign_in", channel="app", session="s1"),
            event(1500, "P", type="identify", user="A", name="sign_in", channel="app", session="s2"),
        ],
    )
    stitch(engine)
    (step,) = explain(engine, "user:A", "device:P")["steps"]
    sample = step.pop("event")
    assert step == {
        "from": "user:A",
        "to": "device:P",
        "kind": "login",
        "means": "signed in here",
        "first_seen": "2026-03-02T10:00:00.000Z",
        "last_seen": "2026-03-03T11:00:00.000Z",
        "sessions": 2,
        "refused_by": "",
        "because": "",
    }
    assert (sample["name"], sample["type"], sample["channel"]) == ("sign_in", "identify", "app")


def test_two_logins_with_one_address_are_told_apart_by_the_step_that_was_refused(engine: Engine) -> None:
    load(engine, [event(0, "P", type="identify", user="A", email="e"), event(1, "Q", user="B", email="e")])
    stitch(engine)
    answer = explain(engine, "user:B", "user:A")
    assert answer["told"] == "user:B and user:A are two people: what would join them was refused"
    assert way(answer) == [("user:B", "contact", "two_users", "email:e"), ("email:e", "login", "", "user:A")]
    assert "two logins" in answer["steps"][0]["because"]


def test_a_second_address_is_refused_in_words(engine: Engine) -> None:
    load(engine, [event(0, "P", type="identify", user="A", email="a"), event(9, "P", user="A", email="b")])
    stitch(engine)
    (step,) = explain(engine, "user:A", "email:b")["steps"]
    assert step["refused_by"] == "second_email"
    assert step["because"].startswith("it would bring a second email to a person who has one")


def test_through_a_shared_device_both_steps_are_refused(engine: Engine) -> None:
    load(engine, [event(0, "T", user="A"), event(1, "T", user="B")])
    stitch(engine)
    assert way(explain(engine, "user:A", "user:B")) == [
        ("user:A", "login", "shared_device", "device:T"),
        ("device:T", "login", "shared_device", "user:B"),
    ]
    assert "it belongs to nobody" in explain(engine, "device:T", "user:A")["told"]


def test_what_was_unlinked_says_when(engine: Engine) -> None:
    load(
        engine,
        [event(0, "P", user="A"), event(9, type="unlink", name="unlink", user="A", linked={"device": "P"})],
    )
    stitch(engine)
    answer = explain(engine, "user:A", "device:P")
    assert way(answer) == [("user:A", "login", "unlinked", "device:P")]
    (unlinked,) = answer["unlinked"]
    assert {unlinked["a"], unlinked["b"]} == {"user:A", "device:P"}
    assert unlinked["unlinked_at"] == "2026-03-02T10:09:00.000Z"


def test_without_evidence_it_says_so(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A"), event(1, "Q", user="B"), event(2, "alone")])
    stitch(engine)
    for other in ("user:B", "device:alone"):
        answer = explain(engine, "user:A", other)
        assert answer["told"] == f"user:A and {other} are two people: no evidence connects them"
        assert answer["steps"] == []
        assert answer["is_whole"]


def test_an_identifier_is_itself(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A")])
    stitch(engine)
    answer = explain(engine, "user:A", "user:A")
    assert (answer["one_person"], answer["steps"]) == (True, [])
    assert answer["told"] == "user:A and user:A are the same identifier"


def test_what_nobody_was_seen_with_is_named(engine: Engine) -> None:
    load(engine, [event(0, "P", user="A")])
    stitch(engine)
    reader = engine.reader()
    assert why(reader, asked("user:A"), asked("user:Z")) == Unseen(asked("user:Z"))
    reader.close()


async def test_the_route_explains_and_refuses(client: Any) -> None:
    pair = {"a": "email: Ada@Example.com", "b": "device:web-1"}
    answer = await (await client.get("/v1/identity/why", params=pair)).json()
    assert answer["told"] == "email: Ada@Example.com and device:web-1 are one person"
    assert answer["steps"][0]["from"] == "email: Ada@Example.com"
    for wrong, status in (
        ({"a": "user:42"}, 400),
        ({"a": "user:42", "b": "web-1"}, 400),
        ({"a": "email:x", "b": "user:42"}, 400),
        ({"a": "user:42", "b": "user:nobody"}, 404),
    ):
        refused = await client.get("/v1/identity/why", params=wrong)
        assert refused.status == status, wrong
        assert (await refused.json())["hint"]
