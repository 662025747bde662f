"""Numbered, hashed files in an exchange folder: what was asked, what was answered, in which order.

``study.json``                      what is exchanged about: the study's digest, the sites
``questions/000001.json``           written by the coordinator, each naming the sha256 of the one before
``answers/<site>/000001.json``      written by that site, naming the question's sha256 and its own last answer's
``closed.json``                     the coordinator has no more questions

A file is written once: beside its name first, then linked to it, so that readers never see half of
one and nobody overwrites another's.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fedstats.contract.aggregate import Release
from fedstats.contract.disclosure import Refusal
from fedstats.contract.query import Query, QueryError, canonical_json, spec_from_dict

SITE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
#: Larger files are refused before they are read.
LARGEST_FILE = 256 * 2**20


class LedgerMismatch(RuntimeError):  # noqa: N818 (names what was found)
    """The exchange folder holds something else than this run would have asked, or has been changed."""


@dataclass(frozen=True)
class Question:
    """A filed question.

    Attributes
    ----------
    number : int       1, 2, 3 ... in the order of asking
    query : Query
    study : str        digest of the study it belongs to
    sha256 : str       of the file's bytes; answers name it
    """

    number: int
    query: Query
    study: str
    sha256: str

    @property
    def kind(self) -> str:
        """The query's name."""
        return type(self.query).__name__


