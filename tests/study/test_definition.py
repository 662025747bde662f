"""A wrong study file gives one clear sentence; a right one says what it is."""

import shutil
from pathlib import Path

import pytest

import fedstats as fs
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study

#: What is wrong: the text, what stands in its place, and what the message must name.
WRONG_STUDY = {
    "bad TOML": ("[study]", "[study", ["study.toml is not valid TOML"]),
    "no heading": (STUDY, "", ["study.toml: study is missing"]),
    "unknown key": ('version = "1"', 'version = "1"\ncolour = "red"', ["study.toml", "study.colour"]),
    "unknown section": ("[table_one]", "[table_two]", ["study.toml", "table_two"]),
    "missing key": ('title = "A small study"', "", ["study.toml: study.title is missing"]),
    "number for text": (
        'version = "1"',
        "version = 1",
        ["study.toml: study.version is 1; write a text, in quotes"],
    ),
    "no sites": ('["north", "south", "west"]', "[]", ["study.toml", "study.sites"]),
    "a site twice": ('"south", "west"', '"north", "west"', ["study.sites", "named twice"]),
    "a site as a path": ('"south"', '"../south"', ["study.sites", "'../south'", "lower-case"]),
    "a site in capitals": ('"south"', '"South"', ["study.sites", "'South'", "lower-case"]),
    "unknown profile": ('profile = "none"', 'profile = "lax"', ["study.profile", "'strict'"]),
    "bad study id": ('id = "small"', 'id = "../small"', ["study.id"]),
    "unknown kind of model": (
        'kind = "cox"',
        'kind = "coxph"',
        ["models 'own_baseline': kind is 'coxph'; write one of 'cox'"],
    ),
    "unknown ties": (
        'strata = "practice"',
        'ties = "exact"',
        ["models 'own_baseline': ties is 'exact'; write one of 'efron' or 'breslow'"],
    ),
    "unknown key of a model": (
        'strata = "practice"',
        'stratum = "practice"',
        ["models 'own_baseline': stratum: no such key; the nearest is strata"],
    ),
    "a kind of another kind": (
        'strata = "practice"',
        "strata = 5",
        ["models 'own_baseline': strata is 5; write a text, in quotes, or a list, in square brackets."],
    ),
    "a kind within a list": (
        'strata = "practice"',
        'strata = ["practice", 5]',
        ["models 'own_baseline': strata, entry 2 is 5; write a text, in quotes."],
    ),
    "a slip within a table": (
        'strata = "practice"',
        'penalty = { kind = "ridg", strength = 1 }',
        ["models 'own_baseline': penalty.kind is 'ridg'; write one of 'ridge'"],
    ),
    "a slip in a key that has to be there": (
        'strata = "practice"',
        'standardised_survival = [{ colum = "sex" }]',
        ["models 'own_baseline': standardised_survival, entry 1: colum: no such key; the nearest is column."],
    ),
    "a number in place of a table": (
        'name = "survival_by_sex"',
        'name = "survival_by_sex"\nlog_rank = 5',
        ["curves 'survival_by_sex': log_rank is 5; write true or false, without quotes, or a table"],
    ),
    "an entry without a name": ('name = "response"\n', "", ["models, entry 3: name is missing."]),
    "a name of weights that is none": (
        "[table_one]",
        '[weights."Bad Name"]\nformula = "sex ~ age"\n[table_one]',
        ["weights: 'Bad Name' is no name; write lower-case letters"],
    ),
    "points beyond what may be stated": (
        'version = "1"',
        'version = "1"\npoints = 500',
        ["study.points is 500; write 400 or less."],
    ),
    "name that is no name": (
        'name = "response"',
        'name = "my response"',
        ["models 'my response': name is 'my response'; write lower-case letters"],
    ),
    "an analysis name twice": (
        'name = "response"',
        'name = "own_baseline"',
        ["'own_baseline' is used twice"],
    ),
    "a curve named as a model": (
        'name = "response"',
        'name = "survival_by_sex"',
        ["'survival_by_sex' is used twice"],
    ),
    "the name of the table": ('name = "response"', 'name = "table_one"', ["'table_one' is used twice"]),
    "unknown column in the table": (
        '"ecog"]',
        '"ecog", "shoe"]',
        ["study.toml: table_one: There is no column 'shoe'"],
    ),
    "a label in the table": ('"ecog"]', '"ecog", "practice"]', ["table_one", "'practice', which is a label"]),
    "a column of the table twice": ('"ecog"]', '"ecog", "C(age)"]', ["table_one", "'age' twice"]),
    "a table of nothing": ('["age", "ecog"]', "[]", ["table_one", "variables is empty"]),
    "unknown group of the table": ('by = "sex"', 'by = "gender"', ["no column 'gender'"]),
    "unknown column in a curve": ("time, status) ~ sex", "time, status) ~ arm", ["survival_by_sex", "'arm'"]),
    "unknown column in a model": ("~ age + sex + ecog", "~ age + shoe", ["own_baseline", "'shoe'"]),
    "unknown strata": ('strata = "practice"', 'strata = "ward"', ["own_baseline", "'ward'"]),
    "unknown weights": ('strata = "practice"', 'weights = "w"', ["own_baseline", "'w'"]),
    "formula without outcome": ("response ~ age", "age", ["response", "formula"]),
}

