"""For the tests of apps: a Client that records instead of sending, and a pytest fixture.

In: the same calls. Out: typed events, as they would be on the wire. Guaranteed: no thread, no file, no network.

>>> from stitchline.testing import RecordingClient
>>> client = RecordingClient(channel="web")
>>> client.track("product_viewed", {"price": 19.9})
True
>>> client.events[0].properties
{'price': 19.9}
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from stitchline import _default
from stitchline._client import Client
from stitchline._event import Device
from stitchline._pipeline import Pipeline
from stitchline._state import Counter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stitchline._settings import Settings

__all__ = ["RecordedEvent", "RecordingClient"]


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event; `device` and `channel` are the batch's where the event has none of its own."""

    event_id: str
    type: str
    name: str = ""
    occurred_at: str = ""
    seq: int = 0
    device: dict[str, Any] = {}
    identifiers: dict[str, str] = {}
    channel: str | None = None
    stage: str | None = None
    session_id: str | None = None
    linked: dict[str, str] = {}
    page: dict[str, str] = {}
    campaign: dict[str, str] = {}
    consent: dict[str, bool] = {}
    properties: dict[str, Any] = {}


class _Recorder(Pipeline):
    """Keeps every event instead of queueing it."""

    def __init__(
        self, settings: Settings, head: bytes, counter: Counter, events: list[RecordedEvent]
    ) -> None:
        super().__init__(settings, head, counter)
        shared = msgspec.json.decode(b"{%b}" % head)
        self._defaults = {name: shared[name] for name in ("device", "channel") if name in shared}
        self.events = events

    def put(self, event: bytes) -> bool:
        if self.closed:
            return False
        self.events.append(msgspec.convert({**self._defaults, **msgspec.json.decode(event)}, RecordedEvent))
        return True


class RecordingClient(Client):
    """A Client for tests: the same calls and checks; the events are kept in `events`.

    Args:
        debug: raise `InvalidEvent` for a wrong value, so that tests find it.
        **settings: as for `Client`.
    """

    def __init__(self, *, debug: bool = True, **settings: Any) -> None:
        device = settings.pop("device", None) or {}
        fields = msgspec.to_builtins(device) if isinstance(device, Device) else dict(device)
        device = {"id": "recording-device", **fields}  # one of its own, so that none is kept on disk
        settings.setdefault("drain_on_sigterm", False)
        self._recorded: list[RecordedEvent] = []
        super().__init__("http://recording.invalid", "recording", debug=debug, device=device, **settings)

    @property
    def events(self) -> list[RecordedEvent]:
        """What was said so far, oldest first."""
        return self._recorded

    def named(self, name: str) -> list[RecordedEvent]:
        """Return the events of one name, oldest first."""
        return [event for event in self.events if event.name == name]

    def of_type(self, kind: str) -> list[RecordedEvent]:
        """Return the events of one type, e.g. ``identify``, oldest first."""
        return [event for event in self.events if event.type == kind]

    def clear(self) -> None:
        """Forget what was recorded."""
        self._recorded.clear()

    def _made_pipeline(self, head: bytes, counter_dir: str | None) -> Pipeline:
        del counter_dir  # nothing is kept
        return _Recorder(self._settings, head, Counter(None, self._device.id), self._recorded)


if "pytest" in sys.modules:
    import pytest

    @pytest.fixture
    def stitchline_events() -> Iterator[RecordingClient]:
        """The process's own Client (``stitchline.track`` and so on) as a recording one, for one test."""
        recording = RecordingClient()
        before = _default.replace(recording)
        try:
            yield recording
        finally:
            _default.replace(before)
            recording.close()
