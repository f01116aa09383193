"""A thread's readers, one for each set of settings.

Enters: settings and limits. Leaves: a reader that has them. Guaranteed: at most `_MOST` connections for a thread; a reader's
settings never change, because after `readonly` nothing can be set, and a client's tool sends the same ones again and again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from ...engine import Reader, ReadLimits

Connect = Callable[[Mapping[str, str], ReadLimits], Reader]
_MOST = 4


class Readings:
    """Readers by what they were opened with.

    Args:
        connect: Opens one; called on the thread that will use it.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._readers: OrderedDict[tuple[frozenset[tuple[str, str]], ReadLimits], Reader] = OrderedDict()

    def reader(self, settings: Mapping[str, str], limits: ReadLimits) -> Reader:
        """A reader with these settings, opened at the first call for them.

        Raises:
            QueryError: the engine does not take a setting.
            EngineUnavailable: ClickHouse is away.
        """
        name = (frozenset(settings.items()), limits)
        if name not in self._readers:
            if len(self._readers) == _MOST:
                self._readers.popitem(last=False)[1].close()
            self._readers[name] = self._connect(settings, limits)
        self._readers.move_to_end(name)
        return self._readers[name]

    def close(self) -> None:
        """Close them all."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
