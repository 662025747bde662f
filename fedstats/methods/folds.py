"""Cross-validation at a site: a model without each fold of its patients, all folds in one answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.design import level_codes
from fedstats.contract.entries import Entries, one
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import POINT, Query, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.glm_model import GlmDerivatives
from fedstats.methods.penalised_fit import DesignMoments

Array = NDArray[np.float64]

#: More folds than this are not answered: each is a model of its own.
MOST_FOLDS = 20


@dataclass(frozen=True)
class WithoutFolds(Query):
    """A model's sums over all patients, and over those outside each of several folds, in one answer.

    Attributes
    ----------
    question : Query             derivatives of a regression, or the moments of its columns
    folds : int
    column : str or None         a factor that says who is in which fold; None: the site draws, balanced and in secret
    levels : tuple of str        of that column, a fold each
    points : tuple of tuples     where the model is evaluated: for all patients, then for those outside each fold;
                                 empty for moments
    """

    question: Query
    folds: int
    column: str | None = None
    levels: tuple[str, ...] = ()
    points: tuple[tuple[float, ...], ...] = field(default=(), metadata=POINT)

    asks = "for all patients, and without each fold of a cross-validation"

    @property
    def model(self) -> Any:
        """The model whose patients are in folds."""
        inner: Any = getattr(self.question, "question", self.question)
        return getattr(inner, "model", None)

    def subject(self) -> str:
        """The model in words, and its folds."""
        said = f"{self.folds} folds drawn by the site" if self.column is None else f"folds by {self.column}"
        return f"{self.question.subject()}, {said}, {self.question.asks}"

    def entries(self) -> dict[str, Entries]:
        """Those of the question, once for all patients and once for each fold that is left out."""
        asked = self.question.entries()
        found = dict(asked)
        for k in range(1, self.folds + 1):
            found |= {
                without(name, k): replace(e, means=f"{e.means}, without fold {k}")
                for name, e in asked.items()
                if name != "dropped"  # those in folds have no empty cell
            }
            if self.points:
                found[of_all(k)] = one(f"log-likelihood of all patients at the point of fold {k}")
        return found

    def aggregate(self, data: SiteData) -> Aggregate:
        """The sums of the question, (folds + 1) times.

        Of the patients inside a fold nothing is sent, but all less those outside tells their sums: these are judged as well.

        Raises
        ------
        QueryError
            A question that is no regression's, or folds and points that do not belong together.
        """
        self._check()
        fold, parts = data.prepared(replace(self, points=()), lambda: self._parts(data))
        whole = self._at(0).aggregate(data)  # first: what is not finite for a few is not for all
        sums, evidence, cohorts, faults = dict(whole.sums), [*whole.evidence], [*whole.rows], whole.faults
        for k, (outside, inside) in enumerate(parts, start=1):
            asked = self._at(k)
            if self.points:
                all_here = asked.aggregate(data)
                sums[of_all(k)] = all_here.sums["loglik"]
                evidence += all_here.evidence
            left, of_fold = asked.aggregate(outside), asked.aggregate(inside)
            sums |= {without(name, k): s for name, s in left.sums.items() if name != "dropped"}
            evidence += [e.of(f"without fold {k}") for e in left.evidence]
            evidence += [e.of(f"fold {k}") for e in (*of_fold.evidence, *_entries_of(of_fold))]
            cohorts += left.rows
        if self.column is not None:
            cohorts = [replace(c, columns=tuple(dict.fromkeys((*c.columns, self.column)))) for c in cohorts]
            faults += (f"{self.column} is empty, or no agreed fold, for some patients.",) * bool(
                (fold < 0).any()
            )
        return Aggregate(sums, whole.patients, tuple(evidence), tuple(cohorts), faults)

    def beforehand(self, data: SiteData) -> tuple[Evidence, ...]:
        """Of every point; that of the question itself is judged as well."""
        self._check()
        return tuple(e for k in range(len(self.points)) for e in self._at(k).beforehand(data))

    def _check(self) -> None:
        inner = self.question.question if isinstance(self.question, DesignMoments) else self.question
        if not isinstance(inner, GlmDerivatives | CoxDerivatives) or self.question.where or inner.where:
            raise QueryError("Folds are those of the patients of a regression.")
        if not 2 <= self.folds <= MOST_FOLDS:
            raise QueryError(f"There are {self.folds} folds; 2 to {MOST_FOLDS} are answered.")
        if (self.column is not None or self.levels) and len(self.levels) != self.folds:
            raise QueryError("A column of folds has a level for each of them.")
        moments = inner is not self.question
        if len(self.points) != (0 if moments else self.folds + 1):
            raise QueryError("A model is evaluated at a point for all patients and at one for each fold.")

    def _at(self, k: int) -> Any:
        asked: Any = self.question
        return replace(asked, beta=self.points[k]) if self.points else asked

    def _parts(self, data: SiteData) -> tuple[NDArray[np.int64], list[tuple[SiteData, SiteData]]]:
        """The fold of each patient of the model, and the rows outside and inside each."""
        inner: Any = getattr(self.question, "question", self.question)
        rows: ModelRows = inner.model_rows(data)
        chosen = np.isin(data.positions, rows.cohort.rows)
        if self.column is None:
            fold = data.drawn(chosen, self.folds)
        else:
            data.require((self.column,))
            fold = level_codes(data.frame.loc[chosen, self.column], self.levels)
        of_each = np.full(len(chosen), -1)
        of_each[chosen] = fold
        parts = [
            (data.part(chosen & (of_each != k)), data.part(chosen & (of_each == k)))
            for k in range(self.folds)
        ]
        return fold, parts


def without(name: str, k: int) -> str:
    """A sum over the patients outside the k-th fold."""
    return f"{name}_without_{k}"


def of_all(k: int) -> str:
    """The log-likelihood of all patients at the point of the k-th fold."""
    return f"loglik_of_all_{k}"


def _entries_of(answer: Aggregate) -> Iterator[Evidence]:
    """Of sums that do not leave themselves, the patients behind each entry."""
    for name, s in answer.sums.items():
        yield from _entry_counts(name, s)


def _entry_counts(name: str, s: Sum) -> Iterator[Evidence]:
    about = f"entries of {name}"
    if not s.pairs:
        yield Evidence("entry", s.patients.ravel(), about)
        return
    yield Evidence("entry", s.patients[s.on_diagonal], about)
    yield Evidence("pair of levels", s.patients[~s.on_diagonal], about)
