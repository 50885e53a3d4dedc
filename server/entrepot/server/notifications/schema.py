"""The tables of an outbox, and opening one."""

from __future__ import annotations

import os
import sqlite3

from entrepot.core.errors import ConfigurationError

VERSION = 1
_BUSY_SECONDS = 5.0  # another process writes meanwhile
_FILE = "outbox.sqlite3"
_LETTER = """
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint TEXT NOT NULL,
  id TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  moment REAL NOT NULL,
  content_type TEXT NOT NULL,
  body BLOB NOT NULL,
  refusals INTEGER NOT NULL DEFAULT 0
"""
_TOTALS = """
CREATE TABLE {table}_totals (
  endpoint TEXT PRIMARY KEY, letters INTEGER NOT NULL, bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER {table}_comes AFTER INSERT ON {table} BEGIN
  INSERT INTO {table}_totals VALUES (new.endpoint, 1, length(new.body))
  ON CONFLICT (endpoint) DO UPDATE
    SET letters = letters + 1, bytes = bytes + length(new.body);
END;
CREATE TRIGGER {table}_goes AFTER DELETE ON {table} BEGIN
  UPDATE {table}_totals SET letters = letters - 1, bytes = bytes - length(old.body)
  WHERE endpoint = old.endpoint;
END;
"""
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE waiting ({_LETTER});
CREATE INDEX waiting_by_endpoint ON waiting (endpoint, number);
CREATE INDEX waiting_pulls ON waiting (endpoint, number) WHERE action = 'pull';
{_TOTALS.format(table="waiting")}
CREATE TABLE dead ({_LETTER}, reason TEXT NOT NULL);
CREATE INDEX dead_by_endpoint ON dead (endpoint, number);
{_TOTALS.format(table="dead")}
PRAGMA user_version = {VERSION};
COMMIT;
"""
MEMORY = ":memory:"


def open_database(folder: str) -> sqlite3.Connection:
    """The outbox in a folder, which is made if need be; or in memory, with `MEMORY`.

    Raises ConfigurationError: if it cannot be read and written, naming the key and what to do.
    """
    try:
        if folder != MEMORY:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        return _connect(folder)
    except (OSError, sqlite3.Error) as error:
        where = "notifications.outbox.path: " if folder != MEMORY else ""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(
            f"{where}no outbox can be kept in {folder}: {reason}; name a folder on a local disk "
            "that the registry may write, or set `notifications.outbox.disabled: true` to keep "
            "events in memory only"
        ) from error


def _connect(folder: str) -> sqlite3.Connection:
    path = MEMORY if folder == MEMORY else os.path.join(folder, _FILE)
    if path != MEMORY:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # events name users: for us alone
    database = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        database.execute("PRAGMA journal_mode = WAL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ConfigurationError(
                f"notifications.outbox.path: the outbox in {folder} was written by a newer "
                "version; use that one until it is empty, or name another folder"
            )
        if version == 0:
            _create(database)
        database.execute("BEGIN IMMEDIATE")  # whether it can be written
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection) -> None:
    try:
        database.executescript(_SCHEMA)
    except sqlite3.OperationalError:
        if database.in_transaction:
            database.execute("ROLLBACK")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:  # else another worker was faster
            raise
