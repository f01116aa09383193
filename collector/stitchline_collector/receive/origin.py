"""What the receiver hands on, and what it gets back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a body came from; address and agent are empty for a server's key.

    `objects` is Global Privacy Control: the browser tells its user's objection.
    """

    source: str
    ip: str = ""
    user_agent: str = ""
    by_server: bool = False
    objects: bool = False

    def without_address(self) -> Origin:
        """The same for somebody who asked not to be told by an address."""
        return Origin(self.source, "", self.user_agent, self.by_server, self.objects)


class NotDurable(Exception):
    """What was accepted could not be put on disk, so it is not acknowledged; the sender should retry."""


class RejectionReply(Protocol):
    """One entry of `rejected` in a reply."""

    @property
    def reason(self) -> str:
        """What was wrong."""


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A body that was read: how many events are being stored, which were not, and when all of it is on disk.

    A future of `stored` raises `NotDurable` when it cannot be.
    """

    accepted: int
    rejected: Sequence[RejectionReply]
    stored: Sequence[asyncio.Future[None]]


Ingest = Callable[[bytes, Origin], Accepted]
"""Reads a body and begins to store it; raises `Refusal`."""
