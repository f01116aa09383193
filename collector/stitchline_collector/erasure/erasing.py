"""One erasure, from who it is to nothing left.

Enters: an identifier. Leaves: a receipt. Guaranteed: it may be repeated, and killed at any moment: what was begun is on disk and is
finished at the next start. Persons of others stay as they are, and `stitch --full` gives the same.

The order: write down who; suppress them, in all collectors; let the loader finish what it holds; empty the places, events first; look again. From the
second step on nothing brings them back: what arrives is dropped, and what waits in the spool is left out when it is loaded.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from ..ask.asked import Asked
from ..engine import EngineError
from ..load import Loader
from ..logs import Log
from ..stitch import Desk
from ..stitch.lease import LEASE_MS
from ..suppression.exchange import Exchange
from ..suppression.suppressions import Suppressions
from .ground import Ground
from .journal import Journal, Request
from .mail import Mail
from .mending import mend
from .places import PLACES, proof
from .subject import Subject, find

_LEASE_MS = 60_000  # renewed before each change; after a crash stitching rests for so long
_FILES = ("outbox", "dead_letters")
log = Log(__name__)


class Receipt(msgspec.Struct, frozen=True):
    """What an erasure did in one place.

    Attributes:
        place: which.
        why: what lies there.
        found: rows or files that told of them.
        left: rows after it.
        proof: a question on the tables that gives 0; empty where there is none.
    """

    place: str
    why: str
    found: int
    left: int
    proof: str = ""


class Erasure(msgspec.Struct, frozen=True):
    """What an erasure did.

    Attributes:
        erasure_id: names it, in the log and in the data folder.
        identifiers: that were erased.
        shared: devices and contacts they were seen with that belong to many, and stay.
        suppressed: identifiers, devices and sessions that are not taken any more.
        places: what was found and is left.
    """

    erasure_id: str
    identifiers: list[str]
    shared: int
    suppressed: int
    places: list[Receipt]


class OnReplicas(Exception):
    """Each shard is several servers, from which nobody can be erased yet."""


class Erasing:
    """Erases, one at a time.

    Args:
        data: the data folder.
        suppressions: who is not to come back.
        stored: gives contacts as they are stored.
        between_rounds: runs something on the stitcher's thread.
        loader: loads segments.
        deciding: held while webhooks are decided.
        mail: what is to be told to webhooks.
    """

    def __init__(
        self,
        data: Path,
        suppressions: Suppressions,
        stored: Callable[[str, str], str],
        between_rounds: Callable[[Callable[[Desk], Any]], Future[Any]],
        loader: Loader,
        deciding: threading.Lock,
        mail: Mail,
    ) -> None:
        self._journal = Journal(data)
        self._suppressions = suppressions
        self._exchange = Exchange(suppressions)
        self._stored = stored
        self._between_rounds = between_rounds
        self._loader = loader
        self._deciding = deciding
        self._mail = mail
        self._resuming: Future[int] | None = None

    def erase(self, who: Asked) -> Future[Erasure]:
        """Erase whose an identifier is; from any thread.

        Raises, through the future:
            SharedByMany: it belongs to nobody.
            OnReplicas: nothing was erased.
            EngineError, Standby: not now.
            OSError: the data folder cannot be written.
        """
        return self._between_rounds(lambda desk: self._erase(desk, who))

    def resume(self) -> None:
        """Begin to finish what was broken off, unless that is under way; to be called now and then."""
        if (self._resuming is None or self._resuming.done()) and self._journal.pending():
            with contextlib.suppress(EngineError):  # not yet
                self._resuming = self._between_rounds(self.finish_pending)
                self._resuming.add_done_callback(_tell_failure)

    def export(self, who: Asked) -> Future[list[str]]:
        """Read all there is of somebody, a JSON object each; raises as `erase` does."""
        return self._between_rounds(lambda desk: self._export(desk, who))

    def _erase(self, desk: Desk, who: Asked) -> Erasure:
        if desk.is_replicated:  # before anything is noted: it could not be carried out
            raise OnReplicas
        with long_lease(desk):
            self.finish_pending(desk)
            subject = find(desk.session, who)
            now = dt.datetime.now(dt.UTC)
            return self.carry_out(
                desk, Request(id=uuid.uuid4().hex, requested_at=now, subject=subject), subject
            )

    def finish_pending(self, desk: Desk) -> int:
        """Finish what was broken off; on the stitcher's thread. Returns how many erasures."""
        pending = self._journal.pending()
        for request in pending:
            log.info(
                "erasure %(request)s was broken off: it is finished now",
                event="erasure_resumed",
                request=request.id,
            )
            assert request.subject is not None  # noqa: S101 -- else it is not pending
            with long_lease(desk):
                self.carry_out(desk, request, request.subject)
        return len(pending)

    def carry_out(self, desk: Desk, request: Request, subject: Subject) -> Erasure:
        """Write a request down and do it; on the stitcher's thread, with a long lease."""
        self._journal.write(request)
        pairs = [(namespace, value) for namespace, value, _ in subject.identifiers]
        if request.withdrawn:
            self._suppressions.add_withdrawn(request.id, request.withdrawn)
        else:
            self._suppressions.add(request.id, pairs, subject.sessions)
        self._exchange(desk.session)
        with self._loader.loading:
            pass  # what it read before is in ClickHouse now
        with self._deciding:
            self._remove_mail(request, subject)
            self._empty(desk, request, subject)
        request.subject, request.withdrawn = None, []
        request.finished_at = dt.datetime.now(dt.UTC)
        self._journal.write(request)
        rows, left = sum(request.found.values()), sum(request.left.values())
        log.info(
            "erasure %(request)s: %(withdrawals)d withdrawals, %(found)d rows and files found, %(left)d left",
            event="erasure_done",
            request=request.id,
            withdrawals=request.withdrawals,
            found=rows,
            left=left,
        )
        return _erasure(request, subject, len(pairs) + len(subject.sessions))

    def _empty(self, desk: Desk, request: Request, subject: Subject) -> None:
        ground = Ground(desk.shards, subject, self._stored)
        with ground.staked():
            for place in PLACES:
                self._note(request, place.name, ground.count(place))
            self._journal.write(request)
            if any(request.found.get(place.name) for place in PLACES):
                with ground.at_once():
                    for place in PLACES:
                        ground.empty(place, lambda: desk.lease.prolong(_LEASE_MS))
                    mend(desk, subject)
                    ground.sweep()
            request.left = {place.name: ground.count(place) for place in PLACES}

    def _remove_mail(self, request: Request, subject: Subject) -> None:
        """Take what is to be told of them out of the outbox and the dead letters."""
        outbox = self._mail.outbox
        for name, found in zip(_FILES, outbox.about(set(subject.nodes)), strict=True):
            self._note(request, name, len(found))
            self._mail.forget(found)
            outbox.drop(found)

    def _note(self, request: Request, place: str, found: int) -> None:
        request.found[place] = max(
            request.found.get(place, 0), found
        )  # of several attempts the first finds most

    def _export(self, desk: Desk, who: Asked) -> list[str]:
        subject = find(desk.session, who)
        ground = Ground(desk.shards, subject, self._stored)
        lines = []
        with ground.staked():
            for place in PLACES:
                if not place.change:  # what others did is not theirs to read
                    lines += [_line(place.name, row) for row in ground.read(place)]
        for name, messages in zip(_FILES, self._mail.outbox.about(set(subject.nodes)), strict=True):
            lines += [_line(name, msgspec.json.encode(one).decode()) for one in messages]
        return lines


