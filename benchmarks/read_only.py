"""The yardstick of ingest: an aiohttp handler that reads the body and answers, and nothing else.

In: a port. Out: `{}` to every POST. It runs as `stitchline serve` does: uvloop where there is one, the body not inflated.
"""

from __future__ import annotations

import asyncio
import gc
import sys

from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=b"{}", headers={"Content-Type": "application/json"})


async def serve(port: int) -> None:
    app = web.Application(client_max_size=5 * 1024 * 1024)
    app.add_routes([web.post("/v1/events", handle)])
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(serve(int(sys.argv[1])))
    except ImportError:
        asyncio.run(serve(int(sys.argv[1])))
