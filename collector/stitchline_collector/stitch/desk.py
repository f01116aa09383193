"""What a stitcher works with: its sessions, and all that reads and writes the evidence through them.

Enters: an engine. Leaves: the tools of a round. Guaranteed: what another stitcher may have changed meanwhile is read again.
"""

from __future__ import annotations

from ..engine import Engine, Session, Shards
from .claims import Claims
from .dictionaries import Dictionaries
from .force import InForce, RulesInForce
from .graph import Graph
from .inbox import Inbox
from .lease import Lease
from .ledger import Ledger
from .rules import IdentityRules


class Desk:
    """A session and what works with it.

    Attributes:
        is_replicated: each shard is several servers.
        session: at the first shard.
        shards: sessions at all; the first is that one.
    """

    def __init__(self, engine: Engine) -> None:
        self.is_replicated = engine.cluster is not None and engine.cluster.replicated
        self.session: Session = engine.session()
        others = [engine.session(shard=number) for number in range(1, engine.shards)]
        self.shards = Shards([self.session, *others], is_cluster=engine.cluster is not None)
        self.inbox = Inbox(self.session)
        self.ledger = Ledger(self.session)
        by_hand = [self.session, *(self.shards.sessions[number] for number in engine.others_by_hand)]
        self.dictionaries = Dictionaries(self.session, by_hand, engine.reload)
        self.lease = Lease(self.session, needed=not engine.embedded)
        self.claims = Claims(self.session)
        self.force = RulesInForce(self.session)
        self._is_stale = True  # only who holds the lease may say which rules are in force

    def close(self) -> None:
        """Close its sessions."""
        self.shards.close()

    def forget(self) -> None:
        """Take notice that another stitcher is at work, which may change anything."""
        self.dictionaries.forget()
        self._is_stale = True

    def recall(self, wanted: IdentityRules) -> None:
        """Read again what another stitcher may have changed."""
        if self._is_stale:
            self.use(self.force.begin(wanted))

    def use(self, force: InForce) -> None:
        """Take other rules."""
        self._is_stale = False
        self.rules = force.rules
        self.needs_rebuild = force.needs_rebuild
        self.graph = Graph(self.session, force.blocked, force.rules.hub_device_neighbours)
