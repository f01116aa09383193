"""The calls of an app, the same on a Client, on a Scope and on the module.

In: what happened. Out: True when it is queued. Guaranteed: no call blocks, and none raises because of delivery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack
    from uuid import UUID

    from stitchline._event import IdentifierValue, IdentifyTags, Tags
    from stitchline._speaker import Speaker


class Calls:
    """What an app can say. Every call returns in microseconds; what cannot be sent is counted and returns False.

    With ``debug=True`` a wrong value raises `InvalidEvent` at the call instead.
    """

    def _speaker(self) -> Speaker:
        raise NotImplementedError

    def track(self, name: str, properties: Mapping[str, Any] | None = None, **tags: Unpack[Tags]) -> bool:
        """Say that something happened.

        Args:
            name: what happened, e.g. ``product_viewed``.
            properties: JSON values of your own; copied at once, so that later changes do not reach the event.
                datetime, date, Decimal, UUID, enum and dataclass values become JSON; NaN and infinity become null.
            **tags: who, where, in which channel and at which stage: see `stitchline.Tags`.

        Returns:
            True when the event is queued, False when it is lost, which is counted by reason.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong.

        Example:
            >>> client.track("product_viewed", {"price": 19.9}, stage="consideration")
            True
        """
        return self._speaker().say("track", name, properties, tags)

    def page(self, name: str = "", properties: Mapping[str, Any] | None = None, **tags: Unpack[Tags]) -> bool:
        """Say that a page was seen.

        Args:
            name: the page's name, where it has one.
            properties: JSON values of your own.
            **tags: as for `track`; the address goes into ``page={"url": ..., "title": ..., "referrer": ...}``.

        Returns:
            True when the event is queued.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong.
        """
        return self._speaker().say("page", name, properties, tags)

    def screen(self, name: str, properties: Mapping[str, Any] | None = None, **tags: Unpack[Tags]) -> bool:
        """Say that a screen of an app or a machine was seen.

        Args:
            name: the screen's name.
            properties: JSON values of your own.
            **tags: as for `track`.

        Returns:
            True when the event is queued.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong.
        """
        return self._speaker().say("screen", name, properties, tags)

    def identify(
        self,
        user: IdentifierValue | UUID | None = None,
        *,
        properties: Mapping[str, Any] | None = None,
        **tags: Unpack[IdentifyTags],
    ) -> bool:
        """Say who is using the device; later events of this Client or Scope carry it until `logout`.

        A second identify adds to what is known; one that names another `user` begins with nobody known. A Client
        whose device is a server speaks for many people and remembers nobody: use `Client.scope`.

        Args:
            user: the login, as your systems know it.
            properties: JSON values about the person.
            **tags: `email`, `phone` (hashed before they leave), `identifiers`, and as for `track`.

        Returns:
            True when the event is queued; False also when nothing given names anybody.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong or names nobody.
        """
        return self._speaker().identify({"user": user, **tags}, properties)

    def link(
        self,
        linked: Mapping[str, IdentifierValue | UUID],
        *,
        properties: Mapping[str, Any] | None = None,
        **tags: Unpack[Tags],
    ) -> bool:
        """Say that this side (device and person of the event) and the other are one person.

        Args:
            linked: the other side's identifiers, e.g. ``{"device": id_in_the_qr_code}`` or ``{"user": "42"}``.
            properties: JSON values of your own.
            **tags: as for `track`; `user`, `email`, `phone` and `identifiers` name this side.

        Returns:
            True when the event is queued.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong or names nobody.
        """
        return self._speaker().relate("link", linked, tags, properties)

    def unlink(
        self,
        linked: Mapping[str, IdentifierValue | UUID],
        *,
        properties: Mapping[str, Any] | None = None,
        **tags: Unpack[Tags],
    ) -> bool:
        """Say that this side and the other are not one person, whatever older evidence says.

        Args:
            linked: the other side's identifiers.
            properties: JSON values of your own, e.g. a ``reason``.
            **tags: as for `link`.

        Returns:
            True when the event is queued.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong or names nobody.
        """
        return self._speaker().relate("unlink", linked, tags, properties)

    def logout(self, properties: Mapping[str, Any] | None = None, **tags: Unpack[Tags]) -> bool:
        """Say that the person left; forget who it was and begin another session.

        Args:
            properties: JSON values of your own.
            **tags: as for `track`.

        Returns:
            True when the event is queued; the person is forgotten in any case.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong.
        """
        return self._speaker().logout(properties, tags)

    def consent(
        self,
        purposes: Mapping[str, bool],
        *,
        properties: Mapping[str, Any] | None = None,
        **tags: Unpack[Tags],
    ) -> bool:
        """Say what the person allows; later events of this Client or Scope carry it.

        Args:
            purposes: e.g. ``{"analytics": True, "marketing": False}``; added to what was said before.
            properties: JSON values of your own.
            **tags: as for `track`.

        Returns:
            True when the event is queued.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong.
        """
        return self._speaker().consent(purposes, properties, tags)
