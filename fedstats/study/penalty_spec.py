"""What entries of ``study.toml`` share: strict tables, and ``penalty``."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from fedstats.numerics.firth import Firth
from fedstats.numerics.penalties import ElasticNet


class Entry(BaseModel):
    """A table of the file: every key is known, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PenaltySpec(Entry):
    """``penalty`` of a model: ``{kind = "lasso", strength = 0.05}``; the strength is glmnet's lambda, ``mixing`` its alpha."""

    kind: Literal["ridge", "lasso", "elastic net", "firth"]
    strength: float | None = None
    mixing: float | None = None

    @model_validator(mode="after")
    def _what_the_kind_has(self) -> Self:
        if (self.strength is None) != (self.kind == "firth"):
            raise ValueError(
                "Firth's penalty has no strength" if self.kind == "firth" else f"a {self.kind} has a strength"
            )
        if (self.mixing is None) != (self.kind != "elastic net"):
            raise ValueError("an elastic net has a mixing from 0 (ridge) to 1 (lasso), and no other kind has")
        _ = self.asked
        return self

    @property
    def asked(self) -> ElasticNet | Firth:
        """As an estimator takes it."""
        if self.strength is None:
            return Firth()
        mixing = {"ridge": 0.0, "lasso": 1.0}.get(self.kind, self.mixing)
        return ElasticNet(self.strength, 1.0 if mixing is None else mixing)
