"""Every setting of the collector: one table, read from defaults, one TOML file, the environment and the command line.

Later wins. A setting `max_body_bytes` is `max_body_bytes = ...` in the file and `STITCHLINE_MAX_BODY_BYTES` in the environment.
`docs/configuration.md` is written from this table, and a test holds the two together.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import asdict, fields

from .activate.webhooks import Webhook
from .logs import LogFormat
from .receive.key_file import KeyFile
from .receive.keys import Key
from .receive.proxies import Proxies, ProxyHeader
from .retention import Retention
from .stitch.rules import IdentityRules

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]

ENVIRONMENT_PREFIX = "STITCHLINE_"
DEFAULT_PORT = 8765


def _doc(default: Any, text: str, *, secret: bool = False) -> Any:
    """A setting: its default, what it means, and whether it is shown."""
    return _Documented(default, text, secret)


class _Documented(msgspec.Struct):
    default: Any
    text: str
    secret: bool


# name -> (default, meaning, secret). The types are the annotations of `Settings`.
_TABLE: dict[str, _Documented] = {
    "host": _doc("127.0.0.1", "Address to listen on. Development mode (no keys) listens on loopback only."),
    "port": _doc(DEFAULT_PORT, "TCP port to listen on."),
    "workers": _doc(
        1,
        "Processes that take events. From 2 on, they do nothing else: one more process loads, stitches and answers questions:"
        " see [several processes](#several-processes).",
    ),
    "log_format": _doc(
        "text",
        "How the log is written to stderr: `text` for readers, or `json`, one object a line: docs/logs.md.",
    ),
    "sql_port": _doc(
        0,
        "TCP port, on 127.0.0.1, that answers ClickHouse's HTTP protocol from the embedded engine, read-only, with a read key as"
        " password: docs/sql-port.md. 0: off.",
    ),
    "data": _doc("./.stitchline", "Folder for the spool, the embedded database and generated secrets."),
    "clickhouse": _doc(
        "",
        "Where events go: `chdb:///path` is the engine inside this process, `clickhouse://user:password@host:8123/db` a server."
        " Empty: `chdb://DATA/clickhouse`.",
        secret=True,
    ),
    "keys": _doc(
        (),
        "Who may send and ask: `[[keys]]` tables with `key`, `kind`, `source`, `max_events_per_s`, `origins`; besides those of"
        " `stitchline keys`.",
        secret=True,
    ),
    "contact_key": _doc(
        "",
        "Secret of the keyed hash of e-mails and phone numbers, at least 32 characters; the same on every collector. To change it, a list of a"
        " new one and all before it: docs/privacy.md. Empty: one is made and kept in DATA/contact.key.",
        secret=True,
    ),
    "phone_region": _doc("", "Country (two letters) of phone numbers that come without a country code."),
    "require_consent": _doc(
        default=False,
        text="Keep identifiers only of events that say `consent.analytics: true`; otherwise unless they say false.",
    ),
    "gpc_refuses": _doc(
        ("marketing", "sale"),
        "Purposes of consent that a browser's Global Privacy Control (`Sec-GPC: 1`) says no to, whatever its page says. Empty: it is not"
        " heard.",
    ),
    "erase_on_withdrawal": _doc(
        default=False,
        text="Erase what was stored before of whoever says `analytics: false` in a `consent` event: of a server's key the person it names,"
        " of any other the device alone: see docs/privacy.md.",
    ),
    "retention": _doc(
        Retention(),
        "Days until rows go by themselves: a table `[retention]` with `events_days` and `failed_events_days`, see docs/privacy.md. 0 is"
        " never.",
    ),
    "geo_database": _doc(
        "",
        "A `.mmdb` file for country, region and city: MaxMind's layout or ip-location-db's. Empty: no geo.",
    ),
    "max_events_per_s_per_address": _doc(
        0,
        "Above it, over bursts of ten seconds, an address (of IPv6 a network of 64 bits) is answered 429, whatever its keys; 0 is no"
        " limit. Server keys are exempt.",
    ),
    "hang_timeout_s": _doc(
        60.0,
        "With `workers` above 1: seconds that a process may stand still until it is killed and started again.",
    ),
    "max_wait_s": _doc(
        2.0,
        "Longest time a request waits for its turn when more comes than can be taken; what would wait longer is answered 503 at once."
        " Sources that send more than their share wait half as long. 0: any time.",
    ),
    "trusted_proxies": _doc(
        (),
        'Networks of the proxies in front of the collector, as in `["10.0.0.0/8"]`: what they say in `proxy_header` of a sender\'s'
        " address is believed, and nobody else's word.",
    ),
    "proxy_header": _doc(
        "X-Forwarded-For",
        "The header in which they say it, `X-Forwarded-For` or `Forwarded`: the one they write themselves, never one they pass on.",
    ),
    "max_body_bytes": _doc(5 * 1024 * 1024, "Largest request body, as sent."),
    "max_inflated_bytes": _doc(20 * 1024 * 1024, "Largest request body, inflated."),
    "max_batch_events": _doc(1000, "Most events in one request."),
    "max_event_bytes": _doc(64 * 1024, "Largest event."),
    "max_json_depth": _doc(32, "Deepest nesting of an event's properties."),
    "body_timeout_s": _doc(20.0, "Longest time a request body may take to arrive."),
    "seal_age_s": _doc(
        0.5, "Age at which a spool segment is handed to the loader: fresher answers or fewer inserts."
    ),
    "seal_rows": _doc(100_000, "Rows at which a spool segment is handed to the loader."),
    "seal_bytes": _doc(
        16 * 1024 * 1024, "Compressed bytes at which a spool segment is handed to the loader."
    ),
    "max_spool_bytes": _doc(
        10 * 1024**3, "Bytes that may wait on disk for ClickHouse; above, requests are answered 503."
    ),
    "stitch_interval_s": _doc(0.5, "Pause between two rounds of stitching."),
    "identity": _doc(
        IdentityRules(),
        "The rules of stitching: a table `[identity]`, see docs/identity.md. A change takes effect with `stitchline stitch --full`.",
    ),
    "journey": _doc(
        "",
        "A `journey.toml` with stages and milestones, see docs/analysts.md. Empty: the one given last holds.",
    ),
    "segments": _doc("", "Folder of segments, a `.toml` file each, see docs/activation.md. Empty: none."),
    "webhooks": _doc(
        (),
        "Who is told when people reach milestones and enter segments: `[[webhooks]]` tables, see docs/activation.md.",
    ),
    "segment_sweep_s": _doc(
        60.0, "Pause between two looks at everybody, for segments that people enter as time passes."
    ),
    "sql_timeout_s": _doc(30.0, "Longest run of one query of `/v1/sql`."),
    "sql_max_rows": _doc(1_000_000, "Most rows one query of `/v1/sql` may return."),
    "sql_max_memory_bytes": _doc(2 * 1024**3, "Most memory one query of `/v1/sql` may use."),
    "stop_timeout_s": _doc(
        10.0, "Longest time to load what is spooled when stopping; the rest is loaded after the next start."
    ),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The effective settings; see `_TABLE` for what each one means."""

    host: str
    port: Annotated[int, Meta(ge=0, le=65535)]
    workers: Annotated[int, Meta(ge=1, le=256)]
    log_format: LogFormat
    sql_port: Annotated[int, Meta(ge=0, le=65535)]
    data: str
    clickhouse: str
    keys: tuple[Key, ...]
    contact_key: str | tuple[str, ...]
    phone_region: Annotated[str, Meta(pattern=r"^([A-Z]{2})?$")]
    require_consent: bool
    gpc_refuses: tuple[str, ...]
    erase_on_withdrawal: bool
    retention: Retention
    geo_database: str
    max_events_per_s_per_address: Annotated[int, Meta(ge=0)]
    hang_timeout_s: Seconds
    max_wait_s: Annotated[float, Meta(ge=0)]
    trusted_proxies: tuple[str, ...]
    proxy_header: ProxyHeader
    max_body_bytes: Positive
    max_inflated_bytes: Positive
    max_batch_events: Positive
    max_event_bytes: Positive
    max_json_depth: Annotated[int, Meta(ge=1, le=500)]
    body_timeout_s: Seconds
    seal_age_s: Seconds
    seal_rows: Positive
    seal_bytes: Positive
    max_spool_bytes: Positive
    stitch_interval_s: Seconds
    identity: IdentityRules
    journey: str
    segments: str
    webhooks: tuple[Webhook, ...]
    segment_sweep_s: Seconds
    sql_timeout_s: Seconds
    sql_max_rows: Positive
    sql_max_memory_bytes: Positive
    stop_timeout_s: Seconds

    @property
    def data_path(self) -> Path:
        """The data folder, absolute."""
        return Path(self.data).expanduser().absolute()

    @property
    def dsn(self) -> str:
        """Where ClickHouse is."""
        return self.clickhouse or f"chdb://{self.data_path / 'clickhouse'}"

    @property
    def is_embedded(self) -> bool:
        """Whether ClickHouse runs inside this process."""
        return self.dsn.startswith("chdb:")

    @property
    def development(self) -> bool:
        """Whether there is no key, neither here nor in the data folder, so that any key is accepted."""
        return not self.keys and KeyFile(self.data_path).state() is None


