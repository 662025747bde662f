"""Table 1 as a paper prints it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.codebook import Codebook
from fedstats.contract.variable import Variable
from fedstats.methods.table_layout import group_sizes, is_interpolated, quartile_words
from fedstats.reporting import formats

#: Stands in the place of a cell that is too small to be seen, and of those hidden with it.
HIDDEN = "not shown"
#: Columns of a table of two groups: these and everybody.
THREE = 3


def characteristics(
    codebook: Codebook, frame: pd.DataFrame, p_values: Mapping[str, float] = MappingProxyType({})
) -> pd.DataFrame:
    """Table 1 as a paper prints it: one column a group, one line a level or a number; tests where there are any."""
    rows: list[dict[str, Any]] = []
    for name, part in frame.groupby("variable", sort=False):
        variable = codebook[str(name)]
        smd = part["smd"].iloc[0]
        heading = variable.title + (f", SMD {smd:.2f}" if pd.notna(smd) else "")
        if pd.notna(smd) and pd.notna(largest := part["smd_max"].iloc[0]) and part["group"].nunique() > THREE:
            heading += f" (at most {largest:.2f})"
        if str(name) in p_values:
            heading += f", p {formats.p_value(p_values[str(name)])}"
        lines = _factor_lines(variable, part) if part["level"].any() else _number_lines(variable, part)
        rows += [{"variable": heading, "Characteristic": label} | cells for label, cells in lines]
    return pd.DataFrame(rows)


def _factor_lines(variable: Variable, part: pd.DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    for level, cells in part.groupby("level", sort=False):
        shown = {c.group: _count(c.n, c.percent) for c in cells.itertuples()}
        yield variable.level_label(str(level)), shown
    yield from _missing_line(part.drop_duplicates("group"))


def _number_lines(variable: Variable, part: pd.DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    lines = list(part.itertuples())
    yield "Mean (SD)", {c.group: f"{plain(c.mean)} ({plain(c.sd)})" for c in lines}
    if variable.edges or part["median"].notna().any():
        yield "Median [quartiles]", {c.group: _median(c) for c in lines}
    yield from _missing_line(part)


def _count(n: float, percent: float) -> str:
    if pd.isna(n):
        return HIDDEN
    return formats.count(n) + (f" ({formats.percent(percent / 100)})" if pd.notna(percent) else "")


def _missing_line(part: pd.DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    if part["missing"].isna().any() or part["missing"].sum():
        yield "Missing", {c.group: _count(c.missing, np.nan) for c in part.itertuples()}


def group_headings(frame: pd.DataFrame) -> dict[str, str]:
    """Headings of the groups with their numbers of patients."""
    return {group: f"{group} (n = {formats.count(n)})" for group, n in group_sizes(frame).items()}


def has_interpolated(frame: pd.DataFrame) -> bool:
    """Is a median or a quartile interpolated between the codebook's edges?"""
    return any(is_interpolated(row) for row in frame.itertuples())


def _median(line: Any) -> str:
    if pd.isna(line.median) and pd.isna(getattr(line, "median_low", np.nan)):
        return "not released"
    mark = "≈ " if is_interpolated(line) else ""
    median, q1, q3 = (quartile_words(line, name, plain) for name in ("median", "q1", "q3"))
    to = ", " if "–" in q1 + q3 else " to "  # two cells are not a range
    return f"{mark}{median} [{q1}{to}{q3}]"


def plain(value: float) -> str:
    """A measurement without thousands separators: a year is not 2,020."""
    return formats.estimate(value).replace(",", "")
