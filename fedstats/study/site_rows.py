"""A site's rows as a study's analyses see them: a file with one row a patient, or the cohort of a folder of tables."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fedstats.cohort.builder import COHORT, Cohort, build_cohort, read_cohort
from fedstats.cohort.cohort_entries import CohortFile, made_by
from fedstats.cohort.dictionary import DICTIONARY, read_dictionary
from fedstats.cohort.dictionary_entries import Dictionary
from fedstats.cohort.findings import Finding
from fedstats.cohort.mapping import read_mapping
from fedstats.cohort.reading import Watcher
from fedstats.cohort.validation import validate
from fedstats.contract.codebook import Codebook
from fedstats.study.table_file import read_table
from fedstats.study.toml_file import StudyError


@dataclass(frozen=True)
class SiteRows:
    """Rows for the analyses, and where they are a cohort how they came about; stays at the site.

    Attributes
    ----------
    frame : DataFrame              one row an eligible patient
    cohort : Cohort or None        everybody screened, where the rows are of a folder of tables
    warnings : tuple of Finding    what validation found to be looked at
    """

    frame: pd.DataFrame
    cohort: Cohort | None = None
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class TableRules:
    """What a study says of sites' tables: ``tables.toml`` and ``cohort.toml``, each where it is there.

    Attributes
    ----------
    dictionary : Dictionary or None
    cohort : CohortFile or None
    raws : tuple of bytes         the files, which a study is hashed by
    files : tuple of Path
    """

    dictionary: Dictionary | None = None
    cohort: CohortFile | None = None
    raws: tuple[bytes, ...] = ()
    files: tuple[Path, ...] = ()

    @classmethod
    def beside(cls, folder: Path, codebook: Codebook) -> "TableRules":
        """Read the files of a study's folder.

        Raises
        ------
        StudyError
            One of them is wrong, there is a cohort without tables, or it does not make a column of the codebook.
        """
        tables, cohort = folder / DICTIONARY, folder / COHORT
        if not tables.exists():
            if cohort.exists():
                raise StudyError(
                    f"There is {COHORT} and no {DICTIONARY}, which names the tables that it is made of."
                )
            return cls()
        raw, dictionary = read_dictionary(tables)
        if not cohort.exists():
            return cls(dictionary, None, (raw,), (tables,))
        raw_cohort, rules = read_cohort(cohort, dictionary)
        made = {"patient_id"}.union(*(made_by(name, entry) for name, entry in rules.columns.items()))
        if missing := [v.name for v in codebook.variables if v.name not in made and not v.of_site]:
            raise StudyError(f"{COHORT} makes no column {', '.join(missing)}, which codebook.toml has.")
        return cls(dictionary, rules, (raw, raw_cohort), (tables, cohort))

    def rows(self, data: str | Path, mapping: str | Path = "", watch: Watcher | None = None) -> SiteRows:
        """A site's rows: of a folder of tables validated and built, of a file as they stand.

        Parameters
        ----------
        data : path       a CSV file with one row a patient, or a folder of tables
        mapping : path    the site's ``mapping.toml``; of a folder alone

        Raises
        ------
        StudyError
            The mapping does not fit, or the study has no rules for a folder.
        DataError
            The data cannot be read, or do not keep to the dictionary; every fault is listed.
        """
        if self.dictionary is None or not str(data).strip() or not Path(data).is_dir():
            if str(mapping):
                raise StudyError(
                    "A mapping is for a folder of tables; name columns of a file as the codebook does."
                )
            return SiteRows(read_table(data))
        if self.cohort is None:
            raise StudyError(
                f"The study has no {COHORT}, so tables make no rows. Give the file with one row a patient."
            )
        mapped = read_mapping(mapping, self.dictionary) if str(mapping) else None
        found = validate(data, self.dictionary, mapped, watch)
        found.require()
        cohort = build_cohort(self.cohort, self.dictionary, found.tables)
        return SiteRows(cohort.eligible, cohort, found.warnings)
