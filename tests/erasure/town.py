"""A few people, one of whom is to be erased, and where to look for what is left of her."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stitchline_collector.engine import Engine
from tests.system.ledger import wait_until_loaded
from tests.system.senders import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.processes import CollectorProcess

WITHIN_S = 120
_RUN_OUT = """
INSERT INTO identity_lease SELECT max(epoch) + 1, generateUUIDv4(), now64(3) FROM identity_lease
"""


def let_lease_run_out(collector: CollectorProcess) -> None:
    """What a minute does after the end of a collector that was erasing; nothing with the embedded engine, which knows no lease."""
    if not collector.dsn.startswith("chdb:"):
        with Engine.open(collector.dsn) as engine, closing(engine.session()) as session:
            session.command(_RUN_OUT)


class Town:
    """Ada, who leaves; Bob and Eve, who stay. Every name is new, so that it is found nowhere else.

    Args:
        collector: running.
    """

    def __init__(self, collector: CollectorProcess) -> None:
        tag = uuid.uuid4().hex[:12]
        self.collector = collector
        self.ada, self.bob, self.eve = f"ada-{tag}", f"bob-{tag}", f"eve-{tag}"
        self.email = f"ada.{tag}@example.com"
        self.phone, self.laptop = f"phone-{self.ada}", f"laptop-{self.ada}"
        self.tablet, self.kiosk = f"tablet-{tag}", f"kiosk-{tag}"
        self.bobs_phone = f"phone-{self.bob}"
        self.session = f"session-{self.ada}"

    @property
    def needles(self) -> list[str]:
        """What must be found nowhere when she is gone."""
        return [self.ada, self.email, hashlib.sha256(self.email.encode()).hexdigest()]

    def happen(self) -> None:
        """Everything before she asks to be erased."""
        send = self.collector.send
        send(event(name="page_viewed"), event(name="page_viewed"), device={"id": self.phone, "type": "phone"})
        self.signs_in(self.ada, self.phone, email=self.email)
        self.signs_in(self.ada, self.laptop, device_type="desktop")
        self.signs_in(self.ada, self.tablet, device_type="tablet", session_id=self.session)
        self.signs_in(self.bob, self.tablet, device_type="tablet", session_id=f"session-{self.bob}")
        self.signs_in(self.bob, self.bobs_phone)
        self.signs_in(self.ada, self.kiosk, device_type="kiosk", session_id=f"kiosk-{self.ada}")
        for session in (self.session, f"session-{self.bob}", "nobodys"):
            send(event(name="page_viewed"), device={"id": self.tablet, "type": "tablet"}, session_id=session)
        send(
            event(name="order_completed"),
            device={"id": self.bobs_phone, "type": "phone"},
            identifiers={"user": self.bob, "email": self.email},
        )
        send(event(name="page_viewed", nope=1, identifiers={"user": self.ada}))
        send(event(name="page_viewed", nope=1, identifiers={"user": self.bob}))
        send(event(type="identify"), device={"id": f"phone-{self.eve}"}, identifiers={"user": self.eve})
        self.settle()

    def signs_in(self, user: str, device: str, device_type: str = "phone", **more: Any) -> None:
        identifiers = {"user": user} | ({"email": more.pop("email")} if "email" in more else {})
        self.collector.send(
            event(type="identify"),
            identifiers=identifiers,
            device={"id": device, "type": device_type},
            **more,
        )

    def settle(self) -> None:
        """Wait until all is loaded and stitched."""
        wait_until_loaded(self.collector)
        self.collector.sql_until("SELECT count() FROM identity_inbox", [[0]], within_s=WITHIN_S)

    def erase(self, identifier: str) -> dict[str, Any]:
        status, _, body = self.collector.request("DELETE", f"/v1/people/{identifier}", timeout_s=300)
        assert status == 200, f"{status}: {body!r}\n{self.collector.log()[-4000:]}"
        return dict(json.loads(body))

    def persons(self) -> list[list[Any]]:
        """Whose each event is, and how that is known."""
        return self.collector.sql(
            "SELECT event_id, person_id, toString(found_by) FROM person_events ORDER BY event_id"
        )

    def tables(self) -> dict[str, str]:
        """All that stands in each table, as text; of a cluster through the doors to all shards too."""
        names = self.collector.sql(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND (engine LIKE '%MergeTree' OR engine = 'Distributed') ORDER BY name"
        )
        found = {}
        for (name,) in names:
            status, _, body = self.collector.request(
                "POST", "/v1/sql?format=JSONEachRow", f"SELECT * FROM {name}".encode()
            )
            assert status == 200, body
            found[str(name)] = body.decode()
        return found

    def nodes(self) -> list[str]:
        """Numbers that stand for her."""
        named = [("user", self.ada), ("device", self.phone), ("device", self.laptop)]
        asked = ", ".join(f"sipHash64('{namespace}', '\\0', '{value}')" for namespace, value in named)
        return [str(one) for one in self.collector.sql(f"SELECT {asked}")[0]]

    def rebuild(self) -> None:
        def rebuilds() -> str:
            text = self.collector.request("GET", "/metrics")[2].decode()
            return next(
                line for line in text.splitlines() if line.startswith("stitchline_stitch_rebuilds_total")
            )

        before = rebuilds()
        assert self.collector.request("POST", "/v1/identity/rebuild", b"")[0] == 202
        deadline = time.monotonic() + WITHIN_S
        while rebuilds() == before:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {WITHIN_S} s until: {what}"
        time.sleep(0.005)


def files_with(folders: Iterable[Path], needles: Iterable[str]) -> list[str]:
    """Files in which one of some words stands, in whatever depth."""
    words = [needle.encode() for needle in needles]
    found = []
    # Not `rglob`, which minds folders that ClickHouse removes meanwhile.
    for path in (Path(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names):
        try:
            body = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # a part that is just being merged
            continue
        if any(word in body or word.decode() in path.name for word in words):
            found.append(str(path))
    return found
