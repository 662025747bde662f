"""Questions as data: frozen dataclasses of a closed vocabulary, written as JSON by name.

No code travels.  A received text is rebuilt only from classes registered here, every field is
checked against its type hint, and unknown names or fields are refused.
"""

import hashlib
import json
import sys
import types
import typing
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fedstats.contract.entries import Entries, ordinal
from fedstats.contract.labels import unseen

if TYPE_CHECKING:
    from fedstats.contract.aggregate import Aggregate, Evidence
    from fedstats.contract.condition import Condition
    from fedstats.contract.cumulative_hazard import CumulativeHazard
    from fedstats.contract.imputed_columns import ImputedColumns
    from fedstats.contract.linear_predictor import LinearPredictor
    from fedstats.contract.propensity_weight import PropensityWeight
    from fedstats.contract.site_data import SiteData

_VOCABULARY: dict[str, type["Spec"]] = {}


class QueryError(ValueError):
    """A question that cannot be read or asked; the message holds names of the protocol, never data."""


@dataclass(frozen=True)
class Spec:
    """Something that travels by name: a frozen dataclass whose fields are JSON or other specs."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls._may_travel():
            _VOCABULARY[cls.__name__] = cls

    @classmethod
    def _may_travel(cls) -> bool:
        return True

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values, with its class name under ``"is"``."""
        return {"is": type(self).__name__} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    def digest(self) -> str:
        """sha256 of the canonical JSON, in hexadecimal."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(canonical_json(self.to_dict()).encode()).hexdigest()

    @cached_property
    def _inner_questions(self) -> tuple["Query", ...]:
        values = [getattr(self, f.name) for f in fields(self)]
        parts = [part for v in values for part in (v if isinstance(v, tuple) else (v,))]
        return tuple(q for part in parts if isinstance(part, Spec) for q in questions_in(part))


@dataclass(frozen=True)
class Query(Spec):
    """A question whose answer is a sum over patients.

    A subclass implements :meth:`aggregate`, the site's half.  Fields marked ``field(metadata=POINT)``
    are where a model is evaluated (coefficients, hazards); all others are *what* is asked, and
    together they are the conversation that a sequence of rounds belongs to.
    """

    where: tuple["Condition", ...] = field(default=(), kw_only=True)
    #: Names a course of rounds: fits of one model from different starts do not mix.
    course: str = field(default="", kw_only=True)
    #: Columns that a site makes of its own for this question, and that never leave.
    made: tuple["LinearPredictor | PropensityWeight | CumulativeHazard | ImputedColumns", ...] = field(
        default=(), kw_only=True
    )

    #: Per-site answers of different shape (never summed) are asked through ``federation.each`` only.
    summable: ClassVar[bool] = True
    #: Points at which it is answered about one model by a site that keeps count, where these are fewer than its policy's.
    most_points: ClassVar[int | None] = None
    #: Of a question without points, how often each of its sums counts against a cohort's patients, at a site that keeps count.
    counts_numbers: ClassVar[float] = 0.0
    #: Whose derivatives, or parts of them, are told at a point: questions of one likelihood tell the same sums of two cohorts.
    likelihood: ClassVar[str] = ""
    #: Whether it is about everybody whom a site has screened, and not about the eligible alone.
    of_screened: ClassVar[bool] = False
    #: What is asked of the subject, for the sentence that a person reads.
    asks: ClassVar[str] = ""

    def aggregate(self, data: "SiteData") -> "Aggregate":  # noqa: ARG002
        """Evaluate at a site, on that site's rows (already restricted to ``where``)."""
        raise TypeError(f"{type(self).__name__} does not say how a site answers it")

    def subject(self) -> str:
        """What the question is about, with its columns: "Cox regression of time/status on age, sex"."""
        return (type(self).__doc__ or type(self).__name__).strip().splitlines()[0].rstrip(".")

    def entries(self) -> dict[str, Entries]:
        """Of every sum in the answer, what its entries are and what they are called."""
        return {}

    def remedies(self) -> dict[str, str]:
        """Of rules of which this question says otherwise what would make it pass, a sentence without a number each."""
        return {}

    def in_words(self, turn: int = 0) -> str:
        """The question as a sentence; ``turn`` counts the points at which its model was asked so far."""
        among = " and ".join(condition.in_words() for condition in self.where)
        sentence = self.subject() + (f" (patients with {among})" if among else "")
        sentence += "".join(f"; {predictor.in_words()}" for predictor in self.made)
        sentence += f": {self.asks}" if self.asks else ""
        return sentence + (f" at the {ordinal(turn)} point" if turn and point_fields(type(self)) else "")

    @classmethod
    def _may_travel(cls) -> bool:
        return cls.aggregate.__qualname__ != "Query.aggregate"  # a base class asks nothing

    def conversation(self) -> str:
        """Digest of what is asked, whatever the point at which it is asked."""
        what = {k: v for k, v in self.to_dict().items() if k not in point_fields(type(self))}
        return hashlib.sha256(canonical_json(what).encode()).hexdigest()

    def beforehand(self, data: "SiteData") -> tuple["Evidence", ...]:  # noqa: ARG002
        """Of a model at given coefficients, what is judged before a site makes any sum: where these overflow depends on the rows."""
        return ()

    def is_bounded(self) -> bool:
        """Whether it can be answered at some coefficients alone: where that ends tells of single rows."""
        return False

    def topic(self) -> str:
        """Kind and digest of what a study agrees on beforehand: which sums, of whom, at whatever point or grid."""
        what = {name: part for name, part in _topic(replace(self, course="")).items() if name != "is"}
        return f"{type(self).__name__} {hashlib.sha256(canonical_json(what).encode()).hexdigest()}"

    def among(self, *conditions: "Condition") -> Self:
        """The same question about the patients who also meet these conditions."""
        return replace(self, where=self.where + conditions)

    def with_columns(self, *made: "LinearPredictor | PropensityWeight | CumulativeHazard") -> Self:
        """The same question with columns that the site makes for it."""
        return replace(self, made=self.made + made)

    def completed(self, chain: "ImputedColumns") -> Self:
        """The same question of columns whose empty cells the site fills in, before it makes others of them."""
        return replace(self, made=(chain, *self.made))