def _tell_failure(done: Future[Any]) -> None:
    if (error := done.exception()) is not None:
        log.error(
            "an erasure is not finished yet; the next one, or the next start, goes on with it: %(error)s",
            event="erasure_unfinished",
            error=error,
        )


def _line(place: str, row: str) -> str:
    return f'{{"place":"{place}","row":{row}}}'


def _erasure(request: Request, subject: Subject, suppressed: int) -> Erasure:
    devices = [value for namespace, value, _ in subject.identifiers if namespace == "device"]
    receipts = [
        Receipt(
            place.name,
            place.why,
            request.found.get(place.name, 0),
            request.left.get(place.name, 0),
            proof(place, subject.nodes, devices),
        )
        for place in PLACES
    ]
    receipts += [
        Receipt(name, "messages to webhooks about them", request.found.get(name, 0), 0) for name in _FILES
    ]
    named = [f"{namespace}:{value}" for namespace, value, _ in subject.identifiers]
    return Erasure(request.id, named, len(subject.nobodys) + len(subject.places), suppressed, receipts)


@contextlib.contextmanager
def long_lease(desk: Desk) -> Iterator[None]:
    """Keep other stitchers away for as long as it takes."""
    desk.lease.prolong(_LEASE_MS)
    try:
        yield
    finally:
        desk.lease.prolong(LEASE_MS)
