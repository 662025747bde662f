"""``mapping.toml`` of a site: its own file names, columns, codes, units and date formats.  Private, and never code."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fedstats.cohort.dictionary import understood
from fedstats.cohort.dictionary_entries import Column, Dictionary, Table
from fedstats.study.penalty_spec import Entry
from fedstats.study.toml_file import StudyError, read_toml

Text = str | int | float | bool


class ColumnMapping(Entry):
    """``[tables.<name>.columns.<column>]``: where an agreed column comes from.

    ``from`` is the site's own name of it; ``constant`` one value for every row; ``absent`` says that the site has none.
    ``codes`` translates the site's values, ``missing`` lists those that stand for nothing, ``format`` is that of its
    dates (strptime's), ``decimal`` its decimal sign, ``unit`` its unit where it is not the agreed one.
    """

    source: str | None = Field(default=None, alias="from")
    constant: Text | None = None
    absent: bool = False
    codes: dict[str, Text] = Field(default_factory=dict)
    missing: tuple[Text, ...] = ()
    format: str = ""
    decimal: Literal[".", ","] | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum((self.source is not None, self.constant is not None, self.absent)) > 1:
            raise ValueError("a column comes from one place: from, constant or absent")
        if self.format and "%" not in self.format:
            raise ValueError("a format of dates is written as strptime takes it, for instance %d.%m.%Y")
        return self


class MeasureMapping(Entry):
    """``[tables.<name>.measures.<measure>]``: the unit of a measure where the site's table has no column of units, or a wrong one.

    ``practices`` names the unit of single practices, whatever their rows say.  ``missing`` lists numbers that stand for nothing in this measure: 99 is no performance status, and a weight.
    """

    unit: str = ""
    practices: dict[str, str] = Field(default_factory=dict)
    missing: tuple[float, ...] = ()


class TableMapping(Entry):
    """``[tables.<name>]``: the file of an agreed table, or that there is none; ``ignore`` lists columns that are not read."""

    file: str = ""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    absent: bool = False
    ignore: tuple[str, ...] = ()
    columns: dict[str, ColumnMapping] = Field(default_factory=dict)
    measures: dict[str, MeasureMapping] = Field(default_factory=dict)

    def column(self, name: str) -> ColumnMapping:
        """How a column is mapped; as it stands unless said."""
        return self.columns.get(name, ColumnMapping())

    def source_of(self, name: str) -> str | None:
        """The site's own name of an agreed column; None where no column of the file holds it."""
        mapped = self.column(name)
        if mapped.absent or mapped.constant is not None:
            return None
        return mapped.source or name


class Mapping(Entry):
    """The whole file.

    ``confirmed`` lists doubts that the site has looked into and found its data right, under the keys that the page of
    ``fedstats validate`` names.
    """

    tables: dict[str, TableMapping] = Field(default_factory=dict)
    confirmed: tuple[str, ...] = ()

    def table(self, name: str) -> TableMapping:
        """How a table is mapped; as it stands unless said."""
        return self.tables.get(name, TableMapping())


def read_mapping(file: str | Path, dictionary: Dictionary) -> Mapping:
    """A site's mapping, every name in it compared with the study's dictionary.

    Raises
    ------
    StudyError
        The file cannot be read, or maps what the study does not have; everything of that kind at once.
    """
    path = Path(file)
    if not path.is_file():
        raise StudyError(f"There is no mapping file {str(file)!r}. Give the path of the site's mapping.toml.")
    mapping = understood(Mapping, read_toml(path)[1], path.name)
    if faults := list(_faults(mapping, dictionary)):
        raise StudyError(f"{path.name} does not fit the study's dictionary: {'; '.join(faults)}.")
    return mapping


def _faults(mapping: Mapping, dictionary: Dictionary) -> Any:
    for name, table in mapping.tables.items():
        if name not in dictionary.tables:
            yield f"[tables.{name}] is no table of the study, which has {', '.join(dictionary.tables)}"
            continue
        agreed = dictionary.tables[name]
        if table.absent and agreed.required:
            yield f"[tables.{name}] says absent, but a site cannot take part without this table"
        if Path(table.file).name != table.file:
            yield f"[tables.{name}] file must be a name within the folder of the data, not {table.file!r}"
        for column, mapped in table.columns.items():
            yield from _faults_of_column(name, column, mapped, agreed)
        for measure, given in table.measures.items():
            yield from _faults_of_measure(name, measure, given, agreed)
            if given.practices and not dictionary.practices:
                yield f"[tables.{name}.measures.{measure}] names practices, and the study's tables have none"


def _faults_of_column(table: str, name: str, mapped: ColumnMapping, agreed: Table) -> Any:
    place = f"[tables.{table}.columns.{name}]"
    if name not in agreed.columns:
        yield f"{place} is no column of {table}, which has {', '.join(agreed.columns)}"
        return
    column = agreed.columns[name]
    if mapped.absent and not column.missing:
        yield f"{place} says absent, but the study needs this column filled"
    if mapped.format and column.kind != "date":
        yield f"{place} has a format, but the column is no date"
    if mapped.unit and mapped.unit not in {column.unit, *column.accepts}:
        yield f"{place} has the unit {mapped.unit!r}; the study accepts {_accepted(column)}"
    if strange := [
        str(v) for v in mapped.codes.values() if not _is_level(column, _levels_of(agreed, name), v)
    ]:
        levels = ", ".join(column.levels) or "true, false"
        yield f"{place} codes lead to {', '.join(map(repr, strange[:3]))}, which the study does not have; it has {levels}"


def _levels_of(agreed: Table, name: str) -> tuple[str, ...]:
    column = agreed.columns[name]
    return ("true", "false") if column.kind == "flag" else column.levels


def _is_level(column: Column, levels: tuple[str, ...], value: Text) -> bool:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return column.kind not in ("category", "flag") or text in levels


def _faults_of_measure(table: str, name: str, given: MeasureMapping, agreed: Table) -> Any:
    place = f"[tables.{table}.measures.{name}]"
    if name not in agreed.measures:
        yield f"{place} is no measure of {table}, which has {', '.join(agreed.measures) or 'none'}"
        return
    accepted = {"", agreed.measures[name].unit, *agreed.measures[name].accepts}
    for unit in dict.fromkeys((given.unit, *given.practices.values())):
        if unit not in accepted:
            yield f"{place} has the unit {unit!r}; the study accepts {_accepted(agreed.measures[name])}"


def _accepted(amount: Any) -> str:
    return ", ".join(filter(None, (amount.unit, *amount.accepts))) or "no other unit"
