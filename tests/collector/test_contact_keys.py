"""A database belongs to the keys of contacts that came first, and to those put over them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.contact_keys import OtherContactKey, claim
from stitchline_collector.enrich.contacts import Contacts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stitchline_collector.engine import Engine
    from tests.processes import CollectorProcess

A, B, C = (letter * 32 for letter in "abc")


def _contacts(*newest_first: str) -> Contacts:
    return Contacts([key.encode() for key in newest_first])


@pytest.mark.shards
def test_only_keys_that_stand_on_those_before_are_taken(engine: Engine) -> None:
    claim(engine, _contacts(A))
    for others in ((B,), (B, C), (A, B)):
        with pytest.raises(OtherContactKey, match="put the new one before it"):
            claim(engine, _contacts(*others))
    claim(engine, _contacts(A))
    claim(engine, _contacts(B, A))
    claim(engine, _contacts(A))  # not all collectors have the new one yet
    for others in ((B,), (C, A), (A, B), (C, B)):
        with pytest.raises(OtherContactKey):
            claim(engine, _contacts(*others))
    claim(engine, _contacts(C, B, A))

    session = engine.session()
    found = session.query("SELECT generation, mark FROM contact_keys ORDER BY generation")
    session.close()
    assert found == list(enumerate(_contacts(C, B, A).marks, 1))


def test_a_collector_with_another_key_does_not_start_and_says_why(
    collector: Callable[..., CollectorProcess],
) -> None:
    first = collector()
    assert first.sql("SELECT generation FROM contact_keys") == [[1]]
    first.terminate()

    with pytest.raises(
        RuntimeError, match="this database stores e-mails and phone numbers under another key"
    ):
        collector(env={"STITCHLINE_CONTACT_KEY": A}, data=first.data)
    assert "Traceback" not in first.log()

    made = (first.data / "contact.key").read_text().strip()
    again = collector(env={"STITCHLINE_CONTACT_KEY": json.dumps([A, made])}, data=first.data)
    assert again.sql("SELECT generation FROM contact_keys ORDER BY ALL") == [[1], [2]]


@pytest.mark.parametrize("flavour", ["server"], indirect=True)
def test_an_import_with_another_key_stores_nothing(
    collector: Callable[..., CollectorProcess], tmp_path: Path
) -> None:
    running = collector()
    batch = tmp_path / "old.jsonl"
    batch.write_text(
        json.dumps(
            {"events": [{"type": "track", "name": "old", "identifiers": {"email": "ada@example.com"}}]}
        )
        + "\n"
    )

    done = subprocess.run(
        [
            *(sys.executable, "-m", "stitchline_collector", "import", str(batch)),
            *("--data", str(tmp_path / "elsewhere"), "--clickhouse", running.dsn),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert "contact_key: this database" in done.stderr
    assert "Traceback" not in done.stderr
    assert running.sql("SELECT count() FROM events") == [[0]]
