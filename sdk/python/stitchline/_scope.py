"""One person on one device, where a process speaks for many.

In: what a server knows of a request. Out: calls that are tagged with it, directly or through the Client while bound.
Guaranteed: a binding belongs to the current task or thread (`contextvars`), and ends where its block ends.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Self

from stitchline._calls import Calls

if TYPE_CHECKING:
    from stitchline._speaker import Speaker


class _Binding(NamedTuple):
    scope: Scope
    outer: _Binding | None


# Linked instead of kept as reset tokens: one Scope may be bound by several tasks at once.
_bound: ContextVar[_Binding | None] = ContextVar("stitchline_scope", default=None)
current_binding = _bound.get
"""Returns what is bound to this task or thread; looked at with every call."""


class Scope(Calls):
    """One person on one device; made by `Client.scope`.

    Use it directly (``scope.track(...)``), or bind it with ``with``: inside the block, in this task or thread, calls on
    its Client are the scope's.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._own = speaker

    def __enter__(self) -> Self:
        _bound.set(_Binding(self, _bound.get()))
        return self

    def __exit__(self, *_: object) -> None:
        binding = _bound.get()
        _bound.set(None if binding is None else binding.outer)

    @property
    def session_id(self) -> str | None:
        """The session; another one after `logout`."""
        return self._own.tags.session_id

    @property
    def identifiers(self) -> dict[str, str]:
        """Who it is, as on the wire: contacts are hashed."""
        return dict(self._own.identifiers)

    def _speaker(self) -> Speaker:
        return self._own


def bound_speaker(pipeline: object) -> Speaker | None:
    """Return the speaker bound to this task or thread, if it is one of this Client's."""
    binding = _bound.get()
    while binding is not None:
        speaker = binding.scope._own  # noqa: SLF001 - one room, two classes
        if speaker.pipeline is pipeline:
            return speaker
        binding = binding.outer
    return None
