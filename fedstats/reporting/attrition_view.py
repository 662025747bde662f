"""Who left at which step of eligibility, as a report shows it: a CONSORT diagram and its table."""

from math import isnan

import pandas as pd

from fedstats.contract.attrition import Attrition
from fedstats.reporting import formats
from fedstats.reporting.attrition_drawing import attrition_plot
from fedstats.reporting.figures import Picture, figure
from fedstats.reporting.tables import Table, table

#: What stands in a cell whose number a site does not show by itself.
UNSEEN = "not shown"


def attrition_parts(title: str, found: Attrition) -> list[Picture | Table]:
    """The diagram and the table under a title.

    Parameters
    ----------
    title : str
    found : Attrition
    """
    frame = found.frame
    screened, eligible = (formats.count(int(frame["stay"].iloc[i])) for i in (0, -1))
    drawn = figure(
        attrition_plot(frame, found.together),
        alt=f"Of {screened} patients screened {eligible} are eligible; the table below lists who leaves at each step.",
        caption=title,
    )
    note = (
        f"Each patient leaves at the first step that is not met. All sites together. Status: {found.status}."
    )
    if frame["left"].iloc[1:].isna().any():
        note += (
            f" {UNSEEN.capitalize()}: steps at which too few leave a site to be seen, and others with them, so that it follows "
            f"from no difference; {formats.count(int(found.together))} leave at these together."
        )
    lines = pd.DataFrame(
        {
            "Step": frame["title"],
            "Leave": [formats.MISSING, *(_shown(n) for n in frame["left"].iloc[1:])],
            "Stay": [_shown(n) for n in frame["stay"]],
        }
    )
    return [drawn, table(lines, caption=f"{title}: steps", note=note)]


def _shown(number: float) -> str:
    return UNSEEN if isnan(number) else formats.count(int(number))
