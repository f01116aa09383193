"""How people behave in the simulated world: one table, with what each number means.

Enters: nothing. Leaves: `Behaviour`, and its rows for the documentation. Guaranteed: no other module of the simulation holds a
probability. The numbers are guesses at an ordinary shop with a bank card; none was measured at a real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import NamedTuple, TypeVar

Value = TypeVar("Value")


def _of(value: Value, meaning: str) -> Value:
    """A field with its meaning; typed as its value, as `dataclasses.field` is."""
    return field(default=value, metadata={"meaning": meaning})


class Row(NamedTuple):
    """One line of the table."""

    name: str
    value: object
    meaning: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What people own and do; a number between 0 and 1 is a share or a probability."""

    days: int = _of(120, "length of the simulated time")

    household_of: tuple[float, ...] = _of(
        (0.35, 0.33, 0.14, 0.13, 0.05), "households of 1, 2, 3, 4, 5 people"
    )
    adult_account: float = _of(0.75, "adults (the first two of a household) with an account")
    child_account: float = _of(0.40, "the others with an account")
    new_account: float = _of(0.30, "accounts that are opened within the time; before that, all is anonymous")
    second_account: float = _of(
        0.015, "account holders who use a second account of their own, in every fourth sign-in"
    )
    second_email: float = _of(0.30, "people with a second e-mail address")
    card: float = _of(0.35, "people with a loyalty card")
    household_card: float = _of(0.25, "households of two or more whose card holders share one card")

    household_email: float = _of(0.06, "households of two or more whose two adults share one e-mail address")
    household_phone: float = _of(0.12, "households of two or more who all give one phone number")
    lent_account: float = _of(
        0.20, "second adults without an account who use the first one's, where there is one"
    )

    phone: float = _of(0.93, "people with a phone of their own, and a browser on it")
    app: float = _of(0.40, "account holders with a phone who use the app on it, an installation of its own")
    laptop: float = _of(0.60, "people with a laptop of their own")
    tablet: float = _of(0.18, "people with a tablet of their own")
    work_computer: float = _of(0.15, "people with a computer at work that nobody else uses")
    family_tablet: float = _of(0.35, "households of two or more with a tablet that all use")
    family_computer: float = _of(0.35, "households of two or more with a computer that all use")
    public_user: float = _of(
        0.08, "people who use computers of strangers, three by turns: shared work places, internet cafes"
    )
    people_per_public_computer: int = _of(100, "people around for one such computer")
    people_per_kiosk: int = _of(250, "people around for one kiosk")
    people_per_till: int = _of(500, "people around for one till (pos)")
    people_per_atm: int = _of(1000, "people around for one cash machine")

    visits: float = _of(7.5, "visits of a person on browsers and apps, on average")
    visits_sigma: float = _of(1.0, "sigma of their log-normal distribution: how heavy its tail is")
    most_visits: int = _of(250, "the most visits of a person")
    views: float = _of(4.5, "things looked at in a visit, on average (geometric)")
    use_own: float = _of(1.0, "how often a device of one's own is taken, against the others")
    use_family: float = _of(0.8, "how often a family device is taken")
    use_public: float = _of(0.3, "how often a public computer is taken, by those who do, all three together")
    borrowed: float = _of(0.03, "visits made on a device that somebody else of the household owns")
    private: float = _of(0.05, "visits in browsers of one's own that are made in a private window")

    clears_monthly: float = _of(0.20, "browsers whose cookies are cleared once a month, on average")
    clears_weekly: float = _of(0.06, "browsers whose cookies are cleared once a week")
    clears_always: float = _of(0.02, "browsers that forget everything after each visit")

    app_sign_in: float = _of(0.85, "visits in the app, signed out, in which an account holder signs in")
    own_sign_in: float = _of(0.30, "the same in a browser of one's own")
    family_sign_in: float = _of(0.45, "the same on a family device")
    public_sign_in: float = _of(0.55, "the same on a public computer")
    borrowed_sign_in: float = _of(0.30, "the same on a borrowed device")
    private_sign_in: float = _of(0.30, "the same in a private window")
    identify_email: float = _of(0.60, "sign-ins that tell the e-mail address too")
    own_stay: float = _of(0.60, "sign-ins in own browsers that last beyond the visit")
    shared_stay: float = _of(
        0.30, "sign-ins on family and public devices that last beyond the visit, if not signed out"
    )
    own_sign_out: float = _of(0.04, "visits on own devices, signed in, that end with a logout")
    family_sign_out: float = _of(0.40, "the same on family and borrowed devices")
    public_sign_out: float = _of(0.65, "the same on public computers")
    switches: float = _of(
        0.50, "visitors who find somebody else signed in and sign them out; the others go on in that name"
    )

    purchase: float = _of(0.12, "visits that end with a checkout")
    gives_email: float = _of(0.75, "checkouts in which an e-mail address is typed")
    gives_phone: float = _of(0.20, "checkouts in which a phone number is typed")
    types_second_email: float = _of(0.30, "typed addresses that are the second one, by those who have one")
    types_partners: float = _of(0.05, "typed addresses that belong to somebody else of the household")
    types_wrongly: float = _of(0.015, "typed addresses with a mistake; every tenth of them is a stranger's")
    types_shops: float = _of(0.01, "typed addresses that are the shop's own")
    email_link: float = _of(0.05, "visits that begin with a link in an e-mail")
    forwarded: float = _of(0.05, "of these links, those that were forwarded by somebody of the household")
    handover: float = _of(
        0.015, "visits on a phone that begin with a QR code shown by the person's last other device"
    )

    kiosk_visits: float = _of(1.0, "visits to a kiosk, per person")
    kiosk_card: float = _of(0.30, "of these, with a card, by those who have one")
    kiosk_email: float = _of(0.06, "of these, with a typed e-mail address")
    till_visits: float = _of(1.0, "purchases at a till, per person")
    till_card: float = _of(0.60, "of these, with a card, by those who have one")
    till_email: float = _of(0.10, "of these, with an e-mail address for the receipt")
    till_shops: float = _of(0.20, "of these addresses, the shop's own, typed by the clerk")
    atm_visits: float = _of(0.5, "visits to a cash machine, per account holder, always with the account")
    passers_by: float = _of(
        0.30, "visits to kiosks and tills, more, by people who are nowhere else in the data"
    )
    quiet_kiosk_emails: int = _of(
        5, "people who type their address on a kiosk that is hardly used, one per neighbourhood"
    )

    calls: float = _of(0.5, "calls to the call centre, per person: events of a server, without a device")
    call_by_user: float = _of(0.35, "of these, told by account; the others by phone number")
    call_by_partner: float = _of(0.05, "of the others, from the phone of somebody else of the household")
    order_updates: float = _of(
        0.60, "checkouts by signed-in people that a server follows up with events of its own"
    )

    clock_minutes_off: float = _of(0.06, "devices whose clock is up to 30 minutes off, either way")
    clock_hours_off: float = _of(0.03, "devices whose clock is 1 to 12 hours off, either way")
    offline: float = _of(0.05, "visits in apps and on kiosks that are delivered 10 minutes to 3 days late")
    stalled: float = _of(0.01, "batches that take 5 to 50 s")
    retried: float = _of(0.02, "batches that are sent twice, with another time of sending")
    plain_contacts: float = _of(
        0.15, "installations that send addresses and numbers unhashed, in various spellings"
    )
    says_nobody: float = _of(
        0.03, "installations that send user 'null' or 'guest' for those who are not signed in"
    )

    def rows(self) -> Iterator[Row]:
        """The table: name, value and meaning of each number."""
        for one in fields(self):
            yield Row(one.name, getattr(self, one.name), one.metadata["meaning"])
