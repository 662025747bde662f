"""What a site has sent in an exchange, byte for byte: a question is answered where these bytes lie, and nothing else does."""

from contextlib import suppress
from pathlib import Path

from fedstats.federations.envelope import parse_envelope
from fedstats.federations.files import LedgerMismatch, present, read_whole, write_once, write_private
from fedstats.federations.ledger import Ledger, Question


class Outbox:
    """The private folder of a site's answers in one exchange.

    Parameters
    ----------
    folder : path
    site : str         whose answers these are
    ledger : Ledger    of the exchange they were sent in
    """

    def __init__(self, folder: Path, site: str, ledger: Ledger) -> None:
        self.folder, self.site, self.ledger = folder, site, ledger
        self._seen: set[int] = set()
        self._links: dict[str, tuple[str, str]] = {}

    def open(self, questions: list[Question]) -> list[Question]:
        """Those of the questions that are not answered; what was kept and is gone from the exchange is put there again.

        Raises
        ------
        LedgerMismatch
            As of :meth:`has_sent`.
        """
        there = self.ledger.answered(self.site)
        new = [q for q in questions if q.number not in self._seen & there]
        return [q for q in new if not self.has_sent(q)]

    def has_sent(self, question: Question) -> bool:
        """Whether an answer is kept; it lies in the exchange then, put there again if need be.

        Raises
        ------
        LedgerMismatch
            The file in the exchange is not the one that was kept, or what was kept answers another question.
        """
        place, kept = self.ledger.answer_path(self.site, question.number), self._kept(question.number)
        taken = present(
            place
        )  # looked at first: another start of this site keeps its bytes before it sends them
        if not present(kept):
            if taken:
                raise self._foreign(place)
            return False
        raw = read_whole(kept)
        if parse_envelope(raw, kept.name, "answer").header.get("question") != question.sha256:
            raise LedgerMismatch(
                f"Question {question.number} is another than the one that {self.site} has answered under this "
                "number: the exchange has been changed. Nothing was sent."
            )
        if not taken:
            with suppress(FileExistsError):
                write_once(place, raw)
        if read_whole(place) != raw:
            raise self._foreign(place)
        self._seen.add(question.number)
        return True

    def send(self, question: Question, message: bytes) -> None:
        """Keep an answer, then put it into the exchange; where another start of the site was first, its bytes count.

        Raises
        ------
        LedgerMismatch
            As of :meth:`has_sent`.
        """
        with suppress(FileExistsError):
            write_private(self._kept(question.number), message)
        self.has_sent(question)

    def last_sent(self) -> str:
        """sha256 of the answer that no later one names; empty before the first."""
        own, named = {}, set()
        for path in sorted(self.folder.glob("[0-9]*.json")):
            header, sha256 = self._link(path)
            own[path.name] = sha256
            named.add(header)
        return next((sha256 for sha256 in own.values() if sha256 not in named), "")

    def _kept(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"

    def _link(self, path: Path) -> tuple[str, str]:
        """What a kept answer follows, and its own sha256; read once."""
        if path.name not in self._links:
            message = parse_envelope(read_whole(path), path.name, "answer")
            self._links[path.name] = (str(message.header.get("previous")), message.sha256)
        return self._links[path.name]

    def _foreign(self, place: Path) -> LedgerMismatch:
        return LedgerMismatch(
            f"{place.relative_to(self.ledger.folder)} in the exchange folder is not what {self.site} has sent: somebody else "
            f"has put it there, or the private folder {self.folder} is older than it. If that folder is the right one, take "
            "the file out of the exchange folder and start again; if not, put the folder back from a copy. Nothing was sent."
        )
