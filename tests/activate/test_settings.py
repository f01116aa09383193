"""What a `[[webhooks]]` table may say, its secret and its signature."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stitchline_collector.activate.webhooks import Webhook, WebhookError, check, signature
from stitchline_collector.settings import SettingsError, load

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"name": "crm", "url": "https://crm.example/hook", "secret_env": "CRM", "segments": ["s"]}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(**changed: Any) -> Webhook:
    return msgspec.convert(
        {name: value for name, value in (GOOD | changed).items() if value is not None}, Webhook
    )


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of its specification's libraries.
    key = check([webhook()], None, ["s"], {"CRM": SECRET})["crm"]
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/hook",
        "http://169.254.169.254/latest",
        "ftp://crm.example",
        "https://",
        "https://user:pass@crm.example",
        "https://crm.example:port",
    ],
)
def test_a_url_is_https_or_this_machine(url: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="webhook crm: url: an https://"):
        webhook(url=url)


def test_this_machine_may_be_told_without_tls() -> None:
    for url in ("http://localhost:80/x", "http://127.0.0.1:8099", "http://[::1]:8099/"):
        assert webhook(url=url).url == url


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"secret_env": None}, "secret_env or by secret_file"),
        ({"secret_file": "x"}, "secret_env or by secret_file"),
        ({"segments": None}, "nothing to tell"),
        ({"name": "a b"}, "regex"),
        ({"colour": "red"}, "unknown field"),
        ({"most_per_person": -1}, ">= 0"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(told)):
        webhook(**changed)


@pytest.mark.parametrize(
    ("webhooks", "environment", "told"),
    [
        ([GOOD], {}, "CRM: this environment variable is not set"),
        ([GOOD], {"CRM": "hunter2"}, "CRM: holds no secret: make one with"),
        ([GOOD], {"CRM": "whsec_c2hvcnQ="}, "holds no secret"),
        ([GOOD | {"secret_env": "", "secret_file": "/nowhere"}], {}, "/nowhere: cannot be read"),
        ([GOOD, GOOD], {"CRM": SECRET}, "'crm' stands there twice"),
        ([GOOD | {"segments": ["t"]}], {"CRM": SECRET}, "there is no segment 't'"),
        ([GOOD | {"milestones": ["n"]}], {"CRM": SECRET}, "there is no milestone 'n'"),
    ],
)
def test_what_is_not_there_is_told_and_no_secret_with_it(
    webhooks: list[dict[str, Any]], environment: dict[str, str], told: str
) -> None:
    read = msgspec.convert(webhooks, list[Webhook])
    with pytest.raises(WebhookError, match=re.escape(told)) as raised:
        check(read, ["m"], ["s"], environment)
    assert "hunter2" not in str(raised.value)


def test_the_settings_read_webhooks_and_name_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "stitchline.toml"
    text = '[[webhooks]]\nname = "crm"\nurl = "https://crm.example/"\nsecret_file = "s"\nsegments = ["s"]\n'
    file.write_text(text)
    assert load(file, {}).webhooks[0].namespaces == ("user",)
    file.write_text(text.replace("https", "http"))
    with pytest.raises(SettingsError, match=r"stitchline\.toml: webhooks: webhook crm: url"):
        load(file, {})
