"""`stitchline keys`: who may send and ask, without touching the configuration or restarting a collector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click
import msgspec
from rich.console import Console
from rich.table import Table

from ..receive.key_file import KeyFile, KeyFileError, StoredKey
from ..receive.keys import PAGE_ORIGIN, KeyKind
from ..settings import Settings, SettingsError, load

_SENDS = ("write", "server")
_columns = ("id", "kind", "source", "events/s", "origins", "created", "revoked")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The collector's TOML file, for its `data` and how many keys it has.",
)
_data = click.option("--data", help="The collector's data folder.  [default: ./.stitchline]")


@click.group()
def keys() -> None:
    """Make, list and revoke keys.

    They stand in DATA/keys.json, hashed, beside those of the configuration. A running collector takes a change over within
    about a second.

    \b
    Examples:
      stitchline keys create --kind write --source web --origin https://shop.example
      stitchline keys revoke 3f9a1c22b04d
    """


@keys.command()
@click.option("--kind", type=click.Choice(get_args(KeyKind)), required=True, help="What it may do.")
@click.option(
    "--source", default="", help="Under which name its events are stored; for write and server keys."
)
@click.option(
    "--max-events-per-s",
    default=0,
    type=click.IntRange(0),
    help="Above it, it is answered 429.  [default: any]",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Pages that may use it, as in https://shop.example or https://*.shop.example; repeatable.  [default: any]",
)
@_json
@_config
@_data
def create(
    kind: KeyKind,
    source: str,
    max_events_per_s: int,
    origins: Sequence[str],
    config: Path | None,
    data: str | None,
    *,
    as_json: bool,
) -> None:
    """Make a key and show it, this once.

    \b
    Example:
      stitchline keys create --kind server --source shop-backend
    """
    if kind in _SENDS and not source:
        raise click.UsageError(f"--source: a {kind} key needs the name under which its events are stored")
    if kind not in _SENDS and (source or max_events_per_s or origins):
        raise click.UsageError(
            f"--source, --max-events-per-s and --origin are for keys that send, not for a {kind} key"
        )
    if kind != "write" and origins:
        raise click.UsageError("--origin is for write keys: a back end is no page")
    for origin in origins:
        if not re.search(PAGE_ORIGIN, origin):
            raise click.UsageError(
                f"--origin {origin}: write scheme and host as browsers do, as in https://shop.example"
            )
    file = _file(config, data)
    try:
        key, made = file.create(kind, source, max_events_per_s, origins)
    except (OSError, KeyFileError) as error:
        raise _unusable(error) from None
    if as_json:
        _print_json({"key": key, **_shown(made)})
    else:
        click.echo(key)
        click.echo(f"id {made.id}; the key is kept nowhere: store it now", err=True)


@keys.command("list")
@_json
@_config
@_data
def list_keys(config: Path | None, data: str | None, *, as_json: bool) -> None:
    """Show the keys made here, revoked ones too, but for what makes them secret; those of the settings are only counted.

    \b
    Example:
      stitchline keys list --data /var/lib/stitchline --json
    """
    settings = _settings(config, data)
    try:
        found = KeyFile(settings.data_path).read() or ()
    except (OSError, KeyFileError) as error:
        raise _unusable(error) from None
    if settings.keys:
        click.echo(f"{len(settings.keys)} more in the settings, which are changed there", err=True)
    if as_json:
        _print_json([_shown(key) for key in found])
        return
    table = Table(*_columns, box=None, header_style="bold")
    for key in found:
        rate = f"{key.max_events_per_s:,}" if key.max_events_per_s else ""
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(key.id, key.kind, key.source, rate, " ".join(key.origins), created, revoked)
    Console().print(table)


@keys.command()
@click.argument("key_id", metavar="ID")
@_config
@_data
def revoke(key_id: str, config: Path | None, data: str | None) -> None:
    """Refuse a key from now on; `stitchline keys list` shows the ids.

    \b
    Example:
      stitchline keys revoke 3f9a1c22b04d
    """
    file = _file(config, data)
    try:
        key = file.revoke(key_id)
    except (OSError, KeyFileError) as error:
        raise _unusable(error) from None
    if key is None:
        raise click.ClickException(f"{file.path} has no key {key_id}: `stitchline keys list` shows the ids")
    click.echo(f"{key.id} ({key.kind}) is refused since {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC", err=True)


def _file(config: Path | None, data: str | None) -> KeyFile:
    return KeyFile(_settings(config, data).data_path)


def _settings(config: Path | None, data: str | None) -> Settings:
    try:
        # Where it listens does not matter here, and before the first key only loopback is allowed.
        return load(config, given={"data": data, "host": "127.0.0.1"})
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _shown(key: StoredKey) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(key)
    del shown["sha256"]
    return shown


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _unusable(error: Exception) -> click.ClickException:
    return click.ClickException(f"the file of keys cannot be used: {error}")
