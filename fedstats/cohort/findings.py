"""What is wrong with a site's tables, counted and with examples: for the eyes of the site alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]

#: Examples that are kept of one finding; values are patients' and never leave the site.
_EXAMPLES = 4


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in all rows where it is.

    Attributes
    ----------
    table, column : str       the column is empty where a whole table is concerned
    what : str                what was found, and what was agreed
    remedy : str              what to do
    severity : "error" or "warning"
    rows : int                rows concerned; 0 where none in particular
    examples : tuple of str   first cells concerned, each with its line
    key : str                 under which a site may confirm that its data are right; empty where it may not
    """

    table: str
    column: str
    what: str
    remedy: str
    severity: Severity = "error"
    rows: int = 0
    examples: tuple[str, ...] = ()
    key: str = ""

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        counted = f" in {self.rows} row{'s' if self.rows > 1 else ''}" if self.rows else ""
        return f"{place}: {self.what}{counted}{shown}. {self.remedy}"


@dataclass
class _Tally:
    rows: int = 0
    examples: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


class Findings:
    """Collects what is wrong; the same thing in several chunks of a table is one finding.

    Parameters
    ----------
    confirmed : iterable of str
        Keys of doubts that the site has looked into: they are warnings.
    """

    def __init__(self, confirmed: Iterable[str] = ()) -> None:
        self._tallies: dict[tuple[str, str, str, str, Severity, str], _Tally] = {}
        self._confirmed = set(confirmed)

    def add(
        self,
        table: str,
        column: str,
        what: str,
        remedy: str,
        *,
        severity: Severity = "error",
        lines: Sequence[object] = (),
        values: Sequence[object] | None = None,
        rows: int | None = None,
        key: str = "",
    ) -> None:
        """Note one more occurrence.

        Parameters
        ----------
        lines : sequence     of the rows concerned, in the file
        values : sequence    the cells, as long as ``lines``; None where a line alone says enough
        rows : int           how many rows, where it is not the number of lines
        """
        if key and key in self._confirmed:
            severity = "warning"
        tally = self._tallies.setdefault((table, column, what, remedy, severity, key), _Tally())
        tally.rows += len(lines) if rows is None else rows
        for at, line in enumerate(lines):
            if len(tally.examples) >= _EXAMPLES:
                break
            shown = "" if values is None else _short(values[at])
            if values is None or shown not in tally.seen:
                tally.seen.add(shown)
                tally.examples.append(f"line {line}: {shown}" if values is not None else f"line {line}")

    def __iter__(self) -> Iterator[Finding]:
        for (table, column, what, remedy, severity, key), tally in self._tallies.items():
            yield Finding(table, column, what, remedy, severity, tally.rows, tuple(tally.examples), key)


def _short(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 30 else text[:29] + "…")
