"""Functions of one number that a model may hold: logarithms, other units, powers and splines, agreed beforehand.

A shape travels as its name and numbers; no formula is evaluated at a site.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from fedstats.contract.query import QueryError, Spec
from fedstats.contract.variable import Variable, power_of_two

Array = NDArray[np.float64]

MOST_KNOTS = 20
HIGHEST_POWER = 9


@dataclass(frozen=True)
class Shape(Spec):
    """A function of a number; where it is not defined it is not a number."""

    @property
    def is_linear(self) -> bool:
        """Whether it is the number itself, in another unit or from another zero."""
        return False

    def agreed_with(self, variable: Variable) -> bool:  # noqa: ARG002
        """Whether the points at which the function bends, or is zero, are those of the codebook."""
        return True

    @property
    def is_moved(self) -> bool:
        """Whether it is zero at a number that somebody has chosen."""
        return False

    def of(self, x: Array) -> Array:
        """The function at each number."""
        raise NotImplementedError

    def in_words(self, column: str) -> str:
        """The function as a person writes it."""
        raise NotImplementedError

    @classmethod
    def _may_travel(cls) -> bool:
        return cls.of.__qualname__ != "Shape.of"


@dataclass(frozen=True)
class Logarithm(Shape):
    """The natural logarithm."""

    def of(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(x > 0, np.log(x), np.nan))

    def in_words(self, column: str) -> str:
        return f"log({column})"


@dataclass(frozen=True)
class OtherUnit(Shape):
    """``(x - zero) / unit``."""

    zero: float
    unit: float

    def __post_init__(self) -> None:
        _require(self.unit != 0, "A unit is not zero.")

    @property
    def is_linear(self) -> bool:
        return True

    @property
    def is_moved(self) -> bool:
        return True

    def of(self, x: Array) -> Array:
        return np.asarray((x - self.zero) / self.unit)

    def in_words(self, column: str) -> str:
        return f"({column} - {self.zero:g}) / {self.unit:g}"


@dataclass(frozen=True)
class Power(Shape):
    """A whole power of a number, counted from a centre: ``(x - centre)^exponent``."""

    exponent: int
    centre: float = 0.0

    def __post_init__(self) -> None:
        _require(1 <= self.exponent <= HIGHEST_POWER, f"A power is a whole number from 1 to {HIGHEST_POWER}.")

    @property
    def is_linear(self) -> bool:
        return self.exponent == 1

    @property
    def is_moved(self) -> bool:
        return self.centre != 0

    def of(self, x: Array) -> Array:
        return np.asarray((x - self.centre) ** self.exponent)

    def agreed_with(self, variable: Variable) -> bool:
        return self.centre in (0.0, variable.middle)

    def in_words(self, column: str) -> str:
        base = f"({counted_from(column, self.centre)})" if self.centre else column
        return f"{base}^{self.exponent}"


@dataclass(frozen=True)
class RestrictedCubic(Shape):
    """A piece of a cubic spline that is linear beyond its outer knots; piece 1 is the number itself.

    Harrell, Regression Modeling Strategies (2015), section 2.4.5, in units of the square of the distance of the
    outer knots.
    """

    knots: tuple[float, ...]
    piece: int

    def __post_init__(self) -> None:
        _require_knots(self.knots, 3)
        _require(1 <= self.piece <= len(self.knots) - 1, "A restricted cubic spline has no such piece.")

    def agreed_with(self, variable: Variable) -> bool:
        return self.knots == variable.knots

    def of(self, x: Array) -> Array:
        if self.piece == 1:
            return x
        *_, before, last = self.knots
        knot = self.knots[self.piece - 2]
        cubes = np.maximum(x - knot, 0.0) ** 3
        cubes -= np.maximum(x - before, 0.0) ** 3 * (last - knot) / (last - before)
        cubes += np.maximum(x - last, 0.0) ** 3 * (before - knot) / (last - before)
        return np.asarray(cubes / (last - self.knots[0]) ** 2)

    def in_words(self, column: str) -> str:
        return f"piece {self.piece} of a restricted cubic spline of {column}"


@dataclass(frozen=True)
class BasisSpline(Shape):
    """A B-spline between the inner knots and two ends, numbered as by R's ``bs``; the first of all is left out."""

    knots: tuple[float, ...]
    low: float
    high: float
    degree: int
    piece: int

    def __post_init__(self) -> None:
        _require_knots((self.low, *self.knots, self.high), 2)
        _require(1 <= self.degree <= HIGHEST_POWER, "The degree of a B-spline is a small whole number.")
        _require(1 <= self.piece <= len(self.knots) + self.degree, "A B-spline has no such piece.")

    def agreed_with(self, variable: Variable) -> bool:
        return (self.knots, self.low, self.high) == (variable.knots, variable.low, variable.high)

    def of(self, x: Array) -> Array:
        ends = [self.low] * (self.degree + 1), [self.high] * (self.degree + 1)
        inside = (x >= self.low) & (x <= self.high)
        basis = BSpline.design_matrix(
            np.where(inside, x, self.low), [*ends[0], *self.knots, *ends[1]], self.degree
        )
        return np.where(inside, basis[:, [self.piece]].toarray()[:, 0], np.nan)

    def in_words(self, column: str) -> str:
        return f"piece {self.piece} of a B-spline of {column}"


def counted_from(column: str, centre: float) -> str:
    """``year - 2019.5``, with all digits of the centre."""
    short = f"{abs(centre):g}"
    digits = short if float(short) == abs(centre) else repr(abs(centre))
    return f"{column} {'-' if centre >= 0 else '+'} {digits}"


def centre_and_scale(shape: Shape | None, variable: Variable) -> tuple[float, float]:
    """The agreed centre and spread of a function of a number, from those of the number.

    Parameters
    ----------
    shape : Shape or None    None: the number itself
    variable : Variable
    """
    if shape is None:
        return variable.middle, variable.scale
    x = variable.middle + variable.scale * np.linspace(-2.0, 2.0, 17)
    x = np.clip(x, variable.low, variable.high) if variable.low is not None else x
    values = shape.of(x)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    return float(values.mean()), power_of_two(float(values.std()))


def _require_knots(knots: tuple[float, ...], least: int) -> None:
    increasing = all(a < b for a, b in pairwise(knots))
    _require(
        increasing and least <= len(knots) <= MOST_KNOTS,
        f"A spline has increasing knots, at least {least} and at most {MOST_KNOTS}.",
    )


def _require(met: Any, otherwise: str) -> None:
    if not met:
        raise QueryError(otherwise)
