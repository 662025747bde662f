"""``cohort.toml`` as it is written: a closed vocabulary of rules that make one row a patient of a site's tables."""

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from fedstats.contract.attrition import ATTRITION, ELIGIBLE
from fedstats.contract.condition import Condition, conditions
from fedstats.contract.query import QueryError
from fedstats.study.penalty_spec import Entry

#: The step of those who have no time zero.
NO_TIME_ZERO = "time_zero"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Where = dict[str, tuple[str | int | bool, ...]]
Window = tuple[int, int]


class Rows(Entry):
    """Rows of a table: those that ``where`` names, with a ``date`` (and for episodes ``until``) within ``window`` of time zero.

    ``where`` lists values by column; one that ends in ``*`` stands for all that begin so.  ``window`` are the first and the last
    day, both counted; an episode that is still open when it begins counts as well.
    """

    table: str
    date: str = ""
    until: str = ""
    where: Where = Field(default_factory=dict)
    window: Window | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.window is not None and (self.window[0] > self.window[1] or not self.date):
            raise ValueError("a window is [first day, last day] of a date")
        return self


class Kept(Entry):
    """Patients who meet ``keep``, a condition on columns that were made before."""

    keep: str

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The parsed condition."""
        return conditions(self.keep)

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            _ = self.conditions
        except QueryError as problem:
            raise ValueError(str(problem).rstrip(".")) from None
        return self


class TimeZero(Rows):
    """``[time_zero]``: the earliest date of these rows."""

    date: str


class Value(Entry):
    """A column of a table with one row a patient; ``levels`` gives the site's level another name, ``missing`` fills empty cells."""

    kind: Literal["value"]
    column: str
    table: str
    levels: dict[str, str] = Field(default_factory=dict)
    missing: str | None = None


class First(Rows):
    """A column of the row with the earliest date, as the first tumour that became advanced."""

    kind: Literal["first"]
    column: str
    levels: dict[str, str] = Field(default_factory=dict)
    missing: str | None = None


class Nearest(Rows):
    """The value whose date is nearest to time zero; of two as near the earlier one.

    ``column`` is the value, of a table of measurements with ``measure``; ``per_limit`` divides by the upper limit of normal.
    """

    kind: Literal["nearest"]
    date: str
    column: str = ""
    measure: str = ""
    per_limit: bool = False
    levels: dict[str, str] = Field(default_factory=dict)
    missing: str | None = None


class HasRow(Rows):
    """Yes where a patient has such a row, else no; empty where the site has no such table.

    ``at_least`` asks for a number of the row, times ``factors`` by the level of a column: doses of one drug as those of another.
    ``tested`` names rows, as ``where`` does, one of which a patient must have: who was not tested has an empty cell, not "no".
    """

    kind: Literal["any"]
    tested: Where = Field(default_factory=dict)
    at_least: tuple[str, FiniteFloat] | None = None
    factors: dict[str, FiniteFloat] = Field(default_factory=dict)
    factors_of: str = ""


class Count(Rows):
    """How many different values of ``column`` a patient's rows have."""

    kind: Literal["count"]
    column: str


class Disease(Entry):
    """A group of codes that counts ``points`` once, and none where the patient has the group ``unless`` as well."""

    codes: tuple[str, ...] = Field(min_length=1)
    points: Annotated[int, Field(ge=1)]
    unless: str = ""


class Score(Rows):
    """Points of the groups of codes that a patient's rows have, each group once, as a comorbidity index; 0 without any.

    Codes are compared without their points; one that ends in ``*`` stands for all that begin so.
    """

    kind: Literal["score"]
    column: str
    groups: dict[str, Disease]

    @model_validator(mode="after")
    def _groups_that_are_there(self) -> Self:
        if unknown := {g.unless for g in self.groups.values() if g.unless} - set(self.groups):
            raise ValueError(f"there is no group {', '.join(sorted(unknown))}")
        return self


class Years(Entry):
    """The year of time zero, less a year of birth where ``since`` names one."""

    kind: Literal["years"]
    table: str = ""
    since: str = ""


class Days(Rows):
    """Days from time zero to the first or last date of these rows; not below ``at_least``."""

    kind: Literal["days"]
    date: str
    take: Literal["first", "last"] = "first"
    at_least: int | None = None
    months: bool = False


class Ratio(Entry):
    """One column over another, or over what is left of it when the first is taken off."""

    kind: Literal["ratio"]
    of: str
    over: str
    rest: bool = False
    largest: FiniteFloat | None = None


class Cut(Entry):
    """Levels of a number: the first below ``at[0]``, the second from there on, and so on."""

    kind: Literal["cut"]
    of: str
    at: tuple[FiniteFloat, ...] = Field(min_length=1)
    levels: tuple[str, ...]
    missing: str | None = None

    @model_validator(mode="after")
    def _one_more_level(self) -> Self:
        if len(self.levels) != len(self.at) + 1 or list(self.at) != sorted(set(self.at)):
            raise ValueError("at increases, and there is one level more than cuts")
        return self


class Points(Entry):
    """A level by how many columns are above their bounds; empty where one of them is."""

    kind: Literal["points"]
    above: dict[str, FiniteFloat]
    levels: tuple[str, ...]

    @model_validator(mode="after")
    def _a_level_each(self) -> Self:
        if len(self.levels) != len(self.above) + 1:
            raise ValueError("there is one level more than columns")
        return self


