"""Multiple imputation by chained equations whose models are federated fits; sites draw, and keep, the values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.completed_copy import CompletedCopy
from fedstats.contract.cumulative_hazard import CumulativeHazard
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter, WithColumn
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse_groups, parse_terms
from fedstats.contract.imputed_columns import (
    MOST_COPIES,
    MOST_CYCLES,
    MOST_VARIABLES,
    ImputationStep,
    ImputedColumns,
    levels_of_variable,
)
from fedstats.contract.pooled_fit import PooledFit
from fedstats.contract.printed import Printed, with_heading
from fedstats.contract.values import is_number, kind_of, shown
from fedstats.methods.between_sites import Between, deviations_between
from fedstats.methods.fitting import FIT_POINTS, check_points
from fedstats.methods.imputation_models import Drawn, drawn_step
from fedstats.methods.imputation_pooling import pool_imputed

#: The name under which imputation models read the cumulative hazard.
HAZARD = "cumhaz"
NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, repr=False)
class Imputations(Printed):
    """Completed copies of the data, each a federation on which every analysis runs.  Made by :func:`fedstats.impute`.

    Attributes
    ----------
    federation : Federation         the sites as they are
    chains : tuple of ImputedColumns   what sites receive, one a copy
    models : mapping                of each variable to the right-hand side of its imputation model
    observed : mapping              of each variable to the patients that its model was fitted to
    cycles : int
    delta : mapping                 of a variable to what was added to its draws
    between : mapping               of a variable to the standard deviation of intercepts, where a site has not observed it at all
    between_by : str                column of practices, or ``"site"``, by which these were estimated; empty: they were stated
    """

    federation: Federation = field(repr=False, compare=False)
    chains: tuple[ImputedColumns, ...]
    models: Mapping[str, str]
    observed: Mapping[str, int]
    cycles: int
    delta: Mapping[str, float]
    rounds: int
    n_bytes: int
    between: Mapping[str, float] = field(default_factory=dict)
    between_by: str = ""

    @property
    def m(self) -> int:
        """How many copies."""
        return len(self.chains)

    @property
    def copies(self) -> tuple[CompletedCopy, ...]:
        """The completed copies."""
        return tuple(CompletedCopy(self.federation, chain) for chain in self.chains)

    @property
    def assumption(self) -> str:
        """What was assumed beyond missing at random, in words; empty: nothing."""
        book = self.federation.codebook
        units = {n: " on the logit scale" if levels_of_variable(n, book) else "" for n in self.models}
        said = [f"{name} {value:+g}{units[name]} where it was missing" for name, value in self.delta.items()]
        if not self.between_by:
            said += [
                f"{name} differs between sites by a standard deviation of {value:g}{units[name]} (stated, not estimated)"
                for name, value in self.between.items()
            ]
        return "; ".join(said)

    def each(self, analysis: Callable[[Federation], Any]) -> list[Any]:
        """Run an analysis on every copy; the copies share their rounds.

        Parameters
        ----------
        analysis : callable
            Of a federation, ``lambda copy: fs.table_one(copy, ...)``.
        """
        if not callable(analysis):
            raise TypeError(
                f"analysis is {kind_of(analysis)}; give a function, as lambda copy: fs.cox(copy, ...)."
            )
        return self.federation.lockstep([partial(analysis, copy) for copy in self.copies])

    def fit(self, analysis: Callable[[Federation], Fit], *, df_complete: float | None = None) -> PooledFit:
        """Fit a model to every copy and put the fits together by Rubin's rules.

        Parameters
        ----------
        analysis : callable
            ``lambda copy: fs.cox(copy, "Surv(time, status) ~ albumin + age")``.
        df_complete : float, optional
            As of :func:`fedstats.pool_imputed`.
        """
        pooled = pool_imputed(self.each(analysis), df_complete=df_complete)
        return replace(pooled, assumption=self.assumption)

    def tidy(self) -> pd.DataFrame:
        """One row a variable: variable method model observed delta between."""
        rows = []
        for name, model in self.models.items():
            levels = levels_of_variable(name, self.federation.codebook)
            method = {0: "linear", 2: "logistic"}.get(len(levels), "sequential logistic")
            row = {"variable": name, "method": method, "model": model, "observed": self.observed[name]}
            rows.append(row | {"delta": self.delta.get(name, 0.0), "between": self.between.get(name, 0.0)})
        return pd.DataFrame(rows)

    def glance(self) -> pd.DataFrame:
        """One row: copies, cycles, and what they cost."""
        row = {"m": self.m, "cycles": self.cycles, "assumption": self.assumption, "rounds": self.rounds}
        return pd.DataFrame([row | {"bytes": self.n_bytes, "sites": len(self.federation.sites)}])

    def __str__(self) -> str:
        assumed = f"; assumed: {self.assumption}" if self.assumption else ""
        cycles = f"{self.cycles} cycle{'s' if self.cycles > 1 else ''}"
        return with_heading(
            f"{self.m} completed copies, {cycles} (multiple imputation){assumed}", self.tidy()
        )

    def _repr_html_(self) -> str:
        return str(self.tidy().to_html(index=False))


def impute(
    federation: Federation,
    models: Mapping[str, str],
    *,
    m: int = 10,
    cycles: int = 5,
    survival: str | None = None,
    delta: Mapping[str, float] = NOTHING,
    between: Between = None,
    seed: int = 1,
) -> Imputations:
    """Multiple imputation by chained equations; parameters are drawn here, values at the sites, where they stay.

    Parameters
    ----------
    federation : Federation
    models : mapping of str to str
        Of each variable with empty cells to the right-hand side of its imputation model: ``{"albumin": "age + sex + status + cumhaz"}``.
        A number has a linear model, an event or a factor of two levels a logistic one, a factor of more a logistic one for each
        level among those with it or a later one.  Variables are filled in in this order.  The outcome of the analysis belongs into
        every model: of survival the event and ``cumhaz``.
    m : int
        Copies, 2 to 20; as a rule as many as per cent of patients have an empty cell.
    cycles : int
        How often each variable is filled in in turn, 1 to 5; of a single variable once is enough.
    survival : str, optional
        ``"Surv(time, status)"``, where a model names ``cumhaz``: the Nelson-Aalen cumulative hazard that each site makes of its own rows.
    delta : mapping of str to float, optional
        What to add to draws of a variable, in its unit or, of levels, on the logit scale towards later levels: what a sensitivity
        analysis assumes of those in whom it was not observed.
    between : str or mapping of str to float, optional
        Where a site has not observed a variable at all: the standard deviation between sites of the intercept of its model, from which that of such a
        site is drawn.  ``"site"`` or a column of practices estimates it from three units or more that have observed the variable; a mapping states it, as a
        sensitivity analysis that says so.  Without it such a site is taken for one like all together.
    seed : int
        Of the draws of parameters; those of values are keyed with each site's secret.

    Returns
    -------
    Imputations
        Its ``copies`` are federations; ``fit`` runs a model on all and puts the fits together.

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    van Buuren (2018), sections 4.5 and 6.4; White & Royston (2009) for the cumulative hazard.  In the first cycle a model leaves out what
    is not filled in yet.  A model is fitted to those in whom the variable was observed, with completed predictors; its
    parameters are drawn from the normal law around the estimate (Rubin 1987, chapter 5).  Patients with an empty cell in a predictor that
    is not imputed keep theirs.  At a site a variable that is empty in one to ten rows has one draw of the site's own values for these in
    all copies, and where fewer patients than draws have the same cells empty these stay empty: a fit reports them as dropped.
    """
    check_federation(federation)
    chosen, hazard, designs = checked_models(federation.codebook, models, m, cycles, survival, delta)
    whole = federation if hazard is None else WithColumn(federation, hazard)
    cycles = 1 if len(designs) == 1 else cycles
    if any(levels_of_variable(name, federation.codebook) for name in designs):
        check_points(federation.max_points, m * FIT_POINTS, f"{m} copies of an imputation model take")
    meter = Meter(whole)
    own = {name: _without(design, {*designs}) for name, design in designs.items()}
    deviations = deviations_between(whole, own, between, meter)
    copies = [
        _Copy(whole, designs, hazard, m * cycles, number, seed, delta, deviations)
        for number in range(1, m + 1)
    ]
    for cycle in range(cycles):
        for name in designs:
            drawn = federation.lockstep([partial(copy.drawn, name, cycle) for copy in copies])
            for copy, one in zip(copies, drawn, strict=True):
                copy.take(one)
    chains = tuple(copy.chain for copy in copies)
    return Imputations(
        federation,
        chains,
        chosen,
        copies[0].observed,
        cycles,
        dict(delta),
        meter.rounds + max(copy.rounds for copy in copies),
        meter.n_bytes + sum(copy.n_bytes for copy in copies),
        deviations,
        between if isinstance(between, str) else "",
    )


class _Copy:
    """One copy while its chain grows."""

    def __init__(
        self,
        whole: Federation,
        designs: Mapping[str, Design],
        hazard: CumulativeHazard | None,
        draws: int,
        number: int,
        seed: int,
        delta: Mapping[str, float],
        between: Mapping[str, float],
    ) -> None:
        self._between = between
        self._whole, self._designs, self._hazard = whole, designs, hazard
        self._draws, self._number, self._seed, self._delta = draws, number, seed, delta
        self._steps: tuple[ImputationStep, ...] = ()
        self._estimates: dict[str, tuple[Any, ...]] = {}
        self.observed: dict[str, int] = {}
        self.rounds = self.n_bytes = 0

    @property
    def chain(self) -> ImputedColumns:
        """The chain so far, with all its columns shown."""
        filled = tuple(dict.fromkeys(step.variable for step in self._steps))
        read = dict.fromkeys(name for design in self._designs.values() for name in design.variables)
        made = () if self._hazard is None else (self._hazard.name,)
        others = tuple(name for name in read if name not in (*self._designs, *made))
        return ImputedColumns(
            filled, self._steps, tuple(self._designs), others, self._draws, self._number, self._hazard
        )

    def drawn(self, name: str, cycle: int) -> Drawn:
        """The next step."""
        federation = CompletedCopy(self._whole, self.chain, but=name) if self._steps else self._whole
        design = self._designs[name] if cycle else self._available(self._designs[name])
        begin = self._estimates.get(name, ())
        if begin and len(begin[0]) != len(design.names):
            begin = ()
        random = np.random.default_rng([self._seed, self._number, cycle, [*self._designs].index(name)])
        drawn = drawn_step(federation, name, design, begin, random)
        step = replace(drawn.step, shift=self._delta.get(name, 0.0), between=self._between.get(name, 0.0))
        return replace(drawn, step=step)

    def _available(self, design: Design) -> Design:
        """Without the columns of what is not filled in yet."""
        return _without(design, {*self._designs} - {step.variable for step in self._steps})

    def take(self, drawn: Drawn) -> None:
        """Add a step to the chain."""
        self._steps = (*self._steps, drawn.step)
        name = drawn.step.variable
        self._estimates[name], self.observed[name] = drawn.estimates, drawn.n
        self.rounds, self.n_bytes = self.rounds + drawn.rounds, self.n_bytes + drawn.n_bytes


def checked_models(
    codebook: Codebook, models: object, m: object, cycles: object, survival: object, delta: object
) -> tuple[dict[str, str], CumulativeHazard | None, dict[str, Design]]:
    """Imputation models as :func:`impute` is given them, with the cumulative hazard that they read and their designs.

    Raises
    ------
    FormulaError
    """
    chosen = _checked(codebook, models, m, cycles, delta)
    hazard = _hazard(codebook, chosen, survival)
    known = codebook if hazard is None else codebook.with_variable(hazard.variable(codebook))
    return chosen, hazard, {name: _design(known, name, text) for name, text in chosen.items()}


def _checked(codebook: Codebook, models: object, m: object, cycles: object, delta: object) -> dict[str, str]:
    if not isinstance(models, Mapping) or not models:
        raise FormulaError(
            f'models is {shown(models)}; give each variable its imputation model: {{"albumin": "age + sex + status"}}.'
        )
    if len(models) > MOST_VARIABLES:
        raise FormulaError(f"{len(models)} variables are to be imputed; at most {MOST_VARIABLES} are.")
    for what, value, low, high in (("m", m, 2, MOST_COPIES), ("cycles", cycles, 1, MOST_CYCLES)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise FormulaError(f"{what} is {shown(value)}; give a whole number from {low} to {high}.")
    for name, text in models.items():
        variable = known_column(name, codebook, "models")
        if variable.kind not in ("numeric", "factor", "event"):
            raise FormulaError(f"{name} {variable.in_words()}; a number, a factor or an event is imputed.")
        if not variable.missing:
            raise FormulaError(f"{name} has no empty cells by the codebook: there is nothing to impute.")
        if not isinstance(text, str) or not text.strip() or "~" in text:
            raise FormulaError(
                f'The imputation model of {name} is {shown(text)}; give its terms, as "age + sex + status".'
            )
    if not isinstance(delta, Mapping) or not all(is_number(value) for value in delta.values()):
        raise FormulaError(f'delta is {shown(delta)}; give numbers by variable, as {{"albumin": -0.3}}.')
    if unknown := {*delta} - {*models}:
        raise FormulaError(f"delta names {shown(min(unknown, key=str))}, which is not imputed.")
    return {str(name): str(text) for name, text in models.items()}


def _hazard(codebook: Codebook, models: Mapping[str, str], survival: object) -> CumulativeHazard | None:
    named = any(re.search(rf"(?<![\w.]){HAZARD}(?![\w.])", text) for text in models.values())
    if not named or HAZARD in codebook:
        return None
    if not isinstance(survival, str):
        raise FormulaError(
            f'A model names {HAZARD}: say of which follow-up, as survival="Surv(time, status)".'
        )
    outcome, _ = parse_groups(f"{survival} ~ 1", codebook)
    if outcome.event_level is not None or outcome.time is None:
        raise FormulaError(f"The {HAZARD} of {survival} is that of an event that is 0 or 1.")
    return CumulativeHazard(HAZARD, outcome.time, outcome.event, outcome.entry)


def _design(codebook: Codebook, name: str, text: str) -> Design:
    design = parse_terms(text, codebook)
    if not design.intercept:
        raise FormulaError(f"The imputation model of {name} needs its intercept.")
    if name in design.variables:
        raise FormulaError(f"{name} is the outcome of its imputation model, and no term of it.")
    return design


def _without(design: Design, names: set[str]) -> Design:
    """A design without the columns that read any of these."""
    kept = tuple(c for c in design.columns if not names & {p.column for p in c.parts})
    return replace(design, columns=kept)
