"""``[[curves]]`` and ``[[incidences]]`` of ``study.toml``: what an entry may say."""

from typing import Any, Literal, Self

from pydantic import Field, FiniteFloat, PrivateAttr, StrictBool, model_validator

from fedstats.methods.log_rank import COMBINED
from fedstats.study.penalty_spec import Entry
from fedstats.study.weights_spec import WeightsSpec

NAME = r"^[a-z][a-z0-9_]{0,60}$"


class LogRankSpec(Entry):
    """``log_rank`` of a curve: ``true``, or a table of what :func:`fedstats.logrank` takes."""

    strata: str | tuple[str, ...] | None = None
    rho: float = 0.0
    gamma: float = 0.0


class MaxComboSpec(Entry):
    """``max_combo`` of a curve: ``true``, or a table of what :func:`fedstats.max_combo` takes."""

    strata: str | tuple[str, ...] | None = None
    weights: tuple[tuple[float, float], ...] = COMBINED
    alternative: Literal["two-sided", "less", "greater"] = "two-sided"


class RatiosSpec(Entry):
    """``period_hazard_ratios`` of a curve: ``true`` (the codebook's cuts), or a table of what the function takes."""

    cuts: tuple[FiniteFloat, ...] | None = None
    strata: str | tuple[str, ...] | None = None
    ties: Literal["efron", "breslow"] = "efron"


class CurveSpec(Entry):
    """``[[curves]]``: a Kaplan-Meier figure, and what is worked out of the same table of counts, each an analysis of its own.

    ``weights`` is a column, or names a table ``[weights.<name>]``; ``robust`` left out is true of the latter.

    ``milestones`` are times, ``quantiles`` probabilities, ``restricted_mean`` a horizon; ``log_rank``, ``max_combo`` and
    ``period_hazard_ratios`` compare the groups; ``follow_up`` is the curve of the end of follow-up, with its median.
    """

    name: str = Field(pattern=NAME)
    title: str
    formula: str
    conf_type: Literal["log", "log-log", "plain"] = "log"
    weights: str | None = None
    robust: StrictBool | None = None
    landmark: FiniteFloat | None = None
    milestones: tuple[FiniteFloat, ...] = ()
    quantiles: tuple[FiniteFloat, ...] = ()
    follow_up: StrictBool = False
    log_rank: StrictBool | LogRankSpec = False
    max_combo: StrictBool | MaxComboSpec = False
    restricted_mean: FiniteFloat | None = None
    period_hazard_ratios: StrictBool | RatiosSpec = False
    note: str = ""
    _weighting: WeightsSpec | None = PrivateAttr(default=None)

    @property
    def weighting(self) -> WeightsSpec | None:
        """The weights of the study that the curve has, if ``weights`` names them and no column."""
        return self._weighting

    def weighted_by(self, weighting: WeightsSpec) -> None:
        """Say whose weights ``weights`` names, as the file is read."""
        self._weighting = weighting

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        if self.robust and self.weights is None:
            raise ValueError("robust is of a curve with weights")
        unweighted = ("follow_up", "log_rank", "max_combo", "period_hazard_ratios")
        if self.weights is not None and (asked := [key for key in unweighted if getattr(self, key)]):
            raise ValueError(f"{asked[0]} is of a curve without weights")
        if self.landmark is not None and self.period_hazard_ratios:
            raise ValueError("period_hazard_ratios has periods of its own: leave out landmark, or this")
        if self.landmark is not None:
            if self.restricted_mean is not None and self.restricted_mean <= self.landmark:
                raise ValueError(
                    f"restricted_mean is {self.restricted_mean:g}, which is not after the landmark at {self.landmark:g}"
                )
            if early := [time for time in self.milestones if time < self.landmark]:
                raise ValueError(
                    f"milestones names {early[0]:g}, which is before the landmark at {self.landmark:g}"
                )
        return self

    def options(self, key: str) -> dict[str, Any]:
        """What one of the keys that are ``true`` or a table says, as keyword arguments."""
        asked = getattr(self, key)
        return asked.model_dump() if isinstance(asked, Entry) else {}


class IncidenceSpec(Entry):
    """``[[incidences]]``: cumulative incidence of competing causes, ``Surv(time, cause) ~ group``.

    ``censored`` is the level that ends follow-up without an event; the first unless given.
    """

    name: str = Field(pattern=NAME)
    title: str
    formula: str
    conf_type: Literal["log", "log-log", "plain"] = "log"
    censored: str | None = None
    milestones: tuple[FiniteFloat, ...] = ()
    note: str = ""
