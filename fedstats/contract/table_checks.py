"""Whether a site's table keeps to the codebook; everything that is wrong is said at once."""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa

from fedstats.contract.condition import level_name
from fedstats.contract.variable import Variable

_ROWS = 4096


class DataError(ValueError):
    """A site's table does not keep to the codebook; the message stays at the site."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"DataError: {self}"]


def harmonised(
    frame: pd.DataFrame, variables: Sequence[Variable], source: str, *, owned: bool = False
) -> pd.DataFrame:
    """A table with the agreed columns, types and levels; see :meth:`Codebook.harmonise`."""
    agreed = [v.name for v in variables]
    problems = [f"the column {n!r} is missing{_near(n, frame)}" for n in agreed if n not in frame.columns]
    twice = sorted({str(n) for n in frame.columns[frame.columns.duplicated()]} & set(agreed))
    problems += [f"the column {n!r} is there twice" for n in twice]
    if len(frame) == 0:
        problems.append("the table has no rows")
    present = [v for v in variables if v.name in frame.columns and v.name not in twice]
    numbers = [v.name for v in present if v.kind not in ("factor", "label")]
    own = by_columns(frame, (n for n in numbers if not (owned and frame[n].dtype == float)))
    positions = pd.RangeIndex(len(frame))
    others = (v.name for v in present if v.name not in own)
    own |= {name: frame[name].set_axis(positions, copy=False) for name in others}
    columns = {v.name: _coerced(own[v.name], v, problems) for v in present}
    table = pd.DataFrame(columns, index=positions, copy=False)  # all are copies already, or nobody else's
    problems += _violations(table, present)
    if problems:
        listed = "; ".join(problems)
        raise DataError(f"{source} does not keep to the codebook: {listed}. Correct the table or its export.")
    return table


def by_columns(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, pd.Series]:
    """Columns of numbers as arrays of their own, float and contiguous; of other columns nothing.

    A table often lies by rows.  Gathered a few thousand rows at a time, what lies side by side is read once, not once a
    column.
    """
    numbers = {name: frame[name].to_numpy() for name in names if is_number(frame[name])}
    own = {name: np.empty(len(frame)) for name in numbers}
    for a in range(0, len(frame), _ROWS):
        for name, values in numbers.items():
            own[name][a : a + _ROWS] = values[a : a + _ROWS]
    return {name: pd.Series(values) for name, values in own.items()}


def laid_by_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table, its floats by columns: whoever reads it column by column, and twice, reads it faster.

    Names that are no texts become texts.
    """
    floats = by_columns(frame, (name for name in frame.columns if frame[name].dtype == float))
    positions = pd.RangeIndex(len(frame))
    table = {str(n): floats.get(n, frame[n].set_axis(positions, copy=False)) for n in frame.columns}
    return pd.DataFrame(table, index=positions, copy=False)


def is_number(column: pd.Series) -> bool:
    """Whether a column holds plain numbers, as numpy knows them."""
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"


