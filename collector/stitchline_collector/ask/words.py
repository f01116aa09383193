"""Rules and kinds of evidence in words that a support clerk understands.

Enters: a rule of `identity_quarantine`, or a kind of evidence. Leaves: a sentence. Guaranteed: a rule that is not known here is
named, never hidden.
"""

from __future__ import annotations

from ..stitch.identifiers import INSTALLATIONS
from ..stitch.rules import IdentityRules

_SENTENCES = {
    "two_users": "it would make one person of two logins; only an operator or a server can do that, with a `link`",
    "unlinked": "an operator said that these are two people, and nothing newer says otherwise",
    "shared_device": "a shared device belongs to nobody and joins nobody: several people signed in on it, or it is a"
    " kiosk, an ATM, a till or a server",
    "hub": "it was seen with so many others that it cannot be one person's, so it joins nobody",
    "blocked": "the [identity] settings block this value: it names nobody",
}


def because(rule: str, rules: IdentityRules) -> str:
    """Say why evidence was refused.

    Args:
        rule: as in `identity_quarantine`.
        rules: in force, for the numbers.
    """
    known, _, namespace = rule.partition("_")
    if rule in _SENTENCES:
        return _SENTENCES[rule]
    if known == "second" and namespace:
        return (
            f"it would bring a second {namespace} to a person who has one; what is typed in a form or comes by a link may be"
            " somebody else's, so a second one comes only through the login"
        )
    if known == "limit" and namespace:
        return f"one person may have at most {rules.limit(namespace)} of {namespace}, and together they would have more"
    return f"the rule {rule!r} forbids it"


def meaning(kind: str, one: str, other: str) -> str:
    """Say what a piece of evidence means.

    Args:
        kind: `login`, `link`, `contact` or `merge`.
        one: namespace of one of its ends.
        other: of the other.
    """
    if kind == "merge":
        return "a server or an operator said that both logins are one person's"
    if kind == "link":
        return "joined by a link: from an e-mail, a QR code, another app, or by an operator"
    installations = len({one, other} & INSTALLATIONS) if one != other else 2 * (one in INSTALLATIONS)
    if kind == "contact":
        where = "on this device" if installations else "while signed in"
        return f"given {where}; it may be somebody else's"
    return ("given at sign-in", "signed in here", "two names of one installation")[installations]
