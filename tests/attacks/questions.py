"""One question of every kind, about the patients of ``targets``, each of which the strict gate answers or refuses by rule."""

from dataclasses import replace

from fedstats.contract.condition import Condition
from fedstats.contract.design import Design, Part
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.methods.attrition import AttritionCounts
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxCurvature, CoxRiskSets
from fedstats.methods.descriptives import DistinctValues, Histogram, LevelCounts, Moments
from fedstats.methods.discrimination import CoxPairs, GlmPairs
from fedstats.methods.doubly_robust import AugmentedMeans
from fedstats.methods.empty_cells import EmptyCells, EmptyCellsOfGroups
from fedstats.methods.firth_correction import CoxFirthCorrection, FirthCorrection
from fedstats.methods.fitting import LocalEstimate
from fedstats.methods.folds import WithoutFolds
from fedstats.methods.follow_up import DistinctTimes
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat
from fedstats.methods.local_log_rank import LocalLogRank
from fedstats.methods.milestone_risks import MilestoneCells, MilestoneErrors
from fedstats.methods.own_sums import OwnSums
from fedstats.methods.penalised_fit import DesignMoments
from fedstats.methods.practice_estimates import PracticeEstimates
from fedstats.methods.predicted_risks import RiskCells, SquaredErrors
from fedstats.methods.proportional_hazards import CoxTimeTrends
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.stacked_equations import CoxPropensityTerms, GlmPropensityTerms, PropensityScores
from fedstats.methods.standardisation import MarginalSlopes, StandardisedMeans
from fedstats.methods.standardised_curves import ExpectedSurvival
from fedstats.methods.weighted_arms import EDGES, ArmSums, PropensityHistogram
from tests.attacks.targets import column, logistic

CELLS = (300.0, 600.0)
BETA = (0.01, 0.2)
WHERE = (Condition("sex", "==", ("F",)),)
_DESIGN = Design((column("age"), column("e", ("ecog", "1"))))
_COX = CoxModel("entry", "time", "y", _DESIGN, ("practice",), "efron", "w", "b", 0.0, "practice")
_SHARED = CoxModel(
    "entry", "time", "y", _DESIGN, ("sex",), "breslow", "w", "b", 0.0, "practice", CELLS, ("F", "M")
)
_MILESTONE = replace(_SHARED, entry=None, weights=None, cluster=None)
_LOGISTIC = logistic(column("age"), column("e", ("ecog", "1")), weights="w", where=WHERE)

_SCORE = LinearPredictor("score", 1.0, (Addend((Part("age"),), 0.5), Addend((Part("ecog", "1"),), 2.0)))

_IPW = PropensityWeight(
    "ipw", "b", None, Design((column("age", scale=10.0), column("e", ("ecog", "1"))), True), (-3.0, 0.5, 0.2)
)
_WEIGHTED = replace(_LOGISTIC.model, weights="ipw")

#: By name of the kind.
QUESTIONS = {
    type(question).__name__: question
    for question in (
        CoxDerivatives(_COX, BETA, where=WHERE),
        CoxRiskSets(_SHARED, BETA, where=WHERE),
        CoxCurvature(_SHARED, BETA, (0.1,) * 4, (0.0,) * 4, where=WHERE),
        CoxMeat(replace(_COX, event="ecog", event_level="1"), BETA, where=WHERE),
        CoxPairs(replace(_COX, entry=None), BETA, "n/G2", 300.0, where=WHERE),
        GlmPairs(_LOGISTIC.model, (0.0,) * 3, where=WHERE),
        MilestoneCells(_MILESTONE, BETA, (0.1, 0.1), 300.0, (0.0, 0.5, 1.0), where=WHERE),
        MilestoneErrors(_MILESTONE, BETA, (0.1, 0.1), 300.0, (1.0, 0.9), where=WHERE),
        RiskCells(replace(_LOGISTIC.model, weights=None), (0.0, 0.3, 0.3), (0.0, 0.5, 1.0), where=WHERE),
        SquaredErrors(replace(_LOGISTIC.model, weights=None), (0.0,) * 3, where=WHERE),
        CoxFirthCorrection(_COX, BETA, (0.01,) * 3, where=WHERE),
        CoxTimeTrends(_COX, BETA, "steps", CELLS, (0.0, 0.5, 1.0), where=WHERE),
        LocalLogRank(
            replace(
                _COX,
                design=Design(tuple(column(f"e{level}", ("ecog", level)) for level in ("1", "2"))),
                weights=None,
                offset=None,
                cluster=None,
            ),
            ((0.0, 0.0), (0.0, 1.0)),
            where=WHERE,
        ),
        ExpectedSurvival(_SHARED, BETA, (0.1,) * 4, "ecog", ("0", "1"), where=WHERE),
        _LOGISTIC,
        GlmMeat(_LOGISTIC.model, (0.0,) * 3, where=WHERE),
        FirthCorrection(_LOGISTIC.model, (0.0,) * 3, (0.01,) * 6, where=WHERE),
        StandardisedMeans(_LOGISTIC.model, (0.0,) * 3, "ecog", ("0", "1"), where=WHERE),
        MarginalSlopes(_LOGISTIC.model, (0.0,) * 3, "age", where=WHERE),
        LocalEstimate(GlmDerivatives(_LOGISTIC.model, (0.0,) * 3), where=WHERE),
        DesignMoments(GlmDerivatives(_LOGISTIC.model, (0.0,) * 3), where=WHERE),
        WithoutFolds(
            GlmDerivatives(_LOGISTIC.model, (0.0,) * 3), 2, None, (), ((0.0,) * 3,) * 3, where=WHERE
        ),
        PracticeEstimates(CoxDerivatives(_COX, BETA), "practice", (), (1,), where=WHERE),
        GlmPropensityTerms(_WEIGHTED, (0.0,) * 3, where=WHERE).with_columns(_IPW),
        CoxPropensityTerms(replace(_COX, weights="ipw", offset=None), BETA, where=WHERE).with_columns(_IPW),
        PropensityScores(replace(_LOGISTIC.model, weights=None), (0.0,) * 3, 0.5, where=WHERE),
        ArmSums("b", None, "ipw", Design((column("lab"),)), where=WHERE).with_columns(_IPW),
        PropensityHistogram("b", None, "ipw", EDGES[-1], where=WHERE).with_columns(_IPW.of_propensity),
        AugmentedMeans(
            replace(_WEIGHTED, design=replace(_LOGISTIC.model.design, columns=(column("b"), column("age")))),
            (0.0,) * 3,
            "b",
            (0.0, 1.0),
            where=WHERE,
        ).with_columns(_IPW),
        LevelCounts("ecog", "sex", ("F", "M"), ("0", "1", "2")),
        AttritionCounts("ecog", ("0", "1", "2")),
        EmptyCells(("lab", "age"), where=WHERE),
        EmptyCellsOfGroups(("lab", "age"), "practice", where=WHERE),
        Moments("score", "sex", ("F", "M"), 60.0, 8.0, where=WHERE).with_columns(_SCORE),
        Histogram("lab", "sex", ("F", "M"), (90.0, 110.0), where=WHERE),
        DistinctValues("age", "sex", ("F", "M"), where=WHERE),
        OwnSums(Histogram("lab", "sex", ("F", "M"), (90.0, 110.0)), where=WHERE),
        DistinctTimes("time", "y", where=WHERE),
        RiskTable("entry", "time", "y", "sex", ("F", "M"), CELLS, where=(Condition("age", ">=", (40.0,)),)),
    )
}
