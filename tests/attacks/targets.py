"""Patients to attack, and what an attacker does with answers."""

from dataclasses import replace

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Release, full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.formula import parse
from fedstats.contract.variable import Variable
from fedstats.federations.site import Site
from fedstats.methods.glm_model import GlmDerivatives, GlmModel

NONE, TEACHING, STRICT = DisclosurePolicy.none(), DisclosurePolicy.teaching(), DisclosurePolicy()
#: Strict at a site that answers log-binomial models.
BOUNDED = replace(STRICT, bounded_models=True)
#: Strict but for who shares all levels: what other rules say of models of levels alone.
TABLES = replace(STRICT, min_joint_cell=0)
#: Strict but for the size of coefficients: what other rules say of large ones.
LARGE = replace(STRICT, max_coefficient=1e3)

BOOK = Codebook(
    (
        Variable("time", "time"),
        Variable("entry", "time", missing=True),
        Variable("y", "event"),
        Variable("age", "numeric", missing=True),
        Variable("lab", "numeric", missing=True),
        Variable("a", "numeric"),
        Variable("b", "numeric"),
        Variable("w", "numeric"),
        Variable("ecog", "factor", levels=("0", "1", "2")),
        Variable("sex", "factor", levels=("F", "M")),
        Variable("practice", "label"),
    )
)
N = 360


def cohort(**columns):
    """360 patients in whom nothing is rare: a strict gate lets ordinary models out.  One row a day, in order."""
    random = np.random.default_rng(7)
    i = np.arange(N)
    frame = pd.DataFrame(
        {
            "time": 10.0 + 2.5 * i,
            "entry": 0.0,
            "y": i % 2,
            "age": random.permutation(40.0 + i * 40 / N),
            "lab": random.normal(100, 15, N),
            "a": (i // 2) % 2,
            "b": (i // 4) % 2,
            "w": 1.0,
            "ecog": (i // 8) % 3,
            "sex": np.where((i // 24) % 2, "M", "F"),
            "practice": np.where(i % 3, "Practice Alpha", "Practice Beta"),
        }
    )
    return frame.assign(**columns)


def ask(frame, query, policy, book=BOOK):
    """What leaves a site: the sums by name, or the rule that refused."""
    content = Site("north", frame, book, policy).answer(query).content
    return content.values() if isinstance(content, Release) else content.rule


def column(name, *parts, scale=1.0):
    """A crafted design column: a product of parts, each a column or (column, level)."""
    pieces = tuple(Part(p) if isinstance(p, str) else Part(*p) for p in parts or (name,))
    return Column(name, pieces, 0.0, scale)


def logistic(*columns, weights=None, beta=None, where=()):
    """A crafted question: derivatives of a logistic model, at zero unless told otherwise."""
    design = Design(tuple(columns), intercept=True)
    beta = (0.0,) * len(design.names) if beta is None else beta
    return GlmDerivatives(GlmModel("y", design, weights, None, None), beta, where=where)


class CrossTable:
    """The first round of a logistic model read as a table: X'X = 4 information, X'y = score + X'1 / 2."""

    def __init__(self, names, sums):
        self.names = list(names)
        self.xx = 4 * full_matrix(sums["information"])
        self.xy = sums["score"] + self.xx[0] / 2

    def of(self, one, other=None):
        """Patients with 1 in both columns (or their sum of products)."""
        return self.xx[self.names.index(one), self.names.index(other or one)]

    def events(self, name):
        """Events among those with 1 in the column."""
        return self.xy[self.names.index(name)]


def first_round(frame, right, policy, **options):
    """The table of a formula's first round, or the rule that refused it."""
    design = parse(f"y ~ {right}", BOOK, intercept=True)[1]
    model = GlmModel("y", design, options.get("weights"), None, None)
    question = GlmDerivatives(model, (0.0,) * len(design.names), where=options.get("where", ()))
    answer = ask(frame, question, policy)
    return answer if isinstance(answer, str) else CrossTable(design.names, answer)
