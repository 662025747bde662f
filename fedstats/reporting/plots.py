"""The figures of a study.  Each takes a tidy frame and gives matplotlib axes; wrap them with ``figure`` to show them."""

from fedstats.reporting.balance_drawing import love_plot, overlap_plot
from fedstats.reporting.calibration_drawing import calibration_plot
from fedstats.reporting.forest_drawing import forest_plot
from fedstats.reporting.group_drawing import heterogeneity_plot
from fedstats.reporting.hazard_drawing import hazard_plot
from fedstats.reporting.missingness_drawing import missingness_plot
from fedstats.reporting.path_drawing import deviance_plot, path_plot
from fedstats.reporting.sensitivity_drawing import tipping_plot
from fedstats.reporting.survival_drawing import survival_plot

__all__ = [
    "calibration_plot",
    "deviance_plot",
    "forest_plot",
    "hazard_plot",
    "heterogeneity_plot",
    "love_plot",
    "missingness_plot",
    "overlap_plot",
    "path_plot",
    "survival_plot",
    "tipping_plot",
]
