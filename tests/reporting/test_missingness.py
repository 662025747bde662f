"""The profile of empty cells as a figure and tables: what is not shown says so, and every label is escaped."""

import io

import pytest

import fedstats as fs
from fedstats.reporting.missingness_drawing import missingness_plot
from fedstats.reporting.missingness_view import missingness_parts
from tests.attacks.targets import BOOK
from tests.properties.test_missingness import i, sites


def test_the_figure_has_a_bar_for_every_group_and_says_what_is_not_shown():
    axes = missingness_plot(fs.missingness(sites(lab=i < 5), ["lab", "age"], by="site"))
    axes.get_figure(root=True).savefig(io.BytesIO(), format="png")
    texts = [text.get_text() for text in axes.texts]
    assert len(axes.patches) == len(texts) == 6
    assert texts.count("not shown") == 2  # of one site, and of all
    assert [label.get_text() for label in axes.get_yticklabels()] == ["lab", "age"]


def test_bars_of_many_groups_are_refused():
    found = fs.missingness(sites(), ["lab"], by="site")
    many = found.frame.loc[found.frame.index.repeat(3)].assign(group=[f"g{k}" for k in range(9)])
    with pytest.raises(ValueError, match="Bars of 9 groups"):
        missingness_plot(fs.Missingness(many, found.together, "site", "exact", 1, 1, found.sites))


def test_the_tables_have_counts_shares_and_pairs():
    figure, counts, pairs = missingness_parts("Empty cells", fs.missingness(sites(), ["lab", "age"]), BOOK)
    assert "The largest share is 31 % (age, Overall)" in figure.markup
    assert "90 (25.0 %)" in counts.text
    assert "Overall (n = 360)" in counts.text
    assert "lab and age" in pairs.text
    assert "Status: exact." in counts.text


def test_what_is_hidden_is_explained():
    _, counts = missingness_parts("Empty cells", fs.missingness(sites(lab=i < 5), ["lab", "age"]), BOOK)
    assert "not shown" in counts.text
    assert "Not shown: a site does not show a count of a few" in counts.text


def test_a_label_is_escaped():
    found = fs.missingness(sites(), ["lab"], by="site")
    evil = found.frame.assign(group=found.frame["group"].replace({"north": "<script>"}))
    parts = missingness_parts(
        "Empty cells", fs.Missingness(evil, found.together, "site", "exact", 1, 1, found.sites), BOOK
    )
    assert not any("<script>" in part.markup for part in parts)
