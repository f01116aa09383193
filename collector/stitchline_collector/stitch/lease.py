"""One stitcher at a time, also when several collectors share a ClickHouse server.

Enters: a session. Leaves: whether this process is the one that stitches. Guaranteed: an epoch has one holder, because its
number is the deduplication token of its row and ClickHouse takes a token once. A process that is frozen for longer than
its lease and wakes up in the middle of a round may still finish that round; a rebuild from scratch repairs what it broke.
"""

from __future__ import annotations

import uuid

from ..engine import Session

LEASE_MS = 5000  # after a crash, stitching rests for so long


class Lease:
    """The right to stitch.

    Args:
        session: the stitcher's own.
        needed: False for the embedded engine, which only one process can open.
    """

    def __init__(self, session: Session, *, needed: bool) -> None:
        self._session = session
        self._needed = needed
        self._holder = uuid.uuid4()
        self._epoch = 0

    def held(self) -> bool:
        """Whether this process may stitch now; takes or renews the lease where that is possible."""
        if not self._needed:
            return True
        epoch, holder, left_ms = self._current()
        is_ours = holder == self._holder
        if (is_ours and left_ms > LEASE_MS // 2) or (not is_ours and left_ms > 0):
            return is_ours
        self._write(epoch + 1, LEASE_MS)
        return self._current()[1] == self._holder

    def prolong(self, term_ms: int) -> bool:
        """Keep it for longer than one round takes; False when another process has it by now."""
        if not self._needed:
            return True
        epoch, holder, _ = self._current()
        if holder == self._holder:
            self._write(epoch + 1, term_ms)
        return holder == self._holder and self._current()[1] == self._holder

    def release(self) -> None:
        """Let another process go on at once."""
        if self._needed and self._epoch:
            epoch, holder, _ = self._current()
            if holder == self._holder:
                self._write(epoch + 1, 0)

    def _current(self) -> tuple[int, uuid.UUID, int]:
        """Return the last epoch, its holder, and the milliseconds it has left by ClickHouse's clock."""
        row = self._session.query(
            "SELECT max(epoch), argMax(holder, epoch), "
            "dateDiff('ms', now64(3), argMax(expires_at, epoch)) FROM identity_lease"
        )[0]
        return int(row[0]), row[1], int(row[2])

    def _write(self, epoch: int, term_ms: int) -> None:
        self._epoch = epoch
        self._session.command(
            "INSERT INTO identity_lease SELECT {epoch:UInt64}, {holder:UUID}, now64(3) + toIntervalMillisecond({term:UInt32})",
            {"epoch": epoch, "holder": str(self._holder), "term": term_ms},
            {"insert_deduplication_token": f"epoch {epoch}", "async_insert": 0},
        )
