"""What is known of a batch besides its events: when, from where, by which key it came."""

from __future__ import annotations

import datetime as dt

import msgspec

from ..rows import Agent, Clock, Geo
from ..wire import Sdk


class Arrival(msgspec.Struct, gc=False):
    """The circumstances of one batch; steps fill in what they learn of all its events.

    `ip` and `user_agent` are empty for batches sent by a server: they would describe that server, not the person.
    """

    received_at: dt.datetime
    source: str
    ip: str = ""
    user_agent: str = ""
    by_server: bool = (
        False  # sent with a server's key: its word on who is who is trusted further than a browser's
    )
    objects: bool = False  # the browser says so for its user: Global Privacy Control
    sent_at: dt.datetime | None = None
    sender: str = ""  # id of the device whose clock stamped the batch
    sdk: Sdk = Sdk()
    geo: Geo = Geo()
    agent: Agent = Agent()
    clock: Clock = Clock()
