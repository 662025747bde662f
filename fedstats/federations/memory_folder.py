"""The private folder of a site's memory: a key, tables and cohorts as hashes, and an append-only list of answers.

``secret``                          the key of the hashes, made once
``answers.jsonl``                   a line for every answer that has left, and for every point of a model at which one was refused
``tables/<table>/patients.u64``     of a table of the site, a hash of every patient, sorted
``tables/<table>/<column>.u64``     of a column that was asked about, a hash of every patient's value
``cohorts/<cohort>.bits``           which patients of its table stood behind an answer

Beside the folder, ``<folder>.json`` says whose key it is and how many answers it holds: a memory that was lost
or set back is found out.  The two memories of a site vouch for each other besides: within the one, ``<the other>.json`` says the
same, so that one that was put back from a copy with the note beside it is found out too.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedstats.contract.query import canonical_json
from fedstats.contract.table_checks import DataError
from fedstats.federations.files import (
    explained,
    for_the_owner,
    make_folder,
    present,
    read_whole,
    replace_private,
    write_private,
)
from fedstats.federations.hashed_table import Hashes
from fedstats.federations.overlay import Flags

#: The memory's folder in the private one of a site.
MEMORY = "memory"
#: The same, of everybody whom the site has screened.
SCREENED = "screened"
_ANSWERS = "answers.jsonl"
#: Bytes of a keyed digest.
_DIGEST = 16


@dataclass(frozen=True)
class Line:
    """An answer that has left, or a refusal at a point of a model.

    Attributes
    ----------
    question, kind : str     digest and name
    table : str              of which rows, by the name of the table
    known_by : str           what patients were known by
    has_point : bool         whether a model was evaluated at coefficients
    cohorts : tuple          (name of the cohort, columns that were read of it)
    refused : str            of a refusal what was asked, at whatever point; empty of an answer
    topic : str              of a point of a model, which model
    likelihood : str         and of what kind: by whatever question, the same sums are told; empty of a line of an
                             earlier version, which counts with every kind
    numbers : float          sums that left and are counted against the patients, each so often as its question says
    """

    question: str
    kind: str
    table: str
    known_by: str
    has_point: bool
    cohorts: tuple[tuple[str, tuple[str, ...]], ...]
    refused: str = ""
    topic: str = ""
    likelihood: str = ""
    numbers: float = 0.0


class MemoryFolder:
    """Files of a memory; every write is on the disk before it returns.

    Parameters
    ----------
    folder : path
    witness : path or None    the folder of the site's other memory, which vouches for this one

    Attributes
    ----------
    key : bytes             of the hashes; made once, readable by the site alone
    lines : list of Line    as of the last :meth:`read`
    """

    def __init__(self, folder: str | Path, witness: str | Path | None = None) -> None:
        self.folder = Path(folder)
        note = f"{self.folder.name}.json"
        self._notes = [self.folder.with_name(note), *([] if witness is None else [Path(witness) / note])]
        if any(map(present, self._notes)) and not present(self.folder / "secret"):
            raise self._lost()
        with explained("private folder", self.folder, "written"):
            for part in ("tables", "cohorts"):
                make_folder(self.folder / part, 0o700)
            self.folder.chmod(0o700)
        self.key = self._secret()
        self.lines: list[Line] = []
        self._log = self.folder / _ANSWERS
        self._read_to = 0
        self._last = ""  # digest of the last line: each holds that of the one before
        self._known: dict[Path, bytes] = {}
        self.read()

    def _secret(self) -> bytes:
        """The key of the hashes: made once, readable by the site alone."""
        path = self.folder / "secret"
        if not present(path):
            with suppress(FileExistsError):  # another start has just made it: that one counts
                write_private(path, secrets.token_bytes(32))
        key = read_whole(path, 1000)
        if len(key) != 32:
            raise self._damaged("secret")
        if path.stat().st_mode & 0o077:
            raise DataError(
                f"The key of the site's memory, {path}, can be read by others: make it private (chmod 600)."
            )
        return key

    def name(self, content: bytes) -> str:
        """Keyed digest of something, in hexadecimal."""
        return hashlib.blake2b(content, key=self.key, digest_size=_DIGEST).hexdigest()

    def cohort_name(self, table: str, members: Flags) -> str:
        """The name of a cohort: the same patients of the same table, the same name."""
        return self.name(table.encode() + np.packbits(members).tobytes())

    def keep_table(self, table: str, columns: dict[str, Hashes]) -> None:
        """Write the hashes of a table, ``""`` for its patients and by name for its columns; none is written twice."""
        for column, hashes in columns.items():
            self._keep(self._column_file(table, column), hashes.astype("<u8").tobytes())

    def keep_cohort(self, table: str, members: Flags) -> None:
        """Write which patients of a table are in a cohort."""
        self._keep(self._cohort_file(self.cohort_name(table, members)), np.packbits(members).tobytes())

    def column(self, table: str, column: str) -> Hashes:
        """The hashes of a column that has been kept, or, of ``""``, of the patients."""
        raw = self._kept(self._column_file(table, column))
        if len(raw) % 8:
            raise self._damaged(self._column_file(table, column).name)
        return np.frombuffer(raw, dtype="<u8").astype(np.uint64)

    def cohort(self, name: str, table: str) -> Flags:
        """Which patients of the table are in a cohort that has been kept."""
        path, n = self._cohort_file(name), len(self.column(table, ""))
        raw = self._kept(path)
        if len(raw) != (n + 7) // 8 or self.name(table.encode() + raw) != name:
            raise self._damaged(path.name)
        return np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=n).astype(bool)

    def append(self, line: Line) -> None:
        """Add a line; half a line that an earlier process left is cut off."""
        content: dict[str, Any] = {
            "question": line.question,
            "kind": line.kind,
            "rows": line.table,
            "known_by": line.known_by,
            "point": line.has_point,
            "cohorts": [[name, list(columns)] for name, columns in sorted(line.cohorts)],
            "refused": line.refused,
            "topic": line.topic,
            "likelihood": line.likelihood,
        }
        if line.numbers:  # lines of an earlier version have none
            content["numbers"] = line.numbers
        content["digest"] = self._chained(content)
        mode = "r+b" if present(self._log) else "wb"
        with (
            explained("private folder", self._log, "written"),
            open(self._log, mode, opener=for_the_owner) as file,
        ):
            file.truncate(self._read_to)  # half a line is of an answer that has not left
            file.seek(self._read_to)
            file.write(f"{canonical_json(content)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self.read()
        content = {"answers": len(self.lines), "secret": self.name(b"secret")}
        for note in self._notes:
            with explained("private folder", note, "written"):
                make_folder(note.parent, 0o700)
            replace_private(note, canonical_json(content).encode())

    def read(self) -> None:
        """Read the lines that are new; a last line without its end was cut off in writing and tells nothing."""
        noted = self._noted()  # read first: what another process adds in between is no loss
        new = b""
        if present(self._log):
            with explained("private folder", self._log, "read"), self._log.open("rb") as file:
                file.seek(self._read_to)
                new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        for text in whole.splitlines():
            try:
                line = json.loads(text)
                digest = line.pop("digest")
                if digest != self._chained(line):
                    raise self._damaged(self._log.name)
                self._last = digest
                cohorts = tuple((str(name), tuple(columns)) for name, columns in line["cohorts"])
                asked = line["question"], line["kind"], line["rows"], line["known_by"], line["point"]
                model = line.get("topic", ""), line.get("likelihood", ""), float(line.get("numbers", 0.0))
                self.lines.append(Line(*asked, cohorts, line["refused"], *model))
            except (ValueError, KeyError, TypeError):
                raise self._damaged(self._log.name) from None
        self._read_to += len(whole)
        if noted > len(self.lines):
            raise self._lost()

    def _chained(self, content: dict[str, Any]) -> str:
        """Keyed digest of a line and of the one before it: none is changed, added or taken away unseen."""
        return self.name((self._last + canonical_json(content)).encode())

    def _noted(self) -> int:
        """How many answers there must be, by whichever note says more."""
        found = [0]
        for note in filter(present, self._notes):
            try:
                noted = json.loads(read_whole(note, 1000))
                secret, answers = noted["secret"], int(noted["answers"])
            except (ValueError, KeyError, TypeError):
                raise self._damaged(note.name) from None
            if secret != self.name(b"secret"):
                raise self._lost()
            found.append(answers)
        return max(found)

    def require_known_by(self, known_by: str) -> None:
        """Raise where patients of earlier answers were known by something else: they could not be told to be the same."""
        others = sorted({line.known_by for line in self.lines} - {known_by})
        if others:
            raise DataError(
                f"The site's memory knows patients by {others[0]}, and the codebook now by {known_by}: whom new answers and earlier "
                "ones single out together could not be told, and nothing is answered. Let the codebook call the same column "
                f"unique as before; to begin anew on purpose, remove {self.folder} and {self._noted_in}."
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes of the site."""
        path = self.folder / "lock"
        with ExitStack() as held:
            with explained("private folder", path, "written"):
                lock = held.enter_context(open(path, "w", opener=for_the_owner))
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _column_file(self, table: str, column: str) -> Path:
        name = self.name(column.encode()) if column else "patients"
        return self.folder / "tables" / table / f"{name}.u64"

    def _cohort_file(self, name: str) -> Path:
        return self.folder / "cohorts" / f"{name}.bits"

    def _keep(self, path: Path, content: bytes) -> None:
        """Write a file with its digest at the end, whole or not at all."""
        if present(path):
            return
        with explained("private folder", path, "written"):
            make_folder(path.parent, 0o700)
        replace_private(path, content + self._digest(path, content))

    def _kept(self, path: Path) -> bytes:
        """What was written to a file."""
        if path not in self._known:
            raw = read_whole(path) if present(path) else b""
            content, digest = raw[:-_DIGEST], raw[-_DIGEST:]
            if digest != self._digest(path, content):
                raise self._damaged(path.name)
            self._known[path] = content
        return self._known[path]

    def _digest(self, path: Path, content: bytes) -> bytes:
        """Keyed digest of a file's place and content: neither changes unseen."""
        return bytes.fromhex(self.name(str(path.relative_to(self.folder)).encode() + content))

    def _damaged(self, name: str) -> DataError:
        return DataError(
            f"The site's memory {self.folder.name} is damaged: {name} cannot be read. Put it back from a copy; nothing is answered without it."
        )

    def _lost(self) -> DataError:
        return DataError(
            f"The site's memory {self.folder} is gone or older than the answers that have left: put it back from a copy; "
            f"nothing is answered without it. To begin anew on purpose, remove {self._noted_in} as well."
        )

    @property
    def _noted_in(self) -> str:
        """Where it is noted how many answers there are, for a message."""
        beside, *of_witness = self._notes
        return " and ".join(
            [f"{beside.name} beside it", *(str(note) for note in of_witness if present(note))]
        )


def other_memories(home: Path) -> list[str]:
    """Names of other private folders beside this one, of the same study, whose memories hold answers."""
    found = home.parent.glob(f"*/{MEMORY}/{_ANSWERS}")
    return sorted(path.parent.parent.name for path in found if path.parent.parent.name != home.name)
