"""What every federation can do: add up a query over sites, or ask each site for its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Release
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition, conditions
from fedstats.contract.cumulative_hazard import CumulativeHazard
from fedstats.contract.disclosure import Refusal
from fedstats.contract.fit import Fit
from fedstats.contract.formula import parse_again
from fedstats.contract.linear_predictor import LinearPredictor
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.query import Query, QueryError, canonical_json
from fedstats.contract.refusal import SUM_TOO_LARGE

Array = NDArray[np.float64]
T = TypeVar("T")


class SiteRefused(PermissionError):  # noqa: N818 (a decision, not an error)
    """A site's policy did not let an answer out.

    Attributes
    ----------
    site : str
    query, entry, rule : str    what was asked, the kind of entry, and the rule it did not meet
    """

    def __init__(self, site: str, refusal: Refusal, hint: str = "") -> None:
        self.site, self.query, self.entry, self.rule = site, refusal.query, refusal.entry, refusal.rule
        if refusal.entry == "question":  # not a decision of the policy: the question does not fit the rows
            text, hint = f"The site {site} could not answer: {refusal.rule}", ""
        elif refusal.rule == SUM_TOO_LARGE:  # nor is this one
            text, hint = f"The site {site} cannot send a sum of {refusal.query}: {TOO_LARGE}", ""
        else:
            text = f"The site {site} refused {refusal.query}: {refusal.why}"
        super().__init__(f"{text} {hint}".strip())


#: What to do where a sum has more digits than one of 128 bits holds (see :mod:`fedstats.numerics.exact_sum`).
TOO_LARGE = (
    "it is not finite, or larger than what is added up exactly (2^56 of its unit, some 7e16). Squares of weights, and hazards of a patient with a "
    "large offset, may be: divide the weights by a constant, subtract one from the offset or look whether one patient's is far off, "
    "or measure a column in a larger unit."
)

#: The entry of a refusal that says: the sums are not finite, or too large, at these coefficients.
NOT_FINITE = "sum"


class Waiting(Exception):  # noqa: N818 (a state, not an error)
    """An answer is not there yet; run again when the sites have answered."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows one calm line instead of a traceback
        return [str(self)]


@dataclass(frozen=True)
class Answers:
    """One question with every site's answer; ``query`` is the question as it was recorded."""

    query: Query
    by_site: Mapping[str, Release | Refusal]


@dataclass(frozen=True)
class Asked:
    """One question with its refusals; ``answered`` says whether every site let its sums out."""

    query: Query
    refused: Mapping[str, Refusal]
    answered: bool


@dataclass(frozen=True)
class Total(Mapping[str, Array]):
    """Sums as float64 arrays by name.

    ``query`` is the question as recorded: on replay its point counts, not the last digits of today.
    """

    query: Any
    sums: Mapping[str, Array]
    n_bytes: int

    def __getitem__(self, name: str) -> Array:
        return self.sums[name]

    def __iter__(self) -> Any:
        return iter(self.sums)

    def __len__(self) -> int:
        return len(self.sums)


