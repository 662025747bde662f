"""An attended study: a person at each site looks, and sends; the coordinator runs again."""

import pytest

import fedstats as fs
from fedstats.federations.envelope import read_envelope
from tests.federations.small_study import attended, attended_pass, files, opened_answer, question_numbers


def test_an_open_question_raises_waiting_with_one_calm_line(here):
    with pytest.raises(fs.Waiting) as waiting:
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    line = "Waiting for north, south, west to answer question 1 (Logistic regression of response). Run this again afterwards."
    assert str(waiting.value) == line
    assert waiting.value._render_traceback_() == [line]


def test_the_calm_line_names_only_the_sites_that_have_not_answered(here):
    folder = fs.Folder(here.exchange, study=here.study)
    with pytest.raises(fs.Waiting):
        fs.logistic(folder, "response ~ age")
    attended_pass(here.exchange, {"south": here.sites["south"]}, here.study)
    with pytest.raises(fs.Waiting, match=r"^Waiting for north, west to answer question 1 "):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")


def test_asking_looking_and_sending_until_done_gives_the_bytes_of_one_process(here):
    found, _ = attended(here.exchange, here.sites, here.study, **here.study.analyses())
    assert fs.save_results(found, here.results, study=here.study.digest) == here.sha256


def test_together_takes_as_many_exchanges_as_its_longest_analysis(here):
    found, exchanges = attended(here.exchange, here.sites, here.study, **here.study.analyses())
    rounds = [result.rounds for result in found.values()]
    assert exchanges == max(rounds) < sum(rounds)


def test_nothing_is_asked_twice(here):
    attended(here.exchange, here.sites, here.study, **here.study.analyses())
    digests = [q.query.digest() for q in fs.Ledger(here.exchange).questions()]
    assert len(set(digests)) == len(digests)
    assert question_numbers(here.exchange) == list(range(1, len(digests) + 1))


def test_running_again_without_an_answer_files_nothing_new(here):
    for _ in range(3):
        with pytest.raises(fs.Waiting):
            fs.together(fs.Folder(here.exchange, study=here.study), **here.study.analyses())
    assert question_numbers(here.exchange) == [1, 2, 3, 4, 5][: len(question_numbers(here.exchange))]
    assert len(question_numbers(here.exchange)) <= 5


def test_the_same_folder_object_goes_on_when_the_sites_have_answered(here):
    folder = fs.Folder(here.exchange, study=here.study)
    for _ in range(30):
        try:
            fit = fs.cox(folder, "Surv(time, status) ~ age + sex + ecog", strata="practice")
            break
        except fs.Waiting:
            attended_pass(here.exchange, here.sites, here.study)
    assert fit.coef.equals(here.found["own_baseline"].coef)


def test_two_fits_of_one_model_from_different_starts_go_side_by_side(here):
    fits = {
        start: lambda s, start=start: fs.cox(
            s, "Surv(time, status) ~ age + sex", strata="practice", start=start
        )
        for start in ("zero", "pooled")
    }
    found, _ = attended(here.exchange, here.sites, here.study, **fits)
    assert found.zero.coef.to_numpy() == pytest.approx(found.pooled.coef.to_numpy(), rel=1e-9)


def test_the_review_holds_counts_that_the_answer_files_do_not(here):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age + sex")
    site = here.sites["north"]
    questions = fs.open_questions(here.exchange, site, study=here.study.digest)
    answers = site.answers(questions)
    assert {"level", "pair of levels", "level by outcome"} <= set(answers[0].review["rule"])
    (path,) = fs.send(here.exchange, site, questions, answers)
    own = {"number", "question", "previous", "roster", "policy", "software"}
    assert set(read_envelope(path, "answer").header) == own | {"kind", "from", "format", "sealed"}
    content = opened_answer(here.exchange, here.study, "north", 1).to_dict()
    assert {"loglik", "score", "information", "n", "n_event", "dropped"} <= set(content)
    assert not any(rule in str(content) for rule in set(answers[0].review["rule"]))
    assert all(set(entry) == {"shape", "exponent", "limbs"} for entry in content.values())


