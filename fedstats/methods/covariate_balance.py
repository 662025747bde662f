"""Balance of covariates between two arms, before weighting and after, from sums by arm."""

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, check_names, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.federation import Federation, Meter, SiteRefused, Total
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.values import check_choice, check_flag
from fedstats.contract.weight_results import ALL_SITES, Balance
from fedstats.methods.glm_fit import event_level_of
from fedstats.methods.weighted_arms import ArmSums
from fedstats.methods.weighting import Weighting, arms_of, check_treatment, weighted
from fedstats.numerics.families import LOGIT

Array = NDArray[np.float64]
Denominator = Literal["pooled", "treated"]


def balance(
    federation: Federation,
    by: str | None = None,
    variables: Sequence[str] | None = None,
    *,
    weights: Weighting = None,
    more: Sequence[str] = (),
    denominator: Denominator | None = None,
    per_site: bool = True,
) -> Balance:
    """Standardised mean differences between two arms, of all sites together and of each: what a love plot shows.

    Parameters
    ----------
    federation : Federation
    by : str, optional
        The treatment, 0 or 1 or a factor of two levels; or both sides as a formula, ``"arm ~ age + C(ecog)"``.  None: that of the weights.
    variables : sequence of str, optional
        Columns; ``C(column)`` reads a number as a factor.  None: those of the propensity model.
    weights : str or PropensityWeights, optional
    more : sequence of str
        Columns beside these.
    denominator : {"pooled", "treated"}, optional
        Whose standard deviation divides; None: of the treated for weights of the estimand ATT, else of both arms.
    per_site : bool
        Whether each site's own balance is asked for.

    Returns
    -------
    Balance
        A variable that a site did not let out is missing and named in ``refused``.

    Raises
    ------
    FormulaError

    Notes
    -----
    (mean of the treated - mean of the untreated) / sd.  The standard deviation is **unweighted, before and after**, as in
    R's ``cobalt`` and ``WeightIt``: else weights that shrink the spread would look as if they unbalanced.  Pooled: the root of the mean of
    both arms' variances, as in ``tableone``; that of a level is p (1 - p), of a number with n - 1 (Austin & Stuart 2015).
    Missing values of a variable leave out its own patients alone.
    """
    check_federation(federation)
    if denominator is not None:
        check_choice("denominator", denominator, get_args(Denominator))
    check_flag("per_site", per_site)
    for what, names in (("variables", () if variables is None else variables), ("more", more)):
        check_names(what, names)
    whole = federation
    federation, name, propensity = weighted(federation, weights)
    if propensity is not None:
        denominator = denominator or ("treated" if propensity.estimand == "ATT" else "pooled")
        by = propensity.recipe.treatment if by is None else by
        variables = (
            _as_written(propensity.recipe.design) if variables is None and "~" not in str(by) else variables
        )
    by, designs = _asked(whole, by, variables, more)
    level = event_level_of(whole, by, LOGIT)
    meter, rows, refused = Meter(federation), [], []
    for design in designs:
        try:
            query = ArmSums(by, level, name, design)
            found = {ALL_SITES: meter.sum(query)} | (dict(meter.each(query)) if per_site else {})
        except SiteRefused as refusal:
            refused.append((design.variables[0], refusal.rule))
            if refusal.entry == "question" and len(refused) == len(
                designs
            ):  # it fits no rows: no policy's decision
                raise
            continue
        for site, total in found.items():
            rows += list(_rows(site, total, design, denominator or "pooled", whole.codebook))
    names = ["site", "variable", "level", "mean_control", "mean_treated", "sd", "smd"]
    names += ["weighted_control", "weighted_treated", "weighted_smd"] if name else []
    frame = pd.DataFrame(rows, columns=names)
    order = {site: k for k, site in enumerate((ALL_SITES, *federation.sites))}
    frame = frame.sort_values("site", key=lambda s: s.map(order), kind="stable", ignore_index=True)
    groups = arms_of(whole, by, level)
    return Balance(frame, groups, denominator or "pooled", tuple(refused), meter.rounds, meter.n_bytes)


