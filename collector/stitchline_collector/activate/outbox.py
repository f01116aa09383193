"""Messages on disk: a file each, until somebody has taken it.

One folder per process, locked while it lives, as the spool's; what a dead process left is taken over. Guaranteed: a message is on disk,
synced and under its name, before `put` returns; kill -9 at any moment leaves a message whole or not there.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ..spool.folder import Folder, sync_directory

_ENDING = ".json"


class Message(msgspec.Struct, frozen=True):
    """One message to one webhook.

    Attributes:
        id: stable: the same person, trigger and occurrence give the same.
        webhook: its name.
        created_at: seconds since 1970.
        node: of the person, as activation_told has it.
        purpose: that they have agreed to.
        body: as it is signed and sent, each time.
        error: why it is dead; empty while it is not.
        revived_at: seconds since 1970, when it was last brought back from the dead letters; 0 never.
    """

    id: str
    webhook: str
    created_at: float
    node: int
    purpose: str
    body: str
    error: str = ""
    revived_at: float = 0.0


class Outbox:
    """The messages of this process; from any thread.

    Args:
        data: the data folder.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, data: Path) -> None:
        self._all = data / "outbox"
        self._folder = Folder.create(self._all)
        self._dead = data / "dead-letters"
        self._dead.mkdir(exist_ok=True)

    def put(self, messages: Iterable[Message]) -> None:
        """Put messages on disk; one that is there already stays as it is.

        Raises:
            OSError: not all of them are.
        """
        for message in messages:
            path = self._path(message.id)
            if not path.exists():
                _write(path, message)
        sync_directory(self._folder.path)

    def adopt(self) -> list[Message]:
        """Take over what processes that are gone have left; returns those messages."""
        messages = []
        for path in sorted(self._all.iterdir()):
            folder = None if path.name.startswith(".") else Folder.take_over(path)
            if folder is None:
                continue
            for file in sorted(path.iterdir()):
                if file.suffix == _ENDING:
                    messages.append(msgspec.json.decode(file.read_bytes(), type=Message))
                    file.rename(self._path(messages[-1].id))
                elif file.suffix == ".new":
                    file.unlink()  # its writing did not end, so nothing else knows of it
            sync_directory(self._folder.path)
            folder.remove_if_empty()
        return messages

    def taken(self, identifier: str) -> None:
        """A message was taken by its receiver."""
        self._path(identifier).unlink(missing_ok=True)

    def bury(self, message: Message) -> None:
        """Make a dead letter of a message."""
        _write(self._dead / (message.id + _ENDING), message)
        sync_directory(self._dead)
        self.taken(message.id)

    def revive(self, webhook: str) -> list[Message]:
        """Bring the dead letters of a webhook back, to be sent again; returns those messages, the oldest first.

        Raises:
            OSError: not all of them are back.
        """
        revived = [replace(letter, error="", revived_at=time.time()) for letter in self.dead(webhook)]
        self.put(revived)
        for message in revived:
            (self._dead / (message.id + _ENDING)).unlink(missing_ok=True)
        return revived

    def dead(self, webhook: str) -> list[Message]:
        """The dead letters of a webhook, the oldest first."""
        files = [file for file in self._dead.iterdir() if file.suffix == _ENDING]
        letters = [msgspec.json.decode(file.read_bytes(), type=Message) for file in files]
        return sorted(
            (letter for letter in letters if letter.webhook == webhook), key=lambda one: one.created_at
        )

    def about(self, nodes: AbstractSet[int]) -> tuple[list[Message], list[Message]]:
        """The messages about some people: those that wait, here and in folders that others left, and the dead letters."""
        waiting = [file for file in self._all.glob("*/*") if file.suffix == _ENDING]
        dead = [file for file in self._dead.iterdir() if file.suffix == _ENDING]
        return _about(waiting, nodes), _about(dead, nodes)

    def drop(self, messages: Iterable[Message]) -> None:
        """Remove messages, whether they wait or are dead."""
        for message in messages:
            for file in (*self._all.glob(f"*/{message.id}{_ENDING}"), self._dead / (message.id + _ENDING)):
                file.unlink(missing_ok=True)
                sync_directory(file.parent)

    def close(self) -> None:
        """Let others take over what is left."""
        if not self._folder.remove_if_empty():
            self._folder.release()

    def _path(self, identifier: str) -> Path:
        return self._folder.path / (identifier + _ENDING)


def _about(files: Iterable[Path], nodes: AbstractSet[int]) -> list[Message]:
    found = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # taken meanwhile
            message = msgspec.json.decode(file.read_bytes(), type=Message)
            if message.node in nodes or _person_of(message) in nodes:
                found.append(message)
    return found


def _person_of(message: Message) -> int:
    """The person that a message names."""
    try:
        return int(msgspec.json.decode(message.body)["data"]["person_id"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return 0


def _write(path: Path, message: Message) -> None:
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb") as file:
        file.write(msgspec.json.encode(message))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
