"""Characters that nobody sees (C3.35): refused in the files of a study and in questions, before anything is shown."""

import pytest

import fedstats as fs
from fedstats.contract.labels import unseen, visible
from fedstats.contract.query import Query, QueryError, spec_from_dict
from tests.attacks.labels import EVERY, FORMULAS, MARKUP, UNSEEN, crafted

pytestmark = pytest.mark.acceptance(35)


STUDY = """
[study]
id = "s"
title = "A title"
question = "A question"
version = "1"
sites = ["north", "south"]
[site_titles]
north = "North"
[[models]]
name = "m"
title = "Model"
kind = "logistic"
formula = "y ~ age"
"""
CODEBOOK = """
[columns.y]
kind = "event"
[columns.age]
kind = "numeric"
label = "Age"
unit = "years"
[columns.g]
kind = "factor"
levels = ["a", "b"]
labels = { a = "First" }
"""
TEXTS = {
    "study.toml": ["A title", "A question", '"North"', "Model", "y ~ age"],
    "codebook.toml": ["Age", "years", '"b"', "First", "columns.age"],
}


@pytest.mark.parametrize("label", UNSEEN)
@pytest.mark.parametrize(("file", "text"), [(file, text) for file, texts in TEXTS.items() for text in texts])
def test_a_study_with_a_character_that_cannot_be_seen_is_refused(tmp_path, file, text, label):
    written = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in UNSEEN[label])
    planted = f'columns."{written}"' if text == "columns.age" else text.replace(text.strip('"'), written)
    for name, content in (("study.toml", STUDY), ("codebook.toml", CODEBOOK)):
        assert text in content or name != file
        (tmp_path / name).write_text(content.replace(text, planted) if name == file else content)
    with pytest.raises(
        fs.StudyError, match=rf"^{file}: .* holds the character U\+.*cannot be seen\.$"
    ) as found:
        fs.Study.load(tmp_path)
    assert unseen(str(found.value)) == ""


def test_the_same_study_without_it_is_read(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY.replace("A question", "Zwölf\\nמילים"), encoding="utf-8")
    (tmp_path / "codebook.toml").write_text(CODEBOOK)
    assert fs.Study.load(tmp_path).question == "Zwölf\nמילים"


@pytest.mark.parametrize("label", UNSEEN)
def test_a_question_with_a_character_that_cannot_be_seen_is_refused(label):
    spec = crafted(UNSEEN[label]).to_dict()
    with pytest.raises(QueryError, match=r"Column\.name holds the character U\+"):
        spec_from_dict(spec, Query)


@pytest.mark.parametrize("label", [*MARKUP, *FORMULAS])
def test_what_can_be_seen_is_a_label_like_any_other(label):
    text = EVERY[label]
    assert visible(text) == text
    assert spec_from_dict(crafted(text).to_dict(), Query) == crafted(text)
