"""A question is data: it comes back as it was sent, or is refused with a QueryError and nothing else."""

import copy
import json
import math
from contextlib import suppress
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedstats.contract.condition import Condition
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.query import POINT, Query, QueryError, canonical_json, point_fields, spec_from_dict
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxCurvature
from fedstats.methods.fitting import LocalEstimate
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from tests.contract.strategies import KINDS, PLAIN_QUERIES, specs

CALM = settings(deadline=None, max_examples=8, derandomize=True, suppress_health_check=list(HealthCheck))
ids = [kind.__name__ for kind in KINDS]

DESIGN = Design((Column("age", (Part("age"),), 60.0, 8.0),), intercept=True)
LOGISTIC = GlmDerivatives(GlmModel("y", DESIGN, None, None, None), (0.5, -0.25))
COX = CoxDerivatives(
    CoxModel(None, "time", "status", DESIGN, ("practice",), "efron", None, None, 0.0, None), (0.5, -0.25)
)

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(ids)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["is", "where", "model", "beta", "column", "x"]), inner, max_size=4),
    ),
    max_leaves=12,
)


def paths(value, here=()):
    """Where every part of a JSON value lies."""
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from paths(part, (*here, key))


def put(value, path, new):
    """A copy with one part replaced."""
    if not path:
        return new
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return changed


@pytest.mark.parametrize("kind", KINDS, ids=ids)
def test_every_spec_comes_back_from_its_json(kind):
    @CALM
    @given(specs(kind))
    def comes_back(spec):
        text = canonical_json(spec.to_dict())
        again = spec_from_dict(json.loads(text))
        assert again == spec
        assert canonical_json(again.to_dict()) == text
        assert again.digest() == spec.digest()

    comes_back()


@pytest.mark.parametrize("kind", KINDS, ids=ids)
def test_the_digest_differs_when_any_field_differs(kind):
    @CALM
    @given(specs(kind), specs(kind))
    def differs(one, other):
        for f in fields(kind):
            try:
                mixed = replace(one, **{f.name: getattr(other, f.name)})
            except QueryError:  # several values make no sense without 'in'
                continue
            if mixed != one:
                assert mixed.digest() != one.digest()

    differs()


@pytest.mark.parametrize("kind", PLAIN_QUERIES, ids=[k.__name__ for k in PLAIN_QUERIES])
def test_a_conversation_forgets_the_point_and_nothing_else(kind):
    @CALM
    @given(specs(kind), specs(kind))
    def forgets(one, other):
        for f in fields(kind):
            try:
                mixed = replace(one, **{f.name: getattr(other, f.name)})
            except QueryError:  # several values make no sense without 'in'
                continue
            if f.name in point_fields(kind):
                assert mixed.conversation() == one.conversation()
            elif mixed != one:
                assert mixed.conversation() != one.conversation()

    forgets()


def test_only_coefficients_hazards_steps_and_an_inverse_are_points():
    marked = {f.name for kind in KINDS for f in fields(kind) if f.metadata.get("point")}
    of_models = {"beta", "a", "b", "hazards", "steps", "inverse", "points", "gamma", "share"}
    assert marked == of_models | {"coefficients", "spread", "between", "copy", "uncensored"}
    assert POINT["point"] is True


def test_another_kind_of_question_is_another_conversation():
    plain, curvature = CoxDerivatives(COX.model, (0.0,)), CoxCurvature(COX.model, (0.0,), (), ())
    assert plain.conversation() != curvature.conversation()


def test_canonical_json_is_one_text_whatever_the_order_of_keys():
    assert canonical_json({"b": 1, "a": 0.1}) == canonical_json({"a": 0.1, "b": 1}) == '{"a":0.1,"b":1}'
    assert canonical_json("é") == '"\\u00e9"'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_canonical_json_refuses_what_is_not_a_number(number):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json([number])


