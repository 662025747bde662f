"""A site's rows as queries see them: harmonised, restricted to a subset, with prepared models kept."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Rule
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.cumulative_hazard import CumulativeHazard
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.entries import listed
from fedstats.contract.imputed_columns import ImputedColumns
from fedstats.contract.imputed_rows import (
    OBSERVED,
    ImputedRows,
    imputed_rows,
    row_keys,
    uniform_numbers,
)
from fedstats.contract.linear_predictor import LinearPredictor
from fedstats.contract.margins import with_room
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.query import Query, QueryError, Spec

T = TypeVar("T")
#: A column of its own that a question makes, and what else it may.
MadeColumn = LinearPredictor | PropensityWeight | CumulativeHazard
Made = MadeColumn | ImputedColumns

#: Of a question; many more take a site minutes, and nobody asks them.
MOST_CONDITIONS, MOST_MADE = 20, 8
#: Subsets, and tables with made columns, that a site keeps prepared.
_KEPT = 32
#: Draws that a site keeps: one for each variable, cycle and copy of a chain.
_KEPT_DRAWS = 600


class SiteData:
    """Rows of one site that keep to the codebook.

    Parameters
    ----------
    frame : DataFrame      as :meth:`Codebook.harmonise` returns it
    codebook : Codebook
    chosen : (k,) int, optional
        Of a subset, its positions among the site's ``n_site`` rows.
    agreed_grids : bool
        Whether questions on a time grid of their own are refused where the codebook agrees on none: a
        site that keeps an account of its answers does so, for two grids differ by a few patients.
    judged : bool
        Whether anything is counted for the gate; False where every rule is off.
    secret : bytes
        Known to the site alone, at most 64 of them: what is drawn is drawn with it.  Empty where nothing leaves.
    gate : DisclosurePolicy, optional
        The site's own: what is merged rather than refused is merged by its thresholds, never by a question's, or else
        somebody could slide them.
    made : tuple of LinearPredictor, PropensityWeight or CumulativeHazard
        Columns of the frame and the codebook that were made for one question, with what the gate judges of them.
    imputed : ImputedRows, optional
        Whose empty cells were filled in for the question.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        codebook: Codebook,
        chosen: NDArray[np.int64] | None = None,
        n_site: int = 0,
        *,
        agreed_grids: bool = False,
        judged: bool = True,
        secret: bytes = b"",
        gate: DisclosurePolicy | None = None,
        made: tuple[MadeColumn, ...] = (),
        made_evidence: tuple[Evidence, ...] = (),
        imputed: ImputedRows | None = None,
    ) -> None:
        self.frame = frame
        self.codebook = codebook
        self.positions = np.arange(len(frame)) if chosen is None else chosen
        self.agreed_grids, self.judged = agreed_grids, judged
        self.secret = secret
        self._gate = gate
        self._n_site = len(frame) if chosen is None else n_site
        self._is_subset = chosen is not None
        self._prepared: dict[str, Any] = {}
        self._subsets: dict[tuple[Condition, ...], SiteData] = {}
        self.made = {predictor.name: predictor for predictor in made}
        self._made_evidence = made_evidence
        self._extended: dict[tuple[Made, ...], SiteData] = {}
        self.imputed = imputed
        self._draws: dict[bytes, NDArray[np.float64]] = {}

    def among(self, conditions: tuple[Condition, ...]) -> "SiteData":
        """The patients who meet every condition; prepared models of a subset are kept as well."""
        if not conditions:
            return self
        if len(conditions) > MOST_CONDITIONS:
            raise QueryError(
                f"A subset has at most {MOST_CONDITIONS} conditions; the question has {len(conditions)}."
            )
        if conditions not in self._subsets:
            _make_room(self._subsets)
            self.require((c.column for c in conditions), made_too=True)
            chosen = np.logical_and.reduce([c.among(self.frame) for c in conditions])
            self._subsets[conditions] = self.part(chosen)
        return self._subsets[conditions]

    def part(
        self, chosen: NDArray[np.bool_], columns: Mapping[str, pd.Series] = MappingProxyType({})
    ) -> "SiteData":
        """Some of the rows, (n,) bool: a subset like any other, with other values in some ``columns``, (n,) each."""
        subset = self.frame[chosen].reset_index(drop=True)
        for name, values in columns.items():
            subset[name] = values[chosen].reset_index(drop=True)
        return SiteData(
            subset,
            self.codebook,
            self.positions[chosen],
            self._n_site,
            agreed_grids=self.agreed_grids,
            judged=self.judged,
            secret=self.secret,
            gate=self._gate,
            made=tuple(self.made.values()),
            made_evidence=self._made_evidence,
            imputed=None if self.imputed is None else self.imputed.part(chosen),
        )

    @property
    def is_gated(self) -> bool:
        """Whether anything may be refused."""
        return self._gate is not None and self.judged and not self._gate.off

    def meets(self, rule: Rule, counts: NDArray[Any]) -> NDArray[np.bool_]:
        """Which counts, (...,), the site's gate lets pass; all of them where there is none."""
        if not self.is_gated or self._gate is None:
            return np.ones(np.shape(counts), dtype=bool)
        return self._gate.meets(rule, np.asarray(counts))

    def passes(self, aggregate: Aggregate, about: str) -> bool:
        """Whether the site's gate would let sums out, were they asked for alone, with room for any margin that it draws.

        Parameters
        ----------
        about : str    names the question, whatever the point at which it is asked
        """
        if not self.is_gated or self._gate is None:
            return True
        return self._gate.passes(with_room(aggregate, self.secret, about) if self.secret else aggregate)

    def drawn(self, chosen: NDArray[np.bool_], parts: int) -> NDArray[np.int64]:
        """Into which of some parts of equal size each of the chosen rows falls, drawn with the site's secret.

        The same patients fall into the same parts, in whatever order their rows stand, however often and whatever
        is asked of them: no second draw of the same patients is laid over the first.
        """
        own = [name for name in self.frame.columns if name not in self.made]
        rows = pd.util.hash_pandas_object(self.frame.loc[chosen, own], index=False).to_numpy().astype(">u8")
        who = np.sort(rows).tobytes() + parts.to_bytes(8, "big")
        key = hashlib.blake2b(who, key=self.secret, digest_size=32).digest()
        drawn = [hashlib.blake2b(row.tobytes(), key=key, digest_size=16).digest() for row in rows]
        places = np.empty(len(drawn), dtype=np.int64)
        places[sorted(range(len(drawn)), key=drawn.__getitem__)] = np.arange(len(drawn))
        return places % parts

    def with_columns(self, made: tuple[Made, ...]) -> "SiteData":
        """All patients with columns that a question makes, each of the codebook's own columns.

        Raises
        ------
        QueryError
            A name that is taken, or a column that the codebook does not have.
        """
        if not made:
            return self
        if len(made) > MOST_MADE:
            raise QueryError(f"A question makes at most {MOST_MADE} columns; this one makes {len(made)}.")
        if made not in self._extended:
            _make_room(self._extended)
            self._extended[made] = self._with(made)
        return self._extended[made]

    def _with(self, made: tuple[Made, ...]) -> "SiteData":
        codebook, frame, evidence = self.codebook, self.frame.copy(deep=False), list[Evidence]()
        first = made[0]
        imputed: ImputedRows | None = None
        if isinstance(first, ImputedColumns):
            imputed, found = self._completed(first)
            frame, evidence = imputed.frame.copy(deep=False), [*found]
        own = [one for one in made if not isinstance(one, ImputedColumns)]
        if len(own) < len(made) - (imputed is not None):
            raise QueryError("A question completes columns once, and before it makes others of them.")
        for predictor in own:
            self.require(predictor.variables)
            codebook = codebook.with_variable(predictor.variable(codebook))
            if isinstance(predictor, PropensityWeight):
                evidence.append(predictor.evidence(frame))
            elif isinstance(predictor, LinearPredictor):
                evidence.append(predictor.evidence(self.codebook))
            frame[predictor.name] = predictor.values(frame)
        return SiteData(
            frame,
            codebook,
            agreed_grids=self.agreed_grids,
            judged=self.judged,
            secret=self.secret,
            gate=self._gate,
            made=tuple(own),
            made_evidence=tuple(evidence),
            imputed=imputed,
        )

    def _completed(self, chain: ImputedColumns) -> tuple[ImputedRows, tuple[Evidence, ...]]:
        """The site's rows with empty cells filled in, and what the gate judges of the recipe."""
        while len(self._draws) > _KEPT_DRAWS:
            del self._draws[next(iter(self._draws))]
        enough = {
            "cell": lambda counts: self.meets("difference between cohorts", counts),
            "level": lambda counts: self.meets("level of a difference", counts),
        }
        return imputed_rows(
            chain, self.frame, self.codebook, self._uniform, enough, self._draws, judged=self.judged
        )

    @cached_property
    def _uniform(self) -> Callable[[bytes, NDArray[np.bool_]], NDArray[np.float64]]:
        return uniform_numbers(self.secret, row_keys(self.frame))

    def judged_as_imputed(self, query: Query, aggregate: Aggregate) -> Aggregate:
        """An answer about completed columns with what else is judged: the same of those in whom they were observed, and who the others are."""
        if self.imputed is None or not self.judged:
            return aggregate
        answer = self.imputed.judged(aggregate)
        seen = self._observed
        if seen is None:
            return answer
        of_them = query.aggregate(seen)
        return answer.with_evidence(*(e.of("where nothing was filled in") for e in of_them.evidence))

    @cached_property
    def _observed(self) -> "SiteData | None":
        """Those in whom the completed columns were observed; None where these are nobody, or everybody."""
        observed = self.imputed is not None and self.imputed.cell == OBSERVED
        return self.part(np.asarray(observed)) if np.any(observed) and not np.all(observed) else None

    def sources(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The site's own columns behind those named: of one that a question made, what it is made of."""
        found = (self.made[c].variables if c in self.made else (c,) for c in columns)
        return tuple(dict.fromkeys(name for names in found for name in names))

    def weight(self, column: str | None) -> PropensityWeight | None:
        """The weight that a question makes under this name, or None: a column of the site's own, or no weight."""
        made = self.made.get(column or "")
        return made if isinstance(made, PropensityWeight) else None

    def behind(
        self, design: Design, offset: str | None = None, weights: str | None = None
    ) -> tuple[Column, ...]:
        """Columns of which those that a question made are combinations, in a model with them; none without such.

        Raises
        ------
        QueryError
            A function of a column that was made, or two of them multiplied.
        """
        found: dict[tuple[Part, ...], Column] = {}
        for column in design.columns if self.made else ():
            names = [part.column for part in column.parts if part.column in self.made]
            if len(names) > 1:
                raise QueryError(f"{listed(names)} are made columns; a term holds one of them at most.")
            predictor = self.made[names[0]] if names else None
            if isinstance(predictor, LinearPredictor):
                found |= {c.parts: c for c in predictor.behind(column)}
            elif isinstance(predictor, CumulativeHazard):
                behind = predictor.behind(column)
                found[behind.parts] = behind
        added = self.made.get(offset or "")
        if isinstance(added, LinearPredictor):
            found |= {c.parts: c for c in added.design.columns}
        if (weight := self.weight(weights)) is not None:
            there = {column.parts for column in design.columns}
            found |= {c.parts: c for c in weight.columns if c.parts not in there}
        return tuple(found.values())

    @property
    def subset_evidence(self) -> tuple[Evidence, ...]:
        """How many patients a subset holds and leaves out: a total minus a subset must not single anyone out.

        And the coefficients of columns that the question makes.
        An empty subset is refused like one of a few patients, or else a refusal would say that there are any.
        """
        made = (
            self._made_evidence if self.imputed is None else (*self._made_evidence, self.imputed.evidence())
        )
        if not self._is_subset:
            return made
        inside = len(self.frame)
        return (
            *made,
            Evidence("patients of the subset", np.array([inside]), "patients in the subset"),
            Evidence("complement of the subset", np.array([self._n_site - inside]), "patients outside it"),
        )

    def require(self, columns: Iterable[str], groups: Iterable[str] = (), *, made_too: bool = False) -> None:
        """Refuse columns that the codebook does not have; a label column may group rows and no more.

        A column that the question makes is refused, but a linear predictor where ``made_too`` says that what it tells
        is judged; a weight is no column to be read, see :meth:`require_weights`.
        """
        groups = tuple(groups)
        for column in (*columns, *groups):
            if self.weight(column) is not None:
                raise QueryError(f"{column} is a made weight: use it as weights.")
            if column in self.made and (column in groups or not made_too):
                raise QueryError(
                    f"{column} is a made column: use it as a term, an offset, in a condition, or for its mean."
                )
            if column not in self.codebook:
                raise QueryError(f"The column {column!r} is not in the codebook that this site keeps to.")
            if self.codebook[column].kind == "label" and column not in groups:
                raise QueryError(
                    f"{column} groups patients inside a site; a question about its values is not answered."
                )

    def require_weights(self, column: str | None) -> None:
        """Refuse a column of weights that the codebook does not have, or a linear predictor in its place."""
        if column is not None and self.weight(column) is None:
            self.require((column,))

    def fingerprint(self, secret: bytes) -> str:
        """A digest of all rows that only the holder of the secret can make: the same rows, the same digest.

        Without a secret whoever guesses a small table could check the guess.
        """
        digest = hashlib.blake2b(key=secret, digest_size=16)
        digest.update(repr([(v.name, v.kind) for v in self.codebook.variables]).encode())
        digest.update(pd.util.hash_pandas_object(self.frame, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def prepared(self, spec: Spec, build: Callable[[], T]) -> T:
        """The prepared form of a model, made once: a round then costs only its own arithmetic."""
        key = spec.digest()
        if key not in self._prepared:
            self._prepared[key] = build()
        prepared: T = self._prepared[key]
        return prepared


def _make_room(kept: dict[Any, Any]) -> None:
    """Forget what was prepared first where a question would be one too many."""
    while len(kept) >= _KEPT:
        del kept[next(iter(kept))]