class Federation(ABC):
    """Sites that answer queries.  A carrier implements :meth:`ask`; everything else is here."""

    #: Names of the sites, in a fixed order.
    sites: tuple[str, ...]
    codebook: Codebook
    #: May distinct times and values be asked for?  A guess that saves a refusal; the gate decides.
    distinct_values: bool = False
    #: Coefficients at which one model may be asked for, where sites keep count.
    max_points: int | None = None
    #: Of one of a study's sites alone, to see what is asked: how many sites there are says nothing then.
    rehearses: bool = False
    #: Names of linear predictors that sites make for a question.
    made_columns: frozenset[str] = frozenset()
    #: The last sentence of a refusal's message.
    hint: str = ""

    @abstractmethod
    def ask(self, query: Query, *, each: bool = False) -> Answers:
        """Put a question to every site; raises :class:`Waiting` if an answer is still to come.

        Parameters
        ----------
        query : Query
        each : bool
            Every site's own answer is the point, rather than their sum.
        """

    def history(self) -> Iterable[Asked]:
        """What has been asked so far, in order; nothing where a carrier keeps no account."""
        return ()

    def lockstep(self, analyses: Sequence[Callable[[], T]]) -> list[T]:
        """Run analyses that do not depend on each other; where answers take time, their questions go out side by side."""
        return [analysis() for analysis in analyses]

    def sum(self, query: Query) -> Total:
        """The sum over all sites: all an estimator should normally need.

        Raises
        ------
        SiteRefused
            One site's policy refused; there is never a sum over the others.
        """
        answers = self.ask(query)
        releases = self._released(answers)
        total = reduce(add, (releases[site] for site in sorted(releases)))
        return Total(answers.query, total.values(), sum(r.n_bytes for r in releases.values()))

    def each(self, query: Query) -> dict[str, Total]:
        """Every site's own answer, where per-site estimates are the point."""
        answers = self.ask(query, each=True)
        return {s: Total(answers.query, r.values(), r.n_bytes) for s, r in self._released(answers).items()}

    @property
    def agreed(self) -> Codebook:
        """The codebook with all levels, which sites hold questions against; ``codebook`` may have those of some patients alone."""
        return self.codebook

    @property
    def codebooks(self) -> tuple[Codebook, Codebook]:
        """What a fit may be of: the levels of these patients, and all."""
        return self.codebook, self.agreed

    def where(self, condition: str) -> "Federation":
        """The same sites, about the patients who meet a condition such as ``"ecog >= 2"``."""
        return Subset(self, conditions(condition))

    def with_linear_predictor(self, name: str, fit: Fit) -> "Federation":
        """The same sites with the linear predictor of a fit as one column more, for terms, offsets and conditions.

        Each site makes it of its own rows whenever a question reads it; its values stay there.

        Parameters
        ----------
        name : str
            Of the column.
        fit : Fit
            Of :func:`fedstats.cox`, :func:`fedstats.logistic` or :func:`fedstats.glm`, on the codebook's own columns; it may be of
            other patients, as in an external validation.

        Returns
        -------
        Federation
            The column is ``predict(fit, type="lp", reference="zero")`` of R, offset included: of a Cox model the product of
            columns and coefficients, of others the intercept too.
        """
        return WithColumn(self, linear_predictor(name, fit, *self.codebooks))

    def _released(self, answers: Answers) -> dict[str, Release]:
        released = {}
        for site in self.sites:
            answer = answers.by_site[site]
            if isinstance(answer, Refusal):
                raise SiteRefused(site, answer, self.hint)
            released[site] = answer
        return released


class Subset(Federation):
    """A federation of the patients who meet structured conditions.

    In its codebook a factor has the levels that they may have, as in R after ``droplevels``: of models and groups these are all.
    """

    def __init__(self, whole: Federation, subset: tuple[Condition, ...]) -> None:
        for condition in subset:
            if condition.column not in whole.agreed:
                raise QueryError(whole.agreed.has_no(condition.column))
            condition.check(whole.agreed[condition.column])
        self.whole, self.subset = whole, subset
        self.sites, self.hint = whole.sites, whole.hint
        self.codebook = whole.codebook
        for condition in subset:
            left = tuple(condition.leaves(variable) for variable in self.codebook.variables)
            self.codebook = replace(self.codebook, variables=left)
        self.distinct_values, self.max_points = whole.distinct_values, whole.max_points
        self.made_columns, self.rehearses = whole.made_columns, whole.rehearses

    @property
    def agreed(self) -> Codebook:
        """That of the whole."""
        return self.whole.agreed

    def __repr__(self) -> str:
        who = " and ".join(condition.in_words() for condition in self.subset)
        return f"{self.whole!r}, patients with {who}"

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        """Ask about the subset only."""
        return self.whole.ask(query.among(*self.subset), each=each)

    def sum(self, query: Query) -> Total:
        """As the whole adds up, which may not be as every federation does."""
        return self.whole.sum(query.among(*self.subset))

    def history(self) -> Iterable[Asked]:
        """What has been asked of the whole: one account."""
        return self.whole.history()

    def lockstep(self, analyses: Sequence[Callable[[], T]]) -> list[T]:
        """As the whole does."""
        return self.whole.lockstep(analyses)


