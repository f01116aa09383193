"""What an operator sees of webhooks and does about them: `/v1/webhooks`, and their metrics."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiohttp import web

from ..ask import Asking
from ..metrics import Sample
from ..receive import Refusal
from ..receive.events import key_of
from ..receive.refusals import unavailable, unknown_key
from .activator import Activator
from .outbox import Outbox
from .sender import Sender
from .webhooks import Webhook

_MOST_LETTERS = 100


class WebhookRoutes:
    """Tells how webhooks are doing, and sends again what nobody took.

    Args:
        webhooks: of the settings.
        outbox, sender, activator: the parts that know.
        asking: who may ask.
        may: whether a key has a right.
    """

    def __init__(
        self,
        webhooks: Sequence[Webhook],
        outbox: Outbox,
        sender: Sender,
        activator: Activator,
        asking: Asking,
        may: Callable[[str, str], bool],
    ) -> None:
        self._webhooks = webhooks
        self._outbox = outbox
        self._sender = sender
        self._activator = activator
        self._asking = asking
        self._may = may

    def routes(self) -> list[web.RouteDef]:
        """The routes this room answers."""
        return [
            web.get("/v1/webhooks", self.show),
            web.post("/v1/webhooks/{name:[^/]+}/replay", self.replay),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """List the webhooks: what waits, what was taken, and the dead letters."""
        return await self._asking.guarded(self._list)(request)

    async def _list(self, _request: web.Request) -> web.StreamResponse:
        told = await asyncio.to_thread(self._told)
        body = json.dumps({"webhooks": told}, ensure_ascii=False).encode()
        return web.Response(body=body, content_type="application/json")

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """Send the dead letters of a webhook again, as if they were new; with an admin key."""
        key, name = key_of(request), request.match_info["name"]
        if not self._may(key, "admin"):
            return unknown_key(given=bool(key)).response()
        if name not in [webhook.name for webhook in self._webhooks]:
            return Refusal(404, f"no webhook {name!r}", "`stitchline webhook list` names them").response()
        try:
            revived = await asyncio.to_thread(self._outbox.revive, name)
        except OSError as error:
            return unavailable(f"the outbox cannot be written: {error.strerror}").response()
        self._sender.submit(revived)
        return web.json_response({"replayed": len(revived)})

    def _told(self) -> list[dict[str, object]]:
        pending, told = self._sender.pending(), []
        for webhook in self._webhooks:
            dead = self._outbox.dead(webhook.name)
            told.append(
                {
                    "name": webhook.name,
                    "milestones": webhook.milestones,
                    "segments": webhook.segments,
                    "delivered": self._sender.delivered[webhook.name],
                    "pending": pending[webhook.name],
                    "error": self._sender.errors.get(webhook.name, ""),
                    "dead": len(dead),
                    "dead_letters": [
                        {
                            "id": letter.id,
                            "created_at": dt.datetime.fromtimestamp(letter.created_at, dt.UTC).isoformat(),
                            "error": letter.error,
                            "body": json.loads(letter.body),
                        }
                        for letter in dead[:_MOST_LETTERS]
                    ],
                }
            )
        return told

    def terms(self) -> Iterable[tuple[str, str, str, list[Sample]]]:
        """The metrics."""
        sender, activator = self._sender, self._activator
        pending = sender.pending()
        counters: tuple[tuple[str, str, Mapping[str, int]], ...] = (
            ("delivered", "Messages that a webhook has taken", sender.delivered),
            ("failures", "Attempts that failed", sender.failures),
            ("dead", "Messages that nobody took in time", sender.died),
            ("withheld", "Messages not made, because the person has not agreed", activator.withheld),
            (
                "withdrawn",
                "Messages thrown away, because the person has taken consent back",
                sender.withdrawn,
            ),
            ("capped", "Messages not made, because of most_per_person", activator.capped),
        )
        for name, meaning, counts in counters:
            yield "counter", f"stitchline_webhook_{name}", meaning, self._samples(counts)
        yield "gauge", "stitchline_webhook_pending", "Messages on their way", self._samples(pending)

    def _samples(self, counts: Mapping[str, int]) -> list[Sample]:
        return [({"webhook": webhook.name}, counts.get(webhook.name, 0)) for webhook in self._webhooks]
