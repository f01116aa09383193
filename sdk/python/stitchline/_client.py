"""The Client: settings in, calls on top, delivery below."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Self

from stitchline._calls import Calls
from stitchline._device import device_from, own_device
from stitchline._event import Device, Page, encoded, encoder
from stitchline._exceptions import ConfigurationError, InvalidEvent
from stitchline._pipeline import Pipeline
from stitchline._scope import Scope, bound_speaker, current_binding
from stitchline._sessions import SHARED_TYPES, Session, default_timeout_s
from stitchline._settings import Settings, check
from stitchline._speaker import SharedSpeaker, Speaker
from stitchline._state import Counter, default_state_dir
from stitchline._tagging import Tagged, device_of, flags, part, text
from stitchline._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from stitchline._event import IdentifierValue
    from stitchline._losses import Drop


class Client(Calls):
    """Sends events of this process to a collector.

    Making one starts no thread and opens no connection; the first event does. A Client belongs to the process that
    made it and to its forked children, may be used from any thread and any asyncio task, and lives as long as the
    process: `close` is called at exit and on SIGTERM.

    Args:
        endpoint: the collector's address, e.g. ``https://collect.example.com``. ``HTTPS_PROXY`` and ``NO_PROXY`` hold.
        write_key: the write key of a source.
        channel: where events happen, e.g. ``web``, ``app``, ``atm``, or a word of your own.
        device: this device; what is missing is filled in from the system. Its type is ``server`` unless you say
            otherwise: a server speaks for many people, so this Client then has no session of its own and remembers
            nobody (use `scope`).
        app_version: version of your app.
        identifiers: who uses the device, where that is known from the start.
        consent: what they allow, e.g. ``{"analytics": True}``.
        state_dir: folder that keeps the device's id and counter; per user by default (``~/.local/state/stitchline``).
        session_timeout_s: seconds of silence that end a session; 1800, or 120 on a kiosk, atm or pos, where it also
            forgets the person and what they allowed.
        flush_interval_s: seconds an event waits at most for others to travel with.
        max_batch_events: events in one request, below 1000.
        max_batch_bytes: bytes of events in one request, before gzip.
        max_queue_events: events in memory, those on their way included; beyond, new ones are dropped and counted.
        max_queue_bytes: their bytes.
        timeout_s: seconds for one request, from connecting to the last byte of the answer.
        backoff_s: the longest wait after a first failure, seconds; doubled with each further one.
        max_backoff_s: the longest wait between attempts, seconds. A ``Retry-After`` is kept, up to 300 s.
        max_retries: attempts after the first; None tries until it is delivered, while memory stays bounded.
        shutdown_timeout_s: seconds to drain at exit, on SIGTERM and in `close`.
        offline_dir: folder for a kiosk, ATM or till: every event is written there (by fdatasync, within about
            20 ms) and deleted only after the collector has it.
        max_offline_bytes: bytes in that folder, for each process that shares it; beyond, the oldest are dropped.
        gzip: compress requests.
        debug: raise `InvalidEvent` for a wrong value, instead of counting it.
        hash_contacts: send e-mails and phone numbers as SHA-256 only; False leaves hashing to the collector.
        default_region: ISO 3166 country of phone numbers written without ``+`` (needs ``stitchline[phone]``).
        drain_on_sigterm: handle SIGTERM where nobody else does: drain, then end as before.
        on_drop: called with a `Drop` for every lost event, in the thread where it is lost; its errors are swallowed.
        clock: returns UTC now in nanoseconds since 1970.

    Raises:
        ConfigurationError: a setting could never work.

    Example:
        >>> client = Client("http://127.0.0.1:8765", "dev", channel="app", device={"type": "phone"})
        >>> client.identify(user="42")
        True
        >>> client.track("offer_accepted", {"offer": "gold-card"}, stage="purchase")
        True
    """

    def __init__(
        self,
        endpoint: str,
        write_key: str,
        *,
        channel: str | None = None,
        device: Device | Mapping[str, Any] | None = None,
        app_version: str = "",
        identifiers: Mapping[str, IdentifierValue | UUID] | None = None,
        consent: Mapping[str, bool] | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        session_timeout_s: float | None = None,
        flush_interval_s: float = 1.0,
        max_batch_events: int = 500,
        max_batch_bytes: int = 1024 * 1024,
        max_queue_events: int = 50_000,
        max_queue_bytes: int = 32 * 1024 * 1024,
        timeout_s: float = 10.0,
        backoff_s: float = 0.5,
        max_backoff_s: float = 30.0,
        max_retries: int | None = None,
        shutdown_timeout_s: float = 5.0,
        offline_dir: str | os.PathLike[str] | None = None,
        max_offline_bytes: int = 64 * 1024 * 1024,
        gzip: bool = True,
        debug: bool = False,
        hash_contacts: bool = True,
        default_region: str | None = None,
        drain_on_sigterm: bool = True,
        on_drop: Callable[[Drop], object] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        settings = Settings(
            endpoint=endpoint,
            write_key=write_key,
            session_timeout_s=session_timeout_s,
            flush_interval_s=flush_interval_s,
            max_batch_events=max_batch_events,
            max_batch_bytes=max_batch_bytes,
            max_queue_events=max_queue_events,
            max_queue_bytes=max_queue_bytes,
            timeout_s=timeout_s,
            backoff_s=backoff_s,
            max_backoff_s=max_backoff_s,
            max_retries=max_retries,
            shutdown_timeout_s=shutdown_timeout_s,
            offline_dir=None if offline_dir is None else os.fspath(offline_dir),
            max_offline_bytes=max_offline_bytes,
            gzip=gzip,
            debug=debug,
            hash_contacts=hash_contacts,
            default_region=default_region,
            drain_on_sigterm=drain_on_sigterm,
            on_drop=on_drop,
            clock=clock,
        )
        check(settings)
        folder = None if state_dir is None else os.fspath(state_dir)
        try:
            given = Device() if device is None else device_from("device", device)
            self._device = own_device(given, app_version, folder)
            channel = None if channel is None else text("channel", channel)
            allowed = None if consent is None else flags(consent)
        except InvalidEvent as error:
            raise ConfigurationError(str(error)) from None
        self._settings = settings
        self._pipeline = self._made_pipeline(_head(self._device, channel), folder or default_state_dir())
        self._own = self._own_speaker(identifiers, allowed)
        if settings.offline_dir is not None:
            self._resume(settings.offline_dir)

    @property
    def device(self) -> Device:
        """This device, as sent."""
        return self._device

    @property
    def session_id(self) -> str | None:
        """The current session of this device; None on a server and before the first event."""
        return None if self._own.session is None else self._own.session.id

    @property
    def losses(self) -> dict[str, int]:
        """How many events were lost since the start, by reason."""
        return self._pipeline.losses.totals

    @property
    def pending(self) -> int:
        """How many events are neither delivered nor lost, in memory or on disk."""
        queue = self._pipeline.queue
        return queue.accepted - queue.progress.settled

    def scope(
        self,
        *,
        user: IdentifierValue | UUID | None = None,
        email: str | None = None,
        phone: str | None = None,
        identifiers: Mapping[str, IdentifierValue | UUID | None] | None = None,
        device_id: str | None = None,
        device: Device | Mapping[str, Any] | None = None,
        channel: str | None = None,
        session_id: str | None = None,
        consent: Mapping[str, bool] | None = None,
        page: Page | Mapping[str, str] | None = None,
    ) -> Scope:
        """Speak for one person on one device, where the process serves many.

        Args:
            user: the login.
            email: an address; hashed before it leaves.
            phone: a number; hashed before it leaves.
            identifiers: any other namespaces.
            device_id: the person's device, e.g. from a cookie. Its events carry no `seq`: only the device could count.
            device: the same with more to tell; excludes `device_id`. Without either, events are this server's own.
            channel: where it happens; the Client's channel when left out.
            session_id: the session, where the app keeps one.
            consent: what the person allows.
            page: where it happens.

        Returns:
            A Scope to call directly, or to bind with ``with``. A wrong value is counted and left out.

        Raises:
            InvalidEvent: with ``debug=True``, a value is wrong.
        """
        pipeline = self._pipeline
        who: dict[str, str] = {}
        allowed: dict[str, bool] = {}
        tags = Tagged()
        try:
            who = pipeline.cleaner.clean(user, email, phone, identifiers)
            allowed = {} if consent is None else flags(consent)
            other = device_of(device_id, device)
            tags = Tagged(
                device=None if other is None else encoded(other),
                channel=None if channel is None else text("channel", channel),
                session_id=None if session_id is None else text("session_id", session_id),
                page=None if page is None else encoded(part("page", page, Page)),
            )
        except InvalidEvent as error:
            pipeline.refuse("scope", "", error)
        return Scope(Speaker(pipeline, tags, identifiers=who, consent=allowed))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything queued so far is delivered, or counted as lost.

        Args:
            timeout_s: seconds to wait at most.

        Returns:
            False when the time was over first; delivery goes on.
        """
        return self._pipeline.flush(timeout_s)

    async def aflush(self, timeout_s: float = 10.0) -> bool:
        """Do the same from asyncio, without blocking the loop.

        Args:
            timeout_s: seconds to wait at most.
        """
        return await self._pipeline.aflush(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Deliver what is queued, then end; later calls are counted as `closed`. May be called again.

        Args:
            timeout_s: seconds at most; `shutdown_timeout_s` when left out. What is left then stays in the offline
                folder, or is counted as `shutdown`.

        Returns:
            True when everything was delivered or counted before.
        """
        return self._pipeline.close(self._settings.shutdown_timeout_s if timeout_s is None else timeout_s)

    async def aclose(self, timeout_s: float | None = None) -> bool:
        """Do the same from asyncio, without blocking the loop.

        Args:
            timeout_s: seconds at most; `shutdown_timeout_s` when left out.
        """
        import asyncio  # only programs that run asyncio pay for it

        return await asyncio.to_thread(self.close, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _speaker(self) -> Speaker:
        bound = None if current_binding() is None else bound_speaker(self._pipeline)
        return self._own if bound is None else bound

    def _made_pipeline(self, head: bytes, state_dir: str | None) -> Pipeline:
        return Pipeline(self._settings, head, Counter(state_dir, self._device.id))

    def _own_speaker(
        self, identifiers: Mapping[str, IdentifierValue | UUID] | None, consent: dict[str, bool] | None
    ) -> Speaker:
        personal = self._device.type != "server"
        timeout_s = self._settings.session_timeout_s or default_timeout_s(self._device.type)
        try:
            who = self._pipeline.cleaner.clean(None, None, None, identifiers)
        except InvalidEvent as error:
            raise ConfigurationError(str(error)) from None
        kind = SharedSpeaker if self._device.type in SHARED_TYPES else Speaker
        return kind(
            self._pipeline,
            Tagged(),
            identifiers=who,
            consent=consent,
            session=Session(timeout_s) if personal else None,
            remembers=personal,
        )

    def _resume(self, folder: str) -> None:
        """Start at once where an earlier process left events: they must not wait for a new one."""
        from stitchline._offline import has_unsent  # only where a folder is given

        if has_unsent(folder):
            self._pipeline.start()


def _head(device: Device, channel: str | None) -> bytes:
    """Return the batch members that all events of this process have in common."""
    head: dict[str, Any] = {"sdk": {"name": "stitchline-python", "version": __version__}, "device": device}
    if channel is not None:
        head["channel"] = channel
    return encoder.encode(head)[1:-1]
