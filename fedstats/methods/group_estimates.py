"""What came of each group of practices at the coordinator, put together and as frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from fedstats.contract.design import Design
from fedstats.contract.federation import Total
from fedstats.contract.fit import Fit
from fedstats.numerics.meta_analysis import MetaAnalysis, meta_analysis, one_stage_score_test

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GroupEstimate:
    """What came of one group, on the scale of the columns as they were written."""

    site: str
    name: str
    members: str
    practices: int
    n: int
    n_event: int
    aliased: tuple[str, ...]
    estimate: Array
    variance: Array
    sums: dict[str, Array]


def read_groups(
    answers: dict[str, Total], design: Design, columns: tuple[int, ...], levels: tuple[str, ...]
) -> Iterator[GroupEstimate]:
    """The groups of every site's answer, under names that no two have."""
    scale = np.diag(design.unscaling())[list(columns)]
    for site, answer in answers.items():
        for i, n in enumerate(answer["n"]):
            of_group = {name: np.asarray(values[i]) for name, values in answer.items()}
            members = ", ".join(
                lv for lv, there in zip(levels, of_group["members"], strict=True) if there > 0
            )
            alone = len(answer["n"]) == 1
            known = of_group["estimated"] > 0
            yield GroupEstimate(
                site,
                site if alone and not members else f"{site}: {members or i + 1}",
                members,
                round(float(of_group["practices"])),
                round(float(n)),
                round(float(of_group["n_event"])),
                tuple(name for name, out in zip(design.names, of_group["aliased"], strict=True) if out > 0),
                np.where(known, scale * of_group["estimate"], np.nan),
                np.where(known, scale**2 * np.diag(of_group["covariance"]), np.nan),
                of_group,
            )


def one_stage_test(
    groups: list[GroupEstimate], fit: Fit, design: Design, columns: tuple[int, ...]
) -> tuple[float, int, float]:
    """On the scale of the questions, where the sums are; the statistic is the same on any."""
    inverse = np.linalg.inv(design.unscaling())
    information = np.linalg.inv(inverse @ fit.covariance @ inverse.T)
    others = [j for j in range(len(information)) if j not in columns]
    score, own, cross = (
        np.stack([group.sums[name] for group in groups]) for name in ("score", "own", "cross")
    )
    return one_stage_score_test(score, own, cross, information[np.ix_(others, others)])


def tables_of_coefficient(
    groups: list[GroupEstimate], i: int, name: str, method: str, hartung_knapp: bool, level: float
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Groups, summaries, statistics, and the summaries without each of the groups."""
    y, v = (
        np.array([values[i] for values in found])
        for found in zip(*((g.estimate, g.variance) for g in groups), strict=True)
    )
    known = np.isfinite(y) & (v > 0)
    if not known.any():
        raise ArithmeticError(f"No group has an estimate of {name} of its own.")

    def together(chosen: NDArray[np.bool_]) -> MetaAnalysis:
        return meta_analysis(y[chosen], v[chosen], method, hartung_knapp=hartung_knapp, level=level)

    whole = together(known)
    half = norm.isf((1 - level) / 2) * np.sqrt(v)
    shares = {
        f"weight_{effects}": 100 * w / np.nansum(w)
        for effects, w in (("fixed", 1 / v), ("random", 1 / (v + np.nan_to_num(whole.tau2))))
    }
    table = pd.DataFrame(
        {"term": name, "group": [g.name for g in groups], "site": [g.site for g in groups]}
        | {what: [getattr(g, what) for g in groups] for what in ("practices", "members", "n", "n_event")}
        | {"aliased": [", ".join(g.aliased) for g in groups]}
        | {"estimate": y, "std_error": np.sqrt(v), "conf_low": y - half, "conf_high": y + half}
        | shares
    )
    return (
        table,
        _summaries(name, whole, level),
        _statistics(name, whole, int(known.sum())),
        _without(name, [g.name for g in groups], known, together, level),
    )


def _summaries(name: str, whole: MetaAnalysis, level: float) -> pd.DataFrame:
    rows = []
    for effects, mean, prediction in (
        ("fixed", whole.fixed, (np.nan, np.nan)),
        ("random", whole.random, whole.prediction),
    ):
        low, high = mean.interval(level)
        row = {"term": name, "effects": effects, "estimate": mean.estimate, "std_error": mean.std_error}
        row |= {"df": mean.df, "p_value": mean.p_value, "conf_low": low, "conf_high": high}
        rows.append(row | {"prediction_low": prediction[0], "prediction_high": prediction[1]})
    return pd.DataFrame(rows)


def _statistics(name: str, whole: MetaAnalysis, groups: int) -> pd.DataFrame:
    row = {"term": name, "groups": groups, "q": whole.q, "df": whole.df, "p_value": whole.p_value}
    row |= {"i2": whole.i2, "h2": whole.h2, "tau2": whole.tau2}
    return pd.DataFrame([row | {"tau2_low": whole.tau2_interval[0], "tau2_high": whole.tau2_interval[1]}])


def _without(
    name: str, names: list[str], known: NDArray[np.bool_], together: Any, level: float
) -> pd.DataFrame:
    rows = []
    for i in np.flatnonzero(known) if known.sum() > 2 else ():
        found: MetaAnalysis = together(known & (np.arange(len(known)) != i))
        low, high = found.random.interval(level)
        row = {"term": name, "left_out": names[i], "estimate": found.random.estimate, "conf_low": low}
        rows.append(
            row | {"conf_high": high, "p_value": found.random.p_value, "i2": found.i2, "tau2": found.tau2}
        )
    columns = ["term", "left_out", "estimate", "conf_low", "conf_high", "p_value", "i2", "tau2"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], float))
