"""Public data sets that the tests share, and how their rows are dealt to sites.

``tests/reference/write_datasets.py`` writes these very frames for R, so both languages fit the same numbers.
"""

from functools import cache, partial

import numpy as np
import pandas as pd
from lifelines import datasets as lifelines_data
from statsmodels.datasets import fair as fair_data
from statsmodels.datasets import spector as spector_data

#: Mean length of a month in days; 30.4375 = 487 / 16 is exact in binary, and so are its multiples.
MONTH = 30.4375


@cache
def lung_all() -> pd.DataFrame:
    """NCCTG advanced lung cancer, all 228 patients, empty cells included."""
    frame = lifelines_data.load_lung()[["inst", "time", "status", "age", "sex", "ph.ecog"]]
    return frame.assign(weight=1 + np.arange(1, len(frame) + 1) % 3)


@cache
def lung() -> pd.DataFrame:
    """The 226 patients complete on institution, age, sex and ECOG, with columns derived from these; the censored of one institution as a practice of their own."""
    frame = lung_all().dropna().reset_index(drop=True)
    institution = pd.factorize(frame["inst"], sort=True)[0]
    return frame.assign(
        ecog3=frame["ph.ecog"].map({0.0: "0", 1.0: "1", 2.0: "2+", 3.0: "2+"}),
        age_effect=0.01 * frame["age"],
        age_far=frame["age"] + 1e8,
        age_large=frame["age"] * 1e6,
        month_end=MONTH * np.ceil(frame["time"] / MONTH),
        practice=[
            f"i{k:02.0f}" for k in frame["inst"].mask((frame["inst"] == 5) & (frame["status"] == 0), 55)
        ],
        **{f"site{k}": 1 + institution % k for k in (2, 4, 5, 9, 17)},
    )


@cache
def lung_gaps() -> pd.DataFrame:
    """The 226 patients, every ninth without an age and every eleventh without an ECOG."""
    frame, i = lung(), np.arange(226)
    return frame.assign(
        **{"age": frame["age"].mask(i % 9 == 4), "ph.ecog": frame["ph.ecog"].mask(i % 11 == 7)}
    )


@cache
def lung_zero() -> pd.DataFrame:
    """The 226 patients, every fourth with a weight of zero."""
    return lung().assign(weight=np.arange(226) % 4)


@cache
def heart_zero() -> pd.DataFrame:
    """The transplants, with a weight of zero for every third row."""
    frame = heart()
    return frame.assign(weight=np.arange(len(frame)) % 3)


@cache
def heart() -> pd.DataFrame:
    """Stanford heart transplants as (start, stop], several rows a patient; invented centres and weights."""
    frame = lifelines_data.load_stanford_heart_transplants()
    return frame.assign(
        centre=1 + frame["id"] % 20,
        calendar=np.floor(1967.83 + frame["year"]),
        age_effect=0.01 * frame["age"],
        weight=1 + frame["id"] % 3,
        cell_start=30 * np.floor(frame["start"] / 30),
        cell_stop=30 * np.ceil(frame["stop"] / 30),
    )


@cache
def rossi() -> pd.DataFrame:
    """Recidivism of 432 released prisoners, heavily tied weeks; invented centres, folds and weights, times without ties."""
    frame = lifelines_data.load_rossi()
    i = np.arange(len(frame))
    folds = np.random.default_rng(5).integers(1, 5, len(frame))
    return frame.assign(
        fold=folds.astype(str),
        untied=frame["week"] + i / 1000,
        centre=1 + i % 20,
        practice=[f"p{k:02d}" for k in i % 20],
        weight=1 + i % 3,
        age_effect=0.01 * frame["age"],
        **{f"site{k}": 1 + i % k for k in (2, 5, 17)},
    )


@cache
def gbsg2() -> pd.DataFrame:
    """German Breast Cancer Study Group 2: 686 women, three factors held as text; invented folds, centres and practices, times without ties.

    In ``grade_gaps`` fold 2 has no grade I, fold 3 no grade III and fold 4 grade II alone, in ``grade_upper`` fold 3 no grade III; in
    ``treated_gaps`` fold 5 has nobody with hormones.
    """
    frame = lifelines_data.load_gbsg2()
    folds = np.random.default_rng(3).integers(1, 6, len(frame))
    i = np.arange(len(frame))
    columns = {"fold": folds.astype(str), "centre": 1 + i % 20, "practice": [f"p{k:02d}" for k in i % 20]}
    upper = frame["tgrade"].mask((folds == 3) & (frame["tgrade"] == "III"), "II")
    columns["grade_upper"] = upper
    columns["grade_gaps"] = upper.mask((folds == 2) & (upper == "I") | (folds == 4), "II")
    columns["treated_gaps"] = frame["horTh"].mask(folds == 5, "no")
    return frame.assign(**columns, untied=frame["time"] + i / 1000)


