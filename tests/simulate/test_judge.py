"""What is true of small stories: where an event stands, and whether anything could tell whose it is."""

from __future__ import annotations

from itertools import count

from stitchline_collector.simulate.happening import Happening, Installation
from stitchline_collector.simulate.judge import Stratum, Verdict, judge
from stitchline_collector.simulate.people import Belongs, Machine, Person

A = Person(1, 1.0, account="a", own={("user", "a"), ("email", "a@x.example")})
B = Person(2, 1.0, account="b", own={("user", "b"), ("email", "b@x.example")})
GUEST = Person(3, 1.0, own={("email", "g@x.example"), ("phone", "+49")})
_moments = count()


def machine(belongs: Belongs = Belongs.OWN, owner: Person | None = None, kind: str = "phone") -> Machine:
    return Machine(belongs, {"type": kind}, "web", owner)


def installation(of: Machine, *, is_private: bool = False) -> Installation:
    return Installation(f"d{next(_moments)}", of, is_private)


def said(
    person: Person | None,
    on: Installation | None,
    session: str = "",
    linked: dict[str, str] | None = None,
    **identifiers: str,
) -> Happening:
    return Happening(next(_moments), person, on, session, 0, "track", "x", identifiers, linked or {})


def test_the_anonymous_phase_before_a_login_on_ones_own_phone_is_solvable() -> None:
    phone = installation(machine(owner=A))
    verdicts = judge([said(A, phone, "s1"), said(A, phone, "s2", user="a"), said(A, phone, "s3")])
    assert verdicts == [
        Verdict(1, Stratum.BEFORE_LOGIN, solvable=True),
        Verdict(1, Stratum.OWN_DEVICE, solvable=True),
        Verdict(1, Stratum.OWN_DEVICE, solvable=True),
    ]


def test_a_device_that_never_shows_an_identifier_is_not_solvable() -> None:
    phone, laptop = installation(machine(owner=A)), installation(machine(owner=A))
    assert [v.solvable for v in judge([said(A, phone, user="a"), said(A, laptop, "s")])] == [True, False]


def test_on_a_shared_tablet_only_sessions_with_an_own_identifier_are_solvable() -> None:
    tablet = installation(machine(Belongs.FAMILY))
    verdicts = judge(
        [
            said(A, tablet, "s1"),
            said(A, tablet, "s1", user="a"),
            said(B, tablet, "s2"),
            said(B, tablet, "s3", user="b"),
        ]
    )
    assert verdicts == [
        Verdict(1, Stratum.SHARED_DEVICE_UNSIGNED, solvable=True),
        Verdict(1, Stratum.SHARED_DEVICE_SIGNED_IN, solvable=True),
        Verdict(2, Stratum.SHARED_DEVICE_NOBODY, solvable=False),
        Verdict(2, Stratum.SHARED_DEVICE_SIGNED_IN, solvable=True),
    ]


def test_who_goes_on_in_somebody_elses_account_cannot_be_told() -> None:
    tablet = installation(machine(Belongs.FAMILY))
    verdicts = judge(
        [said(A, tablet, "s1", user="a"), said(B, tablet, "s2", user="a"), said(B, None, user="b")]
    )
    assert verdicts[1] == Verdict(2, Stratum.SHARED_DEVICE_SIGNED_IN, solvable=False)


def test_a_phone_somebody_else_signed_in_on_is_nobodys_without_a_login() -> None:
    phone = installation(machine(owner=A))
    verdicts = judge([said(A, phone, "s1"), said(A, phone, "s2", user="a"), said(B, phone, "s3", user="b")])
    assert [verdict.solvable for verdict in verdicts] == [False, True, True]
    assert verdicts[2].stratum is Stratum.BORROWED_DEVICE


def test_a_partner_who_borrows_a_phone_in_silence_cannot_be_told() -> None:
    phone = installation(machine(owner=A))
    verdicts = judge([said(A, phone, "s1", user="a"), said(B, phone, "s2"), said(B, None, user="b")])
    assert verdicts[1] == Verdict(2, Stratum.BORROWED_DEVICE, solvable=False)


def test_two_devices_that_scan_a_code_are_told_together() -> None:
    laptop, phone = installation(machine(owner=A, kind="desktop")), installation(machine(owner=A))
    verdicts = judge(
        [said(A, laptop), said(A, phone, linked={"device": laptop.id}), said(A, phone, user="a")]
    )
    assert [verdict.solvable for verdict in verdicts] == [True, True, True]


def test_a_guest_is_known_by_the_address_that_holds_most_events() -> None:
    phone = installation(machine(owner=GUEST))
    verdicts = judge(
        [said(GUEST, phone), said(GUEST, phone, email="g@x.example"), said(GUEST, None, phone="+49")]
    )
    assert [verdict.solvable for verdict in verdicts] == [True, True, False]


def test_kiosks_servers_private_windows_and_passers_by_have_strata_of_their_own() -> None:
    kiosk = installation(machine(Belongs.PLACE, kind="kiosk"))
    window = installation(machine(owner=A), is_private=True)
    verdicts = judge(
        [
            said(None, kiosk, "s"),
            said(A, kiosk, "t", email="a@x.example"),
            said(A, None, user="a"),
            said(A, window, "w"),
        ]
    )
    assert verdicts == [
        Verdict(None, Stratum.KIOSK, solvable=False),
        Verdict(1, Stratum.KIOSK, solvable=False),
        Verdict(1, Stratum.SERVER, solvable=True),
        Verdict(1, Stratum.THROW_AWAY, solvable=False),
    ]


def test_null_and_guest_are_no_users() -> None:
    phone = installation(machine(owner=A))
    assert judge([said(A, phone, user="null"), said(A, phone, user="a")])[0] == Verdict(
        1, Stratum.BEFORE_LOGIN, solvable=True
    )
