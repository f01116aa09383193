"""Every setting of a Client: one frozen, typed table with its defaults and checks.

In: the keyword arguments of `Client`. Out: `Settings`. Guaranteed: nothing is accepted and ignored, and a value that
could never work is refused when the Client is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable  # msgspec reads annotations at run time
from typing import Final

import msgspec

from stitchline._event import MAX_BATCH_EVENTS, MAX_BODY_BYTES
from stitchline._exceptions import ConfigurationError, shown
from stitchline._losses import Drop  # msgspec reads annotations at run time

_PATH: Final = "/v1/events"
_POSITIVE: Final = (
    "flush_interval_s", "max_batch_events", "max_batch_bytes", "max_queue_events", "max_queue_bytes",
    "timeout_s", "backoff_s", "max_backoff_s", "max_offline_bytes",
)  # fmt: skip
_MIN_OFFLINE_BYTES: Final = 1024 * 1024
# The collector takes 5 MiB; the rest is room for the head, the commas and one loss report.
_MAX_BATCH_BYTES: Final = MAX_BODY_BYTES - 64 * 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide how events are queued and delivered; `Client` documents each."""

    endpoint: str
    write_key: str
    session_timeout_s: float | None = None
    flush_interval_s: float = 1.0
    max_batch_events: int = 500
    max_batch_bytes: int = 1024 * 1024
    max_queue_events: int = 50_000
    max_queue_bytes: int = 32 * 1024 * 1024
    timeout_s: float = 10.0
    backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    max_retries: int | None = None
    shutdown_timeout_s: float = 5.0
    offline_dir: str | None = None
    max_offline_bytes: int = 64 * 1024 * 1024
    gzip: bool = True
    debug: bool = False
    hash_contacts: bool = True
    default_region: str | None = None
    drain_on_sigterm: bool = True
    on_drop: Callable[[Drop], object] | None = None
    clock: Callable[[], int] = time.time_ns


class Target(msgspec.Struct, frozen=True):
    """Where batches go, taken apart once."""

    secure: bool
    host: str
    port: int
    path: str


def check(settings: Settings) -> None:
    """Refuse settings that could never work.

    Raises:
        ConfigurationError: with the name of the setting, what was given and what is possible.
    """
    try:
        msgspec.convert(
            {
                name: getattr(settings, name)
                for name in settings.__struct_fields__
                if name not in {"on_drop", "clock"}
            },
            Settings,
        )
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error).replace("`$.", "`")) from None
    if not settings.write_key:
        raise ConfigurationError("write_key: pass the write key of a source")
    for name in _POSITIVE:
        if not getattr(settings, name) > 0:
            raise ConfigurationError(f"{name}: must be above 0, not {shown(getattr(settings, name))}")
    _check_limits(settings)
    target(settings.endpoint)


def _check_limits(settings: Settings) -> None:
    limits = (
        ("max_batch_events", settings.max_batch_events < MAX_BATCH_EVENTS, f"below {MAX_BATCH_EVENTS}"),
        (
            "max_batch_bytes",
            settings.max_batch_bytes <= _MAX_BATCH_BYTES,
            f"at most {_MAX_BATCH_BYTES} bytes",
        ),
        (
            "max_offline_bytes",
            settings.max_offline_bytes >= _MIN_OFFLINE_BYTES,
            f"at least {_MIN_OFFLINE_BYTES} bytes",
        ),
        ("shutdown_timeout_s", settings.shutdown_timeout_s >= 0, "0 or more seconds"),
        ("max_retries", (settings.max_retries or 0) >= 0, "0 or more, or None to try until it is delivered"),
        ("session_timeout_s", (settings.session_timeout_s or 1) > 0, "above 0 seconds"),
        ("on_drop", settings.on_drop is None or callable(settings.on_drop), "a function of one Drop"),
        ("clock", callable(settings.clock), "a function that returns nanoseconds since 1970"),
    )
    for name, holds, possible in limits:
        if not holds:
            raise ConfigurationError(f"{name}: must be {possible}, not {shown(getattr(settings, name))}")


def target(endpoint: str) -> Target:
    """Take the collector's address apart.

    Args:
        endpoint: e.g. ``https://collect.example.com``, with or without ``/v1/events``.

    Raises:
        ConfigurationError: it is no http(s) address.
    """
    from urllib.parse import urlsplit  # needed once a Client is made, not at import

    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"endpoint: {error}: {endpoint!r}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"endpoint: pass http(s)://host[:port], not {endpoint!r}")
    if parts.query or parts.fragment or parts.username:
        raise ConfigurationError("endpoint: no query, fragment or user belongs here; the key is write_key")
    path = parts.path.rstrip("/").removesuffix(_PATH)
    secure = parts.scheme == "https"
    return Target(secure, parts.hostname, port or (443 if secure else 80), f"{path}{_PATH}")