class Ledger:
    """The files of one exchange folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._questions: list[Question] = []

    @cached_property
    def head(self) -> dict[str, Any]:
        """Content of ``study.json``."""
        path = self.folder / "study.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no exchange in {self.folder} yet: the coordinator opens it. Start the coordinator first, or wait."
            )
        return dict(json.loads(_read(path)))

    def open(self, study: str, study_id: str, sites: tuple[str, ...]) -> None:
        """Begin an exchange, or go on with one about the same study and sites.

        Raises
        ------
        LedgerMismatch
            The folder belongs to another study, another version of it, or other sites.
        """
        for site in sites:
            if not SITE_NAME.fullmatch(site):
                raise ValueError(
                    f"The site name {site!r} must be lower-case letters, digits, - and _, at most 31."
                )
        head = {"format": 1, "study": study, "study_id": study_id, "sites": list(sites)}
        with suppress(FileExistsError):
            _write_once(self.folder / "study.json", canonical_json(head).encode())
        if self.head != head:
            raise LedgerMismatch(
                f"The exchange in {self.folder} is about the study {self.head.get('study_id')!r} in another version or with "
                "other sites. Use a new exchange folder, or the study files it was begun with."
            )

    @property
    def closed(self) -> bool:
        """Whether the coordinator has said that no more questions come."""
        return (self.folder / "closed.json").exists()

    def close(self) -> None:
        """No more questions: sites that wait may leave."""
        with suppress(FileExistsError):
            _write_once(self.folder / "closed.json", b'{"closed":true}')

    def reopen(self) -> None:
        """Questions may come again: a coordinator has been started anew."""
        (self.folder / "closed.json").unlink(missing_ok=True)

    def absent(self) -> list[str]:
        """Sites, or the coordinator, that whoever runs them has reported gone (``absent/<name>.json``)."""
        folder = self.folder / "absent"
        return sorted(p.stem for p in folder.glob("*.json")) if folder.is_dir() else []

    def questions(self) -> list[Question]:
        """All questions in order, the chain of hashes checked; files already read are not read again."""
        folder = self.folder / "questions"
        while (path := folder / f"{len(self._questions) + 1:06d}.json").exists():
            self._questions.append(self._read_question(path, len(self._questions) + 1))
        return self._questions

    def _read_question(self, path: Path, number: int) -> Question:
        raw = _read(path)
        content = _json_object(raw, path)
        before = self._questions[-1].sha256 if self._questions else ""
        if content.get("number") != number or content.get("previous") != before:
            raise LedgerMismatch(
                f"Question {number} does not follow the one before it: {path.name} has been changed or moved."
            )
        if content.get("study") != self.head["study"]:
            raise LedgerMismatch(f"Question {number} belongs to another study than the exchange it lies in.")
        query = spec_from_dict(content.get("query"), Query)
        return Question(number, query, str(content["study"]), hashlib.sha256(raw).hexdigest())

    def ask(self, query: Query) -> Question:
        """File a new question."""
        number = len(self.questions()) + 1
        previous = self._questions[-1].sha256 if self._questions else ""
        content = {
            "number": number,
            "previous": previous,
            "query": query.to_dict(),
            "study": self.head["study"],
        }
        _write_once(self.folder / "questions" / f"{number:06d}.json", canonical_json(content).encode())
        return self.questions()[number - 1]

    def answer_path(self, site: str, number: int) -> Path:
        """Where a site's answer to a question lies."""
        return self.folder / "answers" / site / f"{number:06d}.json"

    def answer(self, site: str, question: Question) -> Release | Refusal | None:
        """A site's answer, or None while there is none.

        Raises
        ------
        LedgerMismatch
            The answer names another question, or cannot be read.
        """
        path = self.answer_path(site, question.number)
        if not path.exists():
            return None
        content = _json_object(_read(path), path)
        if content.get("question") != question.sha256 or content.get("site") != site:
            raise LedgerMismatch(
                f"The answer {path.name} of {site} belongs to another question than number {question.number}."
            )
        try:
            if "refusal" in content:
                refusal = spec_from_dict(content["refusal"], Refusal)
                assert isinstance(refusal, Refusal)
                return refusal
            return Release.from_dict(content["release"])
        except (QueryError, KeyError, TypeError, AttributeError) as problem:
            raise LedgerMismatch(f"The answer {path.name} of {site} cannot be read: {problem}") from None

    def file_answer(self, site: str, question: Question, content: Release | Refusal, policy: str) -> Path:
        """Write a site's answer once; an answer that lies there already stays as it is."""
        path = self.answer_path(site, question.number)
        part = "release" if isinstance(content, Release) else "refusal"
        body = {"site": site, "number": question.number, "question": question.sha256, "policy": policy}
        body |= {"previous": self._last_answer(site, question.number), part: content.to_dict()}
        with suppress(FileExistsError):
            _write_once(path, canonical_json(body).encode())
        return path

    def _last_answer(self, site: str, number: int) -> str:
        earlier = [p for n in range(number - 1, 0, -1) if (p := self.answer_path(site, n)).exists()][:1]
        return hashlib.sha256(earlier[0].read_bytes()).hexdigest() if earlier else ""

    def answered(self, site: str) -> set[int]:
        """Numbers of the questions that a site has answered."""
        folder = self.folder / "answers" / site
        return {int(p.stem) for p in folder.glob("??????.json")} if folder.is_dir() else set()

    def verify(self) -> Iterator[str]:
        """Check both chains of hashes, file by file; yields one sentence a fault, nothing when all is well."""
        try:
            questions = self.questions()
        except (LedgerMismatch, QueryError) as problem:
            yield str(problem)
            return
        for site in self.head["sites"]:
            previous = ""
            for question in questions:
                path = self.answer_path(site, question.number)
                if not path.exists():
                    continue
                raw = path.read_bytes()
                try:
                    self.answer(site, question)
                except LedgerMismatch as problem:
                    yield str(problem)
                if json.loads(raw).get("previous") != previous:
                    yield f"Answer {question.number} of {site} does not follow the one before it."
                previous = hashlib.sha256(raw).hexdigest()


def _read(path: Path) -> bytes:
    if path.is_symlink() or path.stat().st_size > LARGEST_FILE:
        raise LedgerMismatch(
            f"{path.name} is a link or larger than an exchange file may be; it was not read."
        )
    return path.read_bytes()


def _json_object(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise LedgerMismatch(f"{path.name} is not JSON: it has been changed or damaged.") from None
    if not isinstance(content, dict):
        raise LedgerMismatch(f"{path.name} does not hold an exchange message.")
    return content


def _write_once(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, then link: atomic, and an existing file is never replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
