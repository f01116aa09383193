"""The scenarios: what the kit makes an SDK do, how the collector answers meanwhile, and what must come of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from .recorder import (
    accept,
    drip,
    half_answer,
    keep_silent,
    redirect,
    reject,
    reset,
    status,
    too_large,
)
from .stage import Stage

_ALICE = "7a64adf28737ea90719cbdf0b1a87a5effff3753b79c91d717f4f4153ead0498"  # of alice@example.org
_MINUTE_MS = 60_000
_RETRY_AFTER = {"Retry-After": "1"}
_KEPT_S = 0.95  # of one second: clocks tick
_FAILING_S = 1.5
_MOST_ATTEMPTS = 40  # waits of up to 0.1, 0.2, 0.4, 0.4 ... s make about eight; none make hundreds


class Scenario(NamedTuple):
    """One scene.

    Attributes:
        name: for `--only`.
        about: what happens, in a sentence.
        needs: abilities without which it is skipped.
        checks: what it looks at, besides the rules that always hold.
    """

    name: str
    about: str
    needs: frozenset[str]
    checks: tuple[str, ...]
    play: Callable[[Stage], Awaitable[None]]


SCENARIOS: dict[str, Scenario] = {}


def _scenario(
    about: str, checks: str, needs: str = ""
) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[Stage], Awaitable[None]]]:
    def register(play: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
        name = play.__name__.removeprefix("_")
        SCENARIOS[name] = Scenario(name, about, frozenset(needs.split()), tuple(checks.split()), play)
        return play

    return register


def _named(stage: Stage, name: str) -> dict[str, Any]:
    """The event of this name, or type where it has none; empty when it did not arrive."""
    return next((event for event in stage.room.stored if (event.get("name") or event["type"]) == name), {})


def _user(event: dict[str, Any]) -> object:
    return (event.get("identifiers") or {}).get("user")


@_scenario(
    "every call once, and all is well",
    "delivered seq_order session logout_session remembers forgets spelling identify_nobody consent link",
)
async def _calls(stage: Stage) -> None:
    await stage.init()
    await stage.track("before")
    await stage.do("screen", name="menu")
    await stage.do("identify", user="42", email="  Alice@Example.ORG ", identifiers={"loyalty": "null"})
    await stage.do("consent", purposes={"analytics": True})
    await stage.track("known")
    await stage.do("link", linked={"device": "kiosk-7"})
    await stage.do("logout")
    await stage.do("identify", user="null")
    await stage.track("after")
    await stage.flush()
    said = "before menu identify consent known link logout after".split()
    if not await stage.arrives(*said):
        return
    _look_at_sessions(stage, said)
    _look_at_persons(stage)
    given = [_named(stage, name).get("seq", 0) for name in said]
    rises = [number - given[0] for number in given] == list(range(len(said)))
    stage.check("seq_order", rises or not any(given), f"`seq` was {given}")
    said_later = [_named(stage, name).get("consent") for name in ("consent", "known")]
    stage.check("consent", said_later == [{"analytics": True}] * 2, f"later events carried {said_later}")
    link = _named(stage, "link")
    sides = (link.get("linked"), _user(link))
    stage.check("link", sides == ({"device": "kiosk-7"}, "42"), f"linked and user were {sides}")


def _look_at_sessions(stage: Stage, said: list[str]) -> None:
    sessions = [str(_named(stage, name).get("session_id", "")) for name in said]
    stage.check("session", len(set(sessions[:-1])) == 1, f"one session had {len(set(sessions[:-1]))} ids")
    began = _uuid7_ms(sessions[0])
    at = str(_named(stage, said[0]).get("occurred_at", ""))
    stage.check("session", began is not None and began == _ms(at), f"{sessions[0]!r} is no UUIDv7 of {at}")
    stage.check("logout_session", sessions[-2] == sessions[0], "the logout had another session's id")
    stage.check("logout_session", sessions[-1] != sessions[0], "the session went on after the logout")


def _look_at_persons(stage: Stage) -> None:
    who = {name: _user(_named(stage, name)) for name in "before identify known logout after".split()}
    stage.check("remembers", who["identify"] == who["known"] == "42", f"`user` was {who}")
    stage.check("forgets", who["logout"] == "42" and who["after"] is None, f"`user` was {who}")
    email = (_named(stage, "identify").get("identifiers") or {}).get("email")
    stage.check("spelling", email == _ALICE, f"`email` was {email!r}")
    number = stage.room.names.count("identify")
    stage.check("identify_nobody", number == 1, f"{number} `identify` came of one that named somebody")


@_scenario("503 and 429, both with Retry-After", "delivered retry_after")
async def _unavailable(stage: Stage) -> None:
    stage.room.steps.extend([status(503, headers=_RETRY_AFTER), status(429, headers=_RETRY_AFTER)])
    await stage.init()
    await stage.track("one", "two")
    await stage.flush()
    await stage.arrives("one", "two")
    tried = [one.at for one in stage.room.requests_with("one")]
    waits = [round(later - sooner, 2) for sooner, later in itertools.pairwise(tried)]
    stage.check("retry_after", all(wait >= _KEPT_S for wait in waits), f"waited {waits} s instead of 1 s")


@_scenario("the collector fails for a while", "delivered backoff")
async def _failing(stage: Stage) -> None:
    stage.room.usual = status(500)
    await stage.init()
    await stage.track("one")
    await stage.until(lambda: bool(stage.room.seen))
    await asyncio.sleep(_FAILING_S)
    tried = len(stage.room.seen)
    stage.check("backoff", tried <= _MOST_ATTEMPTS, f"{tried} attempts within {_FAILING_S} s")
    stage.room.usual = accept
    await stage.arrives("one")


@_scenario("the body is stored, and nobody says so", "delivered time_limit whole_exchange half_answer")
async def _lost_answers(stage: Stage) -> None:
    await stage.init()
    for name, step, check in (
        ("silent", keep_silent, "time_limit"),
        ("dripping", drip, "whole_exchange"),
        ("half", half_answer, "half_answer"),
    ):
        stage.room.steps.append(step)
        await stage.track(name)
        again = await stage.until(lambda name=name: len(stage.room.requests_with(name)) > 1)  # type: ignore[misc]
        stage.check(check, again, "the request was not tried again")
        if not again:
            return
    await stage.arrives("silent", "dripping", "half")


@_scenario("something else answers: a captive portal, a proxy, a redirect", "delivered stranger redirect")
async def _strangers(stage: Stage) -> None:
    await stage.init()
    portal = status(200, b"<html>Welcome to our WiFi</html>", {"Content-Type": "text/html"})
    for name, step, check in (
        ("portal", portal, "stranger"),
        ("empty", status(204), "stranger"),
        ("moved", redirect, "redirect"),
    ):
        stage.room.steps.append(step)
        await stage.track(name)
        again = await stage.until(lambda name=name: name in stage.room.names)  # type: ignore[misc]
        stage.check(check, again, f"{name}: the batch was not tried again")
    stage.check("redirect", not stage.room.elsewhere, "the redirect was followed")
    await stage.arrives("portal", "empty", "moved")


@_scenario("some events are rejected, their neighbours are not", "delivered rejected reported")
async def _partial_rejection(stage: Stage) -> None:
    stage.room.usual = reject("bad")
    await stage.init()
    await stage.track("good", "bad", "fine")
    await stage.flush()
    await stage.track("later")
    await stage.arrives("good", "bad", "fine", "later")
    for name in ("good", "bad", "fine"):
        number = len(stage.room.requests_with(name))
        stage.check("rejected", number == 1, f"{name} was sent {number} times")
    await _reports(stage, rejected=1)


async def _reports(stage: Stage, **losses: int) -> None:
    """Check that losses are told; `close` is the last occasion."""
    await stage.do("close", timeout_s=min(2.0, stage.patience_s))
    await stage.until(lambda: all(stage.room.losses.get(reason) for reason in losses))
    told = {reason: stage.room.losses.get(reason, 0) for reason in losses}
    stage.check("reported", told == losses, f"`stitchline_loss` told {stage.room.losses}, not {losses}")


@_scenario("batches are too large, and one event always is", "delivered halves reported")
async def _too_large(stage: Stage) -> None:
    stage.room.usual = too_large(2, never="huge")
    await stage.init(flush_interval_s=0.5)
    await stage.track("one", "two", "three", "huge", "four")
    await stage.flush()
    await stage.arrives("one", "two", "three", "four", check="halves")
    stage.check("halves", "huge" not in stage.room.names, "the event that is too large was taken")
    stage.room.usual = too_large(10, never="huge")
    await _reports(stage, too_large=1)


@_scenario("a batch cannot be read", "delivered refused reported")
async def _refused(stage: Stage) -> None:
    stage.room.steps.append(status(400))
    await stage.init()
    await stage.track("refused")
    await stage.until(lambda: bool(stage.room.seen))
    await stage.track("later")
    await stage.arrives("later", check="refused")
    number = len(stage.room.requests_with("refused"))
    stage.check("refused", number == 1, f"the refused batch was sent {number} times")
    await _reports(stage, refused=1)


@_scenario("the key is wrong for a while; events are in memory", "delivered unauthorized reported", "memory")
async def _wrong_key(stage: Stage) -> None:
    stage.room.steps.append(status(401))
    await stage.init(storage="memory")
    await stage.track("early")
    await stage.until(lambda: bool(stage.room.seen))
    await stage.track("later")
    await stage.arrives("later", check="unauthorized")
    number = len(stage.room.requests_with("early"))
    stage.check("unauthorized", number == 1, f"the unauthorized batch was sent {number} times")
    await _reports(stage, unauthorized=1)


@_scenario("the key is wrong for a while; events are in storage", "kept", "disk")
async def _wrong_key_kept(stage: Stage) -> None:
    stage.room.steps.append(status(401))
    await stage.init(storage="disk")
    await stage.track("early")
    await stage.until(lambda: bool(stage.room.seen))
    await stage.arrives("early", check="kept")


@_scenario("nobody is there, then somebody is", "delivered waiting_calls")
async def _offline(stage: Stage) -> None:
    stage.room.usual = reset
    await stage.init()
    await stage.track("one")
    await stage.until(lambda: bool(stage.room.seen))
    stage.room.usual = keep_silent
    began = time.monotonic()
    await stage.track("two", "three")
    took = time.monotonic() - began
    stage.check("waiting_calls", took < 0.5, f"two calls took {took:.1f} s")
    stage.room.usual = reset
    await stage.until(lambda: len(stage.room.seen) > 2)
    stage.room.usual = accept
    await stage.arrives("one", "two", "three")


@_scenario("more than a request holds, and an event that is too large", "delivered event_too_large reported")
async def _much(stage: Stage) -> None:
    await stage.init(flush_interval_s=0.5)
    await stage.do("burst", name="b", count=1100)
    await stage.do("track", name="giant", properties={"text": "x" * 70_000})
    await stage.flush()
    await stage.arrives(*(f"b-{number}" for number in range(1100)))
    stage.check("event_too_large", not stage.room.requests_with("giant"), "the giant was sent")
    await _reports(stage, too_large=1)


@_scenario("more is said than may wait", "accounted", "bound")
async def _overflow(stage: Stage) -> None:
    stage.room.usual = reset
    await stage.init(max_queue_events=20, max_batch_events=5)
    await stage.do("burst", name="b", count=50)
    await stage.until(lambda: bool(stage.room.seen))
    stage.room.usual = accept

    def accounted() -> int:
        return len(stage.room.stored) + stage.room.losses.get("queue_full", 0)

    await stage.flush()
    await stage.do("close", timeout_s=min(2.0, stage.patience_s))
    await stage.until(lambda: accounted() == 50)
    stage.check(
        "accounted",
        accounted() == 50,
        f"of 50 events {len(stage.room.stored)} arrived and {stage.room.losses} were reported",
    )


@_scenario("the end comes while events wait", "close")
async def _the_end(stage: Stage) -> None:
    await stage.init(flush_interval_s=30.0)
    await stage.track("one", "two")
    await stage.do("close", timeout_s=min(5.0, stage.patience_s))
    await stage.arrives("one", "two", check="close")


@_scenario("the end comes while nobody answers", "close_in_time")
async def _no_answer(stage: Stage) -> None:
    stage.room.usual = keep_silent
    await stage.init(timeout_s=30.0)
    await stage.track("three")
    await stage.until(lambda: bool(stage.room.requests_with("three")))
    for what in ("flush", "close"):
        began = time.monotonic()
        await stage.do(what, timeout_s=0.5)
        took = time.monotonic() - began
        stage.check("close_in_time", took < 2.5, f"{what} took {took:.1f} s instead of 0.5 s")


@_scenario("the device's clock is wrong, and is set", "delivered clock silence set_back", "clock")
async def _clock(stage: Stage) -> None:
    await stage.init()
    offsets = {
        "right": 0,
        "after_29_minutes": 29 * _MINUTE_MS,
        "after_an_hour": 60 * _MINUTE_MS,
        "set_back": 10 * _MINUTE_MS,
        "yesterday": -24 * 60 * _MINUTE_MS,
    }
    for name, offset in offsets.items():
        await stage.do("clock", offset_ms=offset)
        await stage.track(name)
        if not await stage.until(lambda name=name: name in stage.room.names):  # type: ignore[misc]
            break
    await stage.do("clock", offset_ms=0)
    if not await stage.arrives(*offsets):
        return
    for name, offset in offsets.items():
        request = stage.room.requests_with(name)[0]
        for field, text in (
            ("occurred_at", _named(stage, name).get("occurred_at")),
            ("sent_at", request.batch.get("sent_at")),
        ):
            apart = abs((_ms(str(text)) or 0) - offset - request.wall * 1000)
            stage.check("clock", apart < 10_000, f"{name}: `{field}` is {apart / 1000:.0f} s off")
    session = {name: _named(stage, name).get("session_id") for name in offsets}
    stage.check("silence", session["right"] == session["after_29_minutes"], "29 minutes ended the session")
    stage.check("silence", session["right"] != session["after_an_hour"], "31 minutes ended no session")
    same = session["after_an_hour"] == session["set_back"] == session["yesterday"]
    stage.check("set_back", same, "a clock that was set back ended the session")


@_scenario("on a kiosk strangers follow each other", "delivered kiosk", "clock")
async def _kiosk(stage: Stage) -> None:
    await stage.init(device="kiosk")
    await stage.do("clock", offset_ms=0)
    await stage.do("identify", user="42")
    await stage.track("first")
    await stage.do("clock", offset_ms=_MINUTE_MS)
    await stage.track("within")
    await stage.do("clock", offset_ms=4 * _MINUTE_MS)
    await stage.track("next_person")
    await stage.flush()
    await stage.do("clock", offset_ms=0)
    if not await stage.arrives("first", "within", "next_person"):
        return
    first, within, after = (_named(stage, name) for name in ("first", "within", "next_person"))
    stage.check("kiosk", first.get("session_id") == within.get("session_id"), "a minute ended the session")
    stage.check("kiosk", within.get("session_id") != after.get("session_id"), "3 minutes ended no session")
    stage.check("kiosk", _user(after) is None, f"the next person is {_user(after)!r}")


@_scenario("the program is killed and started again", "survives_kill id_after_kill", "disk kill")
async def _kill_and_restart(stage: Stage) -> None:
    stage.room.usual = keep_silent
    await stage.init(storage="disk", timeout_s=30.0)
    await stage.track("on_its_way")
    await stage.until(lambda: bool(stage.room.requests_with("on_its_way")))
    await stage.track("waiting", "also_waiting")
    await asyncio.sleep(1.0)  # the protocol gives storage about a second
    await stage.do("kill")
    stage.room.usual = accept
    await stage.init(storage="disk")
    await stage.track("after")
    await stage.arrives("waiting", "also_waiting", "after", check="survives_kill")
    again = await stage.until(lambda: len(stage.room.requests_with("on_its_way")) > 1)
    stage.check("survives_kill", again, "what was on its way at the kill was not sent again")
    number = stage.room.names.count("on_its_way")
    stage.check("id_after_kill", number == 1, f"one event arrived under {number} ids")


@_scenario("two tabs or processes on one storage", "delivered one_sender", "two")
async def _two(stage: Stage) -> None:
    await stage.init("a")
    await stage.init("b")
    said = []
    for number in range(5):
        for instance in ("a", "b"):
            said.append(f"{instance}{number}")
            await stage.track(said[-1], instance=instance)
    await stage.flush("a")
    await stage.flush("b")
    await stage.arrives(*said)
    twice = [name for name in said if len(stage.room.requests_with(name)) > 1]
    stage.check("one_sender", not twice, f"sent more than once: {', '.join(twice)}")


@_scenario("two tabs or processes are killed with events unsent", "left_behind", "two disk kill")
async def _two_killed(stage: Stage) -> None:
    stage.room.usual = reset
    for instance in ("a", "b"):
        await stage.init(instance, storage="disk")
    for instance in ("a", "b"):
        await stage.track(f"of_{instance}", instance=instance)
    await asyncio.sleep(1.0)
    await stage.do("kill")
    stage.room.usual = accept
    await stage.init("a", storage="disk")
    await stage.arrives("of_a", "of_b", check="left_behind")


def _uuid7_ms(text: str) -> int | None:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found.int >> 80 if found.version == 7 else None


def _ms(text: str) -> int | None:
    try:
        return round(dt.datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return None
