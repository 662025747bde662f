"""The model behind a Cox fit, for what is asked about it afterwards."""

import numpy as np

from fedstats.contract.federation import Federation
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse_again
from fedstats.methods.cox_model import CoxModel


def model_of(federation: Federation, fit: Fit) -> tuple[CoxModel, tuple[float, ...]]:
    """The model that was fitted, and its coefficients on the scale of the question's columns.

    Raises
    ------
    FormulaError
        No Cox model, one whose effects change with time, or one of another codebook.
    """
    if getattr(fit, "kind", None) != "cox":
        raise FormulaError("This is about a Cox model: give the result of fs.cox.")
    if fit.varying:
        raise FormulaError("This is about effects that are constant: fit the model without time_varying.")
    outcome, design = parse_again(fit.formula, fit.names, federation.codebooks, intercept=False)
    offset, strata = fit.options["offset"], tuple(fit.options["strata"])
    grid = tuple(fit.options.get("grid", ()))
    model = CoxModel(
        outcome.entry,
        str(outcome.time),
        outcome.event,
        design,
        strata,
        fit.options["ties"],
        fit.options["weights"],
        offset,
        federation.codebook[offset].centre if offset else 0.0,
        fit.options["cluster"],
        grid,
        federation.codebook[strata[0]].levels if strata and grid else (),
        outcome.event_level,
    )
    return model, tuple(np.linalg.solve(design.unscaling(), fit.beta).tolist())