WRONG_CODEBOOK = {
    "bad TOML": ("[grid]", "[grid", ["codebook.toml is not valid TOML"]),
    "no columns": (CODEBOOK, "", ["codebook.toml", "[columns.<name>]"]),
    "unknown section": ("[grid]", "[grille]", ["codebook.toml", "grille"]),
    "unknown key": ("centre = 60", "center = 60", ["codebook.toml", "'age'", "center"]),
    "unknown kind": ('kind = "label"', 'kind = "text"', ["codebook.toml", "'practice'", "kind"]),
    "no kind": ('kind = "label"', "", ["codebook.toml", "'practice'", "kind"]),
    "one level": ('["F", "M"]', '["F"]', ["codebook.toml", "'sex'", "two different levels"]),
    "the same level twice": ('["F", "M"]', '["F", "F"]', ["codebook.toml", "'sex'", "two different levels"]),
    "levels as a text": ('["F", "M"]', '"FM"', ["codebook.toml", "'sex'", "levels"]),
    "edges out of order": ("[18, 50, 60", "[50, 18, 60", ["codebook.toml", "'age'", "must increase"]),
    "a range of one": ("range = [18, 110]", "range = [18]", ["codebook.toml", "'age'", "range"]),
    "a range upside down": ("range = [18, 110]", "range = [110, 18]", ["codebook.toml", "'age'", "range"]),
    "a range of texts": ("range = [18, 110]", 'range = ["a", "b"]', ["codebook.toml", "'age'", "range"]),
    "a centre of text": ("centre = 60", 'centre = "sixty"', ["codebook.toml", "'age'", "centre"]),
    "missing as a text": ("missing = true", 'missing = "false"', ["codebook.toml", "'response'", "missing"]),
    "a column that is no table": (
        "[columns.practice]\nkind",
        "[columns]\npractice",
        ["codebook.toml", "'practice'"],
    ),
    "a grid without horizon": ("horizon = 24", "", ["codebook.toml", "[grid]", "horizon"]),
    "cells that do not nest": ("[6, 12]", "[5, 12]", ["codebook.toml", "multiple of the one before"]),
    "a cell of zero": ("[6, 12]", "[0, 12]", ["codebook.toml", "candidates"]),
    "a horizon of text": ("horizon = 24", 'horizon = "two years"', ["codebook.toml", "horizon"]),
    "a horizon below zero": ("horizon = 24", "horizon = -24", ["codebook.toml", "horizon"]),
}


def assert_one_sentence(text, *named):
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 400
    for part in named:
        assert part in text


@pytest.mark.parametrize("wrong", WRONG_STUDY)
def test_a_wrong_study_file_is_one_sentence(write, wrong):
    old, new, named = WRONG_STUDY[wrong]
    with pytest.raises(fs.StudyError) as error:
        fs.Study.load(write(old, new))
    assert_one_sentence(str(error.value), *named)


@pytest.mark.parametrize("wrong", WRONG_CODEBOOK)
def test_a_wrong_codebook_is_one_sentence(write, wrong):
    old, new, named = WRONG_CODEBOOK[wrong]
    with pytest.raises(fs.StudyError) as error:
        fs.Study.load(write(old, new, codebook=True))
    assert_one_sentence(str(error.value), *named)


@pytest.mark.parametrize("name", ["study.toml", "codebook.toml"])
def test_a_missing_file_is_one_sentence(write, name):
    file = write()
    (file.parent / name).unlink()
    with pytest.raises(fs.StudyError) as error:
        fs.Study.load(file)
    assert_one_sentence(str(error.value), f"There is no {name} in study")


