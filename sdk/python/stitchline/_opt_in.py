"""A Client that says nothing before its person agreed (protocol P-12.3).

In: calls. Out: nothing, until `consent` says ``analytics: True``; from then on the calls of an ordinary speaker, until
that is taken back. Guaranteed: a withdrawal is the last event of its device; what comes later is another device.

A Client has one speaker at a time: `Silent`, or one that listens for the end of consent. The end of consent is looked
for under the lock that gives events their order, so that no other thread says anything behind a withdrawal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stitchline._event import encoded
from stitchline._exceptions import InvalidEvent
from stitchline._speaker import SharedSpeaker, Speaker
from stitchline._tagging import Tagged, flags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stitchline._event import Tags
    from stitchline._pipeline import Pipeline

Consent = dict[str, bool]


class Silent(Speaker):
    """Says nothing, counts nothing, and waits for consent.

    Args:
        pipeline: one that never starts; it counts what is wrong in a `consent`.
        consent: what was said so far.
        begin: makes the device and its speaker when consent is given, and puts it in this one's place; None where
            no consent can be given.
    """

    def __init__(
        self, pipeline: Pipeline, consent: Consent, begin: Callable[[Speaker, Consent], Speaker] | None
    ) -> None:
        super().__init__(pipeline, Tagged(), consent=consent)
        self._begin = begin

    def say(self, *_: Any, **__: Any) -> bool:
        """Say nothing."""
        return False

    def identify(self, *_: Any, **__: Any) -> bool:
        """Say nothing, and remember nobody."""
        return False

    def relate(self, *_: Any, **__: Any) -> bool:
        """Say nothing."""
        return False

    def logout(self, *_: Any, **__: Any) -> bool:
        """Say nothing: nobody is known."""
        return False

    def consent(self, purposes: Mapping[str, bool], properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Begin when `analytics` is allowed; the consent is then the first event."""
        try:
            given = flags(purposes)
        except InvalidEvent as error:
            return self.pipeline.refuse("consent", "", error)
        with self.pipeline.lock:
            self._consent = {**self._consent, **given}
            if self._begin is None or not self._consent.get("analytics"):
                return False
            speaker = self._begin(self, self._consent)
        return speaker.consent(purposes, properties, tags)


class _UntilWithdrawn(Speaker):
    """Looks with every call whether what it may say is still allowed."""

    def until(self, end: Callable[[Speaker, Consent], Speaker], consent: Consent) -> None:
        """Take what is allowed now, and what to call, with what is left of it, when that is over."""
        self._ended = end
        self._consent = consent
        self.tags = msgspec.structs.replace(self.tags, consent=encoded(consent))

    def say(self, kind: str, *args: Any, **kwargs: Any) -> bool:
        """Say it if that is still allowed; a withdrawal itself is said."""
        with self.pipeline.lock:
            self._forget_after_silence()
            if kind != "consent" and self._is_over():
                return False
            return super().say(kind, *args, **kwargs)

    def logout(self, properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Say who leaves; on a kiosk what they allowed ends with them."""
        with self.pipeline.lock:
            queued = super().logout(properties, tags)
            self._is_over()
        return queued

    def consent(self, purposes: Mapping[str, bool], properties: Mapping[str, Any] | None, tags: Tags) -> bool:
        """Say what is allowed; a withdrawal is the last thing that is said."""
        with self.pipeline.lock:
            self._forget_after_silence()
            if self._is_over():
                later = self._ended(self, self._consent)
            else:
                queued = super().consent(purposes, properties, tags)
                self._is_over()
                return queued
        return later.consent(purposes, properties, tags)

    def _is_over(self) -> bool:
        """Say whether consent has ended, and let the client end with it; the caller holds the lock."""
        over = not self._consent.get("analytics")
        if over:
            self._ended(self, self._consent)
        return over

    def _forget_after_silence(self) -> None:
        """Nothing: on a personal device consent outlives a session."""


class OptedIn(_UntilWithdrawn):
    """The speaker of a personal device."""


class OptedInShared(_UntilWithdrawn, SharedSpeaker):
    """The speaker of a kiosk, atm or pos: consent ends with the session."""

    _forget_after_silence = SharedSpeaker._forget_after_silence  # noqa: SLF001 - one room
