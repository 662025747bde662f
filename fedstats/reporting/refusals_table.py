"""Refusals as a coordinator and the reader of a report see them."""

from collections.abc import Callable

import pandas as pd

from fedstats.reporting.tables import Table, table

_HEADINGS = {
    "asked": "What was asked",
    "site": "Site",
    "rule": "Rule that was not met",
    "remedy": "What would make it pass",
    "then": "In the end",
}


def refusals_table(refusals: pd.DataFrame, site_title: Callable[[str], str] = str) -> Table:
    """A table of what the sites refused.

    Parameters
    ----------
    refusals : DataFrame      as :func:`fedstats.refusals` gives it
    site_title : callable     how a site is named in print
    """
    if not len(refusals):
        said = pd.DataFrame({"Refusals": ["none: every site answered every question so far"]})
        return table(said, caption="What was refused")
    shown = refusals.assign(
        site=refusals["site"].map(site_title),
        then=refusals["then"].where(refusals["then"] != "", "not released"),
    )
    note = "A refusal names its rule and holds no number; the numbers are on the site's own sheet."
    return table(shown[list(_HEADINGS)], caption="What was refused", labels=_HEADINGS, note=note)