@pytest.mark.parametrize("name", ["study.toml", "codebook.toml"])
def test_a_file_that_is_no_text_is_one_sentence(write, name):
    file = write()
    (file.parent / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(fs.StudyError) as error:
        fs.Study.load(file)
    assert_one_sentence(str(error.value), f"{name} is not valid TOML")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(fs.StudyError) as error:
        fs.Study.load(tmp_path / "nowhere")
    assert_one_sentence(str(error.value))


def test_a_study_loads_from_its_folder_as_from_its_file(write):
    file = write()
    assert fs.Study.load(file.parent).digest == fs.Study.load(str(file)).digest


def test_a_study_lists_its_analyses_in_the_order_written(study):
    assert list(study.analyses()) == [
        "table_one",
        "survival_by_sex",
        "own_baseline",
        "shared_baseline",
        "response",
    ]


def test_names_in_a_study_are_escaped_where_they_are_shown(write):
    study = fs.Study.load(write("A small study", "<script>alert(1)</script>"))
    assert "<script>" not in study._repr_html_()
    assert repr(study) == "Study('small', version '1', sites north, south, west, profile 'none')"


@pytest.mark.parametrize("folder", ["lung", "nsclc"])
def test_the_studies_that_are_shipped_load(folder):
    study = fs.Study.load(Path("studies") / folder)
    assert study.id == folder
    assert study.analyses()


# The digest ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["study.toml", "codebook.toml"])
def test_the_digest_changes_with_any_byte(write, name):
    file = write()
    path = file.parent / name
    intact, digests = path.read_bytes(), {fs.Study.load(file).digest}
    comment = b"# a remark\n"
    for i in range(len(comment)):
        path.write_bytes(intact + comment[:i] + b"\n")
        if i:
            digests.add(fs.Study.load(file).digest)
    path.write_bytes(intact.replace(b"\n", b"\r\n"))
    digests.add(fs.Study.load(file).digest)
    assert len(digests) == len(comment) + 1


def test_the_digest_does_not_depend_on_where_the_study_lies(write, tmp_path):
    file = write()
    shutil.copytree(file.parent, tmp_path / "elsewhere")
    assert fs.Study.load(tmp_path / "elsewhere").digest == fs.Study.load(file).digest


def test_the_digest_is_of_what_was_read_though_the_file_changes_afterwards(write):
    file = write()
    expected = fs.Study.load(file).digest
    study = fs.Study.load(file)
    file.write_text(STUDY.replace('version = "1"', 'version = "2"'))
    assert study.version == "1"
    assert study.digest == expected


def test_bytes_moved_from_one_file_to_the_other_change_the_digest(tmp_path):
    one = fs.Study.load(write_study(tmp_path / "one", STUDY, "#\n" + CODEBOOK))
    two = fs.Study.load(write_study(tmp_path / "two", STUDY + "#\n", CODEBOOK))
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("points", "own", "allowed"), [(None, "strict", 100), (400, "strict", 100), (60, "strict", 60)]
)
def test_a_study_states_fewer_points_than_a_profile_has_and_a_site_alone_more(tmp_path, points, own, allowed):
    stated = "" if points is None else f"points = {points}"
    text = STUDY.replace('profile = "none"', f'profile = "strict"\n{stated}')
    study = fs.Study.load(write_study(tmp_path, text))
    tables()["north"].to_csv(tmp_path / "north.csv", index=False)
    assert study.site("north", tmp_path / "north.csv", own, remember=False).policy.max_points == allowed
    for own_number in (50, 300):
        (tmp_path / "own.toml").write_text(f'base = "strict"\nmax_points = {own_number}\n')
        own_file = study.site("north", tmp_path / "north.csv", str(tmp_path / "own.toml"), remember=False)
        assert own_file.policy.max_points == min(own_number, points or 100)
    assert study.policy.max_points == (points or 100)


@pytest.mark.parametrize("points", [0, 401, 1.5, "many"])
def test_a_study_states_no_more_than_400_points(tmp_path, points):
    value = f'"{points}"' if isinstance(points, str) else points
    text = STUDY.replace('profile = "none"', f'profile = "none"\npoints = {value}')
    with pytest.raises(fs.StudyError, match="points"):
        fs.Study.load(write_study(tmp_path, text))


@pytest.mark.parametrize("name", ["lung", "nsclc"])
def test_nothing_is_to_be_remarked_on_of_a_study_that_ships(name):
    assert fs.Study.load(Path("studies") / name).remarks == ()
