"""Every check of the kit: the paragraph of the protocol it belongs to, and what it demands."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """One demand of the protocol that the kit can see."""

    id: str
    paragraph: str
    demand: str


def _checks(*rows: tuple[str, str, str]) -> dict[str, Check]:
    return {row[0]: Check(*row) for row in rows}


RULES = _checks(
    ("calls", "P-2.4", "no call fails because of delivery"),
    ("key", "P-1.2", "every request carries the write key"),
    ("readable", "P-1.1", "every body is a JSON object with a list of events, encoded as its header says"),
    ("fields", "P-1.4", "every event has the fields of the protocol and no others"),
    ("event_id", "P-3.1", "no two events share an id"),
    ("same_bytes", "P-9.2", "every attempt carries the same bytes for the same event"),
    ("sent_at", "P-4.2", "`sent_at` is new on each attempt"),
    ("occurred_at", "P-4.1", "every event has `occurred_at`, with a zone"),
    ("device_id", "P-3.3", "the device keeps its id"),
    ("seq", "P-5.2", "no `seq` is given twice"),
    ("hashed", "P-7.4", "e-mails and phone numbers leave hashed only"),
    ("nobody", "P-7.5", "a value that names nobody is no identifier"),
    ("limits", "P-8.2", "requests and events keep to the limits"),
    ("resent", "P-9.1", "what was acknowledged is not sent again"),
)
"""Held against every request of every scenario."""

CHECKS = RULES | _checks(
    ("delivered", "P-9.6", "what was said arrives in the end"),
    ("seq_order", "P-5.1", "`seq` rises by one with each event, in the order of the calls"),
    ("session", "P-6.2", "the events of a session carry its id, a UUIDv7 of its first event's time"),
    ("logout_session", "P-6.3", "a logout belongs to the session it ends, and the next event begins another"),
    ("silence", "P-6.1", "silence of more than 30 minutes ends a session, and nothing shorter"),
    ("set_back", "P-6.4", "a clock that is set back ends no session"),
    ("kiosk", "P-7.2", "on a kiosk two minutes of silence end the session and forget the person"),
    ("remembers", "P-7.1", "later events carry who was identified"),
    ("forgets", "P-7.2", "a logout names who leaves and forgets them"),
    ("spelling", "P-7.3", "contacts have one spelling before they are hashed"),
    ("identify_nobody", "P-7.6", "an `identify` that names nobody is not sent"),
    ("consent", "P-12.1", "later events carry what was allowed"),
    ("link", "P-13.1", "a link has the other side in `linked`, and this side's identifiers"),
    ("clock", "P-4.3", "times are the device's own, uncorrected"),
    ("backoff", "P-9.3", "a client waits between attempts"),
    ("retry_after", "P-9.4", "`Retry-After` is kept"),
    ("time_limit", "P-9.5", "a request without an answer is given up and tried again"),
    ("whole_exchange", "P-9.5", "the limit holds for the whole answer, not for each byte"),
    ("half_answer", "P-9.1", "half of an answer acknowledges nothing"),
    ("stranger", "P-9.1", "a 200 without a collector's reply, or a 204, acknowledges nothing"),
    ("redirect", "P-9.1", "a redirect is not followed, and the batch is tried again"),
    ("rejected", "P-9.7", "rejected events, and their neighbours, are not sent again"),
    ("reported", "P-10.2", "losses are reported, by reason, once"),
    ("halves", "P-9.1", "a batch that is too large is sent in halves; a single event is dropped"),
    ("refused", "P-9.1", "a 400 drops its batch, and what follows goes on"),
    ("unauthorized", "P-9.1", "a 401 drops what is in memory, and what follows goes on"),
    ("kept", "P-9.1", "a 401 keeps what is in storage"),
    ("waiting_calls", "P-2.4", "calls return at once while the collector does not answer"),
    ("event_too_large", "P-8.2", "an event above 64 KiB is not sent, but counted"),
    ("accounted", "P-10.1", "whatever was said either arrives or is reported as lost"),
    ("close", "P-11.1", "`close` delivers what is waiting"),
    ("close_in_time", "P-11.1", "`close` and `flush` return within their time"),
    ("survives_kill", "P-11.3", "what was in storage arrives after a kill and a restart"),
    ("id_after_kill", "P-3.1", "what is sent again after a restart has the id it had"),
    ("one_sender", "P-11.4", "of two instances only one sends an event"),
    ("left_behind", "P-11.4", "what one of two instances left is sent by another"),
)


def as_markdown() -> str:
    """The checks as a table, for `sdk/spec/conformance.md`."""
    rows = [f"| `{check.id}` | {check.paragraph} | {check.demand} |" for check in CHECKS.values()]
    return "\n".join(["| check | paragraph | demand |", "|---|---|---|", *rows]) + "\n"
