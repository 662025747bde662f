"""The codebook: what the columns are called, their kinds, units, levels and ranges, agreed by all.

Nothing here is learned from one site's rows.  :meth:`Codebook.harmonise` checks a site's table and
says everything that is wrong at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa

from fedstats.contract.condition import level_name
from fedstats.contract.query import Spec

Kind = Literal["numeric", "factor", "time", "event", "label"]


class DataError(ValueError):
    """A site's table does not keep to the codebook; the message stays at the site."""


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
        if unknown or "columns" not in content:
            raise ValueError(
                f"A codebook has [columns.<name>] tables and one [grid]; this one has {sorted(content)}."
            )
        variables = tuple(_variable(name, dict(entry)) for name, entry in content["columns"].items())
        return cls(variables, _grid(dict(content["grid"])) if "grid" in content else None)

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
        if len(frame) == 0:
            problems.append("the table has no rows")
        present = [v for v in self.variables if v.name in frame.columns]
        columns = {v.name: _coerced(frame[v.name], v, problems) for v in present}
        harmonised = pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))
        problems += _violations(harmonised, [v for v in present if v.kind != "label"])
        if problems:
            listed = "; ".join(problems)
            raise DataError(
                f"{source} does not keep to the codebook: {listed}. Correct the table or its export."
            )
        return harmonised


def _coerced(column: pd.Series, variable: Variable, problems: list[str]) -> pd.Series:
    column = column.reset_index(drop=True)
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
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    strange = column[numbers.isna() & column.notna()].astype(str).unique().tolist()
    if strange:
        problems.append(f"{variable.name} must be a number; found the text {strange[:3]}")
    return numbers


def _violations(frame: pd.DataFrame, variables: list[Variable]) -> list[str]:
    """Ranges, codes and empty cells, checked by pandera, all faults at once, each as part of a sentence."""
    schema = pa.DataFrameSchema({v.name: pa.Column(nullable=v.missing, checks=_checks(v)) for v in variables})
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failures = errors.failure_cases
        grouped = failures.groupby(["column", "check"], sort=False)
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


def _sentence(column: str, check: str, cases: pd.DataFrame) -> str:
    rows = [int(i) + 1 for i in cases["index"].dropna()][:3]
    where = (
        f"row{'s' if len(cases) > 1 else ''} {', '.join(map(str, rows))}{' ...' if len(cases) > 3 else ''}"
    )
    if check == "not_nullable":
        return f"{column} is empty in {len(cases)} rows ({where}) although the codebook allows no empty cell"
    found = ", ".join(
        f"{v:g}" if isinstance(v, float) else str(v) for v in cases["failure_case"].unique()[:3]
    )
    return f"{column} is {found} in {where}; {check}"


def _variable(name: str, entry: dict[str, Any]) -> Variable:
    known = {"kind", "label", "unit", "levels", "labels", "range", "centre", "scale", "edges", "missing"}
    if set(entry) - known:
        raise ValueError(
            f"Column {name!r} of the codebook has the unknown keys {sorted(set(entry) - known)}."
        )
    kind = entry.get("kind")
    if kind not in ("numeric", "factor", "time", "event", "label"):
        raise ValueError(
            f"Column {name!r} has the kind {kind!r}; choose numeric, factor, time, event or label."
        )
    levels = tuple(level_name(v) for v in entry.get("levels", ()))
    if kind == "factor" and (len(levels) < 2 or len(set(levels)) < len(levels)):
        raise ValueError(f"The factor {name!r} needs at least two different levels, the reference first.")
    edges = tuple(float(e) for e in entry.get("edges", ()))
    if list(edges) != sorted(set(edges)):
        raise ValueError(f"The edges of {name!r} must increase.")
    low, high = entry.get("range", (None, None))
    spread = (high - low) / 4 if low is not None and high is not None and kind == "numeric" else 1.0
    return Variable(
        name,
        kind,
        label=entry.get("label", ""),
        unit=entry.get("unit", ""),
        levels=levels,
        level_labels=tuple(entry.get("labels", {}).get(v, v) for v in levels),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        centre=float(entry.get("centre", 0.0)),
        scale=power_of_two(float(entry.get("scale", spread))),
        edges=edges,
        missing=bool(entry.get("missing", False)),
    )


def _grid(entry: dict[str, Any]) -> TimeGrid:
    if set(entry) != {"unit", "candidates", "horizon"}:
        raise ValueError("The [grid] of a codebook has a unit, a list of candidates and a horizon.")
    candidates = tuple(float(c) for c in entry["candidates"])
    nested = all(abs(b / a - round(b / a)) < 1e-9 for a, b in pairwise(candidates) if a > 0)
    if not candidates or min(candidates) <= 0 or list(candidates) != sorted(candidates):
        raise ValueError("The grid's candidates are cell widths in increasing order.")
    if not nested and not all(abs(c / candidates[0] - round(c / candidates[0])) < 1e-9 for c in candidates):
        raise ValueError(
            "The grid's candidates must be multiples of the first, so that coarser cells are unions of finer ones."
        )
    return TimeGrid(str(entry["unit"]), candidates, float(entry["horizon"]))


def power_of_two(value: float) -> float:
    """The power of two nearest to a positive number, so that scaling by it is exact; 1 otherwise."""
    return float(2.0 ** np.round(np.log2(value))) if np.isfinite(value) and value > 0 else 1.0
