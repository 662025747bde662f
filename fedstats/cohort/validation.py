"""Everything that is wrong with a site's folder of tables, at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fedstats.cohort.dictionary_entries import Dictionary
from fedstats.cohort.findings import Finding, Findings
from fedstats.cohort.links import check_links
from fedstats.cohort.mapping import Mapping
from fedstats.cohort.plausibility import check_plausibility
from fedstats.cohort.reading import Watcher, read_tables
from fedstats.contract.table_checks import DataError

_SHOWN = 12


@dataclass(frozen=True)
class Validation:
    """A site's tables as they have been read, and what is wrong with them; stays at the site.

    Attributes
    ----------
    tables : dict of str to DataFrame      agreed columns, kinds and units; absent tables are left out
    findings : tuple of Finding
    """

    dictionary: Dictionary
    tables: dict[str, pd.DataFrame]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What must be mended."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What should be looked at."""
        return tuple(f for f in self.findings if f.severity == "warning")

    @property
    def patients(self) -> int:
        """Patients in the table of patients."""
        frame = self.tables.get(self.dictionary.patients)
        return 0 if frame is None else int(frame["patient_id"].nunique())

    def require(self) -> None:
        """Raise a DataError that says the first errors, where there are any."""
        if self.errors:
            told = "; ".join(str(f).rstrip(".") for f in self.errors[:_SHOWN])
            more = f"; and {len(self.errors) - _SHOWN} more" if len(self.errors) > _SHOWN else ""
            raise DataError(
                f"The tables do not keep to the study's dictionary: {told}{more}. `fedstats validate` shows all of it as a page."
            )


def validate(
    folder: str | Path, dictionary: Dictionary, mapping: Mapping | None = None, watch: Watcher | None = None
) -> Validation:
    """Read a site's tables and note everything that is wrong: cells, keys, dates, identifiers, units and scale.

    Parameters
    ----------
    folder : path                one file a table
    dictionary : Dictionary
    mapping : Mapping, optional  the site's own names, codes and units
    watch : callable, optional   told which table is read, and how many rows of it have been

    Raises
    ------
    DataError
        There is no such folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}. Give the folder that holds the site's tables.")
    mapping = mapping or Mapping()
    findings = Findings(mapping.confirmed)
    tables = read_tables(path, dictionary, mapping, findings, watch)
    check_links(dictionary, tables, findings)
    check_plausibility(dictionary, tables, findings)
    return Validation(dictionary, tables, tuple(_sorted(findings, dictionary)))


def _sorted(findings: Findings, dictionary: Dictionary) -> Iterator[Finding]:
    """In the order of the dictionary: by table, then by column, errors first."""
    tables = {name: at for at, name in enumerate(dictionary.tables)}
    places = {
        (name, column): at
        for name, table in dictionary.tables.items()
        for at, column in enumerate(table.columns)
    }
    yield from sorted(
        findings,
        key=lambda f: (
            tables.get(f.table, len(tables)),
            f.severity != "error",
            places.get((f.table, f.column.split(" ")[0]), -1),
        ),
    )
