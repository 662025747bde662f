"""How large a model's coefficients are: what each term adds to the predictors of a site's own patients.

A scale that a codebook, or a question, names says nothing of how steep a coefficient is.  What does is by how much
the term makes patients differ.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.model_cells import few_values

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """Of a design's columns at a site, what coefficients of one add to predictors.

    Attributes
    ----------
    contrasts : (l, p)      mean of each column among those with a level, or several, that it multiplies; 0 of other columns
    alone : (p,)            spread of a number's only column among those with the levels that multiply it
    together : tuple        columns that are functions of the same numbers, and whose rows tell how far they spread
    """

    contrasts: Array
    alone: Array
    together: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]

    def sizes(self, x: Array, slopes: Array, unit: float = 1.0) -> Evidence:
        """For the gate: what the terms add at these coefficients, in logits or logarithms of a hazard or a mean.

        Parameters
        ----------
        x : (n, p)       columns as the coefficients multiply them, up to a constant each
        slopes : (p,)
        unit : float     what coefficients count in, where they are neither
        """
        joint = [spread(x[np.ix_(who, columns)] @ slopes[columns]) for columns, who in self.together]
        found = (np.abs(self.contrasts @ slopes), self.alone * np.abs(slopes), np.array(joint))
        return Evidence(
            "size of coefficients", np.concatenate(found) * unit, "what a term adds to predictors"
        )


def terms_of(design: Design, frame: pd.DataFrame, raw: Array, counted: NDArray[np.bool_]) -> Terms:
    """The terms of a design on rows with a weight.

    Parameters
    ----------
    raw : (n, p)     the columns, unscaled
    """
    whom: dict[tuple[Part, ...], NDArray[np.int64]] = {}
    of_numbers: dict[tuple[tuple[str, ...], tuple[Part, ...]], list[int]] = {}
    for j, column in enumerate(design.columns):
        levels = column.levels
        if levels not in whom:
            inside = Design((Column("", levels),)).raw(frame)[:, 0] > 0
            whom[levels] = np.flatnonzero(inside & counted)
        numbers = tuple(sorted({p.column for p in column.parts if p.level is None}))
        if numbers:
            of_numbers.setdefault((numbers, levels), []).append(j)
    scale = np.array([column.scale for column in design.columns])
    contrasts = np.zeros((len(whom), len(design.columns)))
    for row, (levels, who) in zip(contrasts, whom.items(), strict=True):
        same = [j for j, column in enumerate(design.columns) if levels and column.levels == levels]
        if same:  # rows are gathered of what levels multiply alone
            row[same] = raw[who][:, same].sum(axis=0) / max(len(who), 1) / scale[same]
    alone, together = np.zeros(len(design.columns)), []
    for (_, levels), columns in of_numbers.items():
        if len(columns) == 1:
            everybody = len(whom[levels]) == len(raw)  # whose rows need not be gathered
            of_them = raw[:, columns[0]] if everybody else raw[whom[levels], columns[0]]
            alone[columns[0]] = spread(of_them) / scale[columns[0]]
        else:
            together.append((np.array(columns), whom[levels]))
    return Terms(contrasts, alone, tuple(together))


def spread(values: Array) -> float:
    """How far a number spreads: the distance of two values where it has no more, else squares over sizes of deviations.

    That is 1.25 standard deviations of a normal number.  It counts who is far out as a standard deviation does not: of
    a number that is the same for nearly everybody it stays half of the distance of the others, however few they are.  And
    unlike a range it is nobody's own value: what a refusal tells of it is a sum over all patients.
    """
    found, _ = few_values(values, 2)
    if len(found) < 2:
        return 0.0
    if len(found) == 2:
        return float(found[1] - found[0])
    deviations = values - values.mean()
    squares = deviations @ deviations
    return float(squares / np.abs(deviations, out=deviations).sum())