def is_complex(column: pd.Series) -> bool:
    """Whether a column holds complex numbers, which no analysis takes."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "c":
        return True
    return column.dtype == object and any(isinstance(v, complex | np.complexfloating) for v in column)


def _near(name: str, frame: pd.DataFrame) -> str:
    """A column that is called so but for case and blanks, to name in a message."""

    def plain(text: object) -> str:
        return "".join(str(text).split()).casefold()

    found = [str(c) for c in frame.columns if plain(c) == plain(name)]
    return f" (found {found[0]!r})" if found else ""


def _coerced(column: pd.Series, variable: Variable, problems: list[str]) -> pd.Series:
    empty = np.flatnonzero(column.isna())
    if len(empty) and not variable.missing:
        problems.append(
            f"{variable.name} is empty in {len(empty)} row{'s' if len(empty) > 1 else ''} ({_rows(empty)}) although the codebook allows no empty cell"
        )
    if variable.kind in ("factor", "label"):
        text = column.map(level_name, na_action="ignore").astype(object)
        if variable.kind == "label":
            again = np.flatnonzero(text.duplicated() & text.notna())
            if variable.unique and len(again):
                said = "1 row repeats" if len(again) == 1 else f"{len(again)} rows repeat"
                problems.append(
                    f"{variable.name} must be different in every row; {said} an earlier one ({_rows(again)})"
                )
            return text.astype("category")
        strange = sorted(set(text.dropna()) - set(variable.levels))
        if strange:
            problems.append(
                f"{variable.name} has the levels {strange[:5]}; the codebook agrees on {list(variable.levels)}"
            )
        return pd.Series(pd.Categorical(text, categories=list(variable.levels)), index=text.index)
    if pd.api.types.is_datetime64_any_dtype(column):
        problems.append(f"{variable.name} must be a number; found dates")
        return pd.Series(np.nan, index=column.index)
    if is_number(column):
        return column
    if is_complex(column):
        problems.append(f"{variable.name} must be a number; found complex numbers")
        return pd.Series(np.nan, index=column.index)
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    strange = column[numbers.isna() & column.notna()].astype(str).unique().tolist()
    if strange:
        problems.append(f"{variable.name} must be a number; found the text {strange[:3]}")
    return numbers


def _violations(frame: pd.DataFrame, variables: list[Variable]) -> list[str]:
    """Ranges and codes, checked by pandera, all faults at once, each as part of a sentence."""
    doubtful = [v for v in variables if not _is_clean(v, frame[v.name])]
    checked = {v.name: pa.Column(nullable=True, checks=_checks(v)) for v in doubtful}
    if not checked:
        return []
    try:
        with warnings.catch_warnings():  # pandera joins its reports in a way that pandas will change
            warnings.simplefilter("ignore", FutureWarning)
            pa.DataFrameSchema(checked).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        grouped = errors.failure_cases.groupby(["column", "check"], sort=False)
        return [_sentence(str(c), str(check), cases) for (c, check), cases in grouped]
    return []


def _is_clean(variable: Variable, column: pd.Series) -> bool:
    """Whether a column meets its checks, seen at a glance; pandera finds the words for one that does not."""
    if variable.kind not in ("event", "numeric", "time"):
        return True
    x = column.to_numpy(dtype=float)
    empty = np.isnan(x)
    x = x[~empty] if empty.any() else x
    if variable.kind == "event":
        return bool(((x == 0) | (x == 1)).all())
    low = -np.inf if variable.low is None or variable.high is None else variable.low
    high = np.inf if variable.low is None or variable.high is None else variable.high
    if variable.kind == "time" and (variable.low is None or variable.low < 0):
        low = max(low, 0.0)
    return bool(len(x) == 0 or (np.isfinite(x).all() and x.min() >= low and x.max() <= high))


def _checks(variable: Variable) -> list[pa.Check]:
    checks = []
    if variable.kind == "event":
        checks.append(pa.Check.isin([0.0, 1.0], error="an event is coded 0 or 1"))
    if variable.kind == "time" and (variable.low is None or variable.low < 0):
        # else it is outside the agreed range, and that is said once
        checks.append(pa.Check.ge(0.0, error="a time is zero or more"))
    if variable.kind in ("numeric", "time"):
        checks.append(pa.Check(np.isfinite, error="a number is finite", ignore_na=True))
        if variable.low is not None and variable.high is not None:
            agreed = f"the codebook agrees on {variable.low:g} to {variable.high:g} {variable.unit}".rstrip()
            checks.append(pa.Check.in_range(variable.low, variable.high, error=agreed))
    return checks


def _rows(positions: Iterable[int]) -> str:
    """The first rows concerned, counted from one."""
    numbers = [int(i) + 1 for i in positions]
    return f"row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:3]))}{' ...' if len(numbers) > 3 else ''}"


def _sentence(column: str, check: str, cases: pd.DataFrame) -> str:
    found = ", ".join(
        f"{v:g}" if isinstance(v, float) else str(v) for v in cases["failure_case"].unique()[:3]
    )
    return f"{column} is {found} in {_rows(cases['index'].dropna())}; {check}"
