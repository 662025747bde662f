"""A site's table that does not keep to the codebook: one sentence with what was found, what was agreed, what to do."""

import itertools
import re

import numpy as np
import pytest

import fedstats as fs


def cell(column, row, value):
    """A change of one cell; the row counts from 1."""

    def change(frame):
        frame = frame.astype({column: object})
        frame.loc[row - 1, column] = value
        return frame

    return change


#: What is wrong: the change, and what the message must name.
WRONG = {
    "wrong column name": (lambda f: f.rename(columns={"age": "Age"}), ["'age' is missing (found 'Age')"]),
    "level outside the codebook": (cell("ecog", 3, "5"), ["ecog", "'5'", "['0', '1', '2+']"]),
    "level in another case": (cell("sex", 3, "f"), ["sex", "'f'", "['F', 'M']"]),
    "text in a number": (cell("age", 3, "sixty"), ["age must be a number", "'sixty'"]),
    "comma in a number": (cell("age", 3, "60,5"), ["age must be a number", "'60,5'"]),
    "number out of range": (cell("age", 3, 130), ["age is 130 in row 3", "18 to 110"]),
    "infinite number": (cell("age", 3, "inf"), ["age is inf in row 3"]),
    "negative time": (cell("time", 3, -1), ["time is -1 in row 3", "zero or more"]),
    "event coded 2": (cell("status", 3, 2), ["status is 2 in row 3", "0 or 1"]),
    "empty cell": (cell("age", 3, np.nan), ["age is empty in 1 row", "no empty cell"]),
    "empty event": (cell("status", 3, np.nan), ["status is empty in 1 row"]),
    "empty level": (cell("sex", 3, np.nan), ["sex is empty in 1 row"]),
    "header alone": (lambda f: f.iloc[:0], ["has no rows"]),
}


def refused(study, file):
    with pytest.raises(fs.DataError) as error:
        study.site("north", file)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.acceptance(5)
def test_a_table_that_does_not_keep_to_the_codebook_is_one_sentence(study, table, wrong):
    change, named = WRONG[wrong]
    text = refused(study, table(change))
    for part in named:
        assert part in text
    assert text.startswith("The table of north does not keep to the codebook: ")
    assert text.endswith("Correct the table or its export.")


def test_a_refused_table_leaves_nothing_in_the_site_s_private_folder(study, table, tmp_path):
    home = tmp_path / "home"
    with pytest.raises(fs.DataError):
        study.site("north", table(cell("age", 3, "sixty")), home=home)
    assert not home.exists()
    study.site("north", table(), home=home)
    assert (home / "memory" / "secret").is_file()


def test_one_fault_is_said_once(study, table, write):
    ranged = fs.Study.load(write('kind = "time"', 'kind = "time"\nrange = [1, 99]', codebook=True))
    assert refused(ranged, table(cell("time", 3, -1))).count("row 3") == 1
    assert refused(study, table(cell("age", 3, "sixty"))).count("age") == 1


@pytest.mark.acceptance(7)
def test_all_faults_are_said_at_once(study, table):
    def change(frame):
        return cell("status", 2, 2)(cell("ecog", 3, "5")(frame)).drop(columns="age")

    text = refused(study, table(lambda f: cell("time", 4, np.nan)(change(f))))
    assert "time is empty in 1 row" in text
    assert "'age' is missing" in text
    assert "status is 2" in text
    assert "ecog has the levels ['5']" in text


def test_a_missing_file_is_one_sentence(study, tmp_path):
    assert refused(study, tmp_path / "none.csv").startswith("There is no data file ")
    assert "data_file" in refused(study, "")
    assert "data_file" in refused(study, tmp_path)


def test_an_empty_file_is_one_sentence(study, tmp_path):
    for content in (b"", b"\n\n"):
        (tmp_path / "empty.csv").write_bytes(content)
        assert "empty.csv is empty" in refused(study, tmp_path / "empty.csv")


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04\n\xff\xfe\n", b"\xff\xfea\x00,\x00", b'a,b\n1,"2\n'],
    ids=["workbook", "UTF-16", "open quote"],
)
def test_a_file_that_is_not_a_table_is_one_sentence(study, tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    assert re.search(r"table.csv is not (a CSV table|text in UTF-8)", refused(study, tmp_path / "table.csv"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n1,2,3\n", "Line 3 of table.csv has 3 of 2 fields."),
        ("a,b,c\n1,2,3\n\n1,2\n", "Line 4 of table.csv has 2 of 3 fields."),
        ("a,b\n# made today\n1,2\n", "Line 2 of table.csv has 1 of 2 fields. It looks like a comment."),
        ("# made today\na,b\n1,2\n", "table.csv begins with a comment ('# made today')"),
        ("a\tb\n1\t2\n", "is separated by tabs and must be by commas"),
        ("a,b,a\n1,2,3\n", "has the column 'a' twice"),
        ("a, b,a \n1,2,3\n", "has the column 'a' twice"),
    ],
)
def test_a_table_out_of_shape_names_its_line_and_what_it_is(study, tmp_path, content, says):
    (tmp_path / "table.csv").write_text(content)
    assert says in refused(study, tmp_path / "table.csv")


def test_blanks_around_names_in_a_header_do_no_harm(study, table):
    file = table()
    intact = study.site("north", file).data.frame
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header.replace(",", ", "), *rows]))
    assert study.site("north", file).data.frame.equals(intact)