class SettingsError(ValueError):
    """A setting is wrong; the message names it, where it was set, and what it takes."""


def load(
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """Put the settings together.

    Args:
        file: A TOML file.
        environment: Variables; those that begin with STITCHLINE_ are read.
        given: Values from the command line; None is not given.

    Raises:
        SettingsError: the file cannot be read, a name is unknown, or a value is not what the setting takes.
    """
    values: dict[str, Any] = {name: setting.default for name, setting in _TABLE.items()}
    for place, found in (
        (str(file), _from_file(file)),
        ("the environment", _from_environment(environment)),
        ("the command line", {name: value for name, value in (given or {}).items() if value is not None}),
    ):
        values |= {name: _convert(name, value, place) for name, value in found.items()}
    settings = Settings(**values)
    _check(settings)
    return settings


def describe(settings: Settings, *, secrets_shown: bool = False) -> str:
    """The effective settings as a TOML file with their meanings; secrets as `***`."""
    lines = []
    for name, value in asdict(settings).items():
        setting = _TABLE[name]
        hidden = setting.secret and value and not secrets_shown
        lines.append(f"# {setting.text}")
        lines.append(f"{name} = {_toml('***' if hidden else msgspec.to_builtins(value))}\n")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    """A value as TOML writes it: as JSON does, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(one)}" for name, one in value.items()) + "}"
    return msgspec.json.encode(value).decode()


def reference() -> str:
    """The table as Markdown, for docs/configuration.md."""
    types = get_type_hints(Settings)
    rows = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for field in fields(Settings):
        setting = _TABLE[field.name]
        default = (
            "" if setting.default in ("", (), IdentityRules(), Retention()) else f"`{_toml(setting.default)}`"
        )
        rows.append(f"| `{field.name}` | {_type_name(types[field.name])} | {default} | {setting.text} |")
    return "\n".join(rows) + "\n"


def contact_keys(settings: Settings) -> list[bytes]:
    """The secrets of the keyed hash, the newest first: configured, or one made once and kept in the data folder.

    Raises:
        SettingsError: a configured one is too short to be a secret, or stands there twice.
    """
    if settings.contact_key:
        given = settings.contact_key
        keys = (given,) if isinstance(given, str) else given
        if any(len(key) < 32 for key in keys):
            raise SettingsError("contact_key: at least 32 characters; make one with `openssl rand -hex 32`")
        return _different(keys)
    path = settings.data_path / "contact.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(f".{os.getpid()}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(32))
        made.rename(path)
    lines = (line.strip() for line in path.read_text().splitlines())
    return _different([line for line in lines if line])


def has_contact_keys(settings: Settings) -> bool:
    """Whether there are any yet."""
    return bool(settings.contact_key) or (settings.data_path / "contact.key").exists()


def _different(keys: Sequence[str]) -> list[bytes]:
    if not keys or len(set(keys)) < len(keys):
        raise SettingsError("contact_key: one key, or a list of different ones, the newest first")
    return [key.encode() for key in keys]


# Settings that are no single value, and what they are in the environment.
_AS_JSON = {
    "gpc_refuses": "a JSON list of purposes",
    "keys": "a JSON list of keys",
    "identity": "a JSON object",
    "retention": "a JSON object",
    "trusted_proxies": "a JSON list of networks",
    "webhooks": "a JSON list of webhooks",
}


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _TABLE:
        text = environment.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None:
            found[name] = _from_text(name, text)
    return found


def _from_text(name: str, text: str) -> Any:
    if name in _AS_JSON or (name == "contact_key" and text.startswith("[")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            wanted = _AS_JSON.get(name, "a key, or a JSON list of keys")
            raise SettingsError(f"{ENVIRONMENT_PREFIX}{name.upper()}: {wanted}, but {error}") from None
    return text


def _convert(name: str, value: Any, place: str) -> Any:
    if name not in _TABLE:
        raise SettingsError(
            f"{place}: there is no setting {name!r}; `stitchline serve --print-config` shows them all"
        )
    try:
        # Text from the environment may stand for a number; a wrong type in TOML is an error.
        return msgspec.convert(value, _TYPES[name], strict=place != "the environment")
    except msgspec.ValidationError as error:
        raise SettingsError(f"{place}: {name}: {error}") from None


def _check(settings: Settings) -> None:
    if settings.development and not _is_loopback(settings.host):
        raise SettingsError(
            f"host: without keys any key is accepted, so only a loopback address is served, not {settings.host}: "
            "make one with `stitchline keys create`, add [[keys]] to the configuration, or listen on 127.0.0.1"
        )
    try:
        Proxies(settings.trusted_proxies)
    except ValueError as error:
        raise SettingsError(f"trusted_proxies: {error}") from None
    if settings.sql_port and not settings.is_embedded:
        raise SettingsError(
            "sql_port: it answers from the embedded engine only; with a ClickHouse server, connect your tools to that server"
        )
    duplicates = {
        key.key for key in settings.keys if sum(key.key == other.key for other in settings.keys) > 1
    }
    if duplicates:
        raise SettingsError("keys: the same key stands there twice")
    if any(len(key.key) < 8 for key in settings.keys):
        raise SettingsError("keys: a key of at least 8 characters")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _type_name(annotation: Any) -> str:
    text = getattr(annotation, "__name__", "")
    if text in ("str", "int", "float", "bool"):
        return text
    named = {
        str | tuple[str, ...]: "str or list",
        IdentityRules: "table",
        Retention: "table",
        ProxyHeader: "str",
        LogFormat: "str",
        tuple[str, ...]: "list of str",
    }
    return named.get(annotation, "list of tables")


_TYPES = get_type_hints(Settings, include_extras=True)
assert list(_TYPES) == list(_TABLE), "every setting has a type and a meaning, in the same order"  # noqa: S101
