"""Identifiers that belong to nobody: shared devices, hubs, blocked values.

Enters: such an identifier. Leaves: why, in words, and whom to ask for instead.
"""

from __future__ import annotations

from typing import NamedTuple

from ..engine import Reader
from ..stitch.identifiers import INSTALLATIONS
from .asked import Asked, ask


class Nobodys(NamedTuple):
    """Why an identifier belongs to nobody.

    Attributes:
        error: what it is.
        hint: what to ask instead.
    """

    error: str
    hint: str


def nobodys(reader: Reader, who: Asked, node: int) -> Nobodys:
    """Tell why an identifier belongs to nobody.

    Args:
        reader: of this thread.
        who: the identifier.
        node: its node.
    """
    why = ask(reader, "nobodys", node=node)[0]
    if why["is_blocked"]:
        return Nobodys(
            f"{who.typed} is blocked: the [identity] settings say that it names nobody", "ask for another"
        )
    if who.namespace not in INSTALLATIONS:
        return Nobodys(
            f"{who.typed} belongs to nobody: it was seen with {why['neighbours']:,} other identifiers, too many for one person",
            "ask for a login or a device",
        )
    users = [f"user:{user['value']}" for user in ask(reader, "device_users", node=node)]
    is_more = why["users"] > len(users)
    hint = f"ask for one of the people who signed in: {', '.join(users)}{' ...' if is_more else ''}"
    return Nobodys(
        f"{who.typed} is a shared device: it belongs to nobody; what is done on it belongs to whoever signs in",
        hint if users else "nobody has signed in on it so far; ask for a login or an e-mail",
    )
