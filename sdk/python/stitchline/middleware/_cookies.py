"""The two first-party cookies: which device, and which session.

In: a request's `Cookie` header, scheme, host. Out: a scope for the request, and `Set-Cookie` values for its answer.
Guaranteed: both cookies are HttpOnly and SameSite=Lax, and Secure over https; a value that we cannot have made is
replaced, never trusted.

`stl_device` lives 13 months from the last session's begin. `stl_session` lives as long as a session may be silent, and
is sent again when it is over a minute old, so that most answers carry no cookie.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from stitchline._ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stitchline._client import Client
    from stitchline._scope import Scope

DEVICE_COOKIE: Final = "stl_device"
SESSION_COOKIE: Final = "stl_session"
_DEVICE_MAX_AGE_S: Final = 13 * 30 * 24 * 3600 + 5 * 24 * 3600  # 395 days, 13 months
_REFRESH_AFTER_S: Final = 60
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_DEVICE: Final = re.compile(_UUID)
_SESSION: Final = re.compile(rf"({_UUID})\.([0-9]{{1,12}})")


class Options(NamedTuple):
    """What both middlewares can be told."""

    channel: str | None
    session_timeout_s: int
    cookie_domain: str | None
    cookie_path: str
    secure: bool | None
    allow_cookies: Callable[[Mapping[str, str]], bool] | None


class Visit(NamedTuple):
    """One request's scope, and how to write its cookies when the answer begins."""

    scope: Scope
    cookies: Callable[[], list[str]]


def visit(
    client: Client, options: Options, cookie_header: str, page: dict[str, str], *, https: bool
) -> Visit:
    """Begin a request.

    Args:
        client: whose scope.
        options: the middleware's.
        cookie_header: the request's `Cookie` header, possibly empty.
        page: url and referrer of the request.
        https: whether it came over https.
    """
    cookies = parsed(cookie_header)
    if options.allow_cookies is not None and not options.allow_cookies(cookies):
        return Visit(client.scope(channel=options.channel, page=page), list)
    known = cookies.get(DEVICE_COOKIE, "")
    device_id = known if _DEVICE.fullmatch(known) else new_id()
    now = int(time.time())
    session_id, made_at = _session(cookies.get(SESSION_COOKIE, ""), now, options.session_timeout_s)
    scope = client.scope(device_id=device_id, channel=options.channel, session_id=session_id, page=page)

    def written() -> list[str]:
        current = scope.session_id or session_id  # another one after a logout
        lines = []
        if device_id != known or made_at is None:
            lines.append(_set(options, DEVICE_COOKIE, device_id, _DEVICE_MAX_AGE_S, https=https))
        if current != session_id or made_at is None or now - made_at > _REFRESH_AFTER_S:
            value = f"{current}.{now}"
            lines.append(_set(options, SESSION_COOKIE, value, options.session_timeout_s, https=https))
        return lines

    return Visit(scope, written)


def parsed(header: str) -> dict[str, str]:
    """Return the cookies of a request; the first of a name wins, as browsers send the most specific first."""
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, found, value = pair.strip().partition("=")
        if found:
            cookies.setdefault(name.strip(), value.strip().strip('"'))
    return cookies


def _session(value: str, now: int, timeout_s: int) -> tuple[str, int | None]:
    """Return the session and when its cookie was made; a new one, without a time, when there is none or it is too old."""
    match = _SESSION.fullmatch(value)
    if match is not None:
        made_at = int(match[2])
        if 0 <= now - made_at <= timeout_s:
            return match[1], made_at
    return new_id(), None


def _set(options: Options, name: str, value: str, max_age_s: int, *, https: bool) -> str:
    secure = https if options.secure is None else options.secure
    parts = [
        f"{name}={value}",
        f"Path={options.cookie_path}",
        f"Max-Age={max_age_s}",
        "HttpOnly",
        "SameSite=Lax",
    ]
    if options.cookie_domain is not None:
        parts.append(f"Domain={options.cookie_domain}")
    if secure:
        parts.append("Secure")
    return "; ".join(parts)
