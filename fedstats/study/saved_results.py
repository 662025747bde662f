"""Results on disk: canonical JSON, the same bytes whatever carried the questions."""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.attrition import Attrition
from fedstats.contract.curve import Curve
from fedstats.contract.effect_results import MarginalEffects, StandardisedRisks
from fedstats.contract.evaluation_results import (
    Calibration,
    Concordance,
    LeftOutSites,
    NetBenefit,
    PredictionError,
)
from fedstats.contract.fit import Fit
from fedstats.contract.heterogeneity_results import Heterogeneity
from fedstats.contract.missingness_results import Missingness
from fedstats.contract.penalty_results import CrossValidation, PenaltyPath
from fedstats.contract.pooled_fit import PooledFit
from fedstats.contract.query import canonical_json
from fedstats.contract.results import NotAvailable, PredictedSurvival, Table
from fedstats.contract.sensitivity_results import TippingPoint
from fedstats.contract.standardised_curves import StandardisedSurvival
from fedstats.contract.survival_results import (
    CumulativeIncidence,
    CurvePoints,
    LogRankTest,
    MaxComboTest,
    PeriodHazardRatios,
    RestrictedMeans,
)
from fedstats.contract.weight_results import Balance, EffectiveSizes, Overlap
from fedstats.federations.files import explained, make_folder
from fedstats.federations.together import Results
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.methods.table_layout import PatientTable
from fedstats.numerics.rounded_covariance import rounded_covariance

FORMAT = 1
_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Fit, Curve, Table, PredictedSurvival, PenaltyPath, CrossValidation, ProportionalHazardsTest),
        *(StandardisedRisks, MarginalEffects, NotAvailable, PatientTable, Attrition),
        *(PooledFit, Missingness, TippingPoint),
        *(Heterogeneity, StandardisedSurvival, EffectiveSizes, Overlap, Balance),
        *(Concordance, Calibration, PredictionError, NetBenefit, LeftOutSites),
        *(CurvePoints, LogRankTest, MaxComboTest, RestrictedMeans, CumulativeIncidence, PeriodHazardRatios),
    )
}


def save_results(
    results: Mapping[str, Any], path: str | Path, *, study: str = "", full_digits: bool = False
) -> str:
    """Write results atomically; returns the sha256 of the file.

    Parameters
    ----------
    results : mapping of name to result, of the kinds that the library's analyses return
    path : path
    study : str
        Digest of the study.
    full_digits : bool
        Keep every digit of the covariances of coefficients, for your own eyes.  A matrix with all of them is, turned around, a table of
        the patients' levels; so else standard errors keep theirs, and correlations get as many as tests and contrasts need.

    Notes
    -----
    Floats are written with the fewest digits that give the same float64 back; keys are sorted; nothing
    about the run, the machine or the clock is in the file.
    """
    shown = {name: result if full_digits else _for_readers(result) for name, result in results.items()}
    analyses = [{"name": name, "result": _to_json(result)} for name, result in shown.items()]
    content = {"format": FORMAT, "study": study, "analyses": analyses}
    raw = (canonical_json(content) + "\n").encode()
    target = Path(path)
    with explained("folder of the results", target, "written"):
        make_folder(target.parent)
        _write(target, raw)
    return hashlib.sha256(raw).hexdigest()


def _for_readers(result: Any) -> Any:
    """A result without the digits of covariances that no reader needs."""
    if isinstance(result, LeftOutSites):
        return replace(result, fits={site: _for_readers(fit) for site, fit in result.fits.items()})
    if isinstance(result, PooledFit):
        return replace(result, covariances=np.stack([rounded_covariance(v) for v in result.covariances]))
    if not isinstance(result, Fit):
        return result
    others = {name: rounded_covariance(v) for name, v in result.other_covariances.items()}
    return replace(result, covariance=rounded_covariance(result.covariance), other_covariances=others)


def _write(target: Path, raw: bytes) -> None:
    """Write beside, flush to disk, then rename: a reader sees the old file or the new one."""
    part = target.with_name(f".{target.name}-{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def load_results(path: str | Path) -> Results:
    """Read what :func:`save_results` has written.

    Raises
    ------
    FileNotFoundError, ValueError
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f"There are no results in {file.name}: run the coordinator's notebook to its end first."
        )
    try:
        content = json.loads(file.read_bytes())
        return Results({str(a["name"]): _result(a["result"]) for a in _analyses(content)})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ValueError(f"{file.name} cannot be read as results: {said.rstrip('.')}.") from None


def _analyses(content: dict[str, Any]) -> list[dict[str, Any]]:
    if content["format"] != FORMAT:
        raise ValueError(f"of format {content['format']!r}, and this version reads format {FORMAT}")
    return list(content["analyses"])


def _result(value: Any) -> Any:
    """One analysis; its kind is one of ours."""
    if not isinstance(value, dict) or value.get("is") not in _KINDS:
        raise ValueError("an analysis is of no kind that this version knows")
    return _from_json(value)


def _to_json(value: Any) -> Any:
    if type(value).__name__ in _KINDS:
        return {"is": type(value).__name__} | {
            f.name: _to_json(getattr(value, f.name)) for f in fields(value)
        }
    if isinstance(value, pd.DataFrame):
        columns = {str(c): [_to_json(v) for v in value[c].tolist()] for c in value.columns}
        return {"is": "frame", "order": [str(c) for c in value.columns], "columns": columns}
    if isinstance(value, np.ndarray):
        return {"is": "array", "values": _to_json(value.tolist())}
    if isinstance(value, Mapping):
        return {str(k): _to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else {"is": "float", "value": str(value)}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(v) for v in value)
    if not isinstance(value, dict):
        return value
    kind = value.get("is")
    if kind == "float":
        return {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}[value["value"]]
    if kind == "array":
        return np.array(_from_json(value["values"]))
    if kind == "frame":
        return pd.DataFrame({c: list(_from_json(value["columns"][c])) for c in value["order"]})
    if kind in _KINDS:
        return _KINDS[kind](**{k: _from_json(v) for k, v in value.items() if k != "is"})
    return {k: _from_json(v) for k, v in value.items()}
