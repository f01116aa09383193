"""The Client: settings in, calls on top, delivery below."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Self

from stitchline._calls import Calls
from stitchline._device import described, device_from, own_device
from stitchline._event import Device, Page, encoded, encoder
from stitchline._exceptions import ConfigurationError, InvalidEvent
from stitchline._opt_in import OptedIn, OptedInShared, Silent
from stitchline._pipeline import Pipeline
from stitchline._scope import Scope, bound_speaker, current_binding
from stitchline._sessions import SHARED_TYPES, Session, default_timeout_s
from stitchline._settings import Settings, check
from stitchline._speaker import SharedSpeaker, Speaker
from stitchline._state import Counter, default_state_dir, forget_device_id
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
        require_consent: make, store and send nothing before `analytics` is allowed, here or by `consent`, and nothing
            after it is taken back: the id and counter in `state_dir` then go at once (so give the app a folder of its
            own), unsent events when they are sent, and the device is another one if consent comes back. For a device
            that one person uses at a time; not for a server, and without `scope`.
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
        require_consent: bool = False,
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
        self._state_dir = None if state_dir is None else os.fspath(state_dir)
        try:
            self._given = Device() if device is None else device_from("device", device)
            self._channel = None if channel is None else text("channel", channel)
            allowed = None if consent is None else flags(consent)
        except InvalidEvent as error:
            raise ConfigurationError(str(error)) from None
        self._app_version = app_version
        self._settings = settings
        self._identifiers = identifiers
        self._made_with = allowed
        self._opt_in = require_consent
        self._retired: list[Pipeline] = []
        self._lost_before: dict[str, int] = {}
        if require_consent and (self._given.type or "server") == "server":
            raise ConfigurationError(
                'require_consent: pass device={"type": ...}; a server speaks for many people'
            )
        if require_consent and not (allowed or {}).get("analytics"):
            self._be_silent(allowed or {})
            self._send_left_over()
        else:
            self._begin()
            self._listen(allowed or {})

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
        totals = dict(self._lost_before)
        for pipeline in self._pipelines():
            for reason, number in pipeline.losses.totals.items():
                totals[reason] = totals.get(reason, 0) + number
        return totals

    @property
    def pending(self) -> int:
        """How many events are neither delivered nor lost, in memory or on disk."""
        queues = [pipeline.queue for pipeline in self._pipelines()]
        return sum(queue.accepted - queue.progress.settled for queue in queues)

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
        if self._opt_in:
            pipeline.refuse(
                "scope", "", InvalidEvent("scope", None, "not with require_consent: one person's")
            )
            return Scope(Silent(pipeline, {}, None))
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
        deadline = time.monotonic() + timeout_s
        done = [pipeline.flush(max(0.0, deadline - time.monotonic())) for pipeline in self._pipelines()]
        return all(done)

    async def aflush(self, timeout_s: float = 10.0) -> bool:
        """Do the same from asyncio, without blocking the loop.

        Args:
            timeout_s: seconds to wait at most.
        """
        deadline = time.monotonic() + timeout_s
        done = [
            await pipeline.aflush(max(0.0, deadline - time.monotonic())) for pipeline in self._pipelines()
        ]
        return all(done)

    def close(self, timeout_s: float | None = None) -> bool:
        """Deliver what is queued, then end; later calls are counted as `closed`. May be called again.

        Args:
            timeout_s: seconds at most; `shutdown_timeout_s` when left out. What is left then stays in the offline
                folder, or is counted as `shutdown`.

        Returns:
            True when everything was delivered or counted before.
        """
        seconds = self._settings.shutdown_timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + seconds
        done = [pipeline.close(max(0.0, deadline - time.monotonic())) for pipeline in self._pipelines()]
        return all(done)

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

    def _pipelines(self) -> list[Pipeline]:
        """Return all that may have something to deliver, oldest first: with `require_consent` there may be several."""
        return [*self._retired, self._pipeline]

    def _made_pipeline(self, head: bytes, counter_dir: str | None) -> Pipeline:
        return Pipeline(self._settings, head, Counter(counter_dir, self._device.id))

    def _begin(self) -> None:
        """Make the device, its way to the collector and its speaker."""
        self._device = own_device(self._given, self._app_version, self._state_dir)
        self._pipeline = self._made_pipeline(
            _head(self._device, self._channel), self._state_dir or default_state_dir()
        )
        self._own = self._own_speaker()
        if self._settings.offline_dir is not None:
            self._resume(self._settings.offline_dir)

    def _own_speaker(self) -> Speaker:
        personal = self._device.type != "server"
        timeout_s = self._settings.session_timeout_s or default_timeout_s(self._device.type)
        try:
            who = self._pipeline.cleaner.clean(None, None, None, self._identifiers)
        except InvalidEvent as error:
            raise ConfigurationError(str(error)) from None
        shared = self._device.type in SHARED_TYPES
        kind = SharedSpeaker if shared else Speaker
        if self._opt_in:
            kind = OptedInShared if shared else OptedIn
        return kind(
            self._pipeline,
            Tagged(),
            identifiers=who,
            consent=self._made_with,
            session=Session(timeout_s) if personal else None,
            remembers=personal,
        )

    def _be_silent(self, consent: dict[str, bool]) -> None:
        """Have no device and nothing that could be stored or sent, until consent is given."""
        self._device = described(self._given, self._app_version)
        self._pipeline = Pipeline(self._settings, _head(None, None), Counter(None, ""))
        self._own = Silent(self._pipeline, consent, self._begin_again)

    def _begin_again(self, silent: Speaker, consent: dict[str, bool]) -> Speaker:
        """Begin, now that consent was given; the caller holds the silent pipeline's lock."""
        if self._own is silent and not silent.pipeline.closed:
            self._put_away(silent.pipeline)
            self._begin()
            self._listen(consent)
        return self._own

    def _listen(self, consent: dict[str, bool]) -> None:
        if isinstance(self._own, OptedIn | OptedInShared):
            self._own.until(self._end, consent)
            if self._settings.offline_dir is not None:
                from stitchline._offline import unmark_withdrawn

                unmark_withdrawn(self._settings.offline_dir)

    def _end(self, speaker: Speaker, consent: dict[str, bool]) -> Speaker:
        """Forget the device, and let what is queued be delivered; the caller holds the lock of its pipeline."""
        if self._own is speaker:
            if self._settings.offline_dir is not None:
                from stitchline._offline import mark_withdrawn

                mark_withdrawn(self._settings.offline_dir)
            if not self._given.id:
                forget_device_id(self._state_dir or default_state_dir())
            self._put_away(speaker.pipeline)
            self._be_silent(consent)
        return self._own

    def _put_away(self, pipeline: Pipeline) -> None:
        """Let a pipeline end by itself, and forget those that have, but for their losses."""
        pipeline.retire()
        self._retired.append(pipeline)
        for over in [one for one in self._retired if one.is_over()]:
            self._retired.remove(over)
            for reason, number in over.losses.totals.items():
                self._lost_before[reason] = self._lost_before.get(reason, 0) + number

    def _send_left_over(self) -> None:
        """Send what an earlier process could not before consent was taken back."""
        folder = self._settings.offline_dir
        if folder is None:
            return
        from stitchline._offline import is_withdrawn

        if is_withdrawn(folder):
            rest = Pipeline(self._settings, _head(None, None), Counter(None, ""))
            rest.start()
            self._put_away(rest)

    def _resume(self, folder: str) -> None:
        """Start at once where an earlier process left events: they must not wait for a new one."""
        from stitchline._offline import has_unsent  # only where a folder is given

        if has_unsent(folder):
            self._pipeline.start()


def _head(device: Device | None, channel: str | None) -> bytes:
    """Return the batch members that all events of this process have in common."""
    head: dict[str, Any] = {"sdk": {"name": "stitchline-python", "version": __version__}}
    if device is not None:
        head["device"] = device
    if channel is not None:
        head["channel"] = channel
    return encoder.encode(head)[1:-1]
