"""Keep your trackers, get the journey: the example of docs/clients.md, run as it stands there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.dialects.browsers import Shop, bundle, served
from tests.dialects.clients import APP_ID, BACKEND_KEY, WEB_KEY, arrived
from tests.processes import KEY, CollectorProcess

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
WHO = "identifiers['user'] = '42' OR page.title = 'Cart'"


def example(service: CollectorProcess, language: str) -> str:
    """One of the two parts of the example: `js` on the page, `python` in the app and the back end."""
    code = PAGE.read_text().partition(f"```{language}\n")[2].partition("```")[0]
    assert code
    for theirs, ours in (
        ("127.0.0.1:8765", service.url.removeprefix("http://")),
        ("write-7f3a9c", WEB_KEY),
        ("server-51d0e8", BACKEND_KEY),
        ("shop-app-1", APP_ID),
    ):
        code = code.replace(theirs, ours)
    return code


@pytest.fixture(scope="module")
def told(
    service: CollectorProcess, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> CollectorProcess:
    """A collector that has heard the example's three clients: one in a browser, two in Python."""
    folder = tmp_path_factory.mktemp("example")
    script = folder / "shop.js"
    script.write_text(example(service, "js"))
    with served(bundle(folder / "site", script)) as site:
        shop = Shop(browser, site, service)
        shop.context.new_page().goto(f"{site}/shop.html")
        arrived(service, "page.title = 'Cart'", 2)
        shop.close()
    subprocess.run([sys.executable, "-c", example(service, "python")], check=True, timeout=120)
    arrived(service, WHO, 4)
    return service


def test_one_person_on_several_clients_is_one_journey(told: CollectorProcess) -> None:
    told.sql_until(
        f"SELECT count(), uniqExact(person_id), min(person_id) != 0 FROM person_events WHERE {WHO}",
        [[4, 1, 1]],
    )
    names = told.sql(f"SELECT name FROM person_events WHERE {WHO} ORDER BY occurred_at, name")
    assert {name for (name,) in names} == {
        "Espresso machines",
        "identify",
        "offer_accepted",
        "order_completed",
    }


def test_the_journey_is_told_by_the_command(told: CollectorProcess) -> None:
    told.sql_until(f"SELECT uniqExact(person_id) FROM person_events WHERE {WHO}", [[1]])
    shown = subprocess.run(
        [sys.executable, "-m", "stitchline_collector", "journey", "user:42", "--url", told.url, "--key", KEY],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    for name in ("Espresso machines", "offer_accepted", "order_completed"):
        assert name in shown


def test_a_refusal_is_kept_in_its_dialect_and_replayed_when_the_limit_is_raised(
    told: CollectorProcess,
) -> None:
    """The event keeps its id, its clock and its person."""
    large = "iglu:com.acme/large/jsonschema/1-0-0"
    code = (
        example(told, "python")
        .replace('"offer": "gold"', '"offer": "' + "x" * 70_000 + '"')
        .replace("iglu:com.acme/offer_accepted/jsonschema/1-0-0", large)
    )
    subprocess.run([sys.executable, "-"], input=code.encode(), check=True, timeout=120)
    told.sql_until("SELECT count() FROM failed_events WHERE kind = 'snowplow' AND replayed_at IS NULL", [[1]])
    told.kill()
    told._env["STITCHLINE_MAX_EVENT_BYTES"] = "200000"
    told.start()
    status, _, answer = told.request("POST", "/v1/failed/replay", b"")
    assert (status, answer) == (200, b'{"replayed":1,"still_failing":0}')
    (row,) = arrived(told, "name = 'large'", 1)
    assert (row["identifiers"]["user"], row["device"]["id"], row["source"]) == ("42", "phone-1", "snowplow")