@cache
def gbsg2_filled(copy: int) -> pd.DataFrame:
    """The 686 women, every fourth age and every fifth size filled in otherwise: the copy-th completed copy of data with gaps."""
    frame, i = gbsg2(), np.arange(686)
    moved = (i * 37 + copy * 53) % 41 - 20
    age, size = frame["age"] + moved, frame["tsize"] + moved % 17 - 8
    return frame.assign(age=age.where(i % 4 == 1, frame["age"]), tsize=size.where(i % 5 == 2, frame["tsize"]))


@cache
def leukemia() -> pd.DataFrame:
    """Remission of 42 patients with leukaemia: few rows, many ties; a column without any event where it is one."""
    frame = lifelines_data.load_leukemia()
    return frame.assign(monotone=((frame["status"] == 0) & (frame["t"] > 10)).astype(int))


@cache
def spector() -> pd.DataFrame:
    """Effect of a teaching method on 32 students' grades."""
    return spector_data.load_pandas().data


@cache
def fair() -> pd.DataFrame:
    """Fair's survey of 6366 women; the outcome is any affair."""
    frame = fair_data.load_pandas().data
    return frame.assign(affair=(frame["affairs"] > 0).astype(int)).drop(columns="affairs")


#: Every data set that R reads, by name.
DATASETS = {
    "lung": lung,
    "lung_gaps": lung_gaps,
    "lung_zero": lung_zero,
    "heart": heart,
    "heart_zero": heart_zero,
    "rossi": rossi,
    "gbsg2": gbsg2,
    **{f"gbsg2_filled{copy}": partial(gbsg2_filled, copy) for copy in range(1, 6)},
    "leukemia": leukemia,
    "spector": spector,
    "fair": fair,
}


def split(
    frame: pd.DataFrame, k: int, seed: int | None = None, by: str | None = None
) -> dict[str, pd.DataFrame]:
    """Deal a frame to ``k`` sites.

    Parameters
    ----------
    frame : DataFrame
    k : int
        Number of sites; 1 is the pooled analysis.
    seed : int, optional
        Deal at random and shuffle the rows; None: deal in turn and leave the rows in order.
    by : str, optional
        Column whose groups stay together at one site (strata, clusters); None: every row by itself.
    """
    unit = np.arange(len(frame)) if by is None else pd.factorize(frame[by], sort=True)[0]
    order = np.arange(len(frame))
    if seed is not None:
        random = np.random.default_rng(seed)
        unit = random.permutation(unit.max() + 1)[unit]
        order = random.permutation(order)
    site = unit % k
    return {f"site{j + 1}": frame.iloc[order[site[order] == j]].reset_index(drop=True) for j in range(k)}


def split_unevenly(
    frame: pd.DataFrame, k: int, by: str | None = None, event: str | None = None
) -> dict[str, pd.DataFrame]:
    """Deal a frame to ``k`` sites as networks are: the first has half of all, the last nobody with the event if it can be.

    Parameters
    ----------
    frame : DataFrame
    k : int
        Number of sites; the rows of each are shuffled, of a single one too.
    by : str, optional
        Column whose groups stay together at one site; of as many groups as sites each site has one, in their order.
    event : str, optional
        Column of the outcome, zero where nothing happened; groups without it go to the last site first.
    """
    random = np.random.default_rng(20)
    unit = np.arange(len(frame)) if by is None else pd.factorize(frame[by], sort=True)[0]
    place = np.arange(unit.max() + 1)
    site_of = np.where((place >= k) & (place % 2 == 0), 0, place % k)
    if len(place) > k:
        happened = np.zeros(len(frame)) if event is None else frame[event].to_numpy() != 0
        events = np.bincount(unit, weights=happened) > 0
        order = random.permutation(place)
        order = order[np.argsort(events[order], kind="stable")]
        site_of[order] = site_of[np.argsort(site_of != k - 1, kind="stable")]
    rows = random.permutation(len(frame))
    site = site_of[unit[rows]]
    return {f"site{j + 1}": frame.iloc[rows[site == j]].reset_index(drop=True) for j in range(k)}
