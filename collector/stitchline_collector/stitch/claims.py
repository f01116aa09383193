"""Who owns which session on shared devices, as ClickHouse holds it.

Enters: devices that became nobody's, and new claims. Leaves: the sessions whose owners changed. Guaranteed: the cost follows the
sessions that are touched; claims are kept of all devices, because any of them may turn out to be shared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from ..engine import Session
from .sessions import NOBODY, Claim, ClaimKind, Owner, owners
from .statements import LARGE, array, batches

_CLAIMS = """
SELECT device_node, session_node, toUInt8(kind), node, toString(min(at))
FROM identity_claims
WHERE {condition}
GROUP BY device_node, session_node, kind, node, moment
"""
_OWNERS = """
SELECT session_node, arrayMap(moment -> toString(moment), argMax(starts, known_from)), argMax(owners, known_from)
FROM identity_sessions
WHERE session_node IN {sessions}
GROUP BY session_node
"""


class Place(NamedTuple):
    """A session and the device it was on."""

    session_node: int
    device_node: int


class Claims:
    """Reads claims and decides about sessions.

    Args:
        session: the stitcher's own.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def changed(self, devices: Collection[int], touched: Collection[Claim]) -> dict[Place, list[Owner]]:
        """Decide about sessions anew.

        Args:
            devices: all of whose sessions are in question: they became nobody's.
            touched: new claims on devices that are nobody's already.

        Returns:
            Owners by session, for those that have others than before; an empty list for nobody.
        """
        places: defaultdict[Place, list[Claim]] = defaultdict(list)
        for claim in self._of(devices, touched):
            places[Place(claim.session_node, claim.device_node)].append(claim)
        decided = {place: _somebodys(owners(claims)) for place, claims in places.items()}
        before = self._current(place.session_node for place in decided)
        return {
            place: found for place, found in decided.items() if found != before.get(place.session_node, [])
        }

    def _of(self, devices: Collection[int], touched: Collection[Claim]) -> Iterator[Claim]:
        for nodes in batches(devices):
            yield from self._read(f"device_node IN {array(nodes)}")
        for claims in batches(touched):
            yield from self._read(
                f"device_node IN {array({claim.device_node for claim in claims})} "
                f"AND session_node IN {array({claim.session_node for claim in claims})}"
            )

    def _read(self, condition: str) -> Iterator[Claim]:
        for device, session, kind, node, at in self._session.query(
            _CLAIMS.format(condition=condition), settings=LARGE
        ):
            yield Claim(device, session, ClaimKind(kind), node, at)

    def _current(self, sessions: Iterable[int]) -> dict[int, list[Owner]]:
        found: dict[int, list[Owner]] = {}
        for batch in batches(sessions):
            for session, starts, nodes in self._session.query(
                _OWNERS.format(sessions=array(batch)), settings=LARGE
            ):
                found[session] = [Owner(*one) for one in zip(starts, nodes, strict=True)]
        return found


def _somebodys(found: list[Owner]) -> list[Owner]:
    """Leave out owners that are all nobody: no row says the same."""
    return [] if all(owner.node == NOBODY for owner in found) else found