def test_truth_values_are_events(study, table):
    intact = study.site("north", table()).data.frame
    words = table(lambda f: f.assign(status=f["status"].map({1: "TRUE", 0: "FALSE"})))
    assert study.site("north", words).data.frame.equals(intact)


@pytest.mark.acceptance(5)
def test_a_repeated_patient_is_said_by_rows_and_not_by_value(write, table):
    file = write(
        "[columns.practice]",
        '[columns.patient]\nkind = "label"\nunique = true\n[columns.practice]',
        codebook=True,
    )
    study = fs.Study.load(file)
    named = table(lambda f: f.assign(patient=[f"secret-{i}" for i in range(len(f))]))
    assert len(study.site("north", named).data.frame)
    twice = table(
        lambda f: f.assign(patient=["secret", *(f"p{i}" for i in range(len(f) - 3)), "secret", "p0"])
    )
    text = refused(study, twice)
    assert "patient must be different in every row; 2 rows repeat an earlier one (rows 69, 70)" in text
    assert "secret" not in text


def test_a_table_with_semicolons_is_told_from_one_with_wrong_columns(study, table):
    file = table()
    file.write_text(file.read_text().replace(",", ";"))
    assert "separated by ;" in refused(study, file)


def test_a_comma_too_many_in_every_row_does_not_shift_the_columns(study, table):
    file = table()
    intact = study.site("north", file).data.frame
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header, *(row + "," for row in rows)]))
    assert study.site("north", file).data.frame.equals(intact)


def test_a_cell_too_many_in_every_row_is_refused(study, table):
    file = table()
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header, *(row + ",1" for row in rows)]))
    assert "Line 2 of north.csv has 8 of 7 fields" in refused(study, file)


def test_a_column_that_is_there_twice_is_refused(study, table):
    file = table()
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header + ",age", *(row + ",50" for row in rows)]))
    assert "age" in refused(study, file)


@pytest.mark.acceptance(7)
def test_a_byte_order_mark_and_other_columns_do_no_harm(study, table):
    file = table(lambda f: f.assign(remark="none of our business"))
    site = study.site("north", file)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert study.site("north", file).data.frame.equals(site.data.frame)
    assert "remark" not in site.data.frame


def test_empty_cells_and_na_are_missing_and_the_word_none_is_not(study, table):
    file = table()
    header, first, second, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header, first.rsplit(",", 1)[0] + ",NA", second, *rows]))
    assert study.site("north", file).data.frame["response"].isna().sum() == 4
    assert "'None'" in refused(study, table(cell("ecog", 3, "None")))


def test_a_site_that_the_study_does_not_have_is_one_sentence(study, table):
    with pytest.raises(
        fs.StudyError, match=r"^The study small has the sites north, south, west; 'east' is not one"
    ):
        study.site("east", table())


def test_a_profile_that_is_not_there_names_those_that_are(study, table):
    with pytest.raises(
        ValueError,
        match=r"no disclosure profile 'lax'; choose one of \['none', 'opensafely', 'strict', 'teaching'\]",
    ):
        study.site("north", table(), "lax")


# A study tightens a site's policy, and never loosens it ------------------------------------------------

LARGER_IS_STRICTER = (
    "min_patients",
    "min_pair",
    "min_joint_cell",
    "min_level_difference",
    "min_leavers",
    "min_difference",
    "min_model_patients",
    "min_effective",
    "min_effective_level",
)
SMALLER_IS_STRICTER = ("max_parameters_per_event", "max_coefficient", "distinct_values", "per_site_estimates")
PROFILES = ("strict", "teaching", "none")


def as_strict(policy, other):
    """Whether a policy is at least as strict as another, rule by rule."""
    if other.off:
        return True
    return not policy.off and all(
        (
            *(getattr(policy, name) >= getattr(other, name) for name in LARGER_IS_STRICTER),
            *(getattr(policy, name) <= getattr(other, name) for name in SMALLER_IS_STRICTER),
        )
    )


@pytest.mark.parametrize(("own", "studys"), list(itertools.product(PROFILES, repeat=2)))
def test_a_site_is_as_strict_as_itself_and_as_the_study(write, table, own, studys):
    study = fs.Study.load(write('profile = "none"', f'profile = "{studys}"'))
    policy = study.site("north", table(), own).policy
    assert as_strict(policy, fs.DisclosurePolicy.named(own))
    assert as_strict(policy, fs.DisclosurePolicy.named(studys))


@pytest.mark.parametrize(
    ("own", "studys"), [("strict", "teaching"), ("strict", "none"), ("teaching", "none")]
)
def test_a_site_stricter_than_the_study_stays_as_it_is(write, table, own, studys):
    study = fs.Study.load(write('profile = "none"', f'profile = "{studys}"'))
    assert study.site("north", table(), own).policy == fs.DisclosurePolicy.named(own)


def test_a_site_is_strict_when_nothing_is_said(study, table):
    assert study.site("north", table()).policy == fs.DisclosurePolicy()
