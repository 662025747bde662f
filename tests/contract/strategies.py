"""Random specs of every class of the vocabulary, made from their type hints."""

import typing
from dataclasses import fields
from types import UnionType
from typing import Any

from hypothesis import strategies as st

import fedstats.methods  # noqa: F401 (registers every query)
from fedstats.contract.condition import Condition
from fedstats.contract.labels import visible
from fedstats.contract.query import _VOCABULARY, Query, Spec
from fedstats.contract.shapes import BasisSpline, Logarithm, OtherUnit, Power, RestrictedCubic, Shape

#: What can be asked: queries that tests plant, and base classes that no site can answer, are not among them.
KINDS = sorted(
    (
        kind
        for kind in _VOCABULARY.values()
        if kind.__module__.startswith("fedstats.")
        and not (issubclass(kind, Query) and kind.aggregate is Query.aggregate)
    ),
    key=lambda kind: kind.__name__,
)
PLAIN_QUERIES = [
    kind
    for kind in KINDS
    if issubclass(kind, Query)
    and Query not in typing.get_type_hints(kind, localns=_VOCABULARY).values()  # which hold another query
]

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
#: Any text but with characters that nobody would see: a question that holds one is refused.
TEXTS = st.text(max_size=6).map(visible)

VALUES = st.one_of(FLOATS, TEXTS)
CONDITIONS = st.one_of(
    st.builds(Condition, TEXTS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.tuples(VALUES)),
    st.builds(Condition, TEXTS, st.just("in"), st.lists(VALUES, min_size=1, max_size=2).map(tuple)),
)


_KNOTS = st.lists(FLOATS, min_size=3, max_size=6, unique=True).map(sorted).map(tuple)
#: Functions of a number refuse what would be none: an exponent of 60, knots that fall.
SHAPES: dict[type[Spec], st.SearchStrategy[Any]] = {
    Logarithm: st.just(Logarithm()),
    OtherUnit: st.builds(OtherUnit, FLOATS, FLOATS.filter(bool)),
    Power: st.builds(Power, st.integers(1, 9)),
    RestrictedCubic: st.builds(RestrictedCubic, _KNOTS, st.integers(1, 2)),
    BasisSpline: _KNOTS.flatmap(
        lambda k: st.builds(
            BasisSpline, st.just(k[1:-1]), st.just(k[0]), st.just(k[-1]), st.integers(1, 9), st.just(1)
        )
    ),
}


def specs(kind: type[Spec]) -> st.SearchStrategy[Any]:
    """Instances of a spec with every field drawn by its type hint."""
    if kind is Condition:
        return CONDITIONS
    if kind is Shape:
        return st.one_of(list(SHAPES.values()))
    if kind in SHAPES:
        return SHAPES[kind]
    hints = typing.get_type_hints(kind, localns=_VOCABULARY)
    return st.builds(kind, **{f.name: values(hints[f.name]) for f in fields(kind)})


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type hint."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return st.one_of([values(a) for a in args])
    if origin is tuple:
        return st.lists(values(args[0]), max_size=2).map(tuple)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if hint is Query:
        return st.one_of([specs(kind) for kind in PLAIN_QUERIES])
    if isinstance(hint, type) and issubclass(hint, Spec):
        return specs(hint)
    simple = {float: FLOATS, str: TEXTS, bool: st.booleans(), int: st.integers(), type(None): st.none()}
    return simple[hint]
