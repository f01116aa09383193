"""The device that this process runs on, filled in from the system where the app does not say.

In: what the app gives. Out: a whole `Device`. Guaranteed: nothing here blocks, asks the network or raises for a
system that does not tell.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from stitchline._event import Device
from stitchline._exceptions import InvalidEvent
from stitchline._state import default_state_dir, persistent_device_id


def device_from(field: str, value: Device | Mapping[str, Any]) -> Device:
    """Return a checked Device.

    Raises:
        InvalidEvent: a field is unknown or of a wrong type.
    """
    if isinstance(value, Device):
        value = msgspec.to_builtins(value)
    if not isinstance(value, Mapping):
        raise InvalidEvent(field, value, "pass a stitchline.Device or a mapping of its fields")
    try:
        return msgspec.convert(dict(value), Device)
    except msgspec.ValidationError as error:
        raise InvalidEvent(field, value, str(error)) from None


def own_device(given: Device, app_version: str, state_dir: str | None) -> Device:
    """Return the device of this process, complete.

    Args:
        given: what the app said; it wins over the system.
        app_version: version of the app, where `given` has none.
        state_dir: where the id is kept; None keeps it in the user's own folder.
    """
    made = given.id or persistent_device_id(state_dir or default_state_dir())
    return msgspec.structs.replace(described(given, app_version), id=made)


def described(given: Device, app_version: str) -> Device:
    """Return what is known of the device, without making an id."""
    found = {
        "type": given.type or "server",
        "os": given.os or _os(),
        "os_version": given.os_version or _os_version(),
        "app_version": given.app_version or app_version,
        "locale": given.locale or _locale(),
        "timezone": given.timezone or _timezone(),
    }
    return msgspec.structs.replace(given, **found)


def _os() -> str:
    names = {"linux": "Linux", "darwin": "macOS", "win32": "Windows", "android": "Android", "ios": "iOS"}
    return names.get(sys.platform, sys.platform)


def _os_version() -> str:
    if sys.platform == "win32":
        return ".".join(str(part) for part in sys.getwindowsversion()[:3])
    return os.uname().release


def _locale() -> str:
    """Return the language as BCP 47, from the variables that POSIX names, in its order."""
    value = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    name = value.partition(".")[0].partition("@")[0]
    return "" if name in {"C", "POSIX"} else name.replace("_", "-")


def _timezone() -> str:
    """Return the IANA name of the time zone where the system tells it, else its abbreviation."""
    named = os.environ.get("TZ", "").lstrip(":")
    if "/" in named or named == "UTC":
        return named
    try:
        target = os.path.realpath("/etc/localtime")
    except OSError:
        target = ""
    _, found, name = target.partition("zoneinfo/")
    return name if found else time.tzname[0]
