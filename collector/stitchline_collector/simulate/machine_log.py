"""One machine through time: what its visitors do with it, in order.

Enters: all visits to a machine. Leaves: what happened there. Guaranteed: what a real client would send: sessions end by
silence or a logout, who is signed in stays so until they sign out or the cookies go, and one visitor follows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .happening import Happening, Installation, uuid4_text, uuid7_text
from .parameters import Behaviour
from .people import SHOPS_ADDRESSES, Belongs, Machine, Person, mistyped
from .visits import Visit

_SILENCE_MS = 30 * 60_000
_SILENCE_AT_PLACE_MS = 2 * 60_000


@dataclass(slots=True)
class _State:
    """What an installation remembers."""

    installation: Installation
    user: str = ""
    stays: bool = False
    session: str = ""
    last_ms: int = -(10**12)


class MachineLog:
    """Plays the visits to one machine.

    Args:
        rng: chance.
        behaviour: the numbers.
        machine: where.
        epoch_ms: the beginning, since 1970; session ids hold a time.
        last_installation: of each person, shared by all machines: what a phone may scan a code from.
    """

    def __init__(
        self,
        rng: Random,
        behaviour: Behaviour,
        machine: Machine,
        epoch_ms: int,
        last_installation: dict[Person, Installation],
    ) -> None:
        self._rng = rng
        self._behaviour = behaviour
        self._machine = machine
        self._epoch_ms = epoch_ms
        self._last_installation = last_installation
        self._happened: list[Happening] = []
        self._visit = 0
        self._now_ms = 0
        self._person: Person | None = None
        self._state = self._fresh()
        self._looked_ms = 0

    def play(self, visit: Visit, number: int) -> list[Happening]:
        """What happens in a visit; visits come in order of time.

        Args:
            visit: who and when.
            number: of the visit.
        """
        self._happened, self._visit, self._person = [], number, visit.person
        # Somebody who is still there is waited for.
        self._now_ms = max(visit.at_ms, self._now_ms + self._rng.randrange(5_000, 120_000))
        before = self._state
        if visit.is_private:
            self._state = self._fresh(is_private=True)
        else:
            self._forget()
        if self._machine.belongs is Belongs.PLACE:
            self._at_place(visit)
        else:
            self._browse(visit)
        if not self._state.stays:
            self._state.user = ""
        if visit.person and not visit.is_private:
            self._last_installation[visit.person] = self._state.installation
        if visit.is_private:
            self._state = before
        return self._happened

    def _fresh(self, *, is_private: bool = False) -> _State:
        return _State(Installation(uuid4_text(self._rng), self._machine, is_private))

    def _forget(self) -> None:
        """Clear the cookies, if it is time."""
        after_ms = self._machine.clears_after_ms
        if after_ms < 0:
            return
        passed_ms, self._looked_ms = self._now_ms - self._looked_ms, self._now_ms
        if after_ms == 0 or passed_ms > self._rng.expovariate(1 / after_ms):
            self._state = self._fresh()

    def _browse(self, visit: Visit) -> None:
        person, behaviour = visit.person, self._behaviour
        assert person is not None  # noqa: S101 -- passers-by come to places only
        state, chance = self._state, self._rng.random
        self._arrive_by_link(visit, person)
        if (
            state.user
            and state.user not in (person.account, person.second_account)
            and chance() < behaviour.switches
        ):
            self._sign_out()
        views = 1 + int(self._rng.expovariate(1 / behaviour.views))
        signs_in_at = -1
        if self._may_sign_in(person) and not state.user and chance() < self._sign_in_share(visit):
            signs_in_at = int(views * chance())
        for view in range(views):
            if view == signs_in_at:
                self._sign_in(person, visit)
            self._say("page" if chance() < 0.5 else "track", "product_viewed")
        if chance() < behaviour.purchase:
            self._check_out(visit, person)
        if state.user and chance() < self._sign_out_share(visit):
            self._sign_out()

    def _arrive_by_link(self, visit: Visit, person: Person) -> None:
        """A link in an e-mail, perhaps forwarded; or a code that another device of the person shows."""
        chance = self._rng.random()
        others = visit.home.others(person)
        if chance < self._behaviour.email_link:
            owner = (
                self._rng.choice(others)
                if others and self._rng.random() < self._behaviour.forwarded
                else person
            )
            self._say("link", "email_opened", linked={"email": owner.email})
        elif (
            chance < self._behaviour.email_link + self._behaviour.handover
            and self._machine.device["type"] == "phone"
        ):
            shown = self._last_installation.get(person)
            if shown is not None and shown.id != self._state.installation.id:
                self._say("link", "code_scanned", linked={"device": shown.id})

    def _may_sign_in(self, person: Person) -> bool:
        return bool(person.account) and self._now_ms >= person.account_from_ms

    def _sign_in(self, person: Person, visit: Visit) -> None:
        behaviour, machine = self._behaviour, self._machine
        is_second = bool(person.second_account) and self._rng.random() < 0.25
        self._state.user = person.second_account if is_second else person.account
        is_own = machine.belongs is Belongs.OWN and machine.owner is person
        share = behaviour.own_stay if is_own else behaviour.shared_stay
        self._state.stays = machine.is_app or (not visit.is_private and self._rng.random() < share)
        email = person.second_email if is_second else person.email
        tells = bool(email) and self._rng.random() < behaviour.identify_email
        self._say("identify", "signed_in", {"email": email} if tells else {})

    def _sign_out(self) -> None:
        self._say("logout", "signed_out")
        self._state.user, self._state.stays, self._state.session = "", False, ""

    def _check_out(self, visit: Visit, person: Person) -> None:
        given = {}
        if self._rng.random() < self._behaviour.gives_email:
            given["email"] = self._typed_address(visit, person)
        if self._rng.random() < self._behaviour.gives_phone:
            given["phone"] = person.phone
        self._say("track", "order_placed", given)

    def _typed_address(self, visit: Visit, person: Person) -> str:
        chance, behaviour, others = self._rng.random(), self._behaviour, visit.home.others(person)
        if chance < behaviour.types_shops:
            return self._rng.choice(SHOPS_ADDRESSES)
        if others and chance < behaviour.types_shops + behaviour.types_partners:
            return self._rng.choice(others).email
        if chance > 1 - behaviour.types_wrongly:
            return mistyped(self._rng, person)
        if person.second_email and self._rng.random() < behaviour.types_second_email:
            return person.second_email
        return person.email

    def _at_place(self, visit: Visit) -> None:
        """A kiosk, till or cash machine: a few steps, with a card, an address or nothing."""
        kind, person = self._machine.device["type"], visit.person
        if kind == "atm":
            self._state.user = person.account if person else ""
            for name in ("card_inserted", "cash_withdrawn"):
                self._say("track", name)
        elif kind == "pos":
            self._say("track", "purchase", self._at_till(person))
        else:
            self._at_kiosk(person)

    def _at_till(self, person: Person | None) -> dict[str, str]:
        chance, behaviour = self._rng.random, self._behaviour
        if person and person.card and chance() < behaviour.till_card:
            return {"loyalty": person.card}
        if chance() < behaviour.till_email:
            if person is None or chance() < behaviour.till_shops:
                return {"email": self._rng.choice(SHOPS_ADDRESSES)}
            return {"email": person.email}
        return {}

    def _at_kiosk(self, person: Person | None) -> None:
        chance, behaviour = self._rng.random, self._behaviour
        views = 1 + int(self._rng.expovariate(1 / 3))
        card = person.card if person and chance() < behaviour.kiosk_card else ""
        types = (
            person is not None and not card and (self._machine.is_quiet or chance() < behaviour.kiosk_email)
        )
        shown_at = int(views * chance())
        for view in range(views):
            has_card = bool(card) and view >= shown_at
            self._say("screen", "catalogue", {"loyalty": card} if has_card else {})
        if person and types:
            self._say("track", "offer_requested", {"email": person.email})

    def _sign_in_share(self, visit: Visit) -> float:
        behaviour, machine = self._behaviour, self._machine
        if visit.is_private:
            return behaviour.private_sign_in
        if machine.is_app:
            return behaviour.app_sign_in
        if machine.belongs is Belongs.FAMILY:
            return behaviour.family_sign_in
        if machine.belongs is Belongs.PUBLIC:
            return behaviour.public_sign_in
        return behaviour.own_sign_in if machine.owner is visit.person else behaviour.borrowed_sign_in

    def _sign_out_share(self, visit: Visit) -> float:
        machine, behaviour = self._machine, self._behaviour
        if machine.belongs is Belongs.PUBLIC:
            return behaviour.public_sign_out
        if machine.belongs is Belongs.OWN and machine.owner is visit.person:
            return behaviour.own_sign_out
        return behaviour.family_sign_out

    def _say(
        self, kind: str, name: str, given: dict[str, str] | None = None, linked: dict[str, str] | None = None
    ) -> None:
        """One event: time passes, and a session may have ended by silence."""
        state, machine = self._state, self._machine
        self._now_ms += 300 + int(self._rng.expovariate(1 / 25_000))
        is_place = machine.belongs is Belongs.PLACE
        if not state.session or self._now_ms - state.last_ms > (
            _SILENCE_AT_PLACE_MS if is_place else _SILENCE_MS
        ):
            state.session = uuid7_text(self._rng, self._epoch_ms + self._now_ms + machine.offset_ms)
        state.last_ms = self._now_ms
        known = {"user": state.user or machine.nobody} if state.user or machine.nobody else {}
        happening = Happening(
            self._now_ms, self._person, state.installation, state.session, self._visit, kind, name,
            {**known, **(given or {})}, linked or {}, machine.channel,
        )  # fmt: skip
        if kind != "logout" and self._rng.random() < 0.5:
            happening.item = self._rng.randrange(1, 2_000)
        self._happened.append(happening)
