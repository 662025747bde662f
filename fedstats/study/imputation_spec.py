"""``[imputation]`` and ``[missingness]`` of ``study.toml``: what they may say."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field, FiniteFloat

from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.federation import Federation
from fedstats.contract.pooled_fit import PooledFit
from fedstats.methods.fitting import FIT_POINTS, check_points
from fedstats.methods.imputation import checked_models, impute
from fedstats.methods.missing_data import check_profile
from fedstats.study.penalty_spec import Entry


class MissingnessSpec(Entry):
    """``[missingness]``: empty cells by variable (those that may be empty, unless named), by ``"site"`` or a column of practices."""

    variables: tuple[str, ...] | None = None
    by: str | None = None
    title: str = "Empty cells"

    def check(self, codebook: Codebook) -> None:
        """Variables and groups that there are.

        Raises
        ------
        ValueError
        """
        check_profile(codebook, self.variables, self.by)


class ImputationSpec(Entry):
    """``[imputation]``: how empty cells are filled in for the models that say ``imputed = true``.

    ``models`` gives each variable the terms of its imputation model; the others are arguments of :func:`fedstats.impute`.
    """

    models: dict[str, str] = Field(min_length=1)
    m: int = 10
    cycles: int = 5
    survival: str | None = None
    delta: dict[str, FiniteFloat] = Field(default_factory=dict)
    between: str | dict[str, Annotated[FiniteFloat, Field(ge=0)]] | None = None
    seed: Annotated[int, Field(ge=0)] = 1

    def check(self, codebook: Codebook, policy: DisclosurePolicy) -> None:
        """Columns and terms that there are, and points that sites answer at.

        Raises
        ------
        ValueError
        """
        checked_models(codebook, self.models, self.m, self.cycles, self.survival, self.delta)
        check_points(policy.max_points, self.m * FIT_POINTS, f"{self.m} copies of a model take")

    @property
    def options(self) -> Mapping[str, Any]:
        """Keyword arguments of :func:`fedstats.impute`."""
        return self.model_dump(exclude={"models"})


def imputed_estimate(
    federation: Federation, fit: Callable[..., Any], imputation: ImputationSpec
) -> PooledFit:
    """A model fitted to every completed copy, put together."""
    return impute(federation, imputation.models, **imputation.options).fit(fit)
