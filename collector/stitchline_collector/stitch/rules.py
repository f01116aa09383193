"""What operators may set about identity: limits, and what names nobody.

The settings in force are those of the last full rebuild, because persons are a function of all evidence under one set of
rules: a change takes effect with `stitchline stitch --full`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .identifiers import USER

Count = Annotated[int, Meta(ge=1, le=1_000_000)]

_LIMITS = {"email": 5, "phone": 5, "device": 50, "anonymous": 50}


class IdentityRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[identity]` table of the settings.

    Attributes:
        limits: values of a namespace that one person may have; a `user` is always one, unless a server has merged two.
        other_limit: the same for namespaces that `limits` does not name.
        hub_contact_neighbours: an e-mail, phone number or card seen with more identifiers than this is nobody's.
        hub_device_neighbours: the same for a device.
        shared_contact_values: a device on which more values than this of one contact namespace were given is nobody's.
        blocked: values that name nobody, in any namespace (`n/a`) or in one (`email:9f86d081884c7d65...`, as it is stored).
    """

    limits: dict[str, Count] = {}
    other_limit: Count = 10
    hub_contact_neighbours: Count = 10
    hub_device_neighbours: Count = 100
    shared_contact_values: Count = 3
    blocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if USER in self.limits:
            raise ValueError(
                "limits: a person has one user; two are joined only by a `link` sent with a server's key"
            )

    def limit(self, namespace: str) -> int:
        """How many values of a namespace one person may have."""
        if namespace == USER:
            return 1
        return self.limits.get(namespace, _LIMITS.get(namespace, self.other_limit))

    def is_blocked(self, namespace: str, value: str) -> bool:
        """Whether the operator says that a value names nobody."""
        return bool(self.blocked) and (value in self.blocked or f"{namespace}:{value}" in self.blocked)


DEFAULT_RULES = IdentityRules()
