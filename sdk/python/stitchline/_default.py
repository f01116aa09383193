"""The module-level calls: one Client for a script or an app that needs no second.

In: `init` once, then `track` and the others anywhere. Guaranteed: a call before `init` warns once and is not sent; it
never raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stitchline._calls import Calls
from stitchline._client import Client
from stitchline._losses import warn

if TYPE_CHECKING:
    from stitchline._speaker import Speaker


class _NoSpeaker:
    """Says nothing, and says so once."""

    def __init__(self) -> None:
        self._warned = False

    def __getattr__(self, _name: str) -> Any:
        return self._unsaid

    def _unsaid(self, *_: object, **__: object) -> bool:
        if not self._warned:
            self._warned = True
            warn("nothing is sent before stitchline.init(endpoint, write_key)")
        return False


class _Default(Calls):
    """The calls of whichever Client is the process's own now."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self._nobody: Any = _NoSpeaker()

    def _speaker(self) -> Speaker:
        client = self.client
        return self._nobody if client is None else client._speaker()  # noqa: SLF001 - one room


_default = _Default()

track = _default.track
page = _default.page
screen = _default.screen
identify = _default.identify
link = _default.link
unlink = _default.unlink
logout = _default.logout
consent = _default.consent


def init(endpoint: str, write_key: str, **settings: Any) -> Client:
    """Make the process's own Client, which the module-level calls use.

    Args:
        endpoint: the collector's address.
        write_key: the write key of a source.
        **settings: as for `Client`.

    Returns:
        The Client; one made before is drained and closed first.

    Raises:
        ConfigurationError: a setting could never work.
    """
    client = Client(endpoint, write_key, **settings)
    before = replace(client)
    if before is not None:
        before.close()
    return client


def replace(client: Client | None) -> Client | None:
    """Make another Client, or none, the process's own; returns the one before, still open."""
    before, _default.client = _default.client, client
    return before


def client() -> Client | None:
    """Return the process's own Client, if `init` was called."""
    return _default.client


def flush(timeout_s: float = 10.0) -> bool:
    """Wait until everything queued so far is delivered, or counted as lost.

    Args:
        timeout_s: seconds to wait at most.

    Returns:
        False when the time was over first; True also before `init`.
    """
    return _default.client is None or _default.client.flush(timeout_s)


def close(timeout_s: float | None = None) -> bool:
    """Deliver what is queued, then end.

    Args:
        timeout_s: seconds at most; the Client's `shutdown_timeout_s` when left out.

    Returns:
        True when everything was delivered; True also before `init`.
    """
    before = replace(None)
    return before is None or before.close(timeout_s)
