"""``tables.toml`` as it is written: what each entry may say."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, field_validator, model_validator

from fedstats.study.penalty_spec import Entry

Kind = Literal["id", "date", "number", "integer", "category", "flag", "code"]
Band = tuple[FiniteFloat, FiniteFloat]
Factor = Annotated[FiniteFloat, Field(gt=0)]

#: Identifiers are made for a study: no blank, so no name of a person in two words.
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.:-]*"


class Amount(Entry):
    """What a number is: its unit, other units that are converted, and where values and their middle lie.

    ``median`` and ``upper_quartile`` are bands for a site as a whole: outside, units or scale are doubted.  ``zero`` says
    that many zeros are values and stand for nothing missing.
    """

    label: str = ""
    unit: str = ""
    accepts: dict[str, Factor] = Field(default_factory=dict)
    range: Band | None = None
    median: Band | None = None
    upper_quartile: Band | None = None
    zero: bool = False
    note: str = ""
    vocabulary: str = ""
    verified: bool = True

    @model_validator(mode="after")
    def _bands_in_order(self) -> Self:
        for name in ("range", "median", "upper_quartile"):
            band = getattr(self, name)
            if band is not None and band[0] >= band[1]:
                raise ValueError(f"{name} is [smallest, largest]")
        if self.unit and self.unit in self.accepts:
            raise ValueError(f"accepts names {self.unit!r}, which is the agreed unit itself")
        return self


class Column(Amount):
    """A column of a table.

    ``filled_when`` and ``empty_when`` name a column of the same row and the value with which a cell must be filled or
    empty.  ``varies`` says that one value in all rows is a fault; numbers and dates always vary.  ``unknown`` lists levels
    with which a site says that nobody knows: to the study they are empty cells.
    """

    kind: Kind
    missing: bool = True
    levels: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    pattern: str = ""
    share: Band | None = None
    varies: bool = False
    filled_when: dict[str, str] = Field(default_factory=dict)
    empty_when: dict[str, str] = Field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _what_the_kind_has(self) -> Self:
        if (self.kind == "category") != bool(self.levels):
            raise ValueError("a category has levels, and no other kind has")
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("a level is named twice")
        if strange := sorted(set(self.labels) - set(self.levels)):
            raise ValueError(f"labels name {strange}, which are no levels")
        if strange := sorted(set(self.unknown) - set(self.levels)):
            raise ValueError(f"unknown names {strange}, which are no levels")
        if (self.kind == "code") != bool(self.pattern):
            raise ValueError(
                "a code has a pattern, and no other kind has: without one it would take free text"
            )
        if self.kind not in ("number", "integer") and (self.range or self.median or self.accepts):
            raise ValueError("range, median and accepts are for numbers")
        if self.share is not None and self.kind != "flag":
            raise ValueError("a share is of a flag that is true")
        return self

    @field_validator("pattern")
    @classmethod
    def _a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as problem:
            raise ValueError(f"the pattern cannot be read: {problem}") from None
        return pattern

    @property
    def always_varies(self) -> bool:
        """Whether one value in all rows is a fault."""
        return self.varies or self.kind in ("number", "date")


class Measure(Amount):
    """One thing that a table of measurements holds: its codes, and what its number is.

    ``upper_limit`` is a band for a site's own upper limit of normal, ``whole`` says that values are whole numbers.
    """

    codes: tuple[str, ...] = ()
    whole: bool = False
    upper_limit: Band | None = None


class Measured(Entry):
    """Which columns of a table of measurements say what was measured, the number, its unit and the limit of normal."""

    by: str
    value: str
    unit: str = ""
    upper_limit: str = ""


class Table(Entry):
    """``[tables.<name>]``: one file of a site.

    ``required``: a site without it cannot take part.  ``key``: columns that no two rows share.  ``everybody``: each
    patient has a row.  ``order``: pairs of dates of a row.
    """

    title: str
    note: str = ""
    required: bool = False
    key: tuple[str, ...] = ()
    everybody: bool = False
    order: tuple[tuple[str, str], ...] = ()
    measured: Measured | None = None
    columns: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Column]
    measures: dict[str, Measure] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns_that_are_there(self) -> Self:
        named = [*self.key, *(name for pair in self.order for name in pair)]
        for column in self.columns.values():
            named += [*column.filled_when, *column.empty_when]
        if self.measured is not None:
            measured = self.measured
            named += filter(None, (measured.by, measured.value, measured.unit, measured.upper_limit))
        if unknown := sorted(set(named) - set(self.columns)):
            raise ValueError(f"there is no column {', '.join(unknown)}")
        if {"site_id", "patient_id"} - set(self.columns):
            raise ValueError("every table has the columns site_id and patient_id")
        if dates := [n for pair in self.order for n in pair if self.columns[n].kind != "date"]:
            raise ValueError(f"an order is of dates; {dates[0]} is none")
        return self

    @model_validator(mode="after")
    def _measures_that_can_be_read(self) -> Self:
        if (self.measured is None) != (not self.measures):
            raise ValueError("measures and measured go together")
        if self.measured is None or not self.measured.unit:
            return self
        levels = self.columns[self.measured.unit].levels
        for name, measure in self.measures.items():
            if missing := sorted({measure.unit, *measure.accepts} - set(levels)):
                raise ValueError(f"{name}: the column {self.measured.unit} has no level {', '.join(missing)}")
        return self

    def code_of(self) -> dict[str, str]:
        """Which measure each code stands for; of a category its levels themselves."""
        if self.measured is not None and self.columns[self.measured.by].kind == "category":
            return {name: name for name in self.measures}
        return {code: name for name, measure in self.measures.items() for code in measure.codes}

    @property
    def one_row_a_patient(self) -> bool:
        """Whether no two rows are of one patient."""
        return self.key == ("patient_id",)


class Deidentification(Entry):
    """``[deidentification]``: what must not be in any table."""

    top_age: Annotated[int, Field(ge=50, le=120)] = 90
    birth_year: str = ""
    longest_text: Annotated[int, Field(ge=1, le=200)] = 40
    most_values: Annotated[float, Field(gt=0, le=1)] = 0.9


class Order(Entry):
    """``[[orders]]``: dates of a patient in one table that are not after the last of another one."""

    earlier: tuple[str, ...] = Field(min_length=1)
    later: str
    slack_days: Annotated[int, Field(ge=0)] = 0
    fault: Literal["error", "warning"] = "error"


class Dictionary(Entry):
    """The whole file: the data dictionary of a study.

    ``practices`` is the column of the table of patients that says where each is treated: laboratories differ by it.
    """

    version: str
    patients: str
    practices: str = ""
    deidentification: Deidentification = Deidentification()
    tables: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Table]
    orders: tuple[Order, ...] = ()

    @model_validator(mode="after")
    def _names_that_are_there(self) -> Self:
        if self.patients not in self.tables or not self.tables[self.patients].one_row_a_patient:
            raise ValueError(
                f'patients names {self.patients!r}, which must be a table with key = ["patient_id"]'
            )
        for order in self.orders:
            for name in (*order.earlier, order.later):
                if self.column(name).kind != "date":
                    raise ValueError(f"an order is of dates; {name} is none")
        if self.deidentification.birth_year:
            self.column(self.deidentification.birth_year)
        if self.practices and self.practices not in self.tables[self.patients].columns:
            raise ValueError(f"practices names {self.practices!r}, which is no column of {self.patients}")
        return self

    def column(self, dotted: str) -> Column:
        """A column by ``table.column``.

        Raises
        ------
        ValueError
            There is none.
        """
        table, _, column = dotted.partition(".")
        if table not in self.tables or column not in self.tables[table].columns:
            raise ValueError(f"there is no column {dotted!r}; name it as table.column")
        return self.tables[table].columns[column]
