"""The codebook: what the columns are called, their kinds, units, levels and ranges, agreed by all.

Nothing here is learned from one site's rows.  :meth:`Codebook.harmonise` checks a site's table and
says everything that is wrong at once.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from fedstats.contract.condition import level_name
from fedstats.contract.query import Spec

Kind = Literal["numeric", "factor", "time", "event", "label"]


class DataError(ValueError):
    """A site's table does not keep to the codebook; the message stays at the site."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"DataError: {self}"]


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
    missing : bool               may cells be empty?
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

    @property
    def title(self) -> str:
        """Label with unit, as a table or an axis shows it."""
        return (self.label or self.name) + (f" ({self.unit})" if self.unit else "")

    def level_label(self, level: str) -> str:
        """How a table names a level."""
        return dict(zip(self.levels, self.level_labels, strict=False)).get(level, level)


@dataclass(frozen=True)
class TimeGrid(Spec):
    """Agreed cells of follow-up: nested candidate widths and a horizon, in ``unit``."""

    unit: str
    candidates: tuple[float, ...]
    horizon: float

    def edges(self, width: float) -> tuple[float, ...]:
        """Right edges of the cells up to the horizon."""
        count = int(np.ceil(self.horizon / width - 1e-9))
        return tuple(min(width * (i + 1), self.horizon) for i in range(count))


@dataclass(frozen=True)
class Codebook(Spec):
    """The agreed columns of a study and its time grid."""

    variables: tuple[Variable, ...]
    grid: TimeGrid | None = None

    @cached_property
    def _by_name(self) -> dict[str, Variable]:
        return {v.name: v for v in self.variables}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Variable:
        if name not in self._by_name:
            known = ", ".join(self._by_name)
            raise KeyError(f"There is no column {name!r} in the codebook; it has {known}.")
        return self._by_name[name]

    @classmethod
    def from_toml(cls, content: Mapping[str, Any]) -> "Codebook":
        """Read the content of ``codebook.toml``: a table ``[columns.<name>]`` a column, and ``[grid]``.

        Raises
        ------
        ValueError
            An unknown key or kind, a factor without levels, edges out of order; in one sentence.
        """
        unknown = set(content) - {"columns", "grid"}
        columns = content.get("columns")
        if unknown or not isinstance(columns, Mapping):
            raise ValueError(
                f"a codebook has [columns.<name>] tables and one [grid]; this one has {sorted(content)}."
            )
        variables = tuple(_variable(name, entry) for name, entry in columns.items())
        if "grid" not in content:
            return cls(variables)
        grid: _GridEntry = _read(_GridEntry, content["grid"], "[grid]")
        return cls(variables, TimeGrid(grid.unit, grid.candidates, grid.horizon))

    def harmonise(self, frame: pd.DataFrame, source: str) -> pd.DataFrame:
        """A site's table as the codebook has it: agreed columns, types and levels; other columns are left out.

        Parameters
        ----------
        frame : DataFrame
        source : str          named in the message, for instance the file's name

        Raises
        ------
        DataError
            Everything that is wrong, with what was found, what was agreed and what to do.
        """
        problems = [f"the column {n!r} is missing" for n in self._by_name if n not in frame.columns]
        twice = sorted({str(n) for n in frame.columns[frame.columns.duplicated()]} & set(self._by_name))
        problems += [f"the column {n!r} is there twice" for n in twice]
        if len(frame) == 0:
            problems.append("the table has no rows")
        present = [v for v in self.variables if v.name in frame.columns and v.name not in twice]
        columns = {v.name: _coerced(frame[v.name].reset_index(drop=True), v, problems) for v in present}
        harmonised = pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))
        problems += _violations(harmonised, present)
        if problems:
            listed = "; ".join(problems)
            raise DataError(
                f"{source} does not keep to the codebook: {listed}. Correct the table or its export."
            )
        return harmonised


