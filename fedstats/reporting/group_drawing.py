"""Forest plots of groups' effects, with what they say together beneath."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fedstats.contract.heterogeneity_results import Heterogeneity
from fedstats.reporting.forest_drawing import forest_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIXED, RANDOM, NEW = "All, one effect", "All, effects that vary", "A new group (prediction)"
LIMITS = ["estimate", "conf_low", "conf_high"]


def heterogeneity_plot(found: Heterogeneity, term: str | None = None) -> "Axes":
    """Each group's effect with its interval, the means of fixed and random effects, and the prediction interval.

    Parameters
    ----------
    found : Heterogeneity    of :func:`fedstats.heterogeneity`
    term : str, optional     one of its coefficients, where there are several; the first unless given

    Raises
    ------
    ValueError
        No such coefficient.
    """
    terms = list(dict.fromkeys(found.groups["term"]))
    chosen = terms[0] if term is None else term
    if chosen not in terms:
        raise ValueError(f"There is no coefficient {chosen!r}; there are {', '.join(terms)}.")
    shown = group_rows(found, chosen)
    return forest_plot(shown, effect=found.effect, level=found.level, title=chosen)


def group_rows(
    found: Heterogeneity, term: str, step: float = 1.0, names: list[str] | None = None
) -> pd.DataFrame:
    """Term (the group, or what is put together) and ratios per ``step`` of a number: estimate conf_low conf_high."""
    own = found.groups[found.groups["term"] == term]
    groups = own[LIMITS].assign(term=names or own["group"].tolist())
    rows = pd.concat([groups, together(found, term)], ignore_index=True)
    return rows[["term"]].assign(**{name: np.exp(rows[name].astype(float) * step) for name in LIMITS})


def together(found: Heterogeneity, term: str) -> pd.DataFrame:
    """Fixed and random effects and the prediction interval, on the log scale."""
    fixed, random = (
        found.summaries[(found.summaries["term"] == term) & (found.summaries["effects"] == effects)].iloc[0]
        for effects in ("fixed", "random")
    )
    prediction = [random["estimate"], random["prediction_low"], random["prediction_high"]]
    rows = [fixed[LIMITS].tolist(), random[LIMITS].tolist(), prediction]
    return pd.DataFrame(rows, columns=LIMITS).assign(term=[FIXED, RANDOM, NEW])
