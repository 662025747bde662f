"""A site's rows as queries see them: harmonised, restricted to a subset, with prepared models kept."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.query import QueryError, Spec

T = TypeVar("T")


class SiteData:
    """Rows of one site that keep to the codebook.

    Parameters
    ----------
    frame : DataFrame      as :meth:`Codebook.harmonise` returns it
    codebook : Codebook
    """

    def __init__(self, frame: pd.DataFrame, codebook: Codebook, excluded: int = 0) -> None:
        self.frame = frame
        self.codebook = codebook
        self._excluded = excluded
        self._prepared: dict[str, Any] = {}
        self._subsets: dict[tuple[Condition, ...], SiteData] = {}

    def among(self, conditions: tuple[Condition, ...]) -> "SiteData":
        """The patients who meet every condition; prepared models of a subset are kept as well."""
        if not conditions:
            return self
        if conditions not in self._subsets:
            self.require(c.column for c in conditions)
            chosen = np.logical_and.reduce([c.among(self.frame) for c in conditions])
            subset = self.frame[chosen].reset_index(drop=True)
            self._subsets[conditions] = SiteData(subset, self.codebook, len(self.frame) - len(subset))
        return self._subsets[conditions]

    @property
    def subset_evidence(self) -> tuple[Evidence, ...]:
        """How many patients a subset leaves out: a total minus a subset must not single anyone out."""
        return (
            Evidence("complement of the subset", np.array([self._excluded]), "patients outside the subset"),
        )

    def require(self, columns: Iterable[str], groups: Iterable[str] = ()) -> None:
        """Refuse columns that the codebook does not have; a label column may group rows and no more."""
        groups = tuple(groups)
        for column in (*columns, *groups):
            if column not in self.codebook:
                raise QueryError(f"The column {column!r} is not in the codebook that this site keeps to.")
            if self.codebook[column].kind == "label" and column not in groups:
                raise QueryError(
                    f"{column} groups patients inside a site; a question about its values is not answered."
                )

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
