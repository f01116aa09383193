"""To which keys of contacts a database belongs, so that no collector stores addresses under others.

Enters: an open engine, and the contacts of a collector's settings. Leaves: the table `contact_keys`. Guaranteed: whoever comes with
another key than those before loads nothing: one address would be two people, and who was erased would come back.
"""

from __future__ import annotations

from contextlib import closing

from .engine import Engine, Session
from .enrich.contacts import Contacts


class OtherContactKey(ValueError):
    """The database belongs to other keys."""


def claim(engine: Engine, contacts: Contacts) -> None:
    """Say which keys are used, where nobody did before.

    Args:
        engine: open, its schema current.
        contacts: of the settings.

    Raises:
        OtherContactKey: others are used.
        EngineError: not now.
    """
    with closing(engine.session(shard=0)) as session:
        known = _known(session, contacts)
        for generation, mark in enumerate(contacts.marks, 1):
            if generation not in known:
                session.command(
                    "INSERT INTO contact_keys (generation, mark) VALUES ({generation:UInt16}, {mark:String})",
                    {"generation": generation, "mark": mark},
                )
                known = _known(session, contacts)  # another collector may have come first


def _known(session: Session, contacts: Contacts) -> dict[int, str]:
    """The marks by generation, after they were compared."""
    known: dict[int, str] = dict(
        session.query(
            "SELECT generation, argMin(mark, (first_seen_at, mark)) FROM contact_keys GROUP BY generation"
        )
    )
    for generation, mark in enumerate(contacts.marks, 1):
        if known.get(generation, mark) != mark:
            raise OtherContactKey(
                "contact_key: this database stores e-mails and phone numbers under another key; with this one an address would "
                "be two people, and who was erased would come back. Give the key that its collectors have: without the setting "
                "it lies in contact.key of their data folder. To change it, put the new one before it: docs/privacy.md, "
                "'Another key of contacts'"
            )
    return known
