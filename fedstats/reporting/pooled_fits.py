"""Pooled rows, and generalised linear models of them by statsmodels: only for public or synthetic data."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.design import Design
from fedstats.contract.fit import Fit
from fedstats.contract.formula import parse
from fedstats.contract.periods import design_of
from fedstats.methods.weighting import recipe_of
from fedstats.reporting.pooled_attrition import SCREENED
from fedstats.study.definition import Study

#: The column that says where a pooled row comes from.
SITE = "(site)"


def pooled_rows(study: Study, files: Mapping[str, str]) -> pd.DataFrame:
    """All sites' rows in one frame, with the site as a column: only for public or synthetic data.

    Where sites have screened patients for a study that counts them, its ``attrs`` hold how many left at each step.
    """
    sites = [study.site(site, file, remember=False) for site, file in files.items()]
    frames = [site.data.frame.assign(**{SITE: site.name}) for site in sites]
    pooled = pd.concat([f.astype(object) for f in frames], ignore_index=True)
    for variable in study.codebook.variables:
        if variable.kind == "factor":
            pooled[variable.name] = pd.Categorical(pooled[variable.name], categories=list(variable.levels))
        elif variable.kind != "label":
            pooled[variable.name] = pooled[variable.name].astype(float)
    screened = [site.screened.data.frame for site in sites if site.screened is not None]
    if screened and study.cohort is not None:
        pooled.attrs[SCREENED] = pd.concat(screened)[study.cohort.attrition].value_counts().to_dict()
    return pooled


def with_made_weights(fit: Fit, pooled: pd.DataFrame) -> pd.DataFrame:
    """The pooled rows with the weights that sites made for a fit, as a column of its name."""
    recipe = recipe_of(fit)
    return pooled if recipe is None else pooled.assign(**{recipe.name: recipe.values(pooled)})


def complete_rows(study: Study, fit: Fit, pooled: pd.DataFrame) -> tuple[pd.DataFrame, Any, Design]:
    """The rows in a model, its outcome and its design."""
    outcome, _ = parse(fit.formula, study.codebook, intercept=fit.kind != "cox")
    design = design_of(fit, study.codebook)
    extra = [c for c in (*fit.options.get("strata", ()), fit.options["weights"], fit.options["offset"]) if c]
    frame = pooled.dropna(subset=[*outcome.variables, *design.variables, *extra]).reset_index(drop=True)
    return frame, outcome, design


@dataclass(frozen=True)
class PooledGlm:
    """A model of the pooled rows.

    Attributes
    ----------
    frame : DataFrame       its rows
    design : Design
    weights, offset : Series or None
    fitted : object         of statsmodels, on scaled columns
    software : str
    """

    frame: pd.DataFrame
    design: Design
    weights: "pd.Series[float] | None"
    offset: "pd.Series[float] | None"
    fitted: Any
    software: str

    @property
    def beta(self) -> NDArray[np.float64]:
        """Coefficients of the columns as written."""
        return np.asarray(self.design.unscaling() @ self.fitted.params)

    @property
    def std_error(self) -> NDArray[np.float64]:
        """Of these."""
        transform = self.design.unscaling()
        return np.sqrt(np.diag(transform @ self.fitted.cov_params() @ transform.T))

    def mean(self, frame: pd.DataFrame) -> float:
        """What the model expects on average of its rows as they stand in another frame."""
        x = self.design.scaled(self.design.raw(frame))
        return float(np.average(self.fitted.predict(x, offset=self.offset), weights=self.weights))


def glm_by_statsmodels(study: Study, fit: Fit, pooled: pd.DataFrame) -> PooledGlm:
    """The model of a fit, by other people's software."""
    import statsmodels  # noqa: PLC0415
    import statsmodels.api as sm  # noqa: PLC0415
    from statsmodels.tools.sm_exceptions import DomainWarning  # noqa: PLC0415

    frame, outcome, design = complete_rows(study, fit, pooled)
    x = design.scaled(design.raw(frame))
    weights = frame[fit.options["weights"]].astype(float) if fit.options["weights"] else None
    offset = frame[fit.options["offset"]].astype(float) if fit.options["offset"] else None
    families = {
        "logit": sm.families.Binomial(),
        "log": sm.families.Binomial(sm.families.links.Log()),
        "poisson": sm.families.Poisson(),
        "gaussian": sm.families.Gaussian(),
    }
    named = fit.options.get("family", "binomial")
    family = families[fit.options.get("link", "logit") if named == "binomial" else named]
    values, levels = frame[outcome.event], study.codebook[outcome.event].levels
    response = ((values == levels[1]) if levels else values).astype(float).to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DomainWarning
        )  # a risk may come out above one; a fit that ends has none
        model = sm.GLM(response, x, family, freq_weights=weights, offset=offset)
    pooled_fit = model.fit(tol=1e-14, maxiter=50)
    return PooledGlm(frame, design, weights, offset, pooled_fit, f"statsmodels {statsmodels.__version__}")
