"""Between a request and the disk: receive, decode, enrich, spool, as every process that takes events has them.

Enters: settings. Leaves: routes, and sealed segments. The keys are read again while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, MutableMapping
from pathlib import Path

from aiohttp import web

from . import settings as settings_module
from .decode import Limits
from .dialects.doors import Doors
from .enrich import Enricher
from .enrich.contacts import Contacts
from .enrich.geo import GeoDatabase
from .enrich.privacy import Privacy
from .ingest import Counts, Ingest
from .logs import Log
from .receive import Key, Keys, Receiver
from .receive.body import BodyLimits
from .receive.key_file import KeyFile, KeyFileError, in_force
from .receive.pressure import Pressure
from .receive.proxies import Proxies
from .receive.rates import Accounts, AddressRates
from .settings import Settings
from .spool import Folder, Segment, Spool
from .spool.writer import Seal
from .suppression.suppressions import Suppressions

READ_KEYS_EVERY_S = 1.0
log = Log(__name__)


class Front:
    """The rooms that take events.

    Args:
        settings: The effective settings.
        accounts: Where rates are kept, for all processes that take events; None is in this process.

    Raises:
        SettingsError, KeyFileError, OSError, maxminddb.InvalidDatabaseError: the settings cannot be served.
    """

    def __init__(self, settings: Settings, accounts: Accounts | None = None) -> None:
        self._settings = settings
        self._accounts = accounts or Accounts()
        self._key_file = KeyFile(settings.data_path)
        self._keys_seen = self._key_file.state()  # before it is read: what comes between is read again
        self.keys = Keys(settings.keys, _made_keys(self._key_file), self._accounts)
        keys = settings_module.contact_keys(settings)
        contacts = self.contacts = Contacts(keys, settings.phone_region)
        self.stored = contacts.stored
        self.suppressions = Suppressions(
            settings.data_path, keys[-1], contacts.stored, contacts.others, is_shared=not settings.is_embedded
        )
        geo = GeoDatabase(Path(settings.geo_database) if settings.geo_database else None)
        privacy = Privacy(required=settings.require_consent, refused_by_signal=settings.gpc_refuses)
        self._enricher = Enricher(contacts, privacy, geo)
        self.limits = Limits(settings.max_batch_events, settings.max_event_bytes, settings.max_json_depth)

    def open(
        self,
        folder: Callable[[], Folder],
        on_sealed: Callable[[Segment], None],
        backlog: Callable[[], int],
        counts: Counts | None = None,
        replies: MutableMapping[int, int] | None = None,
        faults: MutableMapping[str, int] | None = None,
    ) -> None:
        """Make the rooms around a spool folder.

        Args:
            folder: Makes the spool folder to be written.
            on_sealed: Told of each sealed segment, on the writer's thread.
            backlog: Sealed segments not loaded yet.
            counts: Where events are counted; None is in this process.
            replies: Where requests are counted; None is in this process.
            faults: Where commits are counted that the disk did not take; None is in this process.
        """
        settings = self._settings
        seal = Seal(settings.seal_age_s, settings.seal_rows, settings.seal_bytes)
        self.spool = Spool(folder, seal, settings.max_spool_bytes, on_sealed, backlog, faults)
        self.ingest = Ingest(
            self.limits, self._enricher, self.spool, counts=counts, suppressions=self.suppressions
        )
        body_limits = BodyLimits(
            settings.max_body_bytes, settings.max_inflated_bytes, settings.body_timeout_s
        )
        self._pressure = Pressure(settings.max_wait_s)
        self.receiver = Receiver(
            self.ingest,
            self.keys,
            body_limits,
            Proxies(settings.trusted_proxies, settings.proxy_header),
            AddressRates(settings.max_events_per_s_per_address, self._accounts),
            replies,
            self._pressure,
        )
        self._doors = Doors(self.receiver, self.ingest, self.limits, body_limits)

    async def start(self, started: contextlib.AsyncExitStack) -> None:
        """Begin to take; `started` ends it, with everything on disk."""
        self._pressure.start()
        started.callback(self._pressure.stop)
        self.spool.start()
        started.push_async_callback(self.spool.close)
        reading = asyncio.create_task(self._keep_reading_keys(), name="keys")
        started.callback(reading.cancel)

    def routes(self) -> list[web.RouteDef]:
        """The native routes, then those of other clients."""
        return [*self.receiver.routes(), *self._doors.routes()]

    def may(self, key: str, right: str) -> bool:
        """Whether a key has a right; in development mode every key has every right."""
        return self.keys.grant(key, right) is not None

    async def _keep_reading_keys(self) -> None:
        """Take over what `stitchline keys` changes; what cannot be read changes nothing."""
        said = ""
        while True:
            await asyncio.sleep(READ_KEYS_EVERY_S)
            try:
                found = await asyncio.to_thread(self._key_file.state)
                if found == self._keys_seen:
                    continue
                if found is None:
                    raise FileNotFoundError(f"{self._key_file.path} is gone")
                self.keys.change(await asyncio.to_thread(_made_keys, self._key_file))
            except (OSError, KeyFileError) as error:
                if str(error) != said:
                    log.error("the keys stay as they were: %(error)s", event="keys_unreadable", error=error)  # noqa: TRY400
                said = str(error)
            else:
                log.info("keys read again from %(file)s", event="keys_read", file=self._key_file.path)
                self._keys_seen, said = found, ""


def _made_keys(file: KeyFile) -> list[tuple[bytes, Key]] | None:
    keys = file.read()
    return None if keys is None else in_force(keys)
