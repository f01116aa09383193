"""Receive webhooks: verify the signature, take each message once, answer quickly.

A message may come twice: when an answer is lost, it is sent again with the same `webhook-id`. So the ids are kept, here in SQLite, and an
id is written down together with what is done about the message.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time

from aiohttp import web

NEWER_THAN_S = 300  # an older request may be a recorded one, sent by somebody else


def is_signed(key: bytes, headers: web.BaseRequest, body: bytes) -> bool:
    """Whether the sender knows the secret, and signed this body with this id just now."""
    identifier, timestamp = (headers.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > NEWER_THAN_S:
        return False
    signed = b".".join((identifier.encode(), timestamp.encode(), body))
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = headers.headers.get("webhook-signature", "").split()  # several while a secret is changed
    return any(hmac.compare_digest(expected, one) for one in given)


def application(secret: str, database: str) -> web.Application:
    """A receiver that writes messages into a database."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    messages = sqlite3.connect(database, isolation_level=None)
    messages.execute("CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, body TEXT)")

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        if not is_signed(key, request, body):
            return web.Response(status=401, text="not signed with our secret")
        message = json.loads(body)
        added = messages.execute(
            "INSERT OR IGNORE INTO messages VALUES (?, ?)", (request.headers["webhook-id"], body.decode())
        )
        if added.rowcount:
            print(message["type"], message["data"], flush=True)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", receive)
    return app


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=8099)
    options.add_argument("--database", default="messages.sqlite")
    given = options.parse_args()
    web.run_app(
        application(os.environ["WEBHOOK_SECRET"], given.database),
        host="127.0.0.1",
        port=given.port,
        print=None,
    )
