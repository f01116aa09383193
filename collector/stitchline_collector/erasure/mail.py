"""What is to be told to webhooks, for a thread that is not the sender's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ..activate.outbox import Message, Outbox


class Mail(NamedTuple):
    """Messages on disk, and who sends them.

    Attributes:
        outbox: those on disk.
        stop_sending: on the event loop's thread.
        loop: that one.
    """

    outbox: Outbox
    stop_sending: Callable[[list[Message]], None]
    loop: asyncio.AbstractEventLoop

    def forget(self, messages: list[Message]) -> None:
        """Do not send these; from any thread."""
        self.loop.call_soon_threadsafe(self.stop_sending, messages)
