"""Who is speaking on which device, and the making of their events.

In: one call. Out: one encoded event in the queue. Guaranteed: user data is checked and encoded before any lock is
taken; id, time, seq and place in the queue are given together, so that their orders agree; nothing blocks.

This is the hot path, one straight function on purpose: each further call in it costs 0.1 us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from stitchline._event import MAX_EVENT_BYTES, Tags, WireEvent, encoded, encoder
from stitchline._exceptions import InvalidEvent
from stitchline._ids import new_id
from stitchline._tagging import Tagged, flags, properties_json, tagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stitchline._pipeline import Pipeline
    from stitchline._sessions import Session

_encode: Final = encoder.encode
_NAMED: Final = frozenset({"track", "screen"})


class Speaker:
    """One device in one channel, and the person who is using it.

    Args:
        pipeline: where events go.
        tags: what every event of this speaker carries.
        identifiers: who it is, where that is known.
        session: makes session ids; None where `tags` has one or there is none.
        remembers: whether an `identify` holds for later events.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        tags: Tagged,
        *,
        identifiers: dict[str, str] | None = None,
        consent: dict[str, bool] | None = None,
        session: Session | None = None,
        remembers: bool = True,
    ) -> None:
        self.pipeline = pipeline
        self.identifiers = identifiers or {}
        self._consent = consent or {}
        self.session = session
        self._remembers = remembers
        self.tags = msgspec.structs.replace(
            tags,
            identifiers=encoded(self.identifiers) if self.identifiers else None,
            consent=encoded(self._consent) if self._consent else None,
        )

    def say(
        self,
        kind: str,
        name: str = "",
        properties: Mapping[str, Any] | None = None,
        tags: Tags | None = None,
        linked: msgspec.Raw | None = None,
    ) -> bool:
        """Make an event and queue it.

        Returns:
            True when it is queued; False when it is lost, which is counted.

        Raises:
            InvalidEvent: a value is wrong, and the Client was made with ``debug=True``.
        """
        pipeline = self.pipeline
        try:
            if type(name) is not str or (not name and kind in _NAMED):
                name = _name(name)
            raw = None if properties is None else properties_json(properties)
            own = self.tags
            event = tagged(own, tags, pipeline.cleaner, kind, name, linked, raw) if tags else None
        except InvalidEvent as error:
            return pipeline.refuse(kind, name, error)
        with pipeline.lock:
            ms = pipeline.clock() // 1_000_000
            session = self.session
            # another device's counter is not known here: no seq rather than a false one
            if event is None:
                event = WireEvent(
                    pipeline.ids.next(ms),
                    kind,
                    pipeline.texts.render(ms),
                    name,
                    pipeline.counter.next() if own.device is None else 0,
                    own.device,
                    own.identifiers,
                    own.channel,
                    own.stage,
                    own.session_id or (session.touch(ms) if session is not None else None),
                    linked,
                    own.page,
                    own.campaign,
                    own.consent,
                    raw,
                )
            else:
                if not event.event_id:
                    event.event_id = pipeline.ids.next(ms)
                if not event.occurred_at:
                    event.occurred_at = pipeline.texts.render(ms)
                if event.device is None:
                    event.seq = pipeline.counter.next()
                if session is not None and event.session_id is None:
                    event.session_id = session.touch(ms)
            try:
                line = _encode(event)
            except ValueError:  # lone surrogates, which UTF-8 has no form for
                line = b""
            if 0 < len(line) <= MAX_EVENT_BYTES and pipeline.push(line):
                return True
        return pipeline.lost(kind, name, line)

    def identify(self, tags: Tags, properties: Mapping[str, Any] | None) -> bool:
        """Say who it is; remembered where one person uses the device."""
        try:
            who = self._cleaned(tags)
        except InvalidEvent as error:
            return self.pipeline.refuse("identify", "", error)
        if not who:
            return self._names_nobody("identify", "user", tags.get("user"))
        rest = _without_who(tags)
        if not self._remembers:
            return self._say_as(who, "identify", properties, rest)
        with self.pipeline.lock:
            other = "user" in who and who["user"] != self.identifiers.get("user", who["user"])
            # Another login is another person: what was known of the last one must not stick to this one.
            self.identifiers = who if other else {**self.identifiers, **who}
            self.tags = msgspec.structs.replace(self.tags, identifiers=encoded(self.identifiers))
        return self.say("identify", "", properties, rest)

    def relate(
        self, kind: str, linked: Mapping[str, Any], tags: Tags, properties: Mapping[str, Any] | None
    ) -> bool:
        """Say that two sides are one person, or are not."""
        try:
            other = self.pipeline.cleaner.clean(None, None, None, linked)
        except InvalidEvent as error:
            return self.pipeline.refuse(kind, "", error)
        if not other:
            return self._names_nobody(kind, "linked", linked)
        return self.say(kind, "", properties, tags, encoded(other))

    def logout(self, properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Say who leaves, in their session; then forget them and begin another session."""
        queued = self.say("logout", "", properties, tags)
        with self.pipeline.lock:
            self.identifiers = {}
            fresh = None if self.tags.session_id is None else new_id()
            self.tags = msgspec.structs.replace(self.tags, identifiers=None, session_id=fresh)
            if self.session is not None:
                self.session.end()
        return queued

    def consent(self, purposes: Mapping[str, bool], properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Say what is allowed; later events carry it."""
        try:
            given = flags(purposes)
        except InvalidEvent as error:
            return self.pipeline.refuse("consent", "", error)
        if not self._remembers:
            now = msgspec.structs.replace(self.tags, consent=encoded(given))
            return Speaker(self.pipeline, now, consent=given).say("consent", "", properties, tags)
        with self.pipeline.lock:
            self._consent = {**self._consent, **given}
            self.tags = msgspec.structs.replace(self.tags, consent=encoded(self._consent))
        return self.say("consent", "", properties, tags)

    def _names_nobody(self, kind: str, field: str, given: object) -> bool:
        return self.pipeline.refuse(
            kind, "", InvalidEvent(field, given, "pass at least one that names somebody")
        )

    def _cleaned(self, tags: Tags) -> dict[str, str]:
        return self.pipeline.cleaner.clean(
            tags.get("user"), tags.get("email"), tags.get("phone"), tags.get("identifiers")
        )

    def _say_as(
        self, who: dict[str, str], kind: str, properties: Mapping[str, Any] | None, rest: Tags
    ) -> bool:
        once = Speaker(self.pipeline, self.tags, identifiers=who, consent=self._consent, session=self.session)
        return once.say(kind, "", properties, rest)


class SharedSpeaker(Speaker):
    """The speaker of a kiosk, atm or pos: when a session ends, by silence too, the next person is a stranger.

    The consent that the Client was made with is not the person's: it comes back.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._made_with = (self._consent, msgspec.structs.replace(self.tags, identifiers=None))

    def say(self, *args: Any, **kwargs: Any) -> bool:
        """Make an event of whoever is here now."""
        self._forget_after_silence()
        return super().say(*args, **kwargs)

    def identify(self, tags: Tags, properties: Mapping[str, Any] | None) -> bool:
        """Say who it is; what the last person said is not added to."""
        self._forget_after_silence()
        return super().identify(tags, properties)

    def consent(self, purposes: Mapping[str, bool], properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Say what this person allows; what the last one allowed is not added to."""
        self._forget_after_silence()
        return super().consent(purposes, properties, tags)

    def logout(self, properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Say who leaves, and forget them with all they allowed."""
        queued = super().logout(properties, tags)
        self._forget()
        return queued

    def _forget_after_silence(self) -> None:
        with self.pipeline.lock:
            if self.session is not None and self.session.is_over(self.pipeline.clock() // 1_000_000):
                self.session.end()
                self._forget()

    def _forget(self) -> None:
        with self.pipeline.lock:
            self.identifiers = {}
            self._consent, self.tags = self._made_with


def _without_who(tags: Tags) -> Tags:
    rest = tags.copy()
    rest.pop("user", None)
    rest.pop("email", None)
    rest.pop("phone", None)
    rest.pop("identifiers", None)
    return rest


def _name(name: object) -> str:
    if isinstance(name, str) and name:
        return str.__str__(name)
    raise InvalidEvent("name", name, "pass a text that is not empty, such as 'product_viewed'")
