"""What a comparison of groups' effects returns: a frozen result with tidy frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from fedstats.contract.printed import Printed

#: Why a group has no estimate of its own.
NO_ESTIMATE = "their own patients do not tell it (nobody or everybody has it, or all who have it have something else too), or a coefficient of their fit is infinite (too few events, or a level without one)"
#: Why a group's fit is without a coefficient of the model.
ALIASED = "a level that none or all of a group have, or that goes with others, is not in its own fit"
#: Where groups differ less than chance would have them, Hartung and Knapp's standard error is below that of one common effect.
NARROWER = "Hartung and Knapp's interval is narrower than that of one common effect, for the groups differ less than chance would have them; read the wider one"
_ON_SCALE = ("estimate", "conf_low", "conf_high", "prediction_low", "prediction_high")


@dataclass(frozen=True, repr=False)
class Heterogeneity(Printed):
    """Effects of a term in groups, put together.

    Attributes
    ----------
    formula, term, by : str
    groups : DataFrame     term group site practices members n n_event estimate std_error conf_low conf_high
                           weight_fixed weight_random (in per cent) aliased (coefficients that the group's own fit is without, for
                           its patients do not tell them), one row a group and coefficient
    summaries : DataFrame  term effects (``fixed`` or ``random``) estimate std_error df p_value conf_low conf_high
                           prediction_low prediction_high, two rows a coefficient
    statistics : DataFrame term groups q df p_value i2 h2 tau2 tau2_low tau2_high, one row a coefficient
    without : DataFrame    term left_out and, without that group, those of the random effects: estimate conf_low conf_high p_value i2 tau2
    test : (float, int, float)   one-stage score test that no coefficient of the term differs: statistic, df, p
    method : str           of tau2
    hartung_knapp : bool
    effect : str           what an exponentiated coefficient is called
    """

    formula: str
    term: str
    by: str
    groups: pd.DataFrame
    summaries: pd.DataFrame
    statistics: pd.DataFrame
    without: pd.DataFrame
    test: tuple[float, int, float]
    method: str
    hartung_knapp: bool
    effect: str
    level: float
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a group and coefficient; a group without an estimate of its own has none here."""
        return _scaled(self.groups, exponentiate=exponentiate)

    def pooled(self, exponentiate: bool = False) -> pd.DataFrame:
        """Fixed and random effects, and the interval in which the effect of a new group lies."""
        return _scaled(self.summaries, exponentiate=exponentiate)

    def leave_one_out(self, exponentiate: bool = False) -> pd.DataFrame:
        """Random effects without each of the groups."""
        return _scaled(self.without, exponentiate=exponentiate)

    def glance(self) -> pd.DataFrame:
        """One row a coefficient: heterogeneity, the one-stage test of the whole term, and what it cost."""
        statistic, df, p_value = self.test
        more = {"method": self.method, "one_stage_statistic": statistic, "one_stage_df": df}
        more |= {
            "one_stage_p_value": p_value,
            "rounds": self.rounds,
            "bytes": self.n_bytes,
            "status": self.status,
        }
        return self.statistics.assign(**more)

    @property
    def notes(self) -> tuple[str, ...]:
        """What one has to know of the summaries: which groups are in none, and which were fitted without a coefficient of the model."""
        found = []
        for terms, groups in self._without_estimate().items():
            of = "" if len(terms) == self.groups["term"].nunique() else f" of {', '.join(terms)}"
            found.append(f"In no summary{of}, for {NO_ESTIMATE}: {'; '.join(groups)}.")
        fewer = self.groups.drop_duplicates("group")
        fewer = fewer[(fewer["aliased"] != "") & fewer["group"].isin(self._with_estimate())]
        if len(fewer):
            listed = [f"{row.group} without {row.aliased}" for row in fewer.itertuples()]
            found.append(f"Fitted as R does, for {ALIASED}: {'; '.join(listed)}.")
        merged = self.groups.drop_duplicates("group")
        merged = merged[merged["practices"] > 1]
        if len(merged):
            listed = [f"{row.group} of {row.practices:.0f}" for row in merged.itertuples()]
            found.append(f"Practices that their site does not show alone are merged: {'; '.join(listed)}.")
        if narrower := self.narrower:
            of = "" if len(self.statistics) == 1 else f" ({', '.join(narrower)})"
            found.append(f"{NARROWER}{of}.")
        return tuple(found)

    @property
    def narrower(self) -> tuple[str, ...]:
        """Coefficients whose random effects have a smaller standard error than their fixed ones."""
        of = {(row.term, row.effects): row.std_error for row in self.summaries.itertuples()}
        terms = [str(term) for term, effects in of if effects == "random"]
        return tuple(term for term in terms if of[term, "random"] < of[term, "fixed"] * (1 - 1e-9))

    def _with_estimate(self) -> set[str]:
        return set(self.groups.loc[self.groups["estimate"].notna(), "group"])

    def _without_estimate(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Groups that have none, by the coefficients of which they have none."""
        missing = self.groups[self.groups["estimate"].isna()]
        of_group = {str(group): tuple(rows["term"]) for group, rows in missing.groupby("group", sort=False)}
        return {
            terms: tuple(group for group, own in of_group.items() if own == terms)
            for terms in dict.fromkeys(of_group.values())
        }

    def __str__(self) -> str:
        head = f"Effects of {self.term} by {self.by}, {self.formula} ({self.status})"
        frames = [self.pooled().to_string(index=False), self.glance().to_string(index=False)]
        return "\n".join([head, *frames, *self.notes])

    def _repr_html_(self) -> str:
        frames: Sequence[pd.DataFrame] = (self.tidy(True), self.pooled(True), self.glance())
        tables = "".join(str(frame.to_html(index=False, float_format="%.4g", na_rep="")) for frame in frames)
        return tables + "".join(f"<p>{escape(note)}</p>" for note in self.notes)


def _scaled(frame: pd.DataFrame, *, exponentiate: bool) -> pd.DataFrame:
    """A copy, estimates and limits as ratios where these are asked for; standard errors stay on the log scale."""
    if not exponentiate:
        return frame.copy()
    return frame.assign(**{name: np.exp(frame[name]) for name in _ON_SCALE if name in frame})
