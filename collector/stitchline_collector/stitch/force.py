"""The rules in force: those that the persons of now were decided by.

Enters: the rules an operator wants. Leaves: the rules to decide by. Guaranteed: persons never come from two sets of rules;
others than those in force take effect with a full rebuild only.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ..engine import Session
from ..logs import Log
from .rules import IdentityRules
from .statements import array

_UNDER_WAY = ""  # in place of rules
log = Log(__name__)


@dataclass(frozen=True)
class InForce:
    """Rules, and what follows from them.

    Attributes:
        rules: to decide by.
        blocked: nodes of the values that name nobody.
        needs_rebuild: persons were decided by another version's rule, or a rebuild was broken off.
    """

    rules: IdentityRules
    blocked: frozenset[int]
    needs_rebuild: bool = False


class RulesInForce:
    """Reads and writes which rules are in force.

    Args:
        session: the stitcher's own.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, wanted: IdentityRules) -> InForce:
        """Return what is in force; where nothing was decided yet, what is wanted."""
        rows = self._session.query(
            "SELECT rules, blocked FROM identity_rules ORDER BY decided_at DESC LIMIT 1"
        )
        if not rows:
            if self._session.query("SELECT count() FROM identity_log")[0][0]:
                return InForce(wanted, self.blocked_by(wanted), needs_rebuild=True)
            return self.enforce(wanted)
        if rows[0][0] == _UNDER_WAY:
            log.warning(
                "a rebuild of identity was broken off while it wrote: it is begun again",
                event="rebuild_resumed",
            )
            return InForce(wanted, self.blocked_by(wanted), needs_rebuild=True)
        rules = msgspec.json.decode(rows[0][0], type=IdentityRules)
        if rules != wanted:
            log.warning(
                "the [identity] settings have changed: they take effect with `stitchline stitch --full`, which decides "
                "everything anew; until then the old ones hold",
                event="identity_rules_wait",
            )
        return InForce(rules, frozenset(rows[0][1]))

    def announce(self) -> None:
        """Write down that a rebuild begins to write: should it die, persons come from two sets of rules until the next."""
        self._session.command(f"INSERT INTO identity_rules SELECT now64(6), '{_UNDER_WAY}', []")

    def enforce(self, rules: IdentityRules) -> InForce:
        """Write down that these rules are in force from now on."""
        blocked = self.blocked_by(rules)
        self._session.command(
            f"INSERT INTO identity_rules SELECT now64(6), {{rules:String}}, {array(sorted(blocked))}",
            {"rules": msgspec.json.encode(rules).decode()},
        )
        return InForce(rules, blocked)

    def blocked_by(self, rules: IdentityRules) -> frozenset[int]:
        """Return the known nodes that these rules say are nobody's."""
        if not rules.blocked:
            return frozenset()
        rows = self._session.query(
            "SELECT DISTINCT node FROM identity_nodes "
            "WHERE value IN {blocked:Array(String)} OR concat(namespace, ':', value) IN {blocked:Array(String)}",
            {"blocked": list(rules.blocked)},
        )
        return frozenset(node for (node,) in rows)
