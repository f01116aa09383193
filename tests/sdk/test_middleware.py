"""A scope for each request, a device for each browser."""

from __future__ import annotations

import asyncio
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from stitchline.middleware.asgi import ASGIMiddleware
from stitchline.middleware.wsgi import WSGIMiddleware
from stitchline.testing import RecordingClient


class Browser:
    """Keeps cookies, as a browser does, and the lines that set them."""

    def __init__(self) -> None:
        self.jar: dict[str, str] = {}
        self.lines: list[str] = []

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.jar.items())

    def keep(self, lines: list[str]) -> None:
        self.lines = lines
        for line in lines:
            name, _, value = line.partition(";")[0].partition("=")
            self.jar[name] = value


def wsgi_get(app: Any, browser: Browser, *, scheme: str = "http", path: str = "/", query: str = "") -> bytes:
    environ: dict[str, Any] = {"HTTP_COOKIE": browser.cookie, "wsgi.url_scheme": scheme, "PATH_INFO": path}
    environ |= {"SCRIPT_NAME": "", "QUERY_STRING": query, "HTTP_REFERER": "https://search.example/"}
    setup_testing_defaults(environ)
    begun: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        begun[:] = [status, headers]
        return lambda _data: None

    result = app(environ, start)
    try:
        body = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    browser.keep([value for name, value in begun[1] if name == "Set-Cookie"])
    return body


