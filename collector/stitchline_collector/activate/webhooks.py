"""What a `[[webhooks]]` table may say, its secret, and the signature made with it.

The scheme is that of Standard Webhooks (https://www.standardwebhooks.com), so receivers verify with its libraries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
_DAY_S = 86400


class WebhookError(ValueError):
    """A webhook cannot be served; the message names it and what it takes."""


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One receiver of messages.

    Attributes:
        name: of letters, digits, - and _.
        url: `https://...`; `http://` to this machine only.
        secret_env: the environment variable that holds the secret, `whsec_` and 24 to 64 bytes in base64.
        secret_file: the file that holds it instead.
        milestones: of `journey.toml`, told when a person reaches one for the first time.
        segments: told when a person enters one.
        consent: the purpose that a person must have agreed to, to be told of at a milestone; a segment has its own.
        namespaces: the identifiers that a message holds.
        most_per_person: messages about one person within `window_s`; 0 is no limit.
        window_s: seconds.
        max_age_s: a milestone's event that happened longer ago is history, and not told.
        give_up_after_s: seconds after which a message that nobody takes becomes a dead letter.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    url: str
    secret_env: str = ""
    secret_file: str = ""
    milestones: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    consent: Annotated[str, Meta(min_length=1)] = "marketing"
    namespaces: tuple[str, ...] = ("user",)
    most_per_person: Annotated[int, Meta(ge=0)] = 0
    window_s: Annotated[float, Meta(gt=0, le=90 * _DAY_S)] = _DAY_S
    max_age_s: Annotated[float, Meta(gt=0)] = _DAY_S
    give_up_after_s: Annotated[float, Meta(gt=0)] = 3 * _DAY_S

    def __post_init__(self) -> None:
        if not _is_safe(self.url):
            raise ValueError(
                f"webhook {self.name}: url: an https:// address, or http:// on this machine's loopback, not {self.url!r}"
            )
        if bool(self.secret_env) == bool(self.secret_file):
            raise ValueError(f"webhook {self.name}: name its secret by secret_env or by secret_file")
        if not (self.milestones or self.segments):
            raise ValueError(f"webhook {self.name}: milestones or segments, else there is nothing to tell")


def check(
    webhooks: Sequence[Webhook],
    milestones: Collection[str] | None,
    segments: Collection[str],
    environment: Mapping[str, str] = os.environ,
) -> dict[str, bytes]:
    """Check webhooks against what there is to tell, and read their secrets.

    Args:
        webhooks: of the settings.
        milestones: of `journey.toml`; None where none was given, and the one given last holds.
        segments: that are defined.
        environment: variables that hold secrets.

    Returns:
        The key of each webhook's signature, by name.

    Raises:
        WebhookError: a name stands twice, a trigger or a secret is not there.
    """
    keys: dict[str, bytes] = {}
    for webhook in webhooks:
        if webhook.name in keys:
            raise WebhookError(f"webhooks: {webhook.name!r} stands there twice")
        for name in webhook.segments:
            if name not in segments:
                raise WebhookError(
                    f"webhook {webhook.name}: there is no segment {name!r} in the folder `segments`"
                )
        for name in webhook.milestones:
            if milestones is not None and name not in milestones:
                raise WebhookError(f"webhook {webhook.name}: there is no milestone {name!r} in `journey`")
        keys[webhook.name] = _secret(webhook, environment)
    return keys


def _secret(webhook: Webhook, environment: Mapping[str, str]) -> bytes:
    """Read a webhook's secret; no message shows it."""
    where = f"webhook {webhook.name}: {webhook.secret_env or webhook.secret_file}"
    try:
        text = (
            environment[webhook.secret_env]
            if webhook.secret_env
            else Path(webhook.secret_file).expanduser().read_text()
        )
        key = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except KeyError:
        raise WebhookError(f"{where}: this environment variable is not set") from None
    except OSError as error:
        raise WebhookError(f"{where}: cannot be read: {error.strerror}") from None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        key = b""
    if not text.strip().startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise WebhookError(
            f'{where}: holds no secret: make one with `echo "whsec_$(openssl rand -base64 32)"`'
        )
    return key


def signature(key: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over id, time and body."""
    signed = b".".join((identifier.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
