"""Files -> ClickHouse, all rooms wired together for an import.

    reading -> batches -> outlet
                  bookmark <-  once it is on disk

A thread reads ahead; the event loop decodes and enriches; the spool and the loader have a thread each, as in a collector.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import settings as settings_module
from ..contact_keys import claim
from ..decode import Limits
from ..engine.address import parse
from ..enrich import Enricher
from ..enrich.contacts import Contacts
from ..enrich.geo import GeoDatabase
from ..enrich.privacy import Privacy
from ..settings import Settings
from ..suppression.suppressions import Suppressions
from .batches import NATIVE, Batches
from .bookmark import HEAD_BYTES, Bookmark
from .file import FileImport
from .outlet import LOOK_EVERY_S, Outlet
from .report import Imported, Progress, State, Tally

STDIN = "-"


class Importer:
    """Imports files, one after the other.

    Args:
        settings: The collector's; contacts are hashed with its key.
        source: The name under which the events are stored.
        tell: Told how far it is, after each block of a megabyte.
        again: Whether files are read from their start, also where they were imported before.
        form: What their lines are: native batches, or one of `foreign.FORMS`.

    Attributes:
        imported: What became of each file that was begun.
        tally: What this run has stored.
        outlet: Where it goes.

    Raises:
        SettingsError: the contact key is no secret.
        ValueError: the ClickHouse address cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        source: str,
        tell: Callable[[Progress], None],
        *,
        again: bool = False,
        form: str = NATIVE,
    ) -> None:
        self.imported: list[Imported] = []
        self.tally = Tally()
        self._settings = settings
        self._tell = tell
        self._again = again
        address = parse(settings.dsn)
        self._target = f"{source}\0{address}\0{address.database}"
        keys = settings_module.contact_keys(settings)
        contacts = Contacts(keys, settings.phone_region)
        suppressions = Suppressions(
            settings.data_path, keys[-1], contacts.stored, contacts.others, is_shared=not settings.is_embedded
        )
        self.outlet = Outlet(settings, suppressions, lambda engine: claim(engine, contacts))
        enricher = Enricher(contacts, Privacy(required=settings.require_consent), GeoDatabase())
        limits = Limits(settings.max_batch_events, settings.max_event_bytes, settings.max_json_depth)
        self._batches = Batches(enricher, limits, source, form, suppressions)

    async def run(self, files: Sequence[str]) -> None:
        """Import and load; cancel it to stop early, with everything read until then on disk.

        Raises:
            Unusable: a file cannot be read further.
            NotDurable: the disk cannot be written.
            NobodyLoads, ValueError, EngineError, MigrationEdited: ClickHouse cannot be used.
            OSError: a file or the data folder cannot be used.
        """
        try:
            await self.outlet.open()
            for name in files:
                await self._import(name)
            await self._load()
        finally:
            await self.outlet.close(self._settings.stop_timeout_s)

    async def _import(self, name: str) -> None:
        with _open(name) as file:
            bookmark = self._bookmark(file, name)
            one = FileImport(
                file,
                "stdin" if name == STDIN else name,
                bookmark,
                self._settings.max_inflated_bytes,
                self._batches,
                self.outlet,
                self.tally,
                self._tell,
            )
            try:
                await one.run()
            finally:
                self.imported.append(one.outcome)

    def _bookmark(self, file: io.BufferedReader, name: str) -> Bookmark | None:
        if name == STDIN or not file.seekable():
            return None
        head = file.read(HEAD_BYTES)
        file.seek(0)
        bookmark = Bookmark(self._settings.data_path / "import", name, head, self._target)
        if self._again:
            bookmark.remove()
        return bookmark

    async def _load(self) -> None:
        """Wait until ClickHouse has everything, where that is this process's work."""
        await self.outlet.seal()
        if self.outlet.loads_itself:
            self.outlet.adopt()
        rows = self.outlet.waiting_rows
        while self.outlet.waiting_segments:
            waiting, fault = self.outlet.waiting_rows, self.outlet.loading_fault
            self._tell(Progress(State.LOADING, "", rows, rows - waiting, self.tally, waiting, fault))
            await asyncio.sleep(LOOK_EVERY_S)


@contextmanager
def _open(name: str) -> Iterator[io.BufferedReader]:
    """Open a file; standard input is never closed, since the thread that reads it may wait for it to the end."""
    if name == STDIN:
        yield open(0, "rb", closefd=False)  # noqa: SIM115 -- see above
        return
    with Path(name).open("rb") as file:
        yield file