async def asgi_get(
    app: Any, browser: Browser, *, scheme: str = "http", kind: str = "http"
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    headers = [(b"host", b"shop.example"), (b"cookie", browser.cookie.encode())]
    scope = {
        "type": kind,
        "scheme": scheme,
        "path": "/form",
        "query_string": b"utm_source=ad",
        "headers": headers,
    }
    await app(scope, receive, send)
    browser.keep([value.decode() for name, value in sent[0].get("headers", ()) if name == b"set-cookie"])
    return sent


@pytest.fixture
def client() -> RecordingClient:
    return RecordingClient()


def wsgi_app(client: RecordingClient) -> Any:
    def app(environ: Any, start: Any) -> Any:
        client.track("seen")
        if environ["PATH_INFO"] == "/logout":
            client.logout()
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    return app


def test_a_browser_keeps_its_device_and_session_over_requests(client: RecordingClient) -> None:
    app, browser = validator(WSGIMiddleware(validator(wsgi_app(client)), client)), Browser()
    for _ in range(3):
        assert wsgi_get(app, browser) == b"hello"
    assert len({event.device["id"] for event in client.events}) == 1
    assert len({event.session_id for event in client.events}) == 1
    assert {event.channel for event in client.events} == {"web"}
    assert browser.lines == []


def test_another_browser_is_another_device(client: RecordingClient) -> None:
    app = WSGIMiddleware(wsgi_app(client), client)
    for _ in range(2):
        wsgi_get(app, Browser())
    first, second = client.events
    assert first.device["id"] != second.device["id"]
    assert first.session_id != second.session_id


@pytest.mark.parametrize(("scheme", "secure"), [("http", []), ("https", ["Secure"])])
def test_the_cookies_are_first_party_and_out_of_reach_for_scripts(
    client: RecordingClient, scheme: str, secure: list[str]
) -> None:
    browser = Browser()
    wsgi_get(WSGIMiddleware(wsgi_app(client), client), browser, scheme=scheme)
    device = next(line for line in browser.lines if line.startswith("stl_device="))
    assert "HttpOnly" in device
    assert "SameSite=Lax" in device
    assert "Max-Age=34128000" in device
    assert [part for part in device.split("; ") if part == "Secure"] == secure


def test_the_page_of_the_request_is_carried(client: RecordingClient) -> None:
    wsgi_get(WSGIMiddleware(wsgi_app(client), client), Browser(), path="/car", query="utm_source=ad")
    page = client.events[0].page
    assert page["url"] == "http://127.0.0.1/car?utm_source=ad"
    assert page["referrer"] == "https://search.example/"


@pytest.mark.parametrize("forged", ["", "x", "'; DROP", "a" * 5000, "../../etc"])
def test_a_device_that_we_cannot_have_made_is_replaced(client: RecordingClient, forged: str) -> None:
    browser = Browser()
    browser.jar = {"stl_device": forged, "stl_session": forged}
    wsgi_get(WSGIMiddleware(wsgi_app(client), client), browser)
    assert client.events[0].device["id"] == browser.jar["stl_device"] != forged


def test_a_session_that_was_silent_too_long_is_another_one(client: RecordingClient) -> None:
    app, browser = WSGIMiddleware(wsgi_app(client), client), Browser()
    wsgi_get(app, browser)
    session, _, made_at = browser.jar["stl_session"].partition(".")
    browser.jar["stl_session"] = f"{session}.{int(made_at) - 1801}"
    wsgi_get(app, browser)
    first, second = client.events
    assert first.device == second.device
    assert first.session_id != second.session_id


def test_a_session_cookie_over_a_minute_old_is_sent_again(client: RecordingClient) -> None:
    app, browser = WSGIMiddleware(wsgi_app(client), client), Browser()
    wsgi_get(app, browser)
    session, _, made_at = browser.jar["stl_session"].partition(".")
    browser.jar["stl_session"] = f"{session}.{int(made_at) - 61}"
    wsgi_get(app, browser)
    assert browser.jar["stl_session"].startswith(session)
    assert len(browser.lines) == 1


def test_a_logout_gives_the_browser_another_session(client: RecordingClient) -> None:
    app, browser = WSGIMiddleware(wsgi_app(client), client), Browser()
    wsgi_get(app, browser)
    wsgi_get(app, browser, path="/logout")
    wsgi_get(app, browser)
    assert client.events[-1].session_id != client.events[0].session_id
    assert client.events[-1].device == client.events[0].device


def test_without_consent_no_cookie_is_set_and_no_device_made(client: RecordingClient) -> None:
    app = WSGIMiddleware(
        wsgi_app(client), client, allow_cookies=lambda cookies: cookies.get("consent") == "yes"
    )
    browser = Browser()
    wsgi_get(app, browser)
    assert browser.lines == []
    assert client.events[0].device["id"] == "recording-device"
    browser.jar["consent"] = "yes"
    wsgi_get(app, browser)
    assert client.events[1].device["id"] == browser.jar["stl_device"]


def test_a_streaming_answer_is_still_inside_its_request_and_ends_with_it(client: RecordingClient) -> None:
    closed: list[str] = []

    class Stream:
        def __iter__(self) -> Any:
            for number in range(2):
                client.track("chunk")
                yield str(number).encode()

        def close(self) -> None:
            client.track("closed")
            closed.append("yes")

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return Stream()

    browser = Browser()
    assert wsgi_get(WSGIMiddleware(app, client), browser) == b"01"
    assert closed == ["yes"]
    assert {event.device["id"] for event in client.events} == {browser.jar["stl_device"]}
    client.track("outside")
    assert client.events[-1].device["id"] == "recording-device"


def test_a_generator_app_that_begins_late_gets_its_cookies_too(client: RecordingClient) -> None:
    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        client.track("late")
        yield b"x"

    browser = Browser()
    wsgi_get(WSGIMiddleware(app, client), browser)
    assert browser.jar["stl_device"] == client.events[0].device["id"]


def test_an_exception_of_the_app_goes_through_and_ends_the_scope(client: RecordingClient) -> None:
    def app(_environ: Any, _start: Any) -> Any:
        raise LookupError("the app's own")

    with pytest.raises(LookupError):
        wsgi_get(WSGIMiddleware(app, client), Browser())
    client.track("outside")
    assert client.events[-1].device["id"] == "recording-device"


async def test_asgi_requests_at_once_each_have_their_own_device(client: RecordingClient) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await asyncio.sleep(0)
            client.track("chunk")
        await send({"type": "http.response.body", "body": b""})

    browsers = [Browser() for _ in range(5)]
    await asyncio.gather(
        *(asgi_get(ASGIMiddleware(app, client), browser, scheme="https") for browser in browsers)
    )
    by_device = {event.device["id"] for event in client.events}
    assert by_device == {browser.jar["stl_device"] for browser in browsers}
    assert client.events[0].page["url"] == "https://shop.example/form?utm_source=ad"
    assert all("Secure" in line for browser in browsers for line in browser.lines)


async def test_a_websocket_is_bound_and_gets_its_cookies_when_accepted(client: RecordingClient) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        client.track("message")

    browser = Browser()
    await asgi_get(ASGIMiddleware(app, client), browser, scheme="wss", kind="websocket")
    assert client.events[0].device["id"] == browser.jar["stl_device"]


async def test_an_asgi_exception_goes_through_and_ends_the_scope(client: RecordingClient) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise LookupError("the app's own")

    with pytest.raises(LookupError):
        await asgi_get(ASGIMiddleware(app, client), Browser())
    client.track("outside")
    assert client.events[-1].device["id"] == "recording-device"


async def test_a_lifespan_passes_untouched(client: RecordingClient) -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        await send({"type": "lifespan.startup.complete"})

    assert await asgi_get(ASGIMiddleware(app, client), Browser(), kind="lifespan") == [
        {"type": "lifespan.startup.complete"}
    ]
    assert seen == ["lifespan"]
