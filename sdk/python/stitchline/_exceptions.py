"""Every error a caller can see.

StitchlineError
 +- ConfigurationError   a setting is wrong; raised when a Client is made
 +- InvalidEvent         a value of a call is wrong; raised at the call, only with ``debug=True``

Delivery raises nothing: what cannot be delivered is counted (`Client.losses`) and given to ``on_drop``.
"""

from __future__ import annotations


class StitchlineError(Exception):
    """The root of every error that this SDK raises."""


class ConfigurationError(StitchlineError, ValueError):
    """A setting of the Client is wrong, so that nothing could ever be delivered."""


class InvalidEvent(StitchlineError, ValueError):  # reads as what it is, like httpx.InvalidURL
    """A value given to a call cannot be sent.

    Attributes:
        field: name of the argument, or of the field within it, as on the wire.
        given: the value as it was given.
    """

    def __init__(self, field: str, given: object, expected: str) -> None:
        """Say which field is wrong, what was given and what to do."""
        super().__init__(f"{field}: {expected}, not {shown(given)}")
        self.field = field
        self.given = given


def shown(value: object, *, limit: int = 80) -> str:
    """Return the value and its type, short enough for a log line, whatever its repr does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken __repr__ must not break the error that names it
        text = "<unprintable>"
    if len(text) > limit:
        text = f"{text[: limit - 3]}..."
    return f"{text} ({type(value).__name__})"
