"""Estimates of practices within a site, small ones merged until the site's own gate lets every group pass."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix
from fedstats.contract.condition import level_name
from fedstats.contract.entries import Entries, each
from fedstats.contract.query import Query, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.fitting import own_maximum
from fedstats.methods.own_sums import entry_evidence, per_site
from fedstats.numerics.aliasing import Aliasing, aliasing
from fedstats.numerics.newton import Derivatives

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Group:
    """Practices that are fitted together.

    Attributes
    ----------
    names : tuple of str
    data : SiteData            their rows
    at_zero : Aggregate        the question's answer about them at coefficients of zero
    told : Aliasing            which coefficients these rows tell, by the curvature there
    own : Derivatives or None  at their own maximum, of the coefficients that are kept
    at_own : Aggregate
    """

    names: tuple[str, ...]
    data: SiteData
    at_zero: Aggregate
    told: Aliasing
    own: Derivatives | None
    at_own: Aggregate

    def estimated(self, columns: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which of some coefficients these patients estimate, (k,)."""
        return self.told.estimable[list(columns)] & (self.own is not None)


@dataclass(frozen=True)
class PracticeEstimates(Query):
    """Coefficients of a model as practices within a site (or the whole site) have them on their own, and what a test of their equality takes.

    Every practice that the site's own gate would let out alone is a group; the others are merged, and with the smallest
    of the former until the gate lets them pass too.  So all patients of the model are in some group, and no total less
    the groups leaves a few.  A group's fit is without the columns that its patients do not tell, such as a level that none of them
    has, as R's is; a coefficient is estimated if it is the same whichever of these are left out.

    ``question`` is the derivatives query of the model, at the coefficients of all groups together.  ``levels`` are those of ``by`` where it
    is a factor; a label's values stay at the site.  ``columns`` are the positions of the coefficients.
    """

    question: Query
    by: str | None
    levels: tuple[str, ...]
    columns: tuple[int, ...]

    summable = False
    asks = "estimates of practices, each on its own, and slopes at the common coefficients"

    def subject(self) -> str:
        """The model in words, with whose it is."""
        return f"{self.question.subject()}, by {self.by or 'site'}"

    def entries(self) -> dict[str, Entries]:
        """Numbers by group, of which the rows decide how many there are."""
        design = getattr(self.question, "model").design  # noqa: B009 (a model's question has one)
        names = tuple(design.described[j] for j in self.columns if 0 <= j < len(design.names))
        others = tuple(name for j, name in enumerate(design.described) if j not in self.columns)
        k = "g k"
        return {
            "estimate": each("a group's own coefficient", None, names, count=k),
            "covariance": each(
                "covariance of two of its own coefficients", None, names, names, count="g k k"
            ),
            "score": each("slope of its log-likelihood at the common coefficients", None, names, count=k),
            "own": each("curvature there in a pair of the coefficients", None, names, names, count="g k k"),
            "cross": each(
                "curvature there in one of them and another", None, names, others, count="g k (p - k)"
            ),
            "n": each("patients of a group", None, count="g"),
            "n_event": each("patients with the event", None, count="g"),
            "estimated": each("whether the group has an estimate of it: 1 or 0", None, names, count="g k"),
            "aliased": each(
                "whether the group's own fit is without a coefficient: 1 or 0",
                None,
                design.described,
                count="g p",
            ),
            "practices": each("practices in a group", None, count="g"),
            "members": each("whether a practice is in a group: 1 or 0", None, self.levels, count="g l"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """Of each group 3 k + 2 k k + k (p - k) + p numbers about its model, and its sizes."""
        self._check()
        groups = self._groups(data)
        found = [self._numbers(group) for group in groups]
        n = np.array([group.at_zero.patients for group in groups])
        sums = {}
        for name in found[0]:
            values = np.stack([one[name] for one in found])
            behind = n.reshape(-1, *[1] * (values.ndim - 1))
            sums[name] = Sum(values, np.broadcast_to(behind, values.shape))
        sums["n_event"] = replace(sums["n_event"], patients=sums["n_event"].values.astype(int))
        evidence = tuple(e for i, group in enumerate(groups, 1) for e in self._evidence(group, f"group {i}"))
        whose = tuple(cohort for group in groups for cohort in group.at_zero.rows)
        faults = tuple(fault for group in groups for fault in group.at_zero.faults)
        return Aggregate(sums, int(n.sum()), (per_site(int(n.sum())), *evidence), whose, faults)

    def _check(self) -> None:
        question: Any = self.question
        asked = question.entries()
        if not {"loglik", "score", "information"} <= set(asked) or not hasattr(question, "beta"):
            raise QueryError("Estimates of practices are those of a model's derivatives.")
        p = len(question.model.design.names)
        if (
            not self.columns
            or len(set(self.columns)) < len(self.columns)
            or not set(self.columns) <= set(range(p))
        ):
            raise QueryError("The columns are none of the model's, or one is named twice.")

    def _groups(self, data: SiteData) -> list[_Group]:
        """A group for each practice that the gate lets pass, and one for the others with as many more as they need."""
        if self.by is None:
            return [self._group(data, (), None)]
        data.require((), (self.by,))
        values = data.frame[self.by].map(level_name, na_action="ignore").astype(object)
        if self.levels and self.levels != data.codebook[self.by].levels:
            raise QueryError(f"The levels of {self.by} are others than the codebook's.")
        names = sorted(set(values.dropna()))
        singles = [self._group(data, (name,), (values == name).to_numpy()) for name in names]
        singles = sorted(
            (one for one in singles if one.at_zero.patients), key=lambda one: -one.at_zero.patients
        )
        shown = [one for one in singles if self._passes(one)]
        small = [name for one in singles if not self._passes(one) for name in one.names]
        if singles and not small:
            return shown
        while True:
            merged = self._group(data, tuple(sorted(small)), values.isin(small).to_numpy())
            if not shown or self._passes(merged):
                return [*shown, merged]
            small += shown.pop().names

    def _group(self, data: SiteData, names: tuple[str, ...], rows: NDArray[np.bool_] | None) -> _Group:
        part = data if rows is None else data.part(rows)
        question: Any = self.question
        beta = np.zeros(len(question.beta))
        at_zero = replace(question, beta=tuple(beta.tolist())).aggregate(part)
        told = aliasing(full_matrix(at_zero.sums["information"].values))
        worth = told.estimable[list(self.columns)].any()
        own = own_maximum(question, part, told.kept) if worth else None
        if own is not None:
            beta[told.kept] = own.beta
        at_own = replace(question, beta=tuple(beta.tolist())).aggregate(part)
        return _Group(names, part, at_zero, told, own, at_own)

    def _passes(self, group: _Group) -> bool:
        """Whether the gate would let the model of these practices out, at zero and at its own maximum.

        What is asked at the common coefficients decides nothing here: whoever chooses them would choose who is merged.
        """
        question: Any = self.question
        about = replace(self, question=replace(question, beta=(0.0,) * len(question.beta))).digest()
        alone = all(group.data.passes(answer, about) for answer in (group.at_zero, group.at_own))
        return alone and (group.own is not None or not group.data.is_gated)

    def _evidence(self, group: _Group, whom: str) -> list[Evidence]:
        at_common = self.question.aggregate(group.data)
        found = [e for at in (group.at_zero, group.at_own, at_common) for e in at.evidence]
        return [e.of(whom) for e in (*found, *entry_evidence(at_common.sums))]

    def _numbers(self, group: _Group) -> dict[str, Array]:
        chosen, k = list(self.columns), len(self.columns)
        at = self.question.aggregate(group.data).sums
        information = full_matrix(at["information"].values)
        others = [j for j in range(len(information)) if j not in chosen]
        estimated = group.estimated(self.columns)
        estimate: Array = np.zeros(k)
        covariance: Array = np.zeros((k, k))
        if group.own is not None:
            at_kept = (np.cumsum(group.told.kept) - 1)[chosen][estimated]
            estimate[estimated] = group.own.beta[at_kept]
            of_kept = np.asarray(np.linalg.inv(group.own.information))
            covariance[np.ix_(estimated, estimated)] = of_kept[np.ix_(at_kept, at_kept)]
        events = at["n_event"].values[0] if "n_event" in at else 0.0
        return {
            "estimate": estimate,
            "covariance": covariance,
            "score": at["score"].values[chosen],
            "own": information[np.ix_(chosen, chosen)],
            "cross": information[np.ix_(chosen, others)],
            "n": np.array(float(group.at_zero.patients)),
            "n_event": np.array(float(events)),
            "estimated": estimated.astype(float),
            "aliased": (~group.told.kept).astype(float),
            "practices": np.array(float(max(1, len(group.names)))),
            "members": np.array([float(level in group.names) for level in self.levels]),
        }