def _as_written(design: Design) -> list[str]:
    """Variables of a design; a number that is read by its levels as ``C(column)``."""
    levelled = {p.column for c in design.columns for p in c.parts if p.level is not None}
    return [f"C({name})" if name in levelled else name for name in design.variables]


def _asked(
    federation: Federation, by: str | None, variables: Sequence[str] | None, more: Sequence[str]
) -> tuple[str, list[Design]]:
    """The treatment, and one design a variable."""
    if by is None:
        raise FormulaError("Say which treatment: by='arm', or weights of fs.propensity_weights.")
    check_treatment(federation.codebook, by)
    if "~" in str(by):
        outcome, design = parse(by, federation.codebook, intercept=False)
        by, variables = outcome.event, _as_written(design)
    known_column(by, federation.codebook, "by")
    if not variables:
        raise FormulaError("variables is empty; give a list of columns, as in ['age', 'C(ecog)'].")
    return by, [_design(federation.codebook, name) for name in dict.fromkeys((*variables, *more))]


def check_arms(codebook: Codebook, by: str, variables: Sequence[str]) -> None:
    """A treatment of two levels, and columns of which there is a balance.

    Raises
    ------
    FormulaError
    """
    check_treatment(codebook, by)
    for name in variables:
        _design(codebook, name)


def _design(codebook: Codebook, text: str) -> Design:
    """A number as it is; of a factor every level but the first, whose sums are those of the arm less the others."""
    column = text[2:-1].strip() if text.startswith("C(") and text.endswith(")") else text
    variable = known_column(column, codebook, "A variable")
    if variable.kind == "label":
        raise FormulaError(f"{column} {variable.in_words()}; there is no balance of it.")
    if column == text and variable.kind not in ("factor", "event"):
        return Design((Column(column, (Part(column),), variable.centre, variable.scale),))
    levels = variable.levels or ("0", "1")
    return Design(tuple(Column(f"{column}[{level}]", (Part(column, level),)) for level in levels[1:]))


def _rows(
    site: str, total: Total, design: Design, denominator: Denominator, codebook: Codebook
) -> Iterator[dict[str, object]]:
    """One row a number; of a factor one a level, of two levels the second alone."""
    first = design.columns[0].parts[0]
    centre, scale = design.columns[0].centre, design.columns[0].scale
    sums = {"": (total["n"], total["sum"])}
    if "weight" in total:
        sums["weighted_"] = (total["weight"], total["weighted_sum"])
    with np.errstate(invalid="ignore", divide="ignore"):  # of an arm without patients: no number
        means = {key: added / weight[:, None] for key, (weight, added) in sums.items()}
        n = total["n"][:, None]
        variances = (total["squares"] - n * means[""] ** 2) / (n - 1)
    names: list[str] = [""]
    if first.level is not None:
        names = [str(part.parts[0].level) for part in design.columns]
        if len(names) > 1:
            names = [(codebook[first.column].levels or ("0",))[0], *names]
            means = {key: np.column_stack([1 - m.sum(axis=1), m]) for key, m in means.items()}
        variances = means[""] * (1 - means[""])
    variance = variances[1] if denominator == "treated" else variances.mean(axis=0)
    for k, level in enumerate(names):
        sd = float(np.sqrt(max(variance[k], 0.0)))
        row: dict[str, object] = {"site": site, "variable": first.column, "level": level, "sd": sd * scale}
        for key, mean in means.items():
            low, high = (float(centre + scale * m) for m in mean[:, k])
            row |= {f"{key or 'mean_'}control": low, f"{key or 'mean_'}treated": high}
            row[f"{key}smd"] = float((mean[1, k] - mean[0, k]) / sd) if sd > 0 else np.nan
        yield row
