"""Whether an exchange is whole: every signature, every chain, nothing missing, nothing added."""

from collections.abc import Iterator

from fedstats.federations.files import LedgerMismatch, present
from fedstats.federations.ledger import CLOSED, Ledger, Question, numbers
from fedstats.federations.membership import Version


def faults(ledger: Ledger) -> Iterator[str]:
    """One sentence for everything that is wrong; nothing when all is well.

    Parameters
    ----------
    ledger : Ledger
    """
    try:
        questions = ledger.questions()
        versions = ledger.members.versions()
        if not versions:
            yield f"There is no exchange in {ledger.folder}."
            return
    except (LedgerMismatch, FileNotFoundError) as problem:
        yield str(problem)
        return
    try:
        if present(ledger.folder / CLOSED) and not ledger.closed:
            yield "The exchange was closed after another question than its last one: questions have been taken away or added."
    except LedgerMismatch as problem:
        yield str(problem)
    for number in sorted(numbers(ledger.question_path(1).parent) - {q.number for q in questions}):
        yield f"Question {number} stands alone: one before it is missing."
    for version in versions:
        yield from _faults_of_roster(ledger, version.number)
    for site in ledger.head.sites:
        yield from _faults_of_keys(ledger, site, versions)
        yield from _faults_of_answers(ledger, site, questions)


def _faults_of_roster(ledger: Ledger, version: int) -> Iterator[str]:
    """The roster lists the keys with which the sites have joined."""
    try:
        roster = ledger.members.roster(version)
        joins = {
            site: ledger.members.join(site, version) for site in ledger.members.versions()[version - 1].sites
        }
    except LedgerMismatch as problem:
        yield str(problem)
        return
    for site, join in joins.items():
        if roster is not None and (join is None or join.keys != roster[1][site]):
            yield f"The roster lists other keys of {site} than it has joined with."


def _faults_of_keys(ledger: Ledger, site: str, versions: list[Version]) -> Iterator[str]:
    """A site has the same keys in all versions, unless one of them has revoked those it had before."""
    before, revoked = None, set[str]()
    for version in versions:
        revoked.update(version.revoked)
        try:
            keys = ledger.members.keys_of(site, version.number) if site in version.sites else None
        except LedgerMismatch:  # among the faults already
            continue
        if before and keys and keys != before and before.fingerprint not in revoked:
            yield (
                f"{site} takes part in version {version.number} with other keys ({keys.fingerprint}) than before "
                f"({before.fingerprint}), which no version of the study has revoked: somebody else may be writing in its "
                "name."
            )
        before = keys or before


def _faults_of_answers(ledger: Ledger, site: str, questions: list[Question]) -> Iterator[str]:
    """A site's answers have questions, are its own, and name each other."""
    try:
        answered = ledger.answered(site)
    except LedgerMismatch as problem:
        yield str(problem)
        return
    for number in sorted(answered - {question.number for question in questions}):
        yield f"Answer {number} of {site} has no question."
    yield from _faults_of_chain(ledger, site, [q for q in questions if q.number in answered])


def _faults_of_chain(ledger: Ledger, site: str, questions: list[Question]) -> Iterator[str]:
    chain: dict[str, str] = {}
    for question in questions:
        try:
            message = ledger.sealed_answer(site, question)
        except LedgerMismatch as problem:
            yield str(problem)
            return
        if message is not None:
            chain[str(message.header.get("previous"))] = message.sha256
    follows, last = 0, ""
    while last in chain:  # in the order in which they were sent
        last, follows = chain[last], follows + 1
    if follows < len(questions):
        yield f"The answers of {site} do not follow each other: one has been changed, added or taken away."