#: A question about a question about a model, with its terms and their parts, is nested some ten deep.
DEEPEST = 40

#: Marks the fields of a query that say where a model is evaluated.
POINT = types.MappingProxyType({"point": True})


def candidate(remedy: str) -> types.MappingProxyType[str, Any]:
    """Marks a field that the coordinator tries in several versions until every site answers.

    Parameters
    ----------
    remedy : str       what the next version is, in words: "a coarser time grid"
    """
    return types.MappingProxyType({"candidate": remedy})


def point_fields(kind: type[Spec]) -> set[str]:
    """Names of the fields marked with :data:`POINT`."""
    return {f.name for f in fields(kind) if f.metadata.get("point")}


def has_point(query: Query) -> bool:
    """Whether a question is asked at coefficients, of its own model or of a column that it makes."""
    return any(point_fields(type(spec)) for spec in (query, *query.made))


def query_kinds() -> set[str]:
    """Names of every question that can be asked."""
    return {name for name, kind in _VOCABULARY.items() if issubclass(kind, Query)}


def questions_in(spec: Spec) -> list[Query]:
    """A question with those that stand inside it, as a model's does in the question for a site's own fit."""
    own = [spec] if isinstance(spec, Query) else []
    return [*own, *spec._inner_questions]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and shortest round-trip floats; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def spec_from_dict(value: object, expected: type[Spec] = Spec) -> Any:
    """Rebuild a spec; the inverse of :meth:`Spec.to_dict`.

    Raises
    ------
    QueryError
        Unknown kind, unknown or missing field, a value of another type than agreed.
    """
    if _depth(value) > DEEPEST:
        raise QueryError("A message is nested deeper than any question.")
    if not isinstance(value, dict) or not isinstance(value.get("is"), str):
        raise QueryError('A spec is an object with its kind under "is".')
    kind = _VOCABULARY.get(value["is"])
    if kind is None or not issubclass(kind, expected):
        raise QueryError(
            f"{value['is'][:60]!r} is not a kind of {expected.__name__} that this version knows."
        )
    known = {f.name for f in fields(kind)}
    given = set(value) - {"is"}
    if given != known:
        raise QueryError(
            f"{kind.__name__} has the fields {sorted(known)}; the message has {sorted(map(str, given))}."
        )
    hints = typing.get_type_hints(kind, localns=_VOCABULARY)
    return kind(
        **{name: _typed(value[name], hints[name], f"{kind.__name__}.{name}") for name in sorted(known)}
    )


def _depth(value: object) -> int:
    """How deep lists and objects are nested, without recursion."""
    depth, layer = 0, [value]
    while layer and depth <= DEEPEST:
        inner = [v.values() if isinstance(v, dict) else v for v in layer if isinstance(v, dict | list)]
        layer, depth = [part for parts in inner for part in parts if isinstance(part, dict | list)], depth + 1
    return depth


def _topic(value: Any) -> Any:
    """A value without the fields marked as a point; of one marked as a candidate, whether there is any."""
    if isinstance(value, Spec):
        kept = {f.name: getattr(value, f.name) for f in fields(value) if "point" not in f.metadata}
        tried = {f.name for f in fields(value) if "candidate" in f.metadata}
        return {"is": type(value).__name__} | {
            k: bool(v) if k in tried else _topic(v) for k, v in kept.items()
        }
    return [_topic(v) for v in value] if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def _typed(value: Any, hint: Any, name: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _typed_union(value, [a for a in args if a is not type(None)], name)
    if origin is tuple:
        if not isinstance(value, list):
            raise QueryError(f"{name} must be a list.")
        return tuple(_typed(v, args[0], name) for v in value)
    if origin is typing.Literal:
        if value not in args:
            raise QueryError(f"{name} must be one of {list(args)}.")
        return value
    if isinstance(hint, type) and issubclass(hint, Spec):
        return spec_from_dict(value, hint)
    return _scalar(value, hint, name)


def _typed_union(value: Any, options: list[Any], name: str) -> Any:
    if isinstance(value, dict):  # a spec says which it is, and what is wrong with it is said of that one
        options = [o for o in options if getattr(o, "__name__", "") == value.get("is")] or options
    if len(options) == 1:
        return _typed(value, options[0], name)
    for option in options:
        try:
            return _typed(value, option, name)
        except QueryError:
            continue
    raise QueryError(f"{name} has a value of none of its agreed kinds.")


def _scalar(value: Any, hint: Any, name: str) -> Any:
    if hint is float:
        if type(value) in (int, float) and abs(value) <= sys.float_info.max:  # false for NaN as well
            return float(value)
    elif type(value) is hint:
        if hint is str and (sign := unseen(value)):
            raise QueryError(f"{name} holds the character {sign}, which nobody at a site would see.")
        return value
    raise QueryError(f"{name} must be a {getattr(hint, '__name__', hint)}.")
