"""``study.toml`` as it is written: what each table may say."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fedstats.federations.keys import FINGERPRINT
from fedstats.federations.membership import SITE_NAME
from fedstats.numerics.multiplicity import Adjustment
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.imputation_spec import ImputationSpec, MissingnessSpec
from fedstats.study.model_spec import ModelSpec
from fedstats.study.penalty_spec import Entry
from fedstats.study.weights_spec import WeightsSpec

#: Names that a file server with Windows behind it keeps for devices: an exchange folder may lie on one.
_DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]")


class Heading(Entry):
    """``[study]``: what is asked, and of whom.

    ``profile`` is the loosest disclosure profile the study is designed for; a site may be stricter.
    ``points`` is the number of coefficients at which one model may be asked for, where it is not a profile's 100.  More are
    answered by sites alone whose own profile files say so (``max_points``).
    ``revoked_keys`` are fingerprints of sites' keys that count no more from this version on.
    ``rehearsal`` names a script that writes the sites' tables when all sites are played on one machine.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    title: str
    question: str
    version: str
    sites: tuple[str, ...] = Field(min_length=1)
    profile: Literal["strict", "teaching", "opensafely", "none"] = "strict"
    data_note: str = ""
    rehearsal: str | None = None
    points: Annotated[int, Field(ge=1, le=400)] | None = None
    revoked_keys: tuple[Annotated[str, Field(pattern=FINGERPRINT)], ...] = ()

    @field_validator("sites")
    @classmethod
    def _site_names(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        for site in sites:
            if not SITE_NAME.fullmatch(site) or _DEVICE.fullmatch(site):
                raise ValueError(f"the site name {site!r} must be lower-case letters, digits, - and _")
        if len(set(sites)) < len(sites):
            raise ValueError("a site is named twice")
        return sites

    @field_validator("rehearsal")
    @classmethod
    def _within_the_study(cls, script: str | None) -> str | None:
        path = PurePosixPath(script or "")
        if path.is_absolute() or ".." in path.parts or "\\" in str(path):
            raise ValueError(f"the script {script!r} must lie in the study's folder")
        return script


class TableSpec(Entry):
    """``[table_one]``: patient characteristics by a factor, several crossed, or ``"site"``; with tests where they are asked for."""

    variables: tuple[str, ...]
    by: str | tuple[str, ...] | None = None
    p_values: bool = False
    title: str = "Patient characteristics"


class AttritionSpec(Entry):
    """``[attrition]``: who leaves at which step of ``cohort.toml``, over all sites."""

    title: str = "From everybody screened to the eligible"


class FamilyTests(Entry):
    """One of ``tests`` of a family: a model, or a curve and which ``test`` of it, and of these the terms that belong to the family.

    Of a model ``terms`` are terms or coefficients (all unless given); of ``restricted_mean`` groups (their differences), ``"difference"``
    (the default) or ``"ratio"``, of ``period_hazard_ratios`` groups.
    """

    model: str | None = None
    curve: str | None = None
    test: Literal["log_rank", "max_combo", "restricted_mean", "period_hazard_ratios"] | None = None
    terms: tuple[str, ...] | None = None

    @property
    def analysis(self) -> str:
        """The name under which the results hold it."""
        return self.model or f"{self.curve}_{self.test}"

    @model_validator(mode="after")
    def _a_model_or_a_curve(self) -> Self:
        if (self.model is None) == (self.curve is None) or (self.curve is None) != (self.test is None):
            raise ValueError(
                'a test is of a model, { model = "os" }, or of a curve, { curve = "survival", test = "log_rank" }'
            )
        return self


class FamilySpec(Entry):
    """``[[families]]``: tests of models and of curves whose p-values are adjusted for their number, together.

    ``joint`` takes one test a term, of all its levels, in place of one a coefficient.
    """

    name: str = Field(min_length=1)
    tests: tuple[FamilyTests, ...] = Field(min_length=1)
    method: Adjustment = "holm"
    joint: bool = False


class StudyFile(Entry):
    """The whole file.

    ``keys`` gives fingerprints that the authors have compared, by site or ``coordinator``; a place
    without one is believed on first use.  ``weights`` are propensities by name, for models and curves to be weighted by.  ``disclosure`` tightens whatever policy a site has, field by field.
    """

    study: Heading
    keys: dict[str, str] = Field(default_factory=dict)
    site_titles: dict[str, str] = Field(default_factory=dict)
    disclosure: dict[str, Any] = Field(default_factory=dict)
    attrition: AttritionSpec | None = None
    missingness: MissingnessSpec | None = None
    imputation: ImputationSpec | None = None
    table_one: TableSpec | None = None
    curves: tuple[CurveSpec, ...] = ()
    incidences: tuple[IncidenceSpec, ...] = ()
    weights: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], WeightsSpec] = Field(
        default_factory=dict
    )
    models: tuple[ModelSpec, ...] = ()
    families: tuple[FamilySpec, ...] = ()

    @model_validator(mode="after")
    def _named_weights(self) -> Self:
        weighted: list[CurveSpec | ModelSpec] = [*self.curves, *self.models]
        for spec in weighted:
            if spec.weights in self.weights:
                try:
                    spec.weighted_by(self.weights[spec.weights])
                except ValueError as problem:
                    raise ValueError(f"{spec.name}: {problem}") from None
        return self

    @model_validator(mode="after")
    def _imputed_models(self) -> Self:
        for spec in self.models:
            if spec.imputed:
                try:
                    spec.imputed_by(self.imputation)
                except ValueError as problem:
                    raise ValueError(f"{spec.name}: {problem}") from None
        return self
