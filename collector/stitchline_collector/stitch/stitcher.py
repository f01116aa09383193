"""One round of stitching after the other: what the inbox holds becomes persons.

Enters: an engine. Leaves: rows of the identity tables and two loaded dictionaries. Guaranteed: persons are those that
`resolve` gives for all the evidence at once, whatever the rounds were; and a crash between any two statements is harmless.

Why it is harmless. The order of a round is: read parts of the inbox; write claims; decide; write quarantine, sessions, members,
persons; **then** the edges; then drop the parts. An edge counts as news until it is recorded, so a round that died
before that is decided again in full, from the same parts, and finds part of its answer already written. A round that died
after it finds no news, and only drops the parts. Persons that were written but not loaded into the dictionary are loaded
at the start of the next round.
"""

from __future__ import annotations

import datetime as dt
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..engine import Engine, EngineError, EngineUnavailable
from ..logs import Log
from .deciding import decide
from .desk import Desk
from .evidence import Collected, Key, Sighting, Unlink, collect
from .graph import Graph, Region
from .identifiers import DEVICE
from .lease import LEASE_MS
from .leaves import candidates
from .rebuild import Rebuild
from .renewal import Keyed, Renewal, with_renewed
from .resolve import UNLINKED
from .rules import DEFAULT_RULES, IdentityRules

log = Log(__name__)

Errand = Callable[[Desk], Any]
_LONGEST_PAUSE_S = 10.0
_REBUILD_LEASE_MS = 600_000
_RENEW_EVERY_S = 600.0


@dataclass
class Progress:
    """What the stitcher did since it was started; read by the metrics.

    Attributes:
        rounds: that found something to do.
        failures: rounds that ClickHouse broke off.
        last_round_s: seconds the last round took.
        lag_s: age of the oldest evidence of the last round when its persons could be asked for; 0 when nothing waits.
        sightings: rows read from the inbox.
        edges: edges they were evidence for.
        new_edges: of these, those that could change the answer.
        persons_changed: nodes that got another person.
        refused: edges put into quarantine.
        rebuilds: how often everybody was decided anew.
        standby: whether another stitcher does the work.
        caught_up: rounds that left nothing waiting.
    """

    rounds: int = 0
    failures: int = 0
    last_round_s: float = 0.0
    lag_s: float = 0.0
    sightings: int = 0
    edges: int = 0
    new_edges: int = 0
    persons_changed: int = 0
    refused: int = 0
    rebuilds: int = 0
    standby: bool = False
    caught_up: int = 0


class Standby(Exception):
    """Another stitcher does the work."""

    def __init__(self, why: str = "another collector is stitching: ask that one, or stop it") -> None:
        super().__init__(why)


