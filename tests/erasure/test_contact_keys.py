"""The key of contacts is changed, step by step as docs/privacy.md says it, on a real collector."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.ask.test_corrections import cli
from tests.erasure.town import WITHIN_S, Town, until
from tests.system.ledger import metrics
from tests.system.senders import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes import CollectorProcess

pytestmark = pytest.mark.shards

OLD, NEW = "old-key-" * 5, "new-key-" * 5


def test_people_stay_joined_over_a_change_of_the_key_and_nothing_of_the_old_one_is_left(
    collector: Callable[..., CollectorProcess],
) -> None:
    before = collector(env={"STITCHLINE_CONTACT_KEY": OLD})
    town, gone = Town(before), f"gone-{uuid.uuid4().hex}@example.com"
    devices = [f"{name}-{uuid.uuid4().hex}" for name in ("phone", "laptop", "tv")]
    for device in devices[:2]:
        before.send(event(name="seen"), device={"id": device})
        before.send(event(), device={"id": device}, identifiers={"email": town.email})
    before.send(event(type="identify"), device={"id": "gone"}, identifiers={"email": gone})
    town.settle()
    town.erase(f"email/{gone}")
    hashes = [str(row[0]) for row in before.sql("SELECT value FROM identity_nodes WHERE namespace = 'email'")]
    nodes = [str(before.sql(f"SELECT sipHash64('email', '\\0', '{one}')")[0][0]) for one in hashes]
    assert len(hashes) == 1
    assert all(word in "".join(town.tables().values()) for word in (*hashes, *nodes))
    before.terminate()

    after = collector(env={"STITCHLINE_CONTACT_KEY": json.dumps([NEW, OLD])}, data=before.data)
    after.sql_until("SELECT max(generation) FROM contact_generations", [[2]], within_s=WITHIN_S)
    until(lambda: metrics(after)["stitchline_stitch_rebuilds_total"] == 1, "everybody is decided anew")
    town.collector = after
    after.send(event(), device={"id": devices[2]}, identifiers={"email": town.email.upper()})
    after.send(event(), device={"id": "new"}, identifiers={"email": gone})
    town.settle()
    town.rebuild()  # `stitchline stitch --full`, the last step where there are several collectors

    for name, text in town.tables().items():
        assert [word for word in (*hashes, *nodes) if word in text] == [], name
    persons = after.sql(
        f"SELECT uniqExact(person_id), count() FROM person_events WHERE device.id IN {tuple(devices)}"
    )
    assert persons == [[1, 5]]
    told = cli(after, "journey", f"email:{town.email}", "--json")
    assert told.returncode == 0, told.stderr
    assert told.stdout.count('"event_id"') == 5
    assert metrics(after)["stitchline_events_suppressed_total"] == 1  # who was erased under the old key

    receipt = town.erase(f"email/{hashlib.sha256(town.email.encode()).hexdigest()}")

    assert {one["place"]: one["found"] for one in receipt["places"]}["events"] == 5
    assert {one["left"] for one in receipt["places"]} == {0}
    assert after.sql("SELECT count() FROM events") == [[0]]
    after.send(event(name="late"), device={"id": "other"}, identifiers={"email": town.email})
    assert metrics(after)["stitchline_events_suppressed_total"] == 2