def test_the_review_shows_the_judgement_that_came_closest_to_refusing(here):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age + sex")
    site = fs.Site("north", here.frames["north"], here.study.codebook, fs.DisclosurePolicy.teaching())
    questions = fs.open_questions(here.exchange, site)
    row = fs.review(site.answers(questions)).iloc[0]
    assert row["leaves"]
    assert row["patients"] > 0  # nobody stands behind an empty cell or a coefficient of zero


def test_looking_at_the_answers_lets_nothing_leave(here):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    before = files(here.exchange)
    site = here.sites["north"]
    questions = fs.open_questions(here.exchange, site)
    fs.asked(questions)
    fs.review(site.answers(questions))
    assert files(here.exchange) == before


def test_what_is_asked_is_listed_in_words_with_columns_and_subset(here):
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study).where("ecog == '1'"), "response ~ age")
    row = fs.asked(fs.open_questions(here.exchange, here.sites["north"])).iloc[0]
    assert (row["question"], row["times"]) == (1, 1)
    sentence = "Logistic regression of response on age (patients with ecog == 1): log-likelihood, score and information"
    assert row["asked"] == f"{sentence} at the 1st point"


def test_points_of_a_model_are_counted_among_all_that_was_asked_and_shown_in_full(here):
    for _ in range(3):
        with pytest.raises(fs.Waiting):
            fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age + sex")
        questions = fs.open_questions(here.exchange, here.sites["north"])
        if len(fs.Ledger(here.exchange).questions()) < 3:
            attended_pass(here.exchange, here.sites, here.study)
    found = fs.asked(questions, here.exchange)
    assert found["times"].tolist() == [3]
    shown = fs.asked_table(found)
    for text in (shown._repr_html_(), str(shown)):
        assert (
            "Logistic regression of response on age, sex: log-likelihood, score and information at the 3rd point"
            in text
        )


def test_a_subset_over_a_folder_is_the_subset_in_one_process(here):
    ask = {"subset": lambda s: fs.logistic(s.where("sex == 'F' and age >= 50"), "response ~ age")}
    over_folder, _ = attended(here.exchange, here.sites, here.study, **ask)
    in_process = fs.together(here.whole, **ask)
    assert over_folder.subset.coef.equals(in_process.subset.coef)
    assert over_folder.subset.n < here.found["response"].n


def test_together_takes_a_subset_of_a_folder(here):
    ask = {"a": lambda s: fs.logistic(s, "response ~ age"), "b": lambda s: fs.logistic(s, "response ~ sex")}
    exchanges = 0
    while True:
        try:
            found = fs.together(fs.Folder(here.exchange, study=here.study).where("ecog == '1'"), **ask)
            break
        except fs.Waiting:
            attended_pass(here.exchange, here.sites, here.study)
            exchanges += 1
    assert exchanges == max(found.a.rounds, found.b.rounds)
    assert found.a.coef.equals(fs.logistic(here.whole.where("ecog == '1'"), "response ~ age").coef)


def test_answers_sent_out_of_order_still_verify(here):
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(here.exchange, study=here.study), **here.study.analyses())
    site = here.sites["north"]
    questions = fs.open_questions(here.exchange, site)
    for question in reversed(questions):
        fs.send(here.exchange, site, [question], site.answers([question]))
    assert list(fs.Ledger(here.exchange).verify()) == []


def test_answers_are_not_sent_under_another_question(here):
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(here.exchange, study=here.study), **here.study.analyses())
    site = here.sites["north"]
    questions = fs.open_questions(here.exchange, site)
    answers = site.answers(questions)
    with pytest.raises(ValueError, match="question"):
        fs.send(here.exchange, site, questions, answers[::-1])
    assert not list(here.exchange.glob("answers/*/*.json"))
