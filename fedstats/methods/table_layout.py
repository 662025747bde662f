"""Table 1 as it goes into a paper: one column a group, one line a level or a number."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fedstats.contract.results import NOT_SHOWN, OVERALL, Table

if TYPE_CHECKING:
    from great_tables import GT

_STUB, _VARIABLE, _P = "Characteristic", "Variable", "p"
#: What is said of a variable that is refused in part: small groups are not merged, for sites would merge other ones each.
_REFUSED = {
    "(by group)": "is described of all patients together, for a group of it is too small to be shown",
    "(median and quartiles)": "has no median and quartiles",
    "(median and quartiles) (by group)": "has median and quartiles of all patients together alone",
}

_QUARTILES = ("median", "q1", "q3")
#: What a cell in the place of a quartile says.
IN_A_CELL = (
    "A range of two numbers in the place of a quartile is the codebook's cell in which it lies: wider than a standard deviation, it "
    "does not tell where."
)
#: Where a few have no group: columns by group would tell, beside the column of all, who they are.
_UNGROUPED = ("(by group)", "dropped rows")
_FEW_UNGROUPED = "is described of all patients together, for a few of them have no group"


@dataclass(frozen=True, repr=False)
class PatientTable(Table):
    """A table of patient characteristics, with the differences of its groups.

    Attributes
    ----------
    pairs : DataFrame     variable group other smd: of every pair of groups
    tests : DataFrame     variable name statistic p_value, where p-values were asked for
    labels : mapping      of a variable to its title (``""``) and the labels of its levels
    ungrouped : int       patients with an empty cell in ``by``: they are in no column
    """

    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ungrouped: int = 0

    def tidy(self) -> pd.DataFrame:
        """The table, one row a variable, level and group; ``attrs["ungrouped"]`` are patients without a group."""
        frame = super().tidy()
        frame.attrs["ungrouped"] = self.ungrouped
        return frame

    def differences(self) -> pd.DataFrame:
        """Absolute standardised mean differences, one row a variable and pair of groups: variable group other smd."""
        return self.pairs.copy()

    def p_values(self) -> pd.DataFrame:
        """Tests that the groups do not differ, one row a variable: variable name statistic p_value; empty unless asked for."""
        return self.tests.copy()

    def wide(self, digits: int = 1) -> pd.DataFrame:
        """Texts as a paper prints them: Variable, Characteristic, a column a group with its patients, SMD, and p where asked for.

        n (%), mean (SD), median [quartiles]; ``≈`` marks a median that is interpolated, ``18–55`` is a cell in which it lies, ``–`` what is not shown: :meth:`notes` says why.
        """
        lines = []
        headings = {group: f"{group} (N = {n:.0f})" for group, n in self.sizes().items()}
        tested = dict(zip(self.tests.get("variable", []), self.tests.get("p_value", []), strict=True))
        for name, part in self.frame.groupby("variable", sort=False):
            title = self.labels.get(str(name), {}).get("", str(name))
            first = {"SMD": _number(part["smd"].iloc[0], 2)}
            first |= {_P: _p_value(tested[name])} if name in tested else {}
            for label, cells in self._lines(str(name), part, digits):
                named = {heading: cells.get(group, "–") for group, heading in headings.items()}
                lines.append({_VARIABLE: title, _STUB: label} | named | first)
                first = dict.fromkeys(first, "")
        return pd.DataFrame(lines).fillna("")

    def sizes(self) -> dict[str, float]:
        """Patients of each group, in the order of the columns."""
        return group_sizes(self.frame)

    def notes(self) -> list[str]:
        """What a reader of the table has to know, a sentence each: what is not shown, and why."""
        found = ["n (%), mean (SD), median [quartiles]. SMD: absolute standardised mean difference."]
        if len(self.pairs.get("group", [])) > len(dict.fromkeys(self.pairs.get("variable", []))):
            found.append("Of several groups the SMD is the mean over pairs.")
        if (self.frame["level"] == NOT_SHOWN).any():
            found.append(
                f"{NOT_SHOWN}: levels with cells too small to be seen at a site, and others with them, together."
            )
        if self.ungrouped:
            found.append(without_group(self.ungrouped))
        if names_a_cell(self.frame):
            found.append(IN_A_CELL)
        for name, rule in self.refused:
            column, _, what = name.partition(" ")
            title = self.labels.get(column, {}).get("", column)
            said = _FEW_UNGROUPED if (what, rule) == _UNGROUPED else _REFUSED.get(what, "is not released")
            found.append(f"{title} {said}: at a site it did not meet the rule '{rule}'.")
        return [*found, f"Status: {self.status}."]

    def __str__(self) -> str:
        return "\n".join([self.title, self.wide().to_string(index=False), *self.notes()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes())
        return f"{self.wide().to_html(index=False)}{notes}"

    def gt(self, title: str = "Patient characteristics", digits: int = 1) -> "GT":
        """A layout of great-tables, ready to be written as HTML, LaTeX or an image.

        Parameters
        ----------
        title : str
        digits : int     after the point, of means and percentages
        """
        from great_tables import GT, md  # noqa: PLC0415 (an export; a run never needs it)

        layout = GT(self.wide(digits), rowname_col=_STUB, groupname_col=_VARIABLE)
        return layout.tab_header(md(f"**{title}**")).tab_source_note(" ".join(self.notes()))

    def _lines(self, name: str, part: pd.DataFrame, digits: int) -> Iterator[tuple[str, dict[str, str]]]:
        if part["level"].any():
            for level, rows in part.groupby("level", sort=False):
                label = self.labels.get(name, {}).get(str(level), str(level))
                yield label, {r.group: _count(r.n, r.percent, digits) for r in rows.itertuples()}
        else:
            rows = list(part.itertuples())
            yield "Mean (SD)", {r.group: f"{_number(r.mean, digits)} ({_number(r.sd, digits)})" for r in rows}
            if part[["median", "median_low"]].notna().any(axis=None):
                yield "Median [quartiles]", {r.group: _median(r, digits) for r in rows}
        missing = part.drop_duplicates("group")
        if missing["missing"].isna().any() or missing["missing"].any():
            yield "Missing", {r.group: _number(r.missing, 0) for r in missing.itertuples()}


def without_group(n: int) -> str:
    """That some patients are in no column, as a sentence."""
    who = "1 patient" if n == 1 else f"{n} patients"
    return f"{who} without a group, for an empty cell in its column, {'is' if n == 1 else 'are'} in none of the columns, nor in {OVERALL}."


def group_sizes(frame: pd.DataFrame) -> dict[str, float]:
    """Patients of each group of a table, with and without an empty cell: of the first variable of which both are known."""
    groups: dict[str, float] = {}
    for group in dict.fromkeys(frame["group"]):
        own = frame[frame["group"] == group]
        whole = own[own.groupby("variable")["missing"].transform(lambda missing: missing.notna().all())]
        first = (own if whole.empty else whole).pipe(lambda t: t[t["variable"] == t["variable"].iloc[0]])
        groups[str(group)] = float(first["n"].sum() + np.nan_to_num(first["missing"].iloc[0]))
    return groups


def _number(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def _count(n: float, percent: float, digits: int) -> str:
    if pd.isna(n):
        return "–"
    return f"{n:.0f}" if pd.isna(percent) else f"{n:.0f} ({percent:.{digits}f})"


def _median(row: Any, digits: int) -> str:
    mark = "≈ " if is_interpolated(row) else ""
    median, q1, q3 = (quartile_words(row, name, lambda v: _number(v, digits)) for name in _QUARTILES)
    return f"{mark}{median} [{q1}, {q3}]"


def is_interpolated(row: Any) -> bool:
    """Whether one of the values of a line is interpolated between the codebook's edges."""
    ends = ((getattr(row, name), *_cell(row, name)) for name in _QUARTILES)
    return any(pd.notna(value) and low < high for value, low, high in ends)


def quartile_words(row: Any, name: str, number: Callable[[float], str]) -> str:
    """A quartile of a line; where only its cell is known, the cell's edges, of an open one the edge."""
    value, (low, high) = getattr(row, name), _cell(row, name)
    if pd.notna(value) or pd.isna(low):
        return number(value)
    if np.isinf(low) or np.isinf(high):
        return f"above {low:g}" if np.isinf(high) else f"up to {high:g}"
    return f"{low:g}–{high:g}"


def names_a_cell(frame: pd.DataFrame) -> bool:
    """Whether a quartile of a table is a cell and not a value."""
    return any(
        (frame[name].isna() & np.isfinite((frame[f"{name}_high"] - frame[f"{name}_low"]).astype(float))).any()
        for name in _QUARTILES
        if f"{name}_low" in frame
    )


def _cell(row: Any, name: str) -> tuple[float, float]:
    low, high = (float(getattr(row, f"{name}_{side}", np.nan)) for side in ("low", "high"))
    return low, high


def _p_value(value: float) -> str:
    if pd.isna(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