class Stitcher:
    """Stitches, for as long as it runs; one thread.

    Args:
        engine: migrated.
        rules: the operator's; they take effect with a full rebuild, or at once where nothing was decided yet.
        interval_s: pause between rounds that found nothing.
        max_rows: sightings decided together; more are taken in several steps.
        fold_rows: changes of persons after which the small dictionary is folded into the large one.
        contacts: the keys under which contacts are stored; what is stored under older ones is renewed. None leaves all as it is.
    """

    def __init__(
        self,
        engine: Engine,
        rules: IdentityRules = DEFAULT_RULES,
        *,
        interval_s: float = 0.5,
        max_rows: int = 20_000,
        fold_rows: int = 100_000,
        contacts: Keyed | None = None,
    ) -> None:
        self.progress = Progress()
        self._engine = engine
        self._contacts = contacts
        self._wanted = with_renewed(rules, contacts)
        self._is_renewal_known = False
        self._came_older = False
        self._renewed_at = -math.inf
        self._interval_s = interval_s
        self._max_rows = max_rows
        self._fold_rows = fold_rows
        self._desk: Desk | None = None
        self._errands: queue.SimpleQueue[tuple[Errand, Future[Any]]] = queue.SimpleQueue()
        self._is_rebuild_wanted = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Stitch until told to stop; ClickHouse may come and go meanwhile."""
        pause_s = self._interval_s
        while not stop.is_set():
            try:
                pause_s = 0.0 if self.round() else self._interval_s
                if not pause_s:
                    continue  # errands come after the evidence that was there before them
                self._run_errands()
            except (EngineError, Standby) as error:
                self.progress.failures += 1
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s + self._interval_s)
                log.warning(
                    "stitching pauses for %(pause_s).1f s: %(error)s",
                    event="stitching_pauses",
                    pause_s=pause_s,
                    error=error,
                )
                self._run_errands(error)
            stop.wait(pause_s)
        self._run_errands(EngineUnavailable("the collector is stopping"))
        self._leave()

    def round(self) -> bool:
        """Decide about the oldest evidence that waits.

        Returns:
            Whether more is waiting.

        Raises:
            EngineError: ClickHouse broke off; the next round does it again.
        """
        desk = self._desk = self._desk or Desk(self._engine)
        self.progress.standby = not desk.lease.held()
        if self.progress.standby:
            desk.forget()
            return False
        desk.recall(self._wanted)
        if desk.needs_rebuild or self._is_rebuild_wanted.is_set() or self._is_renewal_due(desk):
            self.rebuild()
            self._is_rebuild_wanted.clear()
        desk.dictionaries.load_if_stale()
        parts = desk.inbox.parts(self._max_rows)
        if not parts.names:
            self.progress.lag_s = 0.0
            self.progress.caught_up += 1
            return False
        began = time.monotonic()
        for sightings in desk.inbox.sightings(parts, self._max_rows):
            self._decide(desk, sightings)
        desk.inbox.drop(parts)
        if desk.dictionaries.recent_rows > self._fold_rows:
            desk.dictionaries.fold()
        self.progress.rounds += 1
        self.progress.last_round_s = time.monotonic() - began
        self.progress.caught_up += not parts.more
        return parts.more

    def rebuild(self) -> int:
        """Decide everybody anew, by the rules that are wanted now.

        Returns:
            Nodes that got another person.

        Raises:
            EngineError: ClickHouse broke off; the persons of before hold.
            Standby: another stitcher is at work.
        """
        desk = self._desk = self._desk or Desk(self._engine)
        # A process that dies in a rebuild leaves the others waiting for so long: else one of them would go on by the old rules.
        if not (desk.lease.held() and desk.lease.prolong(_REBUILD_LEASE_MS)):
            raise Standby
        desk.recall(self._wanted)
        desk.dictionaries.load_if_stale()
        self._renew(desk)
        rebuild = Rebuild(desk.session, self._wanted, desk.force.blocked_by(self._wanted))
        with rebuild.working_tables():
            rebuild.decide()
            known_from = desk.dictionaries.next_moment()
            # Before writing: should that fail, both are loaded again.
            desk.dictionaries.note(known_from, 0, 1)
            desk.force.announce()
            for sessions in rebuild.sessions(desk.claims):
                desk.ledger.write_sessions(sessions, known_from)
            changed = rebuild.write(known_from)
        desk.use(desk.force.enforce(self._wanted))
        desk.dictionaries.fold()
        desk.lease.prolong(LEASE_MS)
        self.progress.rebuilds += 1
        self.progress.persons_changed += changed
        log.info(
            "everybody was decided anew: %(changed)d identifiers got another person",
            event="rebuild_done",
            changed=changed,
        )
        return changed

    def ask_for_rebuild(self) -> None:
        """Let the running stitcher rebuild before its next round; from any thread."""
        self._is_rebuild_wanted.set()

    def between_rounds(self, errand: Errand) -> Future[Any]:
        """Have something done while no evidence is decided about; from any thread.

        Args:
            errand: called on the stitcher's thread, when all evidence that was loaded before is decided.

        Returns:
            What it returns or raises; `EngineError` or `Standby` when this stitcher cannot work now.
        """
        done: Future[Any] = Future()
        self._errands.put((errand, done))
        return done

    def _is_renewal_due(self, desk: Desk) -> bool:
        if self._contacts is None:
            return False
        if not self._is_renewal_known:
            if self._can_renew(desk) and Renewal(desk.shards, self._contacts).is_due():
                return True
            self._is_renewal_known = True
        # Of a collector that has an older key still, or out of the spool of before.
        return self._came_older and time.monotonic() - self._renewed_at > _RENEW_EVERY_S

    def _can_renew(self, desk: Desk) -> bool:
        if desk.is_replicated and self._contacts is not None and self._contacts.generation > 1:
            log.error(
                "contact_key: contacts that are stored on a cluster with replicas cannot be brought under another key",
                event="contacts_on_replicas",
            )
        return not desk.is_replicated

    def _renew(self, desk: Desk) -> None:
        """Bring contacts under the newest key, before everybody is decided anew."""
        if self._contacts is None or self._contacts.generation == 1 or not self._can_renew(desk):
            return
        self._came_older, self._renewed_at = False, time.monotonic()
        desk.force.announce()  # should it die, everybody is decided anew
        Renewal(desk.shards, self._contacts).run(lambda: desk.lease.prolong(_REBUILD_LEASE_MS))
        desk.dictionaries.forget()
        desk.dictionaries.load_if_stale()

    def _run_errands(self, instead: Exception | None = None) -> None:
        while not self._errands.empty():
            errand, done = self._errands.get()
            desk = self._desk
            if instead is not None or desk is None or self.progress.standby:
                done.set_exception(instead or Standby())
                continue
            try:
                done.set_result(errand(desk))
            except BaseException as error:  # noqa: BLE001 -- whoever waits is told
                done.set_exception(error)

    def close(self) -> None:
        """Close the session; harmless when repeated. For a stitcher whose rounds are called one by one."""
        self._leave()

    def _decide(self, desk: Desk, sightings: list[Sighting]) -> None:
        if self._contacts is not None and self._contacts.generation > 1 and not desk.is_replicated:
            self._came_older |= _any_older(self._contacts, sightings)
        collected = collect(sightings, desk.rules)
        desk.ledger.write_claims(collected)
        known = desk.graph.known(collected.identifiers)
        news = _news(desk.graph, collected, known)
        unlinks = _new_unlinks(desk.graph, collected)
        region = self._region(desk, news, unlinks, collected, known)
        decided = decide(desk, region, collected.claims, collected.blocked.keys())
        desk.ledger.write_evidence(collected, news)
        self.progress.sightings += len(sightings)
        self.progress.edges += len(collected.edges)
        self.progress.new_edges += len(news)
        self.progress.persons_changed += decided.persons
        self.progress.refused += decided.refused
        if sightings:
            self.progress.lag_s = _age_s(min(sighting.known_at for sighting in sightings))

    def _region(
        self, desk: Desk, news: list[Key], unlinks: set[Unlink], collected: Collected, known: set[int]
    ) -> Region:
        """Read what must be decided anew."""
        leaves = desk.graph.leaves(candidates(news, collected, known), desk.rules.limit(DEVICE))
        rest = set(news) - {leaf.key for leaf in leaves}
        region = desk.graph.region(rest, unlinks, collected, known) if rest or unlinks else Region()
        region.previous |= desk.graph.persons(leaf.device for leaf in leaves)
        for leaf in leaves:
            if leaf.user in region.decided:
                seen = collected.edges[leaf.key]
                region.add(leaf.key, seen.first_seen, seen.last_seen)
                region.namespaces[leaf.device] = DEVICE
                region.decided.add(leaf.device)
            else:
                region.leaves[leaf.device] = leaf.user
        return region

    def _leave(self) -> None:
        if self._desk is None:
            return
        desk, self._desk = self._desk, None
        try:
            desk.lease.release()
        except EngineError as error:
            log.warning(
                "the stitcher's lease stays until it runs out: %(error)s", event="lease_kept", error=error
            )
        desk.close()


def _any_older(contacts: Keyed, sightings: Iterable[Sighting]) -> bool:
    return any(
        contacts.is_older(one.namespace, one.value) for seen in sightings for one in (*seen.own, *seen.linked)
    )


def _news(graph: Graph, collected: Collected, known: set[int]) -> list[Key]:
    """Return the edges that can change the answer.

    They are not recorded, or not that early, or now seen to be at a place, or seen again after an unlink refused them.
    Even an edge within one person is news: earlier evidence may come late, and change who was first.
    """
    recorded = graph.recorded(key for key in collected.edges if key.low in known and key.high in known)
    news = [
        key
        for key, seen in collected.edges.items()
        if (before := recorded.get(key)) is None
        or seen.first_seen < before.first_seen
        or (key.low in seen.places and not before.low_is_place)
        or (key.high in seen.places and not before.high_is_place)
    ]
    if graph.any_unlinked():
        seen_later = [
            key
            for key, before in recorded.items()
            if key in collected.edges and collected.edges[key].last_seen > before.last_seen
        ]
        news += [
            key for key, rule in graph.quarantined(seen_later).items() if rule == UNLINKED and key not in news
        ]
    return news


def _new_unlinks(graph: Graph, collected: Collected) -> set[Unlink]:
    """Return what was unlinked, or withdrawn, later than is recorded."""
    if not collected.unlinks:
        return set()
    recorded = graph.unlinked(node for one in collected.unlinks for node in (one.low, one.high))
    return {
        one
        for one in collected.unlinks
        if one.at > recorded.get((one.low, one.high), ("", ""))[1 if one.is_withdrawn else 0]
    }


def _age_s(moment: str) -> float:
    then = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    return max(0.0, (dt.datetime.now(dt.UTC) - then).total_seconds())
