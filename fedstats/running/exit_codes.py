"""What the exit code of a run says.  This is the only place that knows."""

from collections.abc import Iterable, Sequence
from enum import IntEnum

from fedstats.running.outcome import Outcome


class ExitCode(IntEnum):
    """Exit codes of ``fedstats`` and of ``study.py``."""

    OK = 0
    BUG = 1
    NOTEBOOK_FAILED = 2
    DATA_INVALID = 3
    RELEASE_REFUSED = 4
    SITE_MISSING = 5
    DIFFERS = 6
    USAGE = 64
    INTERRUPTED = 130


#: One phrase a code, for messages and the documentation.
MEANING = {
    ExitCode.OK: "everything finished",
    ExitCode.BUG: "an error in the program itself",
    ExitCode.NOTEBOOK_FAILED: "a notebook failed; the others still ran",
    ExitCode.DATA_INVALID: "the data failed validation, or could not be made",
    ExitCode.RELEASE_REFUSED: "the release check failed",
    ExitCode.SITE_MISSING: "a site was missing or late",
    ExitCode.DIFFERS: "everything finished, and analyses differ from the pooled rows by more than the tolerance",
    ExitCode.USAGE: "wrong usage: a name, an option or a parameter",
    ExitCode.INTERRUPTED: "interrupted",
}

# A notebook says which kind of failure it was by the class of what it raised.
_BY_ERROR = {
    "DataError": ExitCode.DATA_INVALID,
    "ReleaseCheckFailed": ExitCode.RELEASE_REFUSED,
    "SiteMissing": ExitCode.SITE_MISSING,
    "Waiting": ExitCode.SITE_MISSING,
    "StudyError": ExitCode.USAGE,
    "UsageError": ExitCode.USAGE,
}


class UsageError(ValueError):
    """The command cannot mean anything; the message is one sentence for the person who typed it."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"UsageError: {self}"]


class DataNotMade(RuntimeError):  # noqa: N818 (a sentence for a person, not a programming error)
    """The data of a rehearsal could not be made."""


def exit_code(outcomes: Iterable[Outcome], differing: Sequence[str] = ()) -> ExitCode:
    """The exit code of a run: its first cause decides.

    Parameters
    ----------
    outcomes : iterable of Outcome
        In any order.  A step that was *stopped* because another one had ended is no cause.
    differing : sequence of str
        Analyses that are not what the pooled rows give, where the report could compare them.

    Returns
    -------
    ExitCode
        Of the failure that came first: a coordinator that gives up because a site's notebook
        failed comes after it.
    """
    causes = [outcome for outcome in outcomes if outcome.status not in {"ok", "stopped"}]
    if not causes:
        return ExitCode.DIFFERS if differing else ExitCode.OK
    first = min(causes, key=lambda outcome: outcome.ended)
    return _BY_ERROR.get(first.error, ExitCode.NOTEBOOK_FAILED)
