"""What is left of stitching when somebody is gone from it, so that others' persons stay as they are.

Enters: a desk, and who was erased. Leaves: rows of the identity tables. Guaranteed: a rebuild gives what stands there. What joined
nobody because too many used it has one user less now, and still joins nobody: else whoever is left would inherit what the erased
did there without signing in. And what a device held together that was erased alone is decided anew.
"""

from __future__ import annotations

from ..stitch import Desk
from ..stitch.deciding import decide
from ..stitch.sessions import NOBODY, Claim, ClaimKind
from .subject import Subject

# An edge of a node with itself keeps that it is a place, whatever other evidence is left of it.
_MARK = """
INSERT INTO identity_edges (node, neighbour, kind, namespace, neighbour_namespace, is_place, neighbour_is_place,
    first_seen, last_seen, known_at, event_id, sessions)
SELECT {node:UInt64}, {node:UInt64}, 'contact', {namespace:String}, {namespace:String}, 1, 1, now64(3), now64(3), now64(3),
    toUUID('00000000-0000-0000-0000-000000000000'), []
"""
_MARKED = "SELECT count() FROM identity_edges WHERE node = {node:UInt64} AND neighbour = {node:UInt64}"


def mend(desk: Desk, subject: Subject) -> None:
    """Keep shared what was shared, and decide anew whose the sessions on it are.

    Raises:
        EngineError: ClickHouse broke off; it may be repeated.
    """
    for namespace, node in [*subject.nobodys, *subject.places]:
        if not desk.session.query(_MARKED, {"node": node})[0][0]:
            desk.session.command(_MARK, {"node": node, "namespace": namespace})
    desk.dictionaries.forget()
    desk.dictionaries.load_if_stale()
    places = {node for _, node in subject.places}
    became = sorted(
        places - {node for node, person in desk.graph.persons(places).items() if person == NOBODY}
    )
    touched = [Claim(device, session, ClaimKind.LOGOUT, NOBODY, "") for session, device in subject.owned]
    sessions = desk.claims.changed(places, touched)
    known_from = desk.dictionaries.next_moment()
    desk.dictionaries.note(known_from, len(became), len(sessions))
    desk.ledger.write_sessions(sessions, known_from)
    desk.ledger.write_persons(dict.fromkeys(became, NOBODY), {}, known_from)
    desk.dictionaries.load_recent()
    if subject.apart:
        decide(desk, desk.graph.around({node: namespace for namespace, node in subject.apart}))