class WithColumn(Federation):
    """A federation with one column more, which sites make of their own."""

    @property
    def agreed(self) -> Codebook:
        """With the column."""
        return self.whole.agreed.with_variable(self.made.variable(self.whole.agreed))

    def __init__(
        self, whole: Federation, made: LinearPredictor | PropensityWeight | CumulativeHazard
    ) -> None:
        if within := whole.made_columns & {*made.variables}:
            raise QueryError(
                f"{min(within)} is a made column; others are made of the codebook's own columns."
            )
        self.whole, self.made = whole, made
        self.sites, self.hint = whole.sites, whole.hint
        self.codebook = whole.codebook.with_variable(made.variable(whole.codebook))
        self.made_columns, self.rehearses = whole.made_columns | {made.name}, whole.rehearses
        self.distinct_values, self.max_points = whole.distinct_values, whole.max_points

    def __repr__(self) -> str:
        return f"{self.whole!r}, with a column that sites make: {self.made.in_words()}"

    def ask(self, query: Query, *, each: bool = False) -> Answers:
        """Ask with the column where the question names it; other questions are those of the whole."""
        return self.whole.ask(self._with_column(query), each=each)

    def sum(self, query: Query) -> Total:
        """As the whole adds up, which may not be as every federation does."""
        return self.whole.sum(self._with_column(query))

    def _with_column(self, query: Query) -> Query:
        named = f'"{self.made.name}"' in canonical_json(query.to_dict())
        return query.with_columns(self.made) if named else query

    def history(self) -> Iterable[Asked]:
        """What has been asked of the whole: one account."""
        return self.whole.history()

    def lockstep(self, analyses: Sequence[Callable[[], T]]) -> list[T]:
        """As the whole does."""
        return self.whole.lockstep(analyses)


def _check_named_fit(name: object, fit: object) -> None:
    if not isinstance(fit, Fit) or not isinstance(name, str):
        raise QueryError(
            'A linear predictor has a name and a fit: sites.with_linear_predictor("lp", fs.cox(sites, ...)); '
            f"this one has {type(name).__name__} and {type(fit).__name__}."
        )


def linear_predictor(name: str, fit: Fit, *codebooks: Codebook) -> LinearPredictor:
    """The linear predictor of a fit as a column.

    Parameters
    ----------
    name : str
    fit : Fit
    *codebooks : Codebook
        The levels of some patients, and those agreed on: the fit may be of these patients, or of others.

    Raises
    ------
    FormulaError
        In none of them its formula has the fit's coefficients.
    QueryError
        There is no fit, or its effects change with time.
    """
    _check_named_fit(name, fit)
    if fit.varying:
        raise QueryError(
            "Effects that change with time make no one linear predictor: fit without time_varying."
        )
    _, design = parse_again(fit.formula, fit.names, codebooks, intercept=fit.kind != "cox")
    return LinearPredictor.of(name, design, fit.beta, fit.options.get("offset"))


class Meter:
    """Counts the rounds and bytes of one estimator, and asks no question twice."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.rounds = 0
        self.n_bytes = 0
        self._known: dict[Query, Total] = {}

    def sum(self, query: Query) -> Total:
        """As :meth:`Federation.sum`, counted."""
        if query not in self._known:
            total = self._known[query] = self.federation.sum(query)
            self.rounds += 1
            self.n_bytes += total.n_bytes
        return self._known[query]

    def finite_sum(self, query: Query, *, bounded: bool = False) -> Total | None:
        """As :meth:`sum`; None where the sums are not finite at the query's coefficients.

        Parameters
        ----------
        bounded : bool
            Of a model that is defined for some coefficients alone: behind a gate those beyond are of a refused size.
        """
        try:
            return self.sum(query)
        except SiteRefused as refused:
            if refused.entry == NOT_FINITE or (bounded and refused.rule == "size of coefficients"):
                return None
            raise

    def each(self, query: Query) -> dict[str, Total]:
        """As :meth:`Federation.each`, counted."""
        totals = self.federation.each(query)
        self.rounds += 1
        self.n_bytes += sum(t.n_bytes for t in totals.values())
        return totals
