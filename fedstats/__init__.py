"""Federated clinical statistics: rows stay at the site, sums over patients travel, the fit is the pooled one."""

from fedstats.contract.aggregate import Aggregate, Release
from fedstats.contract.codebook import Codebook, DataError
from fedstats.contract.disclosure import DisclosurePolicy, DisclosureRefused
from fedstats.contract.federation import Federation, SiteRefused, Waiting
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import Query, QueryError
from fedstats.contract.results import Curve, Fit, NotAvailable, Table
from fedstats.federations.answering import asked, open_questions, review, send, serve
from fedstats.federations.folder import Folder, SiteMissing
from fedstats.federations.in_process import InProcess
from fedstats.federations.ledger import Ledger, LedgerMismatch
from fedstats.federations.site import Site
from fedstats.federations.together import Results, together
from fedstats.methods.cox_regression import cox
from fedstats.methods.descriptives import table_one
from fedstats.methods.logistic_regression import logistic
from fedstats.methods.survival_curve import kaplan_meier
from fedstats.numerics.newton import NotConverged
from fedstats.study.definition import Study, StudyError
from fedstats.study.saved_results import load_results, save_results

__version__ = "0.1.0"

__all__ = [
    "Aggregate",
    "Codebook",
    "Curve",
    "DataError",
    "DisclosurePolicy",
    "DisclosureRefused",
    "Federation",
    "Fit",
    "Folder",
    "FormulaError",
    "InProcess",
    "Ledger",
    "LedgerMismatch",
    "NotAvailable",
    "NotConverged",
    "Query",
    "QueryError",
    "Release",
    "Results",
    "Site",
    "SiteMissing",
    "SiteRefused",
    "Study",
    "StudyError",
    "Table",
    "Waiting",
    "asked",
    "cox",
    "kaplan_meier",
    "load_results",
    "logistic",
    "open_questions",
    "review",
    "save_results",
    "send",
    "serve",
    "table_one",
    "together",
]
