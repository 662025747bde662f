"""Federated clinical statistics: rows stay at the site, sums over patients travel, the fit is the pooled one.

The names below are loaded on first use: pandas, scipy and the formula parser take seconds to import, and a
command that only shows its help needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedstats.contract.aggregate import Aggregate as Aggregate
    from fedstats.contract.aggregate import Release as Release
    from fedstats.contract.attrition import Attrition as Attrition
    from fedstats.contract.codebook import Codebook as Codebook
    from fedstats.contract.curve import Curve as Curve
    from fedstats.contract.disclosure import DisclosurePolicy as DisclosurePolicy
    from fedstats.contract.disclosure import DisclosureRefused as DisclosureRefused
    from fedstats.contract.e_values import e_value as e_value
    from fedstats.contract.evaluation_results import Calibration as Calibration
    from fedstats.contract.evaluation_results import Concordance as Concordance
    from fedstats.contract.evaluation_results import LeftOutSites as LeftOutSites
    from fedstats.contract.evaluation_results import NetBenefit as NetBenefit
    from fedstats.contract.evaluation_results import PredictionError as PredictionError
    from fedstats.contract.federation import Federation as Federation
    from fedstats.contract.federation import SiteRefused as SiteRefused
    from fedstats.contract.federation import Waiting as Waiting
    from fedstats.contract.fit import Fit as Fit
    from fedstats.contract.formula import FormulaError as FormulaError
    from fedstats.contract.heterogeneity_results import Heterogeneity as Heterogeneity
    from fedstats.contract.missingness_results import Missingness as Missingness
    from fedstats.contract.penalty_results import CrossValidation as CrossValidation
    from fedstats.contract.penalty_results import PenaltyPath as PenaltyPath
    from fedstats.contract.pooled_fit import PooledFit as PooledFit
    from fedstats.contract.query import Query as Query
    from fedstats.contract.query import QueryError as QueryError
    from fedstats.contract.results import NotAvailable as NotAvailable
    from fedstats.contract.results import Table as Table
    from fedstats.contract.sensitivity_results import TippingPoint as TippingPoint
    from fedstats.contract.standardised_curves import StandardisedSurvival as StandardisedSurvival
    from fedstats.contract.table_checks import DataError as DataError
    from fedstats.contract.weight_results import Balance as Balance
    from fedstats.contract.weight_results import EffectiveSizes as EffectiveSizes
    from fedstats.contract.weight_results import Overlap as Overlap
    from fedstats.federations.answering import asked as asked
    from fedstats.federations.answering import egress_sheet as egress_sheet
    from fedstats.federations.answering import open_questions as open_questions
    from fedstats.federations.answering import review as review
    from fedstats.federations.answering import send as send
    from fedstats.federations.answering import serve as serve
    from fedstats.federations.answering import serving as serving
    from fedstats.federations.files import FolderTrouble as FolderTrouble
    from fedstats.federations.files import LedgerMismatch as LedgerMismatch
    from fedstats.federations.folder import Folder as Folder
    from fedstats.federations.folder import SiteMissing as SiteMissing
    from fedstats.federations.in_process import InProcess as InProcess
    from fedstats.federations.ledger import Ledger as Ledger
    from fedstats.federations.memory import Memory as Memory
    from fedstats.federations.refusals import refusals as refusals
    from fedstats.federations.site import Site as Site
    from fedstats.federations.together import Results as Results
    from fedstats.federations.together import together as together
    from fedstats.methods.calibration_curves import calibration as calibration
    from fedstats.methods.competing_risks import cumulative_incidence as cumulative_incidence
    from fedstats.methods.covariate_balance import balance as balance
    from fedstats.methods.cox_regression import cox as cox
    from fedstats.methods.cross_validation import cross_validate as cross_validate
    from fedstats.methods.decision_curves import net_benefit as net_benefit
    from fedstats.methods.discrimination import auc as auc
    from fedstats.methods.discrimination import concordance as concordance
    from fedstats.methods.doubly_robust import augmented_effect as augmented_effect
    from fedstats.methods.glm_regression import glm as glm
    from fedstats.methods.glm_regression import logistic as logistic
    from fedstats.methods.group_effects import heterogeneity as heterogeneity
    from fedstats.methods.hazard_ratios import period_hazard_ratios as period_hazard_ratios
    from fedstats.methods.imputation import Imputations as Imputations
    from fedstats.methods.imputation import impute as impute
    from fedstats.methods.imputation_pooling import pool_imputed as pool_imputed
    from fedstats.methods.left_out_sites import internal_external_validation as internal_external_validation
    from fedstats.methods.log_rank import logrank as logrank
    from fedstats.methods.log_rank import max_combo as max_combo
    from fedstats.methods.marginal_effects import marginal_effects as marginal_effects
    from fedstats.methods.marginal_effects import standardised_risks as standardised_risks
    from fedstats.methods.missing_data import missingness as missingness
    from fedstats.methods.missing_data_sensitivity import tipping_point as tipping_point
    from fedstats.methods.multiple_tests import adjusted_p_values as adjusted_p_values
    from fedstats.methods.patient_table import table_one as table_one
    from fedstats.methods.penalised_path import penalty_path as penalty_path
    from fedstats.methods.prediction_errors import brier_score as brier_score
    from fedstats.methods.propensity import propensity_weights as propensity_weights
    from fedstats.methods.proportional_hazards import cox_zph as cox_zph
    from fedstats.methods.recalibration import recalibrate as recalibrate
    from fedstats.methods.restricted_means import rmst as rmst
    from fedstats.methods.standardised_curves import standardised_survival as standardised_survival
    from fedstats.methods.survival_curve import kaplan_meier as kaplan_meier
    from fedstats.methods.survival_prediction import baseline_hazard as baseline_hazard
    from fedstats.methods.survival_prediction import predict_survival as predict_survival
    from fedstats.methods.weighting import PropensityWeights as PropensityWeights
    from fedstats.numerics.firth import Firth as Firth
    from fedstats.numerics.newton import NotConverged as NotConverged
    from fedstats.numerics.penalties import ElasticNet as ElasticNet
    from fedstats.numerics.penalties import Ridge as Ridge
    from fedstats.reporting.egress_view import account_table as account_table
    from fedstats.reporting.egress_view import asked_table as asked_table
    from fedstats.reporting.egress_view import sheets as sheets
    from fedstats.reporting.refusals_table import refusals_table as refusals_table
    from fedstats.running.parameters import check_injected as check_injected
    from fedstats.study.check_model import check_model as check_model
    from fedstats.study.definition import Study as Study
    from fedstats.study.saved_results import load_results as load_results
    from fedstats.study.saved_results import save_results as save_results
    from fedstats.study.toml_file import StudyError as StudyError
    from fedstats.study.verification import Verification as Verification
    from fedstats.study.verification import verify as verify

__version__ = "0.1.0"

_HOME = {
    "Aggregate": "contract.aggregate",
    "Attrition": "contract.attrition",
    "Balance": "contract.weight_results",
    "Calibration": "contract.evaluation_results",
    "Codebook": "contract.codebook",
    "Concordance": "contract.evaluation_results",
    "CrossValidation": "contract.penalty_results",
    "Curve": "contract.curve",
    "DataError": "contract.table_checks",
    "DisclosurePolicy": "contract.disclosure",
    "DisclosureRefused": "contract.disclosure",
    "EffectiveSizes": "contract.weight_results",
    "Federation": "contract.federation",
    "Firth": "numerics.firth",
    "Fit": "contract.fit",
    "Folder": "federations.folder",
    "ElasticNet": "numerics.penalties",
    "FolderTrouble": "federations.files",
    "FormulaError": "contract.formula",
    "Heterogeneity": "contract.heterogeneity_results",
    "Imputations": "methods.imputation",
    "InProcess": "federations.in_process",
    "Ledger": "federations.ledger",
    "LeftOutSites": "contract.evaluation_results",
    "LedgerMismatch": "federations.files",
    "Memory": "federations.memory",
    "NetBenefit": "contract.evaluation_results",
    "Missingness": "contract.missingness_results",
    "NotAvailable": "contract.results",
    "NotConverged": "numerics.newton",
    "Overlap": "contract.weight_results",
    "PenaltyPath": "contract.penalty_results",
    "PredictionError": "contract.evaluation_results",
    "PooledFit": "contract.pooled_fit",
    "PropensityWeights": "methods.weighting",
    "Query": "contract.query",
    "QueryError": "contract.query",
    "Release": "contract.aggregate",
    "Results": "federations.together",
    "Ridge": "numerics.penalties",
    "Site": "federations.site",
    "SiteMissing": "federations.folder",
    "SiteRefused": "contract.federation",
    "StandardisedSurvival": "contract.standardised_curves",
    "Study": "study.definition",
    "StudyError": "study.toml_file",
    "Table": "contract.results",
    "TippingPoint": "contract.sensitivity_results",
    "Waiting": "contract.federation",
    "account_table": "reporting.egress_view",
    "adjusted_p_values": "methods.multiple_tests",
    "asked_table": "reporting.egress_view",
    "asked": "federations.answering",
    "attrition": "methods.attrition",
    "auc": "methods.discrimination",
    "augmented_effect": "methods.doubly_robust",
    "balance": "methods.covariate_balance",
    "baseline_hazard": "methods.survival_prediction",
    "brier_score": "methods.prediction_errors",
    "calibration": "methods.calibration_curves",
    "check_injected": "running.parameters",
    "check_model": "study.check_model",
    "concordance": "methods.discrimination",
    "cox": "methods.cox_regression",
    "cross_validate": "methods.cross_validation",
    "cumulative_incidence": "methods.competing_risks",
    "cox_zph": "methods.proportional_hazards",
    "e_value": "contract.e_values",
    "egress_sheet": "federations.answering",
    "heterogeneity": "methods.group_effects",
    "impute": "methods.imputation",
    "kaplan_meier": "methods.survival_curve",
    "internal_external_validation": "methods.left_out_sites",
    "load_results": "study.saved_results",
    "glm": "methods.glm_regression",
    "logrank": "methods.log_rank",
    "max_combo": "methods.log_rank",
    "logistic": "methods.glm_regression",
    "marginal_effects": "methods.marginal_effects",
    "net_benefit": "methods.decision_curves",
    "missingness": "methods.missing_data",
    "open_questions": "federations.answering",
    "penalty_path": "methods.penalised_path",
    "pool_imputed": "methods.imputation_pooling",
    "period_hazard_ratios": "methods.hazard_ratios",
    "predict_survival": "methods.survival_prediction",
    "propensity_weights": "methods.propensity",
    "recalibrate": "methods.recalibration",
    "refusals": "federations.refusals",
    "refusals_table": "reporting.refusals_table",
    "rmst": "methods.restricted_means",
    "review": "federations.answering",
    "save_results": "study.saved_results",
    "send": "federations.answering",
    "serve": "federations.answering",
    "sheets": "reporting.egress_view",
    "standardised_risks": "methods.marginal_effects",
    "standardised_survival": "methods.standardised_curves",
    "table_one": "methods.patient_table",
    "serving": "federations.answering",
    "Verification": "study.verification",
    "tipping_point": "methods.missing_data_sensitivity",
    "together": "federations.together",
    "verify": "study.verification",
}
__all__ = sorted(_HOME)  # noqa: PLE0605 (one list of names, not two)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(f"{__name__}.methods")  # whatever is used, every query is known
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
