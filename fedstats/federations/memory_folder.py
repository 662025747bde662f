"""The private folder of a site's memory: a key, cohorts as hashes, and an append-only list of answers."""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.query import canonical_json
from fedstats.contract.table_checks import DataError

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Line:
    """An answer that has left: its question's digest and kind, whose rows, whether at a point, its cohorts by name."""

    question: str
    kind: str
    rows: str
    has_point: bool
    cohorts: tuple[tuple[str, tuple[str, ...]], ...]


class MemoryFolder:
    """Files of a memory; every write is on the disk before it returns.

    Attributes
    ----------
    key : bytes             of the hashes; made once, readable by the site alone
    lines : list of Line    as of the last :meth:`read`
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        (self.folder / "cohorts").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        self.key = self._secret()
        self.lines: list[Line] = []
        self._log = self.folder / "answers.jsonl"
        self._cohorts: dict[str, Hashes] = {}
        self._read_to = 0

    def _secret(self) -> bytes:
        """The key of the hashes: made once, readable by the site alone."""
        path = self.folder / "secret"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
            if len(key) != 32:
                raise self._damaged("secret") from None
            return key
        key = secrets.token_bytes(32)
        with os.fdopen(handle, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return key

    def name(self, hashes: Hashes) -> str:
        """Keyed digest of a cohort's sorted hashes."""
        return hashlib.blake2b(hashes.astype("<u8").tobytes(), key=self.key, digest_size=16).hexdigest()

    def keep(self, name: str, hashes: Hashes) -> None:
        """Write a cohort, whole or not at all."""
        path = self.folder / "cohorts" / f"{name}.u64"
        if path.exists():
            return
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(hashes.astype("<u8").tobytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def cohort(self, name: str) -> Hashes:
        """The hashes of a cohort that has been kept."""
        if name not in self._cohorts:
            path = self.folder / "cohorts" / f"{name}.u64"
            raw = path.read_bytes() if path.is_file() else b""
            hashes = np.frombuffer(raw[: len(raw) // 8 * 8], dtype="<u8").astype(np.uint64)
            if self.name(hashes) != name:
                raise self._damaged(path.name)
            self._cohorts[name] = hashes
        return self._cohorts[name]

    def append(self, line: dict[str, object]) -> None:
        """Add a line; half a line that an earlier process left is cut off."""
        with self._log.open("r+b" if self._log.exists() else "wb") as file:
            file.truncate(self._read_to)  # half a line is of an answer that has not left
            file.seek(self._read_to)
            file.write(f"{canonical_json(line)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self.read()

    def read(self) -> None:
        """Read the lines that are new; a last line without its end was cut off in writing and tells nothing."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._read_to)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        for text in whole.splitlines():
            try:
                line = json.loads(text)
                cohorts = tuple((str(name), tuple(columns)) for name, columns in line["cohorts"])
                self.lines.append(Line(line["question"], line["kind"], line["rows"], line["point"], cohorts))
            except (ValueError, KeyError, TypeError):
                raise self._damaged(self._log.name) from None
        self._read_to += len(whole)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes of the site."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _damaged(self, name: str) -> DataError:
        return DataError(
            f"The site's memory {self.folder.name} is damaged: {name} cannot be read. Put it back from a copy; nothing is answered without it."
        )


def row_hashes(frame: pd.DataFrame, key: bytes) -> Hashes:
    """A keyed 64-bit hash of every row, in the frame's order; identical rows are told apart by a count."""
    names = sorted(frame.columns)
    numbers = [name for name in names if pd.api.types.is_numeric_dtype(frame[name].dtype)]
    block = np.ascontiguousarray(frame[numbers].to_numpy(dtype="<f8") + 0.0)  # -0.0 is 0.0
    raw, width = block.tobytes(), 8 * len(numbers)
    texts = [_texts(frame[name]) for name in names if name not in numbers]
    joined = [b"".join(cells) for cells in zip(*texts, strict=True)] if texts else [b""] * len(frame)
    whole = [
        hashlib.blake2b(raw[i * width : (i + 1) * width] + text, key=key, digest_size=8).digest()
        for i, text in enumerate(joined)
    ]
    counts = pd.Series(whole).groupby(whole).cumcount().tolist()
    told_apart = [
        hashlib.blake2b(one + count.to_bytes(8, "little"), key=key, digest_size=8).digest() if count else one
        for one, count in zip(whole, counts, strict=True)
    ]
    return np.frombuffer(b"".join(told_apart), dtype="<u8").astype(np.uint64)


def _texts(column: pd.Series) -> list[bytes]:
    """Cells as bytes that say where they end: the joined cells of two rows differ when a cell does."""
    codes, values = pd.factorize(column)
    known = [f"{len(text)}:{text}".encode() for text in map(str, values)]
    return [known[code] if code >= 0 else b"-" for code in codes.tolist()]