class Among(Kept):
    """A column made above, of patients who meet a condition; empty for the others.

    So an analysis of a part of the patients is one of a column that they alone have.
    """

    kind: Literal["among"]
    of: str


class Regimen(Rows):
    """A regimen by the classes of drugs begun within ``grace_days`` from time zero; a set that is not listed is ``other``."""

    kind: Literal["regimen"]
    date: str
    column: str
    grace_days: Annotated[int, Field(ge=0)]
    classes: dict[str, tuple[str, ...]]
    regimens: dict[str, tuple[str, ...]]
    other: str = "other"

    @model_validator(mode="after")
    def _classes_that_are_there(self) -> Self:
        if unknown := {c for classes in self.regimens.values() for c in classes} - set(self.classes):
            raise ValueError(f"there is no class {', '.join(sorted(unknown))}")
        if len({frozenset(c) for c in self.regimens.values()}) < len(self.regimens):
            raise ValueError("two regimens are of the same classes")
        return self


class Event(Rows):
    """What ends a time: the earliest date of these rows after more than ``after_days`` (-1: from time zero on)."""

    name: str
    date: str
    after_days: int = -1


class TimeTo(Entry):
    """A time in months with its event: the earliest of ``events``, else censored at the last of ``censored``.

    Makes ``<name>_months`` and ``<name>_event``; with ``competing`` the event is the name of the first that came, or
    ``none``, in ``<name>_cause``.
    """

    kind: Literal["time_to"]
    events: tuple[Event, ...] = Field(min_length=1)
    censored: tuple[str, ...] = Field(min_length=1)
    competing: bool = False


class Resistance(Entry):
    """Whether an event of a time came by a day: 1, 0 where the patient was observed longer without, else empty.

    ``time`` names a ``time_to``.  An end by ``death`` (table.column of its date) within ``insufficient_days`` is no
    resistance but too little treatment, and empty.
    """

    kind: Literal["by_day"]
    time: str
    day: Annotated[int, Field(ge=1)]
    death: str = ""
    insufficient_days: int | None = None


class Best(Rows):
    """The best level of these rows, in the order of ``order``; with ``is_one_of`` 1 where it is one of these, else 0."""

    kind: Literal["best"]
    date: str
    column: str
    order: tuple[str, ...]
    is_one_of: tuple[str, ...] = ()


Derived = Annotated[
    Value
    | First
    | Nearest
    | HasRow
    | Count
    | Score
    | Years
    | Days
    | Ratio
    | Cut
    | Points
    | Among
    | Regimen
    | TimeTo
    | Resistance
    | Best,
    Field(discriminator="kind"),
]


class Step(Kept):
    """``[[eligibility]]``: who stays; an empty cell fails the condition unless ``or_missing``."""

    name: Name
    title: str
    or_missing: bool = False


class CohortFile(Entry):
    """The whole file.

    Columns are made in the order of the file and may use those above them.  ``attrition`` names the column that says at which
    step a patient left; everybody who stays has the level ``eligible``.
    """

    version: str
    attrition: Name = ATTRITION
    days_in_month: Annotated[FiniteFloat, Field(gt=0)] = 30.4375
    time_zero: TimeZero
    no_time_zero: str = "No time zero"
    columns: dict[Name, Derived]
    eligibility: tuple[Step, ...] = ()

    @property
    def steps(self) -> dict[str, str]:
        """Name and title of every step at which patients leave, in their order."""
        return {NO_TIME_ZERO: self.no_time_zero} | {step.name: step.title for step in self.eligibility}

    @model_validator(mode="after")
    def _columns_that_are_there(self) -> Self:
        made: set[str] = set()
        for name, entry in self.columns.items():
            if missing := used_by(entry) - made:
                raise ValueError(
                    f"columns.{name} uses {', '.join(sorted(missing))}, which is not made above it"
                )
            made |= made_by(name, entry)
        for step in self.eligibility:
            if missing := {c.column for c in step.conditions} - made:
                raise ValueError(
                    f"eligibility.{step.name} uses {', '.join(sorted(missing))}, which no column makes"
                )
        names = [step.name for step in self.eligibility]
        if len(set(names)) < len(names) or {ELIGIBLE, NO_TIME_ZERO} & set(names):
            raise ValueError("steps have names of their own; eligible and time_zero are taken")
        return self


def made_by(name: str, entry: Entry) -> set[str]:
    """Columns that an entry makes."""
    if isinstance(entry, TimeTo):
        return {f"{name}_months", f"{name}_cause" if entry.competing else f"{name}_event"}
    return {name}


def used_by(entry: Entry) -> set[str]:
    """Columns that an entry is made of."""
    if isinstance(entry, Ratio):
        return {entry.of, entry.over}
    if isinstance(entry, Cut):
        return {entry.of}
    if isinstance(entry, Points):
        return set(entry.above)
    if isinstance(entry, Among):
        return {entry.of, *(c.column for c in entry.conditions)}
    if isinstance(entry, Resistance):
        return {f"{entry.time}_months", f"{entry.time}_event"}
    return set()
