"""The library's index: one SQLite row per embedding, without the latent code.

Several processes may have it open: readers never wait (write-ahead log), writers wait for each other.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from latentlayers.errors import Exhausted, InvalidInput, LatentLayersError, PreconditionFailed, Unavailable
from latentlayers.library.embeddings import EmbeddingInfo, info_from_json

_BUSY_TIMEOUT_S = 10.0
_WAL_PAGES = 64  # of 4 kB; a write-ahead log that stays small matters when the disk is nearly full

# Schema version N is reached by applying the first N of these; append, never edit.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE embeddings (
            id TEXT PRIMARY KEY NOT NULL,
            key TEXT NOT NULL,
            model TEXT NOT NULL,
            created REAL NOT NULL,
            description TEXT NOT NULL,
            thumbnail BLOB NOT NULL
        )""",
        "CREATE INDEX embeddings_by_key ON embeddings (key)",
        "CREATE INDEX embeddings_by_created ON embeddings (created, id)",
        "CREATE INDEX embeddings_by_model ON embeddings (model, created, id)",
    ),
)


class IndexCorrupt(Exception):
    """The index file is damaged; it can be rebuilt from the latent files."""


class Index:
    """An open index. Not thread-safe: its owner holds a lock around every call.

    Raises, from every method:
        IndexCorrupt.
        PreconditionFailed: LIBRARY_TOO_NEW, a newer version of this program changed the schema.
        Exhausted: DISK_FULL. Unavailable: LIBRARY_BUSY. LatentLayersError: LIBRARY_WRITE_FAILED.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            with self._errors():
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
                self._db.execute("PRAGMA synchronous = FULL")  # an embedding that was reported is on the disk
                self._migrate()
                self._identity = _identity(path)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()
        self._identity = None

    @property
    def is_current(self) -> bool:
        """False after `close`, and once another process has moved the file aside."""
        return self._identity is not None and _identity(self._path) == self._identity

    def put(self, infos: Iterable[EmbeddingInfo]) -> None:
        """Adds rows, or replaces those with the same id; all of them are on the disk when this returns."""
        rows = ((info.id, info.key, info.model, info.created, info.to_json(), info.thumbnail) for info in infos)
        with self._errors(), self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?, ?)", rows)

    def remove(self, id_: str) -> None:
        with self._errors():
            self._db.execute("DELETE FROM embeddings WHERE id = ?", (id_,))

    def ids(self) -> set[str]:
        with self._errors():
            return {id_ for (id_,) in self._db.execute("SELECT id FROM embeddings")}

    def with_key(self, key: str) -> list[EmbeddingInfo]:
        """Newest first."""
        return self._select("WHERE key = ? ORDER BY created DESC, id DESC", key)

    def starting_with(self, prefix: str, limit: int) -> list[EmbeddingInfo]:
        """Those whose id begins with `prefix` (hex digits)."""
        return self._select("WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", prefix, prefix + "g", limit)

    def page(self, model: str | None, limit: int, before: tuple[float, str] | None) -> list[EmbeddingInfo]:
        """Newest first, from the first one older than `before` = (created, id)."""
        conditions: list[str] = ["1"]
        values: list[object] = []
        if model is not None:
            conditions.append("model = ?")
            values.append(model)
        if before is not None:
            conditions.append("(created, id) < (?, ?)")
            values += before
        return self._select(f"WHERE {' AND '.join(conditions)} ORDER BY created DESC, id DESC LIMIT ?", *values, limit)

    def _select(self, clause: str, *values: object) -> list[EmbeddingInfo]:
        with self._errors():
            rows = self._db.execute(f"SELECT description, thumbnail FROM embeddings {clause}", values).fetchall()
        try:
            return [info_from_json(description, thumbnail) for description, thumbnail in rows]
        except InvalidInput as error:
            raise IndexCorrupt(error.message) from error

    def _migrate(self) -> None:
        known = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone()
        (version,) = self._db.execute("SELECT max(version) FROM migrations").fetchone() if known else (0,)
        if version > len(_MIGRATIONS):
            raise PreconditionFailed(
                "LIBRARY_TOO_NEW",
                f"The library {self._path} was written by a newer Latent Layers (schema {version}).",
                "Update Latent Layers.",
            )
        if version == len(_MIGRATIONS):
            return
        with self._transaction():
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied REAL NOT NULL)"
            )
            for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    self._db.execute(statement)
                self._db.execute("INSERT INTO migrations VALUES (?, ?)", (number, time.time()))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it by itself when the disk is full
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns SQLite's errors into ours; by their text, as Python 3.10 does not tell their codes."""
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            # SQLITE_CORRUPT and SQLITE_NOTADB arrive as the bare class; a table is missing if a page was lost.
            if type(error) is sqlite3.DatabaseError or text.startswith("no such"):
                raise IndexCorrupt(text) from error
            if "locked" in text:
                raise Unavailable(
                    "LIBRARY_BUSY",
                    "Another process is writing to the library.",
                    "Try again.",
                    retry_after=1.0,
                ) from error
            if "full" in text:
                raise Exhausted(
                    "DISK_FULL",
                    f"There is no room to write {self._path}.",
                    f"Free some space on the disk that holds {self._path.parent} and try again.",
                ) from error
            raise LatentLayersError(
                "LIBRARY_WRITE_FAILED",
                f"{self._path} cannot be used: {text}.",
                f"Check that {self._path.parent} exists and that you may write to it.",
            ) from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
