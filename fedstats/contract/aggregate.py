"""Sums before and after the gate.

An :class:`Aggregate` is private: sums, and for every entry the number of patients behind it, and
the counts that the gate judges.  A :class:`Release` is the only thing that adds up and serialises,
and :meth:`fedstats.contract.disclosure.DisclosurePolicy.release` is the only road from one to the
other.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.query import QueryError
from fedstats.numerics import exact_sum

Array = NDArray[np.float64]

#: The kinds of count that the gate knows; each has its own threshold in a policy.
Rule = Literal[
    "entry",
    "patients",
    "level",
    "level by outcome",
    "pair of levels",
    "joint cell of levels",
    "patients of one predictor",
    "leavers of a time cell",
    "events of a time cell",
    "events in their order",
    "distinct values",
    "agreed grid",
    "dropped rows",
    "patients of the subset",
    "complement of the subset",
    "parameters per event",
    "effective sample size",
    "effective size of a level",
    "size of coefficients",
    "dominance",
    "dominance of two",
    "difference between cohorts",
    "level of a difference",
    "points of a difference",
    "number of coefficients",
    "numbers of a model",
    "number of refusals",
    "kind of question",
    "per-site estimate",
    "bounded model",
    "analysis of the study",
]


@dataclass(frozen=True)
class Sum:
    """Entries of one sum over patients.

    Attributes
    ----------
    values : (...,)
    patients : (...,) int    patients with a contribution other than zero, entry by entry
    exponent : int           agreed power of two of its fixed-point unit
    pairs : bool             the lower triangle of a matrix of products of columns: entries off its
                             diagonal count pairs of levels, and so do all of a matrix (p, q) of two designs' columns
    """

    values: NDArray[Any]
    patients: NDArray[Any]
    exponent: int = 0
    pairs: bool = False

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=float)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "patients", np.broadcast_to(np.asarray(self.patients), values.shape))

    @classmethod
    def triangle(cls, matrix: Array, patients: NDArray[np.int64], exponent: int = 0) -> "Sum":
        """A symmetric matrix (p, p), of which the p (p + 1) / 2 entries of the lower triangle travel."""
        lower = np.tril_indices(len(matrix))
        return cls(matrix[lower], np.broadcast_to(patients, matrix.shape)[lower], exponent, pairs=True)

    @property
    def in_units(self) -> tuple[Array, int]:
        """The numbers and the power of two of their unit, as they are made ready to travel."""
        return self.values, self.exponent

    @property
    def on_diagonal(self) -> NDArray[np.bool_]:
        """Which entries of a triangle lie on the diagonal; none of a matrix of two designs."""
        if self.values.ndim == 2:
            return np.zeros(self.values.shape, dtype=bool)
        rows, columns = np.tril_indices(triangle_size(len(self.values)))
        return np.asarray(rows == columns)


def triangle_size(length: int) -> int:
    """p of a lower triangle with p (p + 1) / 2 entries."""
    return (math.isqrt(8 * length + 1) - 1) // 2


def full_matrix(triangle: Array) -> Array:
    """The symmetric matrix (p, p) whose lower triangle has travelled."""
    p = triangle_size(len(triangle))
    matrix = np.zeros((p, p))
    matrix[np.tril_indices(p)] = triangle
    return np.asarray(matrix + np.tril(matrix, -1).T)


@dataclass(frozen=True)
class Evidence:
    """Counts of one kind that the gate judges; they never leave.

    Attributes
    ----------
    rule : Rule
    counts : (k,)        numbers of patients, or the figure that the rule judges
    labels : sequence    what each count is about, for the site's own eyes
    """

    rule: Rule
    counts: NDArray[Any]
    labels: tuple[str, ...] | str = ""

    def label(self, i: int) -> str:
        """What the i-th count is about."""
        return self.labels if isinstance(self.labels, str) else self.labels[i]

    def of(self, whom: str) -> "Evidence":
        """The same counts, with those of whom they are in what they are about."""
        said = self.labels
        labels = f"{whom}: {said}" if isinstance(said, str) else tuple(f"{whom}: {label}" for label in said)
        return replace(self, labels=labels)


@dataclass(frozen=True)
class Cohort:
    """Patients who stand behind sums together; never leaves.

    Attributes
    ----------
    rows : (k,) int            positions among all rows of the site
    columns : tuple of str     what was read of them
    cuts : tuple               (column, edges) of a number or time that was counted by cells (left, right]
    levels : tuple             columns that were read by their levels, alone or of several together
    functions : tuple          (column, function in words) of a number that was summed; the number itself is one
    told_by : tuple of str     columns that belong together: who is in this cohort is told by them alone
    made : tuple               (name, values (k,), whether counted one by one) of columns made at coefficients of the question
    whole : tuple              (name, groups (N,)) of all rows of the site: of which group each is, whatever the cohort
    """

    rows: NDArray[np.int64]
    columns: tuple[str, ...]
    cuts: tuple[tuple[str, tuple[float, ...]], ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    functions: tuple[tuple[str, str], ...] = ()
    told_by: tuple[str, ...] = ()
    made: tuple[tuple[str, NDArray[Any], bool], ...] = ()
    whole: tuple[tuple[str, NDArray[np.int64]], ...] = ()


#: How the name begins of a column that says who has a level which a table does not show.
HIDDEN = "hidden levels of "


#: How the name begins of a column that says who leaves an outcome while its events happen, in an order that sums may tell.
LEAVERS = "leavers of "


def leavers_of(outcome: tuple[str, ...]) -> str:
    """The name, among what a cohort has ``made``, of who leaves while events happen: by the columns of the outcome."""
    return f"{LEAVERS}{' | '.join(outcome)}"


def hidden_levels_of(variable: str, by: tuple[str, ...]) -> str:
    """The name, among what a cohort has ``made``, of who has a level of a table that is not shown: its column and groups."""
    return f"{HIDDEN}{' | '.join((variable, *by))}"


@dataclass(frozen=True)
class Aggregate:
    """A site's answer before the gate: named sums with what is needed to judge them.

    Attributes
    ----------
    sums : mapping of name to Sum
    patients : int
    evidence : tuple of Evidence
    rows : tuple of Cohort     whose sums these are; a variable with empty cells has two cohorts
    faults : tuple of str      rows that do not fit the question, in words of the protocol.  Whether there are
                               any depends on the patients, so it is said where the gate would have let sums out
    """

    sums: Mapping[str, Sum]
    patients: int
    evidence: tuple[Evidence, ...] = field(default=())
    rows: tuple[Cohort, ...] = field(default=())
    faults: tuple[str, ...] = field(default=())

    def with_evidence(self, *evidence: Evidence) -> "Aggregate":
        """The same sums with more to judge them by."""
        return replace(self, evidence=self.evidence + evidence)


@dataclass(frozen=True)
class Release:
    """Sums that a site's policy has let out, in 128-bit fixed point; releases of one query add up.

    Attributes
    ----------
    sums : mapping of name to ((..., 2) uint64, exponent)
    """

    sums: Mapping[str, tuple[exact_sum.Limbs, int]]

    def __add__(self, other: "Release") -> "Release":
        if not isinstance(other, Release):
            return NotImplemented
        if {k: (v.shape, e) for k, (v, e) in self.sums.items()} != {
            k: (v.shape, e) for k, (v, e) in other.sums.items()
        }:
            raise QueryError(
                "Answers of different shape do not add up: the sites answered different questions."
            )
        return Release({k: (exact_sum.add(v, other.sums[k][0]), e) for k, (v, e) in self.sums.items()})

    def zero(self) -> "Release":
        """Sums of the same shapes that add nothing."""
        return Release({k: (np.zeros_like(v), e) for k, (v, e) in self.sums.items()})

    def values(self) -> dict[str, Array]:
        """The sums as float64, each the nearest to its exact value."""
        return exact_sum.decode_all(self.sums)

    @property
    def n_numbers(self) -> int:
        """How many numbers leave."""
        return sum(v.size // 2 for v, _ in self.sums.values())

    @property
    def n_bytes(self) -> int:
        """Size of the numbers on the wire: sixteen bytes each."""
        return 16 * self.n_numbers

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; limbs as base64 of big-endian 128-bit integers."""
        return {
            k: {
                "shape": list(v.shape[:-1]),
                "exponent": e,
                "limbs": base64.b64encode(v.astype(">u8").tobytes()).decode("ascii"),
            }
            for k, (v, e) in self.sums.items()
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Release":
        """Inverse of :meth:`to_dict`.

        Raises
        ------
        QueryError
            A shape that does not fit the bytes, or anything that is not a release.
        """
        sums = {}
        for name, entry in value.items():
            try:
                shape = tuple(int(n) for n in entry["shape"])
                raw = base64.b64decode(entry["limbs"], validate=True)
                limbs = np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(*shape, 2)
                sums[str(name)] = (limbs, int(entry["exponent"]))
            except (KeyError, TypeError, ValueError, OverflowError):
                raise QueryError(
                    f"The sum {str(name)[:60]!r} of an answer is damaged: its bytes and shape disagree."
                ) from None
        return cls(sums)
