"""The library: embeddings that survive restarts, crashes and full disks.

    latents/<id>.safetensors   one file per embedding, complete in itself
    index.sqlite3              what can be listed and looked up without opening those

An embedding's file is written before its row and outlives it, so the index can always be rebuilt from the files.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from latentlayers.atomic import TEMPORARY_PREFIX, sync_folder, write_atomic, write_error
from latentlayers.errors import DataLoss, Exhausted, InvalidInput, LatentLayersError, NotFound, PreconditionFailed
from latentlayers.library.arrays import damaged
from latentlayers.library.embeddings import Embedding, EmbeddingInfo, Latent, embedding_key, new_id
from latentlayers.library.formats import ExportedFile, Format, FoundLatent, described_as, read_latents, write_latent
from latentlayers.library.index import Index, IndexCorrupt
from latentlayers.library.lock import exclusive
from latentlayers.library.models import ModelEntry
from latentlayers.library.tensor_file import read_embedding, write_embedding

log = logging.getLogger(__name__)

MAX_PAGE = 500
MIN_PREFIX = 6
LEFTOVER_AGE_S = 3600.0  # no write takes this long: a temporary file as old as this has no owner

_SUFFIX, _DELETED = ".safetensors", ".deleted"
_WHOLE_IMAGE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """One page of a listing; `next_page_token` is empty on the last one."""

    embeddings: tuple[EmbeddingInfo, ...]
    next_page_token: str


class Library:
    """The embeddings in a folder. Thread-safe, and safe with other processes in the same folder.

    Every method may raise:
        Exhausted: DISK_FULL. Unavailable: LIBRARY_BUSY. LatentLayersError: LIBRARY_WRITE_FAILED.
        What was in the library before stays as it was.

    Attributes:
        warnings: what had to be repaired, in words, since the library was opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._latents = folder, folder / "latents"
        self._mutex = threading.RLock()
        self._holds_lock = False
        self.warnings: list[str] = []
        try:
            self._latents.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self._latents, error) from error
        self._index = self._open()

    def close(self) -> None:
        with self._mutex:
            self._index.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add(self, embedding: Embedding) -> None:
        """Keeps an embedding: on the disk when this returns, not there at all if it raises.

        Raises:
            InvalidInput: LATENT_SHAPE or LATENT_NOT_FINITE.
        """
        embedding.ws.check()
        path = self._file(embedding.id)
        write_atomic(path, write_embedding(embedding))
        try:
            self._run(lambda index: index.put([embedding]))
        except LatentLayersError:
            with suppress(OSError):
                path.unlink()
            raise

    def find(self, key: str) -> Embedding | None:
        """The newest embedding with this key whose latent can be read, or None."""
        for info in self._run(lambda index: index.with_key(key)):
            try:
                return self._read(info)
            except LatentLayersError as error:
                log.warning("embedding %s is passed over: %s", info.id, error.message)
        return None

    def info(self, id_: str) -> EmbeddingInfo:
        """What is known about an embedding, without opening its latent file.

        Args:
            id_: the id, or a prefix of at least `MIN_PREFIX` characters that only one id has.

        Raises:
            NotFound: EMBEDDING_UNKNOWN.
        """
        prefix = id_.lower()
        if not re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},12}}", prefix):
            raise _unknown(f"{id_!r:.80} is not an embedding's id")
        found = self._run(lambda index: index.starting_with(prefix, limit=2))
        if len(found) != 1:
            raise _unknown(f"{'Several embeddings begin' if found else 'No embedding begins'} with {prefix}")
        return found[0]

    def get(self, id_: str) -> Embedding:
        """The embedding with its latent; `id_` as for `info`.

        Raises:
            NotFound: EMBEDDING_UNKNOWN. LatentLayersError: FILE_CORRUPT, its file is damaged or gone.
        """
        return self._read(self.info(id_))

    def latent(self, id_: str) -> Latent:
        """Like `get`, the latent alone."""
        return self.get(id_).ws

    def list(self, model: str | None = None, limit: int = 50, page_token: str = "") -> Page:
        """Embeddings (of one model), newest first; no latent file is opened.

        Args:
            limit: of this page; at least 1, and more than `MAX_PAGE` counts as that.
            page_token: `next_page_token` of the page before.

        Raises:
            InvalidInput: PAGE_TOKEN_INVALID.
        """
        limit = max(1, min(limit, MAX_PAGE))
        before = _decode_token(page_token) if page_token else None
        rows = self._run(lambda index: index.page(model, limit + 1, before))
        more = len(rows) > limit
        return Page(tuple(rows[:limit]), _encode_token(rows[limit - 1]) if more else "")

    def delete(self, id_: str) -> None:
        """Forgets an embedding for good; `id_` as for `info`.

        Works on a full disk too. Should it fail half-way it is ended by trying again, or by opening the library.

        Raises:
            NotFound: EMBEDDING_UNKNOWN.
        """
        info = self.info(id_)
        path, doomed = self._file(info.id), self._latents / f"{info.id}{_DELETED}"
        with self._locked():
            # The new name says that it is to go, whenever this process dies.
            try:
                with suppress(FileNotFoundError):
                    path.replace(doomed)
                    sync_folder(self._latents)
                    os.truncate(doomed, 0)  # on a full disk, removing the row needs this room
                self._run(lambda index: index.remove(info.id))
                doomed.unlink(missing_ok=True)
            except OSError as error:
                raise write_error(path, error) from error

    def export(self, id_: str, form: Format = "safetensors") -> ExportedFile:
        """An embedding's latent as a file; `id_` as for `info`.

        Raises:
            As `get`, and InvalidInput: FORMAT_UNSUPPORTED.
        """
        return write_latent(self.get(id_), form)

    def import_(
        self, data: bytes, model: ModelEntry, *, form: Format | None = None, name: str = ""
    ) -> tuple[Embedding, ...]:
        """Adds the latents in a file as embeddings of `model`; those already here are returned, not added again.

        Args:
            form: what the file is said to be; None to find out.
            name: for latents that the file does not name.

        Raises:
            InvalidInput, Exhausted: as `formats.read_latents`.
            PreconditionFailed: LATENT_MODEL_MISMATCH, the file says it belongs to another model.
        """
        described = described_as(data)
        if described and described.model_digest != model.digest:
            raise PreconditionFailed(
                "LATENT_MODEL_MISMATCH",
                f"The latent was made with the model {described.model!r:.80}, which is not this {model.name}.",
                f"Import it for that model, or embed the picture again with {model.name}.",
            )
        found = read_latents(data, model.num_ws, model.w_dim, form)
        several = bool(name) and len(found) > 1
        return tuple(
            self._import_one(item, model, f"{name} {number}" if several else name)
            for number, item in enumerate(found, start=1)
        )

    def _import_one(self, item: FoundLatent, model: ModelEntry, name: str) -> Embedding:
        # Not the key a file claims: it must not be able to pose as the embedding of pixels it never saw.
        key = embedding_key([model.digest.encode(), item.latent.values], {"imported": True})
        known = self._same(item, model) or self.find(key)
        if known:
            return known
        info = item.info or EmbeddingInfo(
            id=new_id(),
            key=key,
            name=item.name or name,
            model=model.name,
            model_digest=model.digest,
            space=item.space,
            preset="imported",
            seed=0,
            steps=0,
            seconds=0.0,
            objective=None,
            psnr=None,
            perceptual=None,
            distance_from_mean=None,
            verdict="",
            verdict_text="",
            frame=_WHOLE_IMAGE,
            source_width=0,
            source_height=0,
            created=0.0,
        )
        # Layers of a painting refer to an embedding by its id, so an exported one keeps it where it can.
        taken = self._run(lambda index: index.starting_with(info.id, limit=1))
        info = replace(info, id=new_id() if taken else info.id, key=key, model=model.name, created=time.time())
        embedding = Embedding.of(info, item.latent)
        self.add(embedding)
        return embedding

    def _same(self, item: FoundLatent, model: ModelEntry) -> Embedding | None:
        """The embedding that the item was exported from, if it is still here and unchanged."""
        if item.info is None:
            return None
        with suppress(LatentLayersError):
            here = self.get(item.info.id)
            if here.ws == item.latent and here.model_digest == model.digest:
                return here
        return None

    def _file(self, id_: str) -> Path:
        return self._latents / f"{id_}{_SUFFIX}"

    def _read(self, info: EmbeddingInfo) -> Embedding:
        path = self._file(info.id)
        try:
            embedding = read_embedding(path.read_bytes())
        except (OSError, InvalidInput) as error:
            cause = error.message if isinstance(error, InvalidInput) else f"{error.strerror}."
            raise DataLoss(
                "FILE_CORRUPT",
                f"The latent of embedding {info.id} cannot be read from {path}: {cause}",
                "Restore the file from a backup, or delete the embedding and embed the picture again.",
            ) from error
        return Embedding.of(info, embedding.ws)

    def _run(self, operation: Callable[[Index], T]) -> T:
        """`operation` on the index, which is reopened if another process replaced it, rebuilt if it is damaged."""
        with self._mutex:
            damage: IndexCorrupt | None = None
            try:
                if self._index.is_current:
                    return operation(self._index)
            except IndexCorrupt as error:
                damage = error
            with self._locked():
                broken = damage is not None and self._index.is_current  # no other process has replaced it meanwhile
                self._index.close()
                self._index = self._open(broken)
            try:
                return operation(self._index)
            except IndexCorrupt as error:
                raise DataLoss(
                    "FILE_CORRUPT",
                    f"{self._index_file} is damaged again right after it was rebuilt: {error}.",
                    "Check the disk.",
                ) from error

    @property
    def _index_file(self) -> Path:
        return self._folder / "index.sqlite3"

    def _open(self, broken: bool = False) -> Index:
        with self._locked():
            if not broken:
                with suppress(IndexCorrupt):
                    return self._open_and_tidy()
            self._move_index_aside()
            return self._open_and_tidy()

    def _open_and_tidy(self) -> Index:
        index = Index(self._index_file)
        try:
            self._tidy(index)
        except BaseException:
            index.close()
            raise
        return index

    def _move_index_aside(self) -> None:
        suffix = f".corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        for file in self._folder.glob(f"{self._index_file.name}*"):
            if file.name.removeprefix(self._index_file.name) in ("", "-wal", "-shm"):
                try:
                    file.replace(file.with_name(file.name + suffix))
                except OSError as error:
                    raise write_error(file, error) from error
        message = f"The library's index was damaged; it was kept as *{suffix} and rebuilt from the latent files."
        self.warnings.append(message)
        log.warning(message)

    def _tidy(self, index: Index) -> None:
        """Ends what a killed process began: rows for finished files, deletions, forgotten temporary files."""
        files = list(self._latents.iterdir())
        known = index.ids()
        if strays := [file for file in files if file.suffix == _SUFFIX and file.stem not in known]:
            with suppress(Exhausted):  # next time; a full disk must not close the library
                index.put(self._readable(strays))
        for file in files:
            with suppress(OSError, Exhausted):
                if file.suffix == _DELETED:
                    index.remove(file.stem)
                    file.unlink()
                elif file.name.startswith(TEMPORARY_PREFIX) and file.stat().st_mtime < time.time() - LEFTOVER_AGE_S:
                    file.unlink()

    def _readable(self, files: Sequence[Path]) -> Iterator[EmbeddingInfo]:
        for file in files:
            try:
                embedding = read_embedding(file.read_bytes())
                if embedding.id != file.stem:
                    raise damaged(f"it is that of {embedding.id}")
            except FileNotFoundError:
                continue  # deleted by another process meanwhile
            except (OSError, InvalidInput) as error:
                log.warning("%s is left out of the library: %s", file, error)
                continue
            yield embedding

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock between processes; may be nested."""
        with self._mutex:
            if self._holds_lock:
                yield
                return
            with exclusive(self._folder / "lock"):
                self._holds_lock = True
                try:
                    yield
                finally:
                    self._holds_lock = False


def _unknown(found: str) -> NotFound:
    return NotFound("EMBEDDING_UNKNOWN", f"{found}.", "List the library's embeddings for the ids there are.")


def _encode_token(last: EmbeddingInfo) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.created, last.id]).encode()).decode()


def _decode_token(token: str) -> tuple[float, str]:
    with suppress(ValueError, RecursionError):
        match json.loads(base64.urlsafe_b64decode(token.encode())):
            case [float() | int() as created, str(id_)]:
                return created, id_
    raise InvalidInput(
        "PAGE_TOKEN_INVALID",
        f"{token!r:.80} is not a page token of this library.",
        "Pass the token of the page before, or none.",
    )
