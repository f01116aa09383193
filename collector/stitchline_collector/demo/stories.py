"""The journeys that are played: which touchpoints, in which order, and what has to be known at the end.

Each touchpoint is a script in `examples/journeys/`, which is also how such an app is instrumented. The collector never
imports the SDK, so the demo runs the scripts and knows only their names.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_IN_WHEEL = Path(__file__).parents[1] / "_examples"
_IN_CHECKOUT = Path(__file__).parents[3] / "examples" / "journeys"


class Touchpoint(NamedTuple):
    """One process: a script's name without `.py`, and what it is to a reader."""

    script: str
    what: str


class Story(NamedTuple):
    """One person's journey.

    Attributes:
        title: who it is.
        who: an identifier of theirs, as `stitchline journey` takes it.
        touchpoints: what happened before today; their processes run in any order.
        live: what happens now, one after the other.
        events: how many events the person has at the end.
    """

    title: str
    who: str
    touchpoints: tuple[Touchpoint, ...]
    live: tuple[Touchpoint, ...]
    events: int


STORIES = (
    Story(
        "A shop: looks around on a laptop, buys on the phone, comes back from an e-mail",
        "user:77",
        (
            Touchpoint("shop_website", "the shop's website, on a laptop"),
            Touchpoint("shop_app", "the shop's app, on a phone"),
            Touchpoint("shop_email", "an e-mail, opened"),
        ),
        (),
        10,
    ),
    Story(
        "A car: an ad, a form, a test drive, a call; never a sign-in",
        "email:lena@example.org",
        (
            Touchpoint("car_ad", "an ad on Instagram, clicked"),
            Touchpoint("car_website", "the maker's website and its form"),
            Touchpoint("car_dealer", "the tablet on a dealer's counter"),
            Touchpoint("car_call_centre", "the call centre"),
        ),
        (),
        11,
    ),
    Story(
        "A bank: the offer is accepted in the app, the ATM knows it at once",
        "user:4711",
        (Touchpoint("bank_website", "the bank's website, on a laptop"),),
        (
            Touchpoint("bank_app", "the app on her phone"),
            Touchpoint("bank_atm", "a cash machine"),
            Touchpoint("bank_branch", "the desk in a branch"),
        ),
        13,
    ),
)


def folder() -> Path:
    """Where the scripts lie: inside an installed wheel, or in the checkout.

    Raises:
        FileNotFoundError: in neither place; the installation is broken.
    """
    for path in (_IN_WHEEL, _IN_CHECKOUT):
        if path.is_dir():
            return path
    raise FileNotFoundError(
        f"the demo's touchpoints are not at {_IN_CHECKOUT}: install stitchline again, or run it in a checkout"
    )
