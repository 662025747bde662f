"""One agreed column, and the agreed cells of follow-up."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedstats.contract.query import Spec

Kind = Literal["numeric", "factor", "time", "event", "label"]
#: What to do about a label that a table or a curve was to read.
AS_FACTOR = "agree on its levels as a factor of the codebook"
#: Levels that a sentence names.
_SHOWN_LEVELS = 6


@dataclass(frozen=True)
class Variable(Spec):
    """One agreed column.

    Attributes
    ----------
    name : str
    kind : {"numeric", "factor", "time", "event", "label"}
        ``label`` columns (a practice, an institution) group patients inside a site and never leave it.
    label, unit : str            for tables and axes
    levels : tuple of str        of a factor; the first is the reference
    level_labels : tuple of str  for tables; as long as ``levels``
    low, high : float            plausible range; outside is an error at the site
    centre : float               subtracted before products are summed; changes no result
    scale : float                a power of two near the standard deviation; changes no result
    edges : tuple of float       agreed histogram edges, for medians and quartiles
    knots : tuple of float       agreed knots of a spline, as formulas use them without their own
    missing : bool               may cells be empty?
    unique : bool                must a label differ in every row, as a patient's does?
    of_site : bool               is it the site's own name, which a site fills in where its table has no such column?
    categories : tuple of str    of frames that one person holds: all that these name, while ``levels`` are those that somebody has
    """

    name: str
    kind: Kind
    label: str = ""
    unit: str = ""
    levels: tuple[str, ...] = ()
    level_labels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    centre: float = 0.0
    scale: float = 1.0
    edges: tuple[float, ...] = ()
    missing: bool = False
    unique: bool = False
    knots: tuple[float, ...] = ()
    of_site: bool = False
    categories: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Label with unit, as a table or an axis shows it."""
        return (self.label or self.name) + (f" ({self.unit})" if self.unit else "")

    @property
    def middle(self) -> float:
        """Whence powers of a number are counted: its centre or, where that lies outside its range, the range's middle."""
        if self.low is None or self.high is None or self.low <= self.centre <= self.high:
            return self.centre
        return (self.low + self.high) / 2

    def level_label(self, level: str) -> str:
        """How a table names a level."""
        return dict(zip(self.levels, self.level_labels, strict=False)).get(level, level)

    def in_words(self) -> str:
        """What the column holds, as a sentence goes on: ``has the levels f, m``.

        Of frames that one person holds together a text whose values are many, or one alone, is a label as well; how many
        there are stands in the codebook that was made of the frames, and the values do not enter the sentence.
        """
        if self.kind != "label":
            held = {"time": "holds times", "event": "is an event, 0 or 1", "numeric": "holds numbers"}
            more = ", ..." if len(self.levels) > _SHOWN_LEVELS else ""
            return held.get(self.kind, f"has the levels {', '.join(self.levels[:_SHOWN_LEVELS])}{more}")
        match 0 if self.levels else len(self.level_labels):
            case 0 if self.missing:
                return "is empty in every row, or a label, which groups patients inside a site"
            case 0:
                return "is a label: it groups patients inside a site and never leaves it"
            case 1:
                return "has one value in all rows, which tells nobody from anybody"
            case n:
                return f"holds text or dates of {n} different values, which are no levels"

    def remedy(self, otherwise: str = "use it as strata or cluster") -> str:
        """What to do about a label that a model was to read, or with another ``otherwise`` a table."""
        if len(self.level_labels) == 1:
            return "leave it out"
        if self.level_labels and not self.levels:
            return f"group its values into a few levels in the data, or {otherwise}"
        empty = "leave it out if it is empty, else " if self.missing else ""
        return f"{empty}{otherwise}"


@dataclass(frozen=True)
class TimeGrid(Spec):
    """Agreed cells of follow-up: nested candidate widths and a horizon, in ``unit``.

    ``cuts`` are edges of the finest cells after which the effects of a Cox model may be others.
    """

    unit: str
    candidates: tuple[float, ...]
    horizon: float
    cuts: tuple[float, ...] = ()

    def edges(self, width: float) -> tuple[float, ...]:
        """Right edges of the cells up to the horizon."""
        count = int(np.ceil(self.horizon / width - 1e-9))
        return tuple(min(width * (i + 1), self.horizon) for i in range(count))


def power_of_two(value: float) -> float:
    """The power of two nearest to a positive number, so that scaling by it is exact; 1 otherwise."""
    return float(2.0 ** np.round(np.log2(value))) if np.isfinite(value) and value > 0 else 1.0