def _coerced(column: pd.Series, variable: Variable, problems: list[str]) -> pd.Series:
    empty = np.flatnonzero(column.isna())
    if len(empty) and not variable.missing:
        problems.append(
            f"{variable.name} is empty in {len(empty)} rows ({_rows(empty)}) although the codebook allows no empty cell"
        )
    if variable.kind in ("factor", "label"):
        text = column.map(level_name, na_action="ignore").astype(object)
        if variable.kind == "label":
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
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    strange = column[numbers.isna() & column.notna()].astype(str).unique().tolist()
    if strange:
        problems.append(f"{variable.name} must be a number; found the text {strange[:3]}")
    return numbers


def _violations(frame: pd.DataFrame, variables: list[Variable]) -> list[str]:
    """Ranges and codes, checked by pandera, all faults at once, each as part of a sentence."""
    checked = {v.name: pa.Column(nullable=True, checks=_checks(v)) for v in variables if _checks(v)}
    try:
        with warnings.catch_warnings():  # pandera joins its reports in a way that pandas will change
            warnings.simplefilter("ignore", FutureWarning)
            pa.DataFrameSchema(checked).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        grouped = errors.failure_cases.groupby(["column", "check"], sort=False)
        return [_sentence(str(c), str(check), cases) for (c, check), cases in grouped]
    return []


def _checks(variable: Variable) -> list[pa.Check]:
    checks = []
    if variable.kind == "event":
        checks.append(pa.Check.isin([0.0, 1.0], error="an event is coded 0 or 1"))
    if variable.kind == "time":
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


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ColumnEntry(_Entry):
    """``[columns.<name>]`` as it is written; see :class:`Variable`."""

    kind: Kind
    label: str = ""
    unit: str = ""
    levels: tuple[StrictStr | StrictInt | StrictFloat, ...] = ()
    labels: dict[str, str] = {}
    range: tuple[FiniteFloat, FiniteFloat] | None = None
    centre: FiniteFloat = 0.0
    scale: Annotated[FiniteFloat, Field(gt=0)] | None = None
    edges: tuple[FiniteFloat, ...] = ()
    missing: StrictBool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [level_name(v) for v in self.levels]
        if self.kind == "factor" and (len(names) < 2 or len(set(names)) < len(names)):
            raise ValueError("a factor needs at least two different levels, the reference first")
        if set(self.labels) - set(names):
            raise ValueError(f"labels name {sorted(set(self.labels) - set(names))}, which are no levels")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("a range is [smallest, largest]")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must increase")
        return self


class _GridEntry(_Entry):
    """``[grid]`` as it is written; see :class:`TimeGrid`."""

    unit: str
    candidates: tuple[FiniteFloat, ...] = Field(min_length=1)
    horizon: Annotated[FiniteFloat, Field(gt=0)]

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if list(self.candidates) != sorted(set(self.candidates)) or self.candidates[0] <= 0:
            raise ValueError("candidates are cell widths above zero in increasing order")
        multiples = [c / self.candidates[0] for c in self.candidates]
        if any(abs(m - round(m)) > 1e-9 for m in multiples):
            raise ValueError(
                "candidates must be multiples of the first, so that coarser cells are unions of finer ones"
            )
        return self


def _read(model: type[_Entry], entry: object, what: str) -> Any:
    """A table of the file as its model, or one sentence about the first thing that is wrong."""
    try:
        return model.model_validate(entry)
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], str | int | float):
            said += f" (found {first['input']!r})"
        raise ValueError(f"{what}{': ' + key if key else ''}: {said}.") from None


def _variable(name: str, entry: object) -> Variable:
    read: _ColumnEntry = _read(_ColumnEntry, entry, f"column {name!r}")
    levels = tuple(level_name(v) for v in read.levels)
    low, high = read.range or (None, None)
    spread = (high - low) / 4 if low is not None and high is not None and read.kind == "numeric" else 1.0
    return Variable(
        name,
        read.kind,
        label=read.label,
        unit=read.unit,
        levels=levels,
        level_labels=tuple(read.labels.get(v, v) for v in levels),
        low=low,
        high=high,
        centre=read.centre,
        scale=power_of_two(read.scale or spread),
        edges=read.edges,
        missing=read.missing,
    )


def power_of_two(value: float) -> float:
    """The power of two nearest to a positive number, so that scaling by it is exact; 1 otherwise."""
    return float(2.0 ** np.round(np.log2(value))) if np.isfinite(value) and value > 0 else 1.0
