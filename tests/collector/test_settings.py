"""Settings: one table, read from defaults, file, environment and command line; later wins."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from stitchline_collector import settings
from stitchline_collector.receive.key_file import KeyFile
from stitchline_collector.settings import Settings, SettingsError, contact_keys, describe, load, reference

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"
KEYS = '[[keys]]\nkey = "write-key-1"\nsource = "shop"\n'


def config(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "stitchline.toml"
    file.write_text(text)
    return file


def test_later_wins(tmp_path: Path) -> None:
    file = config(tmp_path, "port = 1001\nseal_rows = 1001\nmax_batch_events = 1001\n")
    environment = {"STITCHLINE_PORT": "1002", "STITCHLINE_SEAL_ROWS": "1002"}

    read = load(file, environment, {"port": 1003, "host": None})

    assert (read.port, read.seal_rows, read.max_batch_events) == (1003, 1002, 1001)
    assert read.host == "127.0.0.1"


def test_every_setting_can_stand_in_the_environment() -> None:
    defaults = load(None, {})
    for field in fields(Settings):
        value = getattr(defaults, field.name)
        written = str(value).lower() if isinstance(value, bool) else str(value)
        text = json.dumps(value) if isinstance(value, tuple) else written
        text = "{}" if field.name in ("identity", "retention") else text
        assert load(None, {f"STITCHLINE_{field.name.upper()}": text}) == defaults, field.name


def test_every_setting_can_stand_in_the_file(tmp_path: Path) -> None:
    shown = describe(load(None, {}))

    assert set(tomllib.loads(shown)) == {field.name for field in fields(Settings)}
    assert load(config(tmp_path, shown), {}) == load(None, {})


def test_keys_are_tables_in_the_file_and_json_in_the_environment(tmp_path: Path) -> None:
    from_file = load(config(tmp_path, KEYS), {})
    from_environment = load(None, {"STITCHLINE_KEYS": '[{"key": "write-key-1", "source": "shop"}]'})

    assert from_file.keys == from_environment.keys
    assert (from_file.keys[0].kind, from_file.development) == ("write", False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 9000", "no setting 'prot'"),
        ('port = "9000"', "port: Expected `int`, got `str`"),
        ("port = 70000", "port: Expected `int` <= 65535"),
        ("body_timeout_s = 0", "body_timeout_s: Expected `float` > 0"),
        ('phone_region = "de"', "phone_region"),
        ("require_consent = 1", "require_consent: Expected `bool`"),
        ('[[keys]]\nkey = "short"', "at least 8 characters"),
        (KEYS + KEYS, "twice"),
        ('[[keys]]\nkey = "write-key-1"\nkind = "root"', "keys"),
        ('[[keys]]\nkey = "write-key-1"\nrate = 5', "unknown field `rate`"),
        ("port = ", "not TOML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(config(tmp_path, text), {})
    assert words in str(caught.value)


def test_an_unknown_name_is_refused_with_where_the_known_ones_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"stitchline\.toml.*--print-config"):
        load(config(tmp_path, "prot = 9000"), {})


def test_a_wrong_value_in_the_environment_says_so() -> None:
    with pytest.raises(SettingsError, match="the environment: port"):
        load(None, {"STITCHLINE_PORT": "many"})
    with pytest.raises(SettingsError, match="STITCHLINE_KEYS"):
        load(None, {"STITCHLINE_KEYS": "write-key-1"})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "missing.toml", {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "collector.example"])
def test_without_keys_only_loopback_is_served(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"add \[\[keys\]\]"):
        load(None, {}, {"host": host})
    assert load(config(tmp_path, KEYS), {}, {"host": host}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_without_keys_any_loopback_address_is_served(host: str) -> None:
    assert load(None, {}, {"host": host}).development


def test_a_key_in_the_data_folder_ends_development_mode(tmp_path: Path) -> None:
    KeyFile(tmp_path).create("read")

    assert not load(None, {}, {"host": "0.0.0.0", "data": str(tmp_path)}).development


@pytest.mark.parametrize(
    "text",
    [
        'trusted_proxies = ["10.0.0.1/8"]',
        'trusted_proxies = ["proxy"]',
        'proxy_header = "X-Real-IP"',
        '[[keys]]\nkey = "write-key-1"\norigins = ["shop.example"]',
        '[[keys]]\nkey = "write-key-1"\norigins = ["https://shop.example/path"]',
    ],
)
def test_what_would_silently_trust_nobody_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"trusted_proxies|proxy_header|keys"):
        load(config(tmp_path, text), {})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    secret = "s" * 40
    text = f'contact_key = "{secret}"\nclickhouse = "clickhouse://u:{secret}@h:8123/db"\n'
    text += f'[[keys]]\nkey = "{secret}"\n'

    shown = describe(load(config(tmp_path, text), {}))

    assert secret not in shown
    assert shown.count("***") == 3


def test_every_setting_is_explained_in_a_sentence() -> None:
    for name, setting in settings._TABLE.items():
        assert setting.text[0].isupper(), name
        assert setting.text.endswith("."), name
        assert f"`{name}`" in reference()


def test_the_documentation_shows_the_table_as_it_is() -> None:
    if not DOCS.exists():
        pytest.skip("docs/configuration.md is not written yet")
    block = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", DOCS.read_text(), re.DOTALL)
    assert block is not None, "docs/configuration.md has no <!-- settings --> block"
    assert block[1].strip() == reference().strip(), (
        "write settings.reference() into docs/configuration.md again"
    )


def test_a_contact_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    read = load(None, {}, {"data": str(tmp_path / "data")})

    made = contact_keys(read)

    assert [len(one) for one in made] == [64]
    assert contact_keys(read) == made
    assert (tmp_path / "data" / "contact.key").stat().st_mode & 0o777 == 0o600


def test_a_configured_contact_key_must_be_a_secret() -> None:
    assert contact_keys(load(None, {"STITCHLINE_CONTACT_KEY": "k" * 32})) == [b"k" * 32]
    with pytest.raises(SettingsError, match="openssl"):
        contact_keys(load(None, {"STITCHLINE_CONTACT_KEY": "short"}))


def test_several_contact_keys_are_a_list_or_the_lines_of_the_file_the_newest_first(tmp_path: Path) -> None:
    both = [b"n" * 32, b"o" * 32]
    assert contact_keys(load(None, {"STITCHLINE_CONTACT_KEY": json.dumps(["n" * 32, "o" * 32])})) == both
    (tmp_path / "contact.key").write_bytes(b"\n".join(both) + b"\n")
    assert contact_keys(load(None, {}, {"data": str(tmp_path)})) == both
    with pytest.raises(SettingsError, match="different"):
        contact_keys(load(None, {"STITCHLINE_CONTACT_KEY": json.dumps(["n" * 32] * 2)}))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stitchline_collector", "serve", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin", **environment},
        check=False,
    )


def test_print_config_shows_the_effective_settings_and_ends() -> None:
    done = run("--print-config", "--port", "9001", STITCHLINE_SEAL_ROWS="7", STITCHLINE_CONTACT_KEY="k" * 32)

    assert done.returncode == 0
    shown: dict[str, Any] = tomllib.loads(done.stdout)
    assert (shown["port"], shown["seal_rows"], shown["contact_key"]) == (9001, 7, "***")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "without keys"),
        (("--clickhouse", "mysql://x"), "no ClickHouse address"),
        (("--config", "/nowhere/stitchline.toml"), "cannot be read"),
        (("--port", "70000"), "port"),
    ],
)
def test_serve_refuses_wrong_settings_in_one_line_and_with_a_status(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run(*arguments, "--data", str(tmp_path))

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
