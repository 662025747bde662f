"""The groups of a table of patients: by factors, by site or by both, and what the sites answer of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.arguments import known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Meter
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import Query
from fedstats.contract.values import shown
from fedstats.contract.variable import AS_FACTOR
from fedstats.methods.descriptives import DistinctValues, Grouping
from fedstats.methods.own_sums import OwnSums

Array = NDArray[np.float64]

#: Stands for the sites themselves, where no column of the codebook is called so.
SITE = "site"


@dataclass(frozen=True)
class PatientGroups:
    """Groups in the order of a table's columns: the sites outermost, the last factor innermost.

    Attributes
    ----------
    factors : tuple of Grouping
    by_site : bool
    names : tuple of str     of the groups; none where everybody is one
    """

    factors: tuple[Grouping, ...]
    by_site: bool
    names: tuple[str, ...]

    @classmethod
    def of(
        cls, by: str | Sequence[str] | None, codebook: Codebook, sites: tuple[str, ...]
    ) -> "PatientGroups":
        """Groups by a factor, several, ``"site"``, or nothing.

        Raises
        ------
        FormulaError
        """
        columns = () if by is None else (by,) if isinstance(by, str) else by
        if not isinstance(columns, list | tuple):
            raise FormulaError(f"by is {shown(by)}; give a factor, several in a list, or 'site'.")
        by_site = SITE in columns and SITE not in codebook
        factors = tuple(_factor(name, codebook) for name in columns if not (by_site and name == SITE))
        if len(set(columns)) < len(columns):
            raise FormulaError(f"by names {columns!r}; give each column once.")
        axes = [[codebook[f.column].level_label(level) for level in f.levels] for f in factors]
        axes = [list(sites), *axes] if by_site else axes
        names = tuple(", ".join(parts) for parts in product(*axes)) if axes else ()
        return cls(factors, by_site, names)

    @property
    def asked(self) -> tuple[str | None, tuple[str, ...]]:
        """The first factor with its levels, as questions take them."""
        return (self.factors[0].column, self.factors[0].levels) if self.factors else (None, ())

    @property
    def across(self) -> tuple[Grouping, ...]:
        """The other factors."""
        return self.factors[1:]

    def sums(self, meter: Meter, question: Query) -> dict[str, Array]:
        """Sums of a question, groups along the first axis; of each site where the groups are sites, else of all together."""
        if not self.by_site:
            return dict(meter.sum(question))
        answers = list(meter.each(OwnSums(question)).values())
        return {name: np.concatenate([np.atleast_1d(a[name]) for a in answers]) for name in answers[0]}

    def hidden(
        self, meter: Meter, question: Query, levels: int
    ) -> tuple[dict[str, Array], NDArray[np.bool_]]:
        """Counts by level, and which are not shown in which group (groups, levels)."""
        found = self.sums(meter, question)
        of_each = found["hidden"].reshape(-1, levels) > 0
        return found, np.repeat(of_each, len(found["counts"]) // len(of_each), axis=0)

    def distinct(self, meter: Meter, variable: str) -> tuple[Array, Array]:
        """Distinct values in order (k,), and patients with each by group (groups, k)."""
        question: Query = DistinctValues(variable, *self.asked, across=self.across)
        answers = list(meter.each(OwnSums(question) if self.by_site else question).values())
        values = np.concatenate([a["values"] for a in answers])
        order = np.argsort(values, kind="stable")
        if not self.by_site:
            return values[order], np.concatenate([a["counts"] for a in answers], axis=1)[:, order]
        ends = np.cumsum([0, *(len(a["values"]) for a in answers)])
        counts = [np.zeros((len(a["counts"]), len(values))) for a in answers]
        for own, answer, begin, end in zip(counts, answers, ends, ends[1:], strict=False):
            own[:, begin:end] = answer["counts"]
        return values[order], np.concatenate(counts)[:, order]


def _factor(name: object, codebook: Codebook) -> Grouping:
    variable = known_column(name, codebook, "by")
    if not variable.levels:
        what_to_do = (
            variable.remedy(AS_FACTOR) if variable.kind == "label" else "make a factor of it in the codebook"
        )
        raise FormulaError(
            f"A table is grouped by a factor, and {variable.name} {variable.in_words()}; {what_to_do}."
        )
    return Grouping(variable.name, variable.levels)
