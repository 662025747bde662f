"""Floor 4: what people read.  Tables, figures and the one-file HTML report.

The names below are loaded on first use: matplotlib, great-tables and nbconvert take seconds to import, and most
commands need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedstats.reporting.figures import figure as figure
    from fedstats.reporting.html import export_html as export_html
    from fedstats.reporting.plots import forest_plot as forest_plot
    from fedstats.reporting.plots import survival_plot as survival_plot
    from fedstats.reporting.tables import table as table

_HOME = {
    "export_html": "html",
    "figure": "figures",
    "forest_plot": "plots",
    "survival_plot": "plots",
    "table": "tables",
}
__all__ = ["export_html", "figure", "forest_plot", "survival_plot", "table"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
