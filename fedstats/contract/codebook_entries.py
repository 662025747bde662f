"""``codebook.toml`` as it is written: what each entry may say."""

from itertools import pairwise
from typing import Annotated, Any, Self

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
from fedstats.contract.entry_faults import fault_in_words
from fedstats.contract.variable import Kind, TimeGrid, Variable, power_of_two


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
    knots: tuple[FiniteFloat, ...] = ()
    missing: StrictBool = False
    unique: StrictBool = False
    of_site: StrictBool = False

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
        if list(self.knots) != sorted(set(self.knots)):
            raise ValueError("knots must increase")
        if self.of_site and (self.kind != "factor" or self.missing):
            raise ValueError("of_site is for a factor without empty cells, whose levels are the sites")
        if self.unique and self.kind != "label":
            raise ValueError("unique is for a label, such as a patient's")
        return self


class _GridEntry(_Entry):
    """``[grid]`` as it is written; see :class:`TimeGrid`."""

    unit: str
    candidates: tuple[FiniteFloat, ...] = Field(min_length=1)
    horizon: Annotated[FiniteFloat, Field(gt=0)]
    cuts: tuple[FiniteFloat, ...] = ()

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if list(self.candidates) != sorted(set(self.candidates)) or self.candidates[0] <= 0:
            raise ValueError("candidates are cell widths above zero in increasing order")
        multiples = [wide / narrow for narrow, wide in pairwise(self.candidates)]
        if any(abs(m - round(m)) > 1e-9 for m in multiples):
            raise ValueError(
                "each candidate must be a multiple of the one before, so that coarser cells are unions of finer ones: "
                "cells of 2 and of 3 months together tell of single months"
            )
        return self

    @model_validator(mode="after")
    def _cuts_of_the_grid(self) -> Self:
        edges = TimeGrid(self.unit, self.candidates, self.horizon).edges(self.candidates[0])[:-1]
        if list(self.cuts) != sorted(set(self.cuts)) or not set(self.cuts) <= set(edges):
            raise ValueError(
                "cuts are edges of the finest candidate's cells, before the horizon, in increasing order"
            )
        return self


def read_entry(model: type[BaseModel], entry: object, what: str) -> Any:
    """A table of a file as its model, or one sentence about the first thing that is wrong.

    Raises
    ------
    ValueError
    """
    try:
        return model.model_validate(entry)
    except ValidationError as problem:
        raise ValueError(f"{what}: {fault_in_words(problem, entry, model)}.") from None


def variable_of(name: str, entry: object) -> Variable:
    """A table ``[columns.<name>]`` of the file."""
    read: _ColumnEntry = read_entry(_ColumnEntry, entry, f"column {name!r}")
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
        unique=read.unique,
        knots=read.knots,
        of_site=read.of_site,
    )


def grid_of(entry: object) -> TimeGrid:
    """The table ``[grid]`` of the file."""
    read: _GridEntry = read_entry(_GridEntry, entry, "[grid]")
    return TimeGrid(read.unit, read.candidates, read.horizon, read.cuts)
