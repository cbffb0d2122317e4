"""The models as the front knows them: read in threads, watched for changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from latentlayers.errors import LatentLayersError, NotFound
from latentlayers.library.models import ModelEntry, ModelStore


@dataclass(frozen=True)
class Listing:
    """The models at one moment.

    Attributes:
        default: the name of the one used where none is named; "" if there is none.
    """

    entries: tuple[ModelEntry, ...]
    default: str

    @property
    def usable(self) -> bool:
        """Whether there is a model that works."""
        return any(not entry.problem for entry in self.entries)


class Catalogue:
    """A `ModelStore` for the event loop. All methods may raise what the store's do."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._version = 0
        self._changed = asyncio.Condition()
        self._end: LatentLayersError | None = None

    async def watch(self) -> None:
        """Begins to watch the models folder, which `changes` needs."""
        loop = asyncio.get_running_loop()

        def changed(_: tuple[ModelEntry, ...]) -> None:
            asyncio.run_coroutine_threadsafe(self.refresh(), loop)

        await asyncio.to_thread(self._store.watch, changed)
        await self.refresh()  # for what came while the watch was being set up

    async def close(self, error: LatentLayersError) -> None:
        """Ends all `changes` with `error`."""
        self._end = error
        await self.refresh()
        await asyncio.to_thread(self._store.close)

    async def listing(self) -> Listing:
        return await asyncio.to_thread(self._listing)

    async def get(self, name: str) -> ModelEntry:
        """The model of that name; "": the default one."""
        return await asyncio.to_thread(lambda: self._store.get(name) if name else self._store.default())

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(self._store.remove, name)
        await self.refresh()

    async def conversion_failed(self, entry: ModelEntry, problem: str, *, lasting: bool) -> None:
        """See `ModelStore.conversion_failed`."""
        await asyncio.to_thread(self._store.conversion_failed, entry, problem, lasting=lasting)

    async def retry_conversions(self) -> None:
        """See `ModelStore.retry_conversions`."""
        await asyncio.to_thread(self._store.retry_conversions)

    async def purge(self) -> None:
        """See `ModelStore.purge`."""
        await asyncio.to_thread(self._store.purge)

    async def refresh(self) -> None:
        """Has all `changes` look again, for what no notification tells, or tells too late."""
        async with self._changed:
            self._version += 1
            self._changed.notify_all()

    async def changes(self) -> AsyncIterator[Listing]:
        """The models now, and again after every change. Raises what `close` was given."""
        last: Listing | None = None
        while self._end is None:
            version = self._version
            listing = await self.listing()
            if listing != last:
                last = listing
                yield listing
            async with self._changed:
                while self._version == version:
                    await self._changed.wait()
        raise self._end

    def _listing(self) -> Listing:
        try:
            default = self._store.default().name
        except NotFound:
            default = ""
        return Listing(self._store.list(), default)
