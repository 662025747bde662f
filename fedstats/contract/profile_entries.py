"""A site's profile file and a study's ``[disclosure]`` as they are written: what each key may say."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError, model_validator

from fedstats.contract.entry_faults import fault_in_words
from fedstats.contract.query import query_kinds

Count = Annotated[StrictInt, Field(ge=0)]
Figure = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


class _Thresholds(BaseModel):
    """Any threshold of :class:`DisclosurePolicy` by its name; what is not written stays as it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_patients: Count | None = None
    min_pair: Count | None = None
    min_joint_cell: Count | None = None
    min_level_difference: Count | None = None
    min_leavers: Count | None = None
    min_in_order: Count | None = None
    min_difference: Count | None = None
    min_model_patients: Count | None = None
    max_parameters_per_event: Figure | None = None
    min_effective: Figure | None = None
    min_effective_level: Figure | None = None
    max_coefficient: Figure | None = None
    max_top_share: Share | None = None
    max_top_two_share: Share | None = None
    max_points: Count | None = None
    max_refusals: Count | None = None
    max_numbers_per_patient: Figure | None = None
    max_sums_per_value: Figure | None = None
    distinct_values: StrictBool | None = None
    per_site_estimates: StrictBool | None = None
    bounded_models: bool | None = None
    beyond_study: StrictBool | None = None
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _kinds_exist(self) -> "_Thresholds":
        # a slip in a name would forbid nothing, and nobody would notice
        strange = sorted({*(self.allow or ()), *(self.deny or ())} - query_kinds())
        if strange:
            raise ValueError(
                f"{strange[0]!r} is no kind of question; there are {', '.join(sorted(query_kinds()))}"
            )
        return self


class _Profile(_Thresholds):
    base: Literal["strict", "teaching", "opensafely"]


def profile_of(content: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Of a site's profile file: the built-in profile it starts from, and the fields it changes."""
    found = _read(_Profile, content)
    return found.pop("base"), found


def thresholds_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Of a study's ``[disclosure]``: the fields it states."""
    return _read(_Thresholds, content)


def _read(model: type[_Thresholds], content: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = model.model_validate(dict(content)).model_dump(exclude_none=True)
        return found | {k: tuple(sorted(found[k])) for k in ("allow", "deny") if k in found}
    except ValidationError as problem:
        raise ValueError(f"{fault_in_words(problem, dict(content), model)}.") from None
