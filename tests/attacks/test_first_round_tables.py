"""At beta = 0 the logistic information is a quarter of a cross-table: small cells are read off, or refused."""

import numpy as np
import pytest

from tests.attacks.targets import NONE, STRICT, N, ask, cohort, column, first_round, logistic

rows = np.arange(N)


def ones(*ranges):
    """0/1 column with ones on the given stretches of rows."""
    return np.isin(rows, np.concatenate([np.arange(*r) for r in ranges])).astype(float)


def some_events(n_event, n_other):
    """0/1 column held by so many patients with and without an event."""
    return (((rows % 2 == 1) & (rows < 2 * n_event)) | ((rows % 2 == 0) & (rows < 2 * n_other))).astype(float)


def few(column, value, usual, count):
    """A column in which a value is held by ``count`` patients, the others having the usual ones in turn."""
    values = np.array(usual, dtype=object)[(rows // 8) % len(usual)]
    values[100 : 100 + count] = value
    return {column: values}


CELLS = {
    "a level": ({"a": ones((0, 4))}, "a", lambda t: t.of("a"), 4, "level"),
    "the complement of a level": (
        {"a": ones((4, N))},
        "a",
        lambda t: t.of("Intercept") - t.of("a"),
        4,
        "level",
    ),
    "events of a level": ({"a": some_events(3, 60)}, "a", lambda t: t.events("a"), 3, "level by outcome"),
    "non-events of a level": (
        {"a": some_events(60, 3)},
        "a",
        lambda t: t.of("a") - t.events("a"),
        3,
        "level by outcome",
    ),
    "events outside a level": (
        {"a": 1 - some_events(3, 60)},
        "a",
        lambda t: t.events("Intercept") - t.events("a"),
        3,
        "level by outcome",
    ),
    "a pair of levels": (
        {"a": ones((0, 100)), "b": ones((98, 200))},
        "a + b",
        lambda t: t.of("a", "b"),
        2,
        "pair of levels",
    ),
    "the second of a pair without the first": (
        {"a": ones((0, 180)), "b": ones((80, 182))},
        "a + b",
        lambda t: t.of("b") - t.of("a", "b"),
        2,
        "pair of levels",
    ),
    "neither of a pair": (
        {"a": ones((0, 200)), "b": ones((150, 358))},
        "a + b",
        lambda t: t.of("Intercept") - t.of("a") - t.of("b") + t.of("a", "b"),
        2,
        "pair of levels",
    ),
    "a level of a factor": (few("ecog", 2, [0, 1], 4), "ecog", lambda t: t.of("ecog[2]"), 4, "level"),
    "the reference level of a factor": (
        few("ecog", 0, [1, 2], 4),
        "ecog",
        lambda t: t.of("Intercept") - t.of("ecog[1]") - t.of("ecog[2]"),
        4,
        "level",
    ),
    "a pair of two reference levels": (
        {
            "ecog": np.where(rows < 180, 1 + rows % 2, 0),
            "sex": np.where((rows < 100) | (rows >= 358), "F", "M"),
        },
        "ecog + sex",
        lambda t: (
            t.of("Intercept")
            - t.of("ecog[1]")
            - t.of("ecog[2]")
            - t.of("sex[M]")
            + t.of("ecog[1]", "sex[M]")
            + t.of("ecog[2]", "sex[M]")
        ),
        2,
        "pair of levels",
    ),
    "a cell of an interaction": (
        {
            "ecog": np.where(rows < 120, 2, rows % 2),
            "sex": np.where((rows >= 4) & (rows < 120) | (rows >= 240), "F", "M"),
        },
        "sex * ecog",
        lambda t: t.of("sex[M]:ecog[2]"),
        4,
        "level",
    ),
    "a number that is 0 or 7": (
        {"a": 7 * ones((0, 4))},
        "a",
        lambda t: t.of("Intercept", "a") / 7,
        4,
        "level",
    ),
    "the rest of a number that is 5 or 7": (
        {"a": 7 - 2 * ones((0, 4))},
        "a",
        lambda t: (7 * t.of("Intercept") - t.of("Intercept", "a")) / 2,
        4,
        "level",
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_small_cell_is_read_off_without_a_gate(cell):
    columns, right, read, size, _ = CELLS[cell]
    assert read(first_round(cohort(**columns), right, NONE)) == pytest.approx(size, abs=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_a_small_cell_is_refused_by_the_strict_default(cell):
    columns, right, _, _, rule = CELLS[cell]
    assert first_round(cohort(**columns), right, STRICT) in (rule, "level")


@pytest.mark.parametrize("right", ["a", "a + b", "ecog", "sex * ecog", "age + sex:age", "C(ecog) + a"])
def test_where_nothing_is_rare_the_strict_default_answers(right):
    assert not isinstance(first_round(cohort(), right, STRICT), str)


@pytest.mark.parametrize(("size", "leaves"), [(0, True), (1, False), (10, False), (11, False), (22, True)])
def test_a_level_leaves_when_nobody_or_enough_of_both_outcomes_hold_it(size, leaves):
    columns = {"ecog": np.where(rows < size, 2, rows // 8 % 2)}
    assert isinstance(first_round(cohort(**columns), "ecog", STRICT), str) is not leaves


PAIR_GAPS = {
    "the first of a pair without the second": (
        {"a": ones((0, 102)), "b": ones((2, 202))},
        "a + b",
        lambda t: t.of("a") - t.of("a", "b"),
    ),
    "a level of three without a number": (
        # eight in every other combination, two with ecog = 1 and a = 0
        {
            "ecog": np.where(rows < 120, 1, np.where(rows % 2, 0, 2)),
            "a": np.where(rows < 118, 1, 1 - (rows // 2) % 2),
        },
        "ecog + a",
        lambda t: t.of("ecog[1]") - t.of("ecog[1]", "a"),
    ),
}


@pytest.mark.parametrize("cell", PAIR_GAPS)
def test_the_fourth_cell_of_a_pair_is_read_off_without_a_gate(cell):
    columns, right, read = PAIR_GAPS[cell]
    assert read(first_round(cohort(**columns), right, NONE)) == pytest.approx(2, abs=1e-9)


@pytest.mark.parametrize("cell", PAIR_GAPS)
def test_the_fourth_cell_of_a_pair_is_refused(cell):
    columns, right, _ = PAIR_GAPS[cell]
    assert first_round(cohort(**columns), right, STRICT) == "pair of levels"


def test_the_outcome_itself_is_a_table_without_a_gate():
    table = first_round(cohort(y=1 - ones((0, 7))), "1", NONE)
    assert table.of("Intercept") - table.events("Intercept") == pytest.approx(7)


def test_a_rare_outcome_is_refused():
    assert isinstance(first_round(cohort(y=1 - ones((0, 7))), "1", STRICT), str)


def test_leaving_a_factor_out_of_the_list_hides_its_reference_level_from_the_gate():
    # the coordinator writes the list: sums of age over everyone and over all but one woman's
    frame = cohort(sex=np.where(rows == 5, "F", "M"))
    question = logistic(column("age"), column("m", "age", ("sex", "M")))
    sums = ask(frame, question, NONE)
    table = 4 * sums["information"]
    assert table[1] - table[3] == pytest.approx(frame["age"][5], abs=1e-9)


def test_a_factor_that_is_left_out_of_the_list_is_judged_all_the_same():
    frame = cohort(sex=np.where(rows == 5, "F", "M"))
    question = logistic(column("age"), column("m", "age", ("sex", "M")))
    assert ask(frame, question, STRICT) == "level"


def oldest(policy):
    """Sums over age to the 60th power: of a patient of 104 among those of 40 to 80 alone. His lab value."""
    frame = cohort()
    frame.loc[33, "age"] = 104.0
    power = column("p", *("age",) * 60, scale=104.0**60)
    answer = ask(frame, logistic(power, column("lab")), policy)
    return answer if isinstance(answer, str) else (answer["information"][4] * 4, frame["lab"][33])


def test_a_high_power_of_a_column_singles_out_the_largest_without_a_gate():
    found, truth = oldest(NONE)
    assert found == pytest.approx(truth, rel=1e-3)


def test_a_sum_that_one_patient_dominates_is_refused():
    assert oldest(STRICT) == "dominance"


def weighted_difference(policy, unusual=0.0):
    """Two first rounds, with and without weights that are another for one patient."""
    frame = cohort(w=np.where(rows == 17, unusual, 1.0))
    whole = first_round(frame, "age + lab", policy)
    but_one = first_round(frame, "age + lab", policy, weights="w")
    if isinstance(but_one, str):
        return but_one
    row = (whole.xx[0] - but_one.xx[0]) / (1 - unusual)
    return row, [1, frame["age"][17], frame["lab"][17]]


@pytest.mark.parametrize("unusual", [0.0, 2.0])
def test_a_weight_singles_one_patient_out_without_a_gate(unusual):
    row, truth = weighted_difference(NONE, unusual)
    assert row == pytest.approx(truth, abs=1e-8)


def test_leaving_one_patient_out_by_weight_is_refused():
    assert weighted_difference(STRICT) == "dropped rows"


def test_a_weight_that_one_patient_has_alone_is_refused():
    assert isinstance(weighted_difference(STRICT, 2.0), str)


def test_levels_by_outcome_are_counted_among_those_who_have_a_weight():
    kept = np.where(ones((0, 80)) == 1, (rows % 2 == 0) | (rows < 4), True)  # two events left among a = 1
    frame = cohort(a=ones((0, 80)), w=kept.astype(float))
    table = first_round(frame, "a", STRICT, weights="w")
    assert isinstance(table, str), f"{table.events('a'):g} events leave"
