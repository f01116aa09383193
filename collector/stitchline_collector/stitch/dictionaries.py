"""The dictionaries through which events find their person: of nodes, and of sessions on shared devices.

Enters: word of what was written. Leaves: `identity_base`, large and seldom loaded, and `identity_recent`, small and loaded
after each change; the same of sessions. Guaranteed: whatever is in the log is found in one of them once it was loaded, also
while a fold is under way or after one that died.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from ..engine import Session

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Dictionaries:
    """Loads them, and gives each decision its moment.

    Args:
        session: the stitcher's own.
        everywhere: sessions at all servers that have the dictionaries; the first is the stitcher's own.
        reload: returns what loads a dictionary anew.

    Attributes:
        recent_rows: changes since the last fold.
    """

    def __init__(
        self,
        session: Session,
        everywhere: Sequence[Session] = (),
        reload: Callable[[str], str] = "SYSTEM RELOAD DICTIONARY {}".format,
    ) -> None:
        self._session = session
        self._everywhere = everywhere or (session,)
        self._reload_statement = reload
        self._is_stale = self._are_sessions_stale = True
        self._begun = False
        self._last_us = 0
        self.recent_rows = 0

    def load_if_stale(self) -> None:
        """Load at the first round, and after a round that died between writing and loading."""
        if not self._begun:
            self._begin()
        if self._is_stale:
            self.load_recent()

    def forget(self) -> None:
        """Begin anew at the next round: another stitcher is writing now."""
        self._begun = False
        self._is_stale = self._are_sessions_stale = True

    def next_moment(self) -> str:
        """Return ClickHouse's time, but later than any moment given out before, should its clock be set back."""
        now = int(self._session.query("SELECT toUnixTimestamp64Micro(now64(6))")[0][0])
        return _text(max(now, self._last_us + 1))

    def note(self, known_from: str, nodes: int, sessions: int) -> None:
        """Take notice of changes that are about to be written."""
        self._last_us = _micros(known_from)
        self.recent_rows += nodes + sessions
        self._is_stale = True
        self._are_sessions_stale |= sessions > 0

    def load_recent(self) -> None:
        """Make what was written visible to look-ups."""
        self._reload("identity_recent")
        if self._are_sessions_stale:
            self._reload("identity_sessions_recent")
        self._is_stale = self._are_sessions_stale = False

    def fold(self) -> None:
        """Move the recent changes into the large dictionary.

        The large one is loaded first, while the small one still answers; only then is it written down that the small one
        may forget. To die in between costs nothing: the large one always loads everything.
        """
        self._reload("identity_base")
        self._reload("identity_sessions_base")
        self._session.command(
            "INSERT INTO identity_folds VALUES ({moment:DateTime64(6, 'UTC')})",
            {"moment": _text(self._last_us)},
        )
        self._are_sessions_stale = True
        self.load_recent()
        self.recent_rows = 0

    def _begin(self) -> None:
        # Another stitcher may have written since this dictionary was loaded, or ClickHouse was restarted.
        self._reload("identity_base")
        self._reload("identity_sessions_base")
        last, recent = self._session.query(
            "SELECT toUnixTimestamp64Micro(max(known_from)), "
            "countIf(known_from > (SELECT max(folded_to) FROM identity_folds)) "
            "FROM (SELECT known_from FROM identity_log UNION ALL SELECT known_from FROM identity_sessions)"
        )[0]
        self._last_us, self.recent_rows, self._begun = int(last), int(recent), True

    def _reload(self, name: str) -> None:
        for session in self._everywhere:
            session.command(self._reload_statement(f"{session.database}.{name}"))


def _text(micros: int) -> str:
    moment = _EPOCH + dt.timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _micros(text: str) -> int:
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)
