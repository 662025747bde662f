"""The elementary vectors of a linear space: those whose support holds no other vector's."""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]

#: Entries smaller than this part of a vector's largest are rounding.
ZERO = 1e-7
#: In a part of the space where more choices of zeros than these would have to be tried, none is.
_MOST = 20_000


def elementary_vectors(basis: Array) -> tuple[Array, NDArray[np.int64]]:
    """Elementary vectors of the space that the rows of a matrix span.

    Parameters
    ----------
    basis : (d, k)      linearly independent rows; no column is zero

    Returns
    -------
    vectors : (e, k)    each once, up to its length and sign
    untried : (u,) int  coordinates of parts of the space that are too large for an exhaustive search

    Notes
    -----
    Rockafellar (1969), "The elementary vectors of a subspace of R^N": every vector is a sum of elementary
    ones that have its signs wherever they are not zero, so what holds of the smallest of these holds of
    all.  In a space of dimension d each is found by setting d - 1 of its coordinates to zero.
    """
    k = basis.shape[1]
    found: list[Array] = []
    untried: list[int] = []
    for part, own in _components(basis):
        if comb(len(part), len(own) - 1) > _MOST:
            untried += part.tolist()
            continue
        for vector in _exhaustively(own):
            whole = np.zeros(k)
            whole[part] = vector
            found.append(whole)
    return np.array(found).reshape(-1, k), np.array(sorted(untried), dtype=np.int64)


def _components(basis: Array) -> Iterator[tuple[NDArray[np.int64], Array]]:
    """Coordinates that belong together, each with a basis of the space's part in them."""
    d, k = basis.shape
    _, _, pivots = scipy.linalg.qr(basis, mode="economic", pivoting=True)
    reduced = np.linalg.solve(basis[:, pivots[:d]], basis)
    reduced[np.abs(reduced) < ZERO] = 0.0
    linked = np.zeros((d + k, d + k), dtype=bool)
    linked[:d, d:] = reduced != 0
    number, label = connected_components(linked, directed=False)
    for component in range(number):
        yield (
            np.flatnonzero(label[d:] == component),
            reduced[label[:d] == component][:, label[d:] == component],
        )


def _exhaustively(basis: Array) -> Array:
    """Elementary vectors of a space of d dimensions, by every choice of d - 1 zeros; (e, k)."""
    d, k = basis.shape
    if d == 1:
        return basis
    basis = basis / np.linalg.norm(basis, axis=0)  # a longer column is no nearer to zero
    choices = np.array(list(combinations(range(k), d - 1)))
    left, values, _ = np.linalg.svd(np.moveaxis(basis[:, choices], 1, 0))
    vectors = left[values[:, -1] > ZERO, :, -1] @ basis
    vectors[np.abs(vectors) < ZERO] = 0.0
    _, first = np.unique(vectors != 0, axis=0, return_index=True)
    return np.asarray(vectors[first])
