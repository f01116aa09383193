"""Sends messages until they are taken.

Enters: messages that are on disk. Leaves: signed POSTs. Guaranteed: each is sent until a 2xx answers it, with pauses that grow and differ,
never sooner than a receiver's Retry-After; one that nobody takes in time becomes a dead letter. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime

import aiohttp
from msgspec.structs import replace

from ..engine import EngineError
from ..logs import Log
from .outbox import Message, Outbox
from .webhooks import Webhook, signature

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 300.0
_DISK_PAUSE_S = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_CONSENT_HOLDS_S = 5.0  # a message as young as that, sent for the first time, was made from what is known now
_AT_ONCE = 8  # requests to one webhook
log = Log(__name__)


class Sender:
    """Delivers; lives on the event loop.

    Args:
        webhooks: the receivers.
        keys: of their signatures, by name.
        outbox: where the messages lie.
        still_agrees: whether the person of a message has not taken back what they agreed to; asked when it was not taken at once.

    Attributes:
        delivered, failures, died, withdrawn: counts by webhook.
        errors: why the last attempt failed, by webhook; empty after one that did not.
    """

    def __init__(
        self,
        webhooks: Sequence[Webhook],
        keys: Mapping[str, bytes],
        outbox: Outbox,
        still_agrees: Callable[[Message], Awaitable[bool]],
    ) -> None:
        self.delivered: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.died: Counter[str] = Counter()
        self.errors: dict[str, str] = {}
        self._webhooks = {webhook.name: webhook for webhook in webhooks}
        self._keys = keys
        self._outbox = outbox
        self._still_agrees = still_agrees
        self.withdrawn: Counter[str] = Counter()
        self._turns = {name: asyncio.Semaphore(_AT_ONCE) for name in self._webhooks}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._webhook_of: dict[str, str] = {}
        self._client: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin, with what is in the outbox."""
        self._client = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        self.submit(await asyncio.to_thread(self._outbox.adopt))

    def submit(self, messages: Iterable[Message]) -> None:
        """Send messages that are on disk; on the event loop's thread."""
        for message in messages:
            if message.id not in self._under_way:
                self._webhook_of[message.id] = message.webhook
                self._under_way[message.id] = asyncio.create_task(self._deliver(message))

    def forget(self, messages: Iterable[Message]) -> None:
        """Send these no more; on the event loop's thread."""
        for message in messages:
            if (task := self._under_way.get(message.id)) is not None:
                task.cancel()

    def pending(self) -> Counter[str]:
        """Messages that were not taken yet, by webhook."""
        return Counter(self._webhook_of.values())

    async def stop(self) -> None:
        """End; what was not taken stays on disk."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _deliver(self, message: Message) -> None:
        try:
            await self._until_taken(message)
        finally:
            del self._under_way[message.id], self._webhook_of[message.id]

    async def _until_taken(self, message: Message) -> None:
        webhook, attempts = self._webhooks.get(message.webhook), 0
        while webhook is not None:
            async with self._turns[webhook.name]:
                error, wait_s, is_withdrawn = await self._attempt_if_agreed(
                    webhook, message, again=attempts > 0
                )
            if is_withdrawn:
                await asyncio.to_thread(self._outbox.taken, message.id)
                self.withdrawn[webhook.name] += 1
                return
            self.errors[webhook.name] = error
            if not error:
                await asyncio.to_thread(self._outbox.taken, message.id)
                self.delivered[webhook.name] += 1
                return
            self.failures[webhook.name] += 1
            attempts += 1
            if time.time() > max(message.created_at, message.revived_at) + webhook.give_up_after_s:
                break
            await asyncio.sleep(max(wait_s, _pause_s(attempts)))
        why = self.errors.get(message.webhook) or "there is no such webhook any more"
        await self._bury(replace(message, error=why))
        self.died[message.webhook] += 1
        log.error(
            "webhook %(webhook)s: %(webhook_id)s is a dead letter: %(error)s",
            event="dead_letter",
            webhook=message.webhook,
            webhook_id=message.id,
            error=why,
        )

    async def _bury(self, message: Message) -> None:
        while True:
            try:
                return await asyncio.to_thread(self._outbox.bury, message)
            except OSError as error:  # a full disk passes; until then it is on disk as a message that waits
                self.errors[message.webhook] = f"the dead letter cannot be written: {error}"
                await asyncio.sleep(_DISK_PAUSE_S)

    async def _attempt_if_agreed(
        self, webhook: Webhook, message: Message, *, again: bool
    ) -> tuple[str, float, bool]:
        if again or message.revived_at or time.time() > message.created_at + _CONSENT_HOLDS_S:
            try:
                if not await self._still_agrees(message):
                    return "", 0.0, True
            except EngineError as unanswered:
                return f"consent cannot be looked up: {unanswered}", 0.0, False
        return *await self._attempt(webhook, message), False

    async def _attempt(self, webhook: Webhook, message: Message) -> tuple[str, float]:
        """Send once; returns what went wrong, empty if nothing, and the least seconds to wait."""
        assert self._client is not None  # noqa: S101 -- started
        body, timestamp = message.body.encode(), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "stitchline-webhook",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys[webhook.name], message.id, timestamp, body),
        }
        try:
            async with self._client.post(
                webhook.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if 200 <= answer.status < 300:
                    return "", 0.0
                return f"it answered {answer.status}", _retry_after_s(answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return str(error) or type(error).__name__, 0.0


def _pause_s(attempts: int) -> float:
    """Twice as long each time, and any part of it, so that many messages do not come back at one moment."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempts, 20))
    return random.uniform(FIRST_PAUSE_S, longest)  # noqa: S311 -- jitter, not a secret


def _retry_after_s(text: str) -> float:
    """The header's seconds or date (RFC 9110, section 10.2.3) as seconds from now, a day at most."""
    if text.isascii() and text.isdigit():
        return min(float(text), 86400.0)
    try:
        at = parsedate_to_datetime(text)
        return min(max(0.0, (at - dt.datetime.now(dt.UTC)).total_seconds()), 86400.0)
    except (TypeError, ValueError):
        return 0.0