WRONG = {
    "not an object": [1, 2],
    "no kind": {"where": []},
    "a kind that is not text": {"is": ["GlmDerivatives"]},
    "an unknown kind": {"is": "os.system"},
    "a kind of the language": {"is": "__class__"},
    "a spec that is no question": COX.model.to_dict(),
    "an unknown field": LOGISTIC.to_dict() | {"seed": 1},
    "a missing field": {k: v for k, v in LOGISTIC.to_dict().items() if k != "beta"},
    "a text for a list": LOGISTIC.to_dict() | {"beta": "0.5"},
    "a text for a number": LOGISTIC.to_dict() | {"beta": ["0.5", "0"]},
    "a bool for a number": LOGISTIC.to_dict() | {"beta": [True, 0.0]},
    "null for a number": LOGISTIC.to_dict() | {"beta": [None, 0.0]},
    "null for a spec": LOGISTIC.to_dict() | {"model": None},
    "another model": LOGISTIC.to_dict() | {"model": COX.model.to_dict()},
    "a question for a model": LOGISTIC.to_dict() | {"model": LOGISTIC.to_dict()},
    "a number for a flag": put(LOGISTIC.to_dict(), ("model", "design", "intercept"), 1),
    "a word that was not agreed": put(COX.to_dict(), ("model", "ties"), "exact"),
    "a list for a word": put(COX.to_dict(), ("model", "ties"), ["efron"]),
    "a condition that is text": LOGISTIC.to_dict() | {"where": ["age > 70"]},
    "a design within a condition": LOGISTIC.to_dict() | {"where": [DESIGN.to_dict()]},
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_a_query_error(value):
    with pytest.raises(QueryError):
        spec_from_dict(value, Query)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("path", [("beta", 0), ("model", "design", "columns", 0, "scale")])
def test_a_number_that_is_none_is_a_query_error(number, path):
    with pytest.raises(QueryError):
        spec_from_dict(put(LOGISTIC.to_dict(), path, number), Query)


def test_an_integer_beyond_all_floats_is_a_query_error():
    with pytest.raises(QueryError):
        spec_from_dict(LOGISTIC.to_dict() | {"beta": [10**400, 0.0]}, Query)


def test_a_question_nested_without_end_is_a_query_error():
    value = LOGISTIC.to_dict()
    for _ in range(5000):
        value = {"is": "LocalEstimate", "where": [], "question": value}
    with pytest.raises(QueryError):
        spec_from_dict(value, Query)


def test_a_question_without_an_answer_is_a_query_error():
    with pytest.raises(QueryError):
        spec_from_dict(Query().to_dict(), Query)


def test_a_warm_start_of_anything_but_derivatives_comes_back_all_the_same():
    spec = LocalEstimate(LOGISTIC)
    assert spec_from_dict(json.loads(canonical_json(spec.to_dict())), Query) == spec


@settings(CALM, max_examples=60)
@given(JSON)
def test_any_json_is_a_spec_or_a_query_error(value):
    with suppress(QueryError):
        spec_from_dict(value)


def finite(value):
    """No number of a JSON value that a float cannot hold: two tests above are about those."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, int | float) or abs(value) < 1e300


@settings(CALM, max_examples=60)
@given(st.data())
def test_a_question_with_one_part_replaced_comes_back_or_is_a_query_error(data):
    kind = data.draw(st.sampled_from(PLAIN_QUERIES))
    whole = data.draw(specs(kind)).to_dict()
    where = data.draw(st.sampled_from(sorted(paths(whole), key=str)))
    changed = put(whole, where, data.draw(JSON.filter(finite)))
    try:
        spec = spec_from_dict(changed, Query)
    except QueryError:
        return
    assert spec_from_dict(json.loads(canonical_json(spec.to_dict())), Query) == spec


def test_an_error_shows_at_most_the_start_of_what_was_sent():
    with pytest.raises(QueryError) as found:
        spec_from_dict({"is": "x" * 10_000})
    assert len(str(found.value)) < 200


def test_conditions_are_added_and_never_replaced():
    old, young = Condition("age", ">=", (60.0,)), Condition("age", "<", (70.0,))
    assert LOGISTIC.among(old).among(young).where == (old, young)
