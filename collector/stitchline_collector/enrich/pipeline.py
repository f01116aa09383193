"""The steps in their order, and the rows they work on."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, Raw

from ..decode import Decoded, time_of
from ..rows import Row, Tail, encode_lines, encode_tail, uuid7
from ..wire import Device, Page
from .agent import UserAgents
from .arrival import Arrival
from .campaign import NO_CAMPAIGN, campaign
from .channel import channel
from .clock import Clocks
from .contacts import Contacts
from .geo import GeoDatabase
from .privacy import Privacy, truncate_ip

Step = Callable[[Arrival, list[Row]], None]

_NO_PAGE = Page()


class Enricher:
    """Turns what was decoded into rows."""

    def __init__(self, contacts: Contacts, privacy: Privacy, geo: GeoDatabase) -> None:
        self.steps: tuple[Step, ...] = (
            Clocks(),  # before the rest: other steps may ask when
            geo,  # needs the whole address, so before truncation
            truncate_ip,
            UserAgents(),
            campaign,  # from the page's URL and referrer
            channel,  # from campaign, page, agent and device
            contacts,  # e-mails and phones, keyed-hashed
            privacy,  # last: takes identifiers away from events without consent
        )

    def rows(self, decoded: Decoded, arrival: Arrival) -> list[Row]:
        """One row per event of the batch, in order."""
        rows = rows_of(decoded, arrival)
        for step in self.steps:
            step(arrival, rows)
        return rows


def lines(arrival: Arrival, rows: list[Row]) -> bytes:
    """The rows as lines of JSONCompactEachRow, for `rows.EVENT_COLUMNS`."""
    encoded: dict[int, Raw] = {}
    for row in rows:
        device = row.tail
        tail = encoded.get(id(device))  # events that take the batch's device share the object
        if tail is None:
            assert isinstance(device, Device)  # noqa: S101 -- narrows the type; only this function sets a Raw
            tail = encoded[id(device)] = _tail(device, arrival)
        row.tail = tail
    return encode_lines(rows)


def rows_of(decoded: Decoded, arrival: Arrival) -> list[Row]:
    """The rows before any step; the arrival is told what the batch says for all its events."""
    batch = decoded.defaults
    arrival.sent_at, arrival.sdk, arrival.sender = batch.sent_at, batch.sdk, batch.device.id
    device, identifiers, consent = batch.device, batch.identifiers, batch.consent
    rows: list[Row] = []
    for event in decoded.events:
        event_id = event.event_id
        moment = event.occurred_at
        if moment is None:
            moment = arrival.received_at if event_id is None else time_of(event_id)
        rows.append(
            Row(
                event_id or uuid7(len(rows)),
                event.type,
                event.name or event.type,
                moment,
                moment,
                event.seq,
                identifiers if event.identifiers is UNSET else event.identifiers,
                event.linked,
                batch.channel if event.channel is UNSET else event.channel,
                event.stage,
                batch.session_id if event.session_id is UNSET else event.session_id,
                event.page or _NO_PAGE,
                event.campaign or NO_CAMPAIGN,
                consent if event.consent is UNSET else event.consent,
                event.properties,
                device if event.device is UNSET else event.device,
            )
        )
    return rows


def _tail(device: Device, arrival: Arrival) -> Raw:
    return encode_tail(
        Tail(
            device,
            arrival.sent_at or arrival.received_at,
            arrival.received_at,
            arrival.source,
            arrival.sdk,
            arrival.ip,
            arrival.geo,
            arrival.agent,
            arrival.clock,
            arrival.by_server,
        )
    )
