"""Which empty cells of a site are filled in, and what the gate judges of the patients whose cells they are.

Of a completed column whoever asks knows what was added to its sums but for the site's own draws: a question with other parameters
moves the sums by those over the patients with an empty cell, so these are as much as asked about.  Patients with the same
cells empty are one *cell*: parameters of a chain can be chosen to tell of one cell alone, and of no part of it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.coefficient_sizes import spread, terms_of
from fedstats.contract.imputed_columns import (
    Completion,
    ImputedColumns,
    filled,
    levels_of_variable,
)
from fedstats.contract.model_cells import few_values
from fedstats.contract.model_evidence import knots, of_own_site

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Enough = Callable[[NDArray[np.int64]], Flags]

#: The cell of patients in whom nothing was drawn, and of those whose empty cells stay empty.
OBSERVED, LEFT = 0, -1


@dataclass(frozen=True)
class ImputedRows:
    """What was drawn at a site for one question.

    Attributes
    ----------
    chain : ImputedColumns
    frame : DataFrame        all rows of the site, completed
    whole : (N,) int         of all rows the cell; :data:`OBSERVED` where no column that is shown was drawn
    cell : (n,) int          of the rows that are asked about
    labels : frozenset       columns that group patients, whatever their groups are called
    """

    chain: ImputedColumns
    frame: pd.DataFrame
    whole: NDArray[np.int64]
    cell: NDArray[np.int64]
    labels: frozenset[str] = frozenset()

    def part(self, chosen: Flags) -> Self:
        """Of some of the rows."""
        return replace(self, cell=self.cell[chosen])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Patients in each cell in which something was drawn, of those asked about."""
        return np.unique(self.cell[self.cell > OBSERVED], return_counts=True)[1]

    def evidence(self) -> Evidence:
        """Whose empty cells were filled in: 0 or enough with the same cells empty, in a subset as well."""
        return Evidence("difference between cohorts", self.sizes, "patients with the same cells filled in")

    def judged(self, aggregate: Aggregate) -> Aggregate:
        """An answer with what is judged of the patients of each cell, and what a memory keeps of them."""
        evidence = [self._told(aggregate)]
        evidence += [self._levels(cohort) for cohort in aggregate.rows]
        rows = tuple(self._kept(cohort) for cohort in aggregate.rows)
        return replace(aggregate, rows=rows, evidence=(*aggregate.evidence, *evidence))

    def _kept(self, cohort: Cohort) -> Cohort:
        """A cohort with the columns behind those completed, the cells, and which draws were told."""
        columns = tuple(dict.fromkeys((*cohort.columns, *self.chain.variables)))
        smallest, nothing = self.sizes.min(initial=len(self.whole)), np.zeros(len(cohort.rows))
        drawn = tuple(
            (f"draw of {name} among {smallest} {digest}", nothing, False)
            for name, digest in self._digests().items()
        )
        made, whole = (*cohort.made, *drawn), ((self._named, self.whole),)
        return replace(cohort, columns=columns, made=made, whole=whole)

    @property
    def _named(self) -> str:
        """What the cells are called: those of other columns, or beside other ones, are others."""
        chain = self.chain
        whom = f"cells of {', '.join(chain.completed)} within {', '.join(chain.imputed)}"
        return f"{whom} by {chain.draws} beside {', '.join(sorted(chain.others))}"

    def _digests(self) -> dict[str, str]:
        """Of each column that is shown, what its last draw was keyed with."""
        found = dict(zip((s.variable for s in self.chain.steps), self.chain.digests(), strict=True))
        return {name: found[name].hex()[:32] for name in self.chain.completed}

    def _told(self, aggregate: Aggregate) -> Evidence:
        """Sums that all draws tell of the smallest cell, by what is unknown of it: each patient's values and draws."""
        numbers = sum(np.size(entry.values) for entry in aggregate.sums.values())
        columns = len({c for cohort in aggregate.rows for c in cohort.columns}) + len(self.chain.variables)
        smallest, draws = int(self.sizes.min()) if len(self.sizes) else 0, self.chain.draws
        told = draws * numbers / (smallest * (columns + draws)) if smallest else 0.0
        return Evidence(
            "points of a difference",
            np.array([told]),
            "sums of all draws, for each value of a patient whose cells were filled in",
        )

    def _is_levelled(self, name: str) -> bool:
        if name not in self.frame:
            return False
        values = self.frame[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            return name not in self.labels
        return bool(len(few_values(values.dropna().to_numpy(dtype=float), 3)[0]) <= 3)

    def _levels(self, cohort: Cohort) -> Evidence:
        """Of each level in each cell, how many: as many as may be told of a level where two cohorts differ."""
        read = (*cohort.columns, *self.chain.variables)
        columns = {(name,) for name in read if self._is_levelled(name)} | {*cohort.levels}
        rows = cohort.rows[self.whole[cohort.rows] > OBSERVED]
        counts: list[int] = []
        for names in sorted(columns) if len(rows) else ():
            inside = self.frame.iloc[rows][list(names)].assign(_cell=self.whole[rows])
            counts += inside.groupby(["_cell", *names], observed=True).size().tolist()
        about = "of a level, patients with the same cells filled in"
        return Evidence("level of a difference", np.array(counts or [0]), about)


def imputed_rows(
    chain: ImputedColumns,
    own: pd.DataFrame,
    codebook: Codebook,
    uniform: Callable[[bytes, Flags], Array],
    enough: Mapping[str, Enough],
    drawn: dict[bytes, Array],
    *,
    judged: bool,
) -> tuple[ImputedRows, tuple[Evidence, ...]]:
    """Fill in a site's empty cells, with what the gate judges of the recipe.

    Parameters
    ----------
    own : DataFrame      the site's rows
    uniform : callable   as of :class:`Completion`
    enough : mapping     of ``"cell"`` and ``"level"``: which counts of patients may be told of in a difference
    drawn : dict         what steps have drawn before, by their digest
    judged : bool        whether anything is counted for the gate

    Notes
    -----
    A variable that is empty in a few rows alone gets one draw for these, of the site's own values and whatever is asked.  Cells that are
    too small for so many draws stay empty, with as many others, drawn by the site, as make them enough to be left out of a model.
    """
    chain.check(codebook)
    frame, known = own.copy(deep=False), codebook
    if chain.hazard is not None:
        known = codebook.with_variable(chain.hazard.variable(codebook))
        frame[chain.hazard.name] = chain.hazard.values(own)
    others = [*chain.others, *([] if chain.hazard is None else [chain.hazard.name])]
    there = frame[others].notna().all(axis=1).to_numpy() if others else np.ones(len(own), dtype=bool)
    empty = {name: frame[name].isna().to_numpy() for name in chain.imputed}
    for name, rows in empty.items():
        if not enough["cell"](np.array([rows.sum()])).all():
            frame[name] = _from_the_site(frame[name], rows, uniform, known)
            empty[name] = np.zeros(len(own), dtype=bool)
    order = uniform(f"left of {', '.join(chain.imputed)}".encode(), np.ones(len(own), dtype=bool))
    cell = cells_of({name: rows & there for name, rows in empty.items()}, enough["cell"], chain.draws, order)
    opened = {name: rows & (cell > OBSERVED) for name, rows in empty.items()}
    first = frame.copy(deep=False)
    frame = Completion(chain, frame, known, opened, uniform, cell, enough["level"]).run(drawn)
    shown = np.logical_or.reduce([empty[name] for name in chain.completed])
    whole = np.where(shown, cell, OBSERVED)
    completed = own.copy(deep=False)
    for name in chain.completed:
        completed[name] = frame[name]
    labels = frozenset(v.name for v in codebook.variables if v.kind == "label")
    evidence = _of_recipe(chain, first, frame, known, there) if judged else ()
    return ImputedRows(chain, completed, whole, whole, labels), evidence


def cells_of(empty: Mapping[str, Flags], enough: Enough, draws: int, order: Array) -> NDArray[np.int64]:
    """The cell of each row, (n,): a number for each set of empty columns, LEFT where they stay empty.

    Parameters
    ----------
    empty : mapping of column to (n,) bool
    enough : callable    of counts, which may be told of
    draws : int          a cell holds as many patients, or else that many draws of the same patients would tell their values
    order : (n,)         drawn by the site: which rows of a larger cell stay empty with too few others
    """
    columns = np.array(list(empty.values()))
    code = (columns * 2 ** np.arange(len(columns))[:, None]).sum(axis=0)
    if enough(np.ones(1, dtype=np.int64))[0]:
        return np.asarray(code)  # nobody judges

    def may_be_told(n: int) -> bool:
        return bool(enough(np.array([n]))[0])

    for one in np.unique(code[code > OBSERVED]):
        inside = code == one
        if inside.sum() < draws or not may_be_told(int(inside.sum())):
            code[inside] = LEFT
    for column in columns:
        while not may_be_told(out := int((column & (code == LEFT)).sum())):
            cells, sizes = np.unique(code[column & (code > OBSERVED)], return_counts=True)
            if not len(cells):
                break
            inside = np.flatnonzero(code == cells[sizes.argmax()])
            more = next(k for k in range(1, len(inside) + 1) if may_be_told(out + k) or k == len(inside))
            if len(inside) - more < draws or not may_be_told(len(inside) - more):
                more = len(inside)
            code[inside[np.argsort(order[inside], kind="stable")[:more]]] = LEFT
    return np.asarray(code)


def _from_the_site(
    values: pd.Series, rows: Flags, uniform: Callable[[bytes, Flags], Array], codebook: Codebook
) -> pd.Series:
    """A few empty cells with values of the site's own, the same whatever is asked."""
    name = str(values.name)
    known = values.dropna()
    if not len(known):
        return values
    levels = codebook[name].levels if codebook[name].kind == "factor" else ()
    numbers = (
        known.map({level: i for i, level in enumerate(levels)}).to_numpy(dtype=float)
        if levels
        else known.to_numpy(dtype=float)
    )
    chosen = (uniform(f"few cells of {name}".encode(), rows) * len(numbers)).astype(np.int64)
    return filled(values, rows, np.sort(numbers)[chosen], name, codebook)


def _of_recipe(
    chain: ImputedColumns, first: pd.DataFrame, frame: pd.DataFrame, codebook: Codebook, there: Flags
) -> tuple[Evidence, ...]:
    """How large the coefficients are, and what is read: a steep one makes completed values those of a few."""
    found: list[Evidence] = [*of_own_site(chain.others, codebook)]
    sizes: list[Array] = []
    for design in dict.fromkeys(step.design for step in chain.steps):
        steps = [step for step in chain.steps if step.design == design]
        rows = frame[there & frame[list(design.variables)].notna().all(axis=1).to_numpy()]
        raw = np.nan_to_num(design.raw(rows))
        terms = terms_of(design, rows, raw, np.ones(len(rows), dtype=bool))
        x = design.scaled(raw)[:, 1:]
        for step in steps if len(rows) else ():
            unit = _unit(step.variable, first, codebook)
            sizes += [terms.sizes(x, np.array(row[1:]), unit).counts for row in step.coefficients]
            sizes.append(np.array([step.spread, step.between, abs(step.shift)]) * unit)
        found += knots(design, codebook)
    about = "what a term adds to an imputation model's predictors"
    return (*found, *([Evidence("size of coefficients", np.concatenate(sizes), about)] if sizes else []))


def _unit(name: str, first: pd.DataFrame, codebook: Codebook) -> float:
    """What coefficients of a number count in: how far its observed values spread; of levels they are logits."""
    if levels_of_variable(name, codebook):
        return 1.0
    observed = first[name].dropna().to_numpy(dtype=float)
    own = spread(observed) if len(observed) > 1 else codebook[name].scale
    return 1.0 / own if own > 0 else 1.0


def uniform_numbers(secret: bytes, keys: NDArray[np.uint64]) -> Callable[[bytes, Flags], Array]:
    """Numbers between 0 and 1 by a label and rows, that only the holder of the secret can make.

    Parameters
    ----------
    keys : (n,) uint64    of each row, whatever their order
    """

    def uniform(label: bytes, rows: Flags) -> Array:
        key = hashlib.blake2b(label, key=secret, digest_size=32).digest()
        raw = keys[rows].astype(">u8").tobytes()
        drawn = b"".join(
            hashlib.blake2b(raw[i : i + 8], key=key, digest_size=8).digest() for i in range(0, len(raw), 8)
        )
        return ((np.frombuffer(drawn, dtype=">u8") >> np.uint64(11)).astype(float) + 0.5) / 2.0**53

    return uniform


def row_keys(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """A number for each row, by its values alone; rows that agree in all are told apart by a count."""
    hashes = pd.Series(pd.util.hash_pandas_object(frame, index=False).to_numpy())
    again = hashes.groupby(hashes).cumcount().to_numpy().astype(np.uint64)
    return np.asarray(hashes.to_numpy().astype(np.uint64) + again * np.uint64(0x9E3779B97F4A7C15))
