"""Asking a running collector over HTTP, for the commands that print answers.

Enters: paths and parameters. Leaves: bytes or parsed JSON. Guaranteed: whatever goes wrong becomes a message that says what
to do next, and exit status 1.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click

DEFAULT_URL = "http://127.0.0.1:8765"
_TIMEOUT_S = 120  # above the collector's own limit for a query

Command = TypeVar("Command", bound=Callable[..., Any])


class Unreachable(click.ClickException):
    """No collector answers, or not now."""


class Remote:
    """A running collector.

    Args:
        url: its address, e.g. `http://127.0.0.1:8765`.
        key: of kind `read` or `admin`; a collector in development mode takes any.
    """

    def __init__(self, url: str, key: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise click.ClickException(f"{url!r} is no address of a collector: write it as in {DEFAULT_URL}")
        self._url = url.rstrip("/")
        self._key = key

    def get(self, *path: str, **query: object) -> Any:
        """Ask for JSON.

        Args:
            path: the parts of the path, unquoted.
            query: parameters; None is left out.

        Raises:
            click.ClickException: with what to do about it.
        """
        given = {name: value for name, value in query.items() if value is not None}
        return json.loads(self._send("/".join(quote(part, safe="") for part in path), given))

    def read(self, path: tuple[str, ...], query: Mapping[str, str]) -> bytes:
        """Ask, and return the answer as it is.

        Args:
            path: the parts of the path, unquoted.
            query: parameters.

        Raises:
            click.ClickException: with what to do about it.
        """
        return self._send("/".join(quote(part, safe="") for part in path), query)

    def post(self, path: str, body: bytes, query: Mapping[str, str]) -> bytes:
        """Send a body and return the answer as it is.

        Raises:
            click.ClickException: with what to do about it.
        """
        return self._send(path, query, body)

    def delete(self, *path: str) -> Any:
        """Have something deleted; returns the JSON of the answer.

        Args:
            path: the parts of the path, unquoted.

        Raises:
            click.ClickException: with what to do about it.
        """
        with self._open("/".join(quote(part, safe="") for part in path), {}, method="DELETE") as answer:
            return json.loads(answer.read())

    @contextmanager
    def stream(self, *path: str, last: str = "", **query: object) -> Iterator[Iterator[bytes]]:
        """Open a stream of server-sent events; gives its lines.

        Args:
            path: the parts of the path, unquoted.
            last: the id that was heard last; empty at first.
            query: parameters.

        Raises:
            click.ClickException: with what to do about it; Unreachable also where the stream breaks off.
        """
        with self._open("/".join(path), query, headers={"Last-Event-ID": last} if last else {}) as answer:
            yield self._heard(answer)

    def _heard(self, answer: HTTPResponse) -> Iterator[bytes]:
        try:
            yield from answer
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None

    def _send(self, path: str, query: Mapping[str, object], body: bytes | None = None) -> bytes:
        with self._open(path, query, body) as answer:
            try:
                return answer.read()
            except (OSError, HTTPException) as error:
                raise self._unreachable(error) from None

    def _open(
        self,
        path: str,
        query: Mapping[str, object],
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        method: str | None = None,
    ) -> HTTPResponse:
        request = urllib.request.Request(  # noqa: S310 -- the scheme was checked
            f"{self._url}/{path}?{urlencode(query)}",
            body,
            {"Authorization": f"Bearer {self._key}", **headers},
            method=method,
        )
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
        except urllib.error.HTTPError as error:
            explained = self._explained(error)
            raise (Unreachable if error.code == 503 else click.ClickException)(explained) from None
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None
        return answer

    def _unreachable(self, error: Exception) -> Unreachable:
        reason = getattr(error, "reason", error)
        return Unreachable(
            f"no collector answers at {self._url} ({reason}): start one with `stitchline serve`, "
            "or name another with --url or STITCHLINE_URL"
        )

    def _explained(self, error: urllib.error.HTTPError) -> str:
        with error:
            if error.code == 401:
                return (
                    f"the collector at {self._url} refuses this key: give one of kind `read`, or `admin` for what "
                    "changes something, with --key or STITCHLINE_KEY"
                )
            body = error.read()
        try:
            said = json.loads(body)
            return f"{said['error']}\n{said['hint']}"
        except (ValueError, KeyError, TypeError):
            return f"{self._url} answers {error.code} {error.reason}: is it a collector?"


def asks_a_collector(command: Command) -> Command:
    """Give a command the options `--url` and `--key`, for what a reader may ask."""
    return _asking(command, "read or admin")


def asks_as_admin(command: Command) -> Command:
    """Give a command the options `--url` and `--key`, for what only an admin may do."""
    return _asking(command, "admin")


def _asking(command: Command, kinds: str) -> Command:
    options = (
        click.option("--url", envvar="STITCHLINE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True,
                     help="The collector to ask."),
        click.option("--key", envvar="STITCHLINE_KEY", default="development", show_envvar=True,
                     help=f"A key of kind {kinds}; in development mode any will do."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def identifier(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, str]:
    """Read `namespace:value`, for click."""
    namespace, colon, value = text.partition(":")
    if not (namespace and colon and value):
        raise click.BadParameter(
            f"{text!r}: write it as namespace:value, as in user:42 or email:ada@example.com"
        )
    return namespace, value
