"""Sums in 128-bit fixed point: the total does not depend on order, retries or carrier.

A number is a two's complement integer of 128 bits in units of ``2**(exponent - 64)``, kept as two
unsigned 64-bit limbs (high, low).  A float64 x is held without loss while
``2**(exponent - 11) <= |x| < 2**(exponent + 56)``; below that the absolute error is at most
``2**(exponent - 65)``, above it the number is refused, so that 128 sites cannot overflow a total.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Limbs = NDArray[np.uint64]

FRACTION_BITS = 64
LARGEST_POWER = 56
_WORD = np.uint64(64)
#: Numbers that are taken at a time: two dozen arrays of so many stay in a processor's cache.
_AT_ONCE = 2**13


def encode(values: Array, exponent: int | NDArray[np.int64] = 0) -> Limbs:
    """Fixed-point form of float64 numbers.

    Parameters
    ----------
    values : (...,)
    exponent : int or (...,)
        Agreed power of two of the unit, of all or of each number; every site uses the same.

    Returns
    -------
    (..., 2) uint64, high limb first

    Raises
    ------
    OverflowError
        A number is not finite or does not fit; nothing is clipped.
    """
    shape = np.shape(values)
    x = np.atleast_1d(np.asarray(values, dtype=float))  # unsigned scalars would warn where arrays wrap
    if not np.all(np.isfinite(x)):
        raise OverflowError("a sum is not finite")
    flat, unit = x.ravel(), np.broadcast_to(np.asarray(exponent), np.shape(x)).ravel()
    found = np.empty((len(flat), 2), dtype=np.uint64)
    for start in range(0, len(flat), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        found[here] = _encoded(flat[here], unit[here])
    return found.reshape(*shape, 2)


def _encoded(x: Array, exponent: NDArray[np.int64]) -> Limbs:
    mantissa, power = np.frexp(np.abs(x))
    if np.any((power - exponent > LARGEST_POWER) & (x != 0)):
        raise OverflowError("a sum is too large for its agreed scale")
    digits = np.ldexp(mantissa, 53).astype(np.uint64)
    shift = power.astype(np.int64) - 53 + FRACTION_BITS - exponent
    high, low = _shifted(digits, np.where(digits == 0, 0, shift))
    return np.stack(_negated_where(x < 0, high, low), axis=-1)


def _shifted(digits: Limbs, shift: NDArray[np.int64]) -> tuple[Limbs, Limbs]:
    """``digits * 2**shift`` as two limbs, rounded half to even where bits fall off the end."""
    left = np.clip(shift, 0, 63).astype(np.uint64)
    carry = np.where(left > 0, digits >> np.where(left > 0, _WORD - left, np.uint64(1)), np.uint64(0))
    high = np.where(shift >= 64, digits << np.clip(shift - 64, 0, 63).astype(np.uint64), carry)
    low = np.where(shift >= 64, np.uint64(0), digits << left)
    right = np.clip(-shift, 0, 55).astype(np.uint64)  # a mantissa of 53 bits is gone after 55
    kept = digits >> right
    dropped = digits - (kept << right)
    half = np.where(
        right > 0, np.uint64(1) << np.where(right > 0, right - np.uint64(1), np.uint64(0)), np.uint64(0)
    )
    odd = (kept & np.uint64(1)) == 1
    up = (right > 0) & ((dropped > half) | ((dropped == half) & odd))
    low = np.where(shift < 0, kept + up.astype(np.uint64), low)
    return np.where(shift < 0, np.uint64(0), high), low


def _negated_where(negative: NDArray[np.bool_], high: Limbs, low: Limbs) -> tuple[Limbs, Limbs]:
    flipped_low = ~low + np.uint64(1)
    flipped_high = ~high + (low == 0).astype(np.uint64)
    return np.where(negative, flipped_high, high), np.where(negative, flipped_low, low)


def add(a: Limbs, b: Limbs) -> Limbs:
    """Sum modulo 2**128; associative and commutative, so the order of the sites is of no matter."""
    low = a[..., 1] + b[..., 1]
    carry = (low < a[..., 1]).astype(np.uint64)
    return np.stack([a[..., 0] + b[..., 0] + carry, low], axis=-1)


def decode(limbs: Limbs, exponent: int | NDArray[np.int64] = 0) -> Array:
    """The float64 nearest to each exact sum, shape (...,)."""
    flat = limbs.reshape(-1, 2)
    negative = flat[:, 0] >> np.uint64(63) == 1
    high, low = _negated_where(negative, flat[:, 0], flat[:, 1])
    # The leading 64 bits, the last of them set if anything follows: float64 keeps 53, so that it rounds right.
    zeros = _WORD - _bit_length(high)
    shift = np.where(high == 0, np.uint64(0), zeros)
    spill = np.where(shift == 0, np.uint64(0), low >> np.where(shift == 0, np.uint64(1), _WORD - shift))
    lead = np.where(high == 0, low, (high << shift) | spill | ((low << shift) != 0).astype(np.uint64))
    power = np.where(high == 0, -FRACTION_BITS, -shift.astype(np.int64))
    nearest = np.ldexp(lead.astype(np.float64), power)
    return np.ldexp(np.where(negative, -nearest, nearest), exponent).reshape(limbs.shape[:-1])


def encode_all(sums: Mapping[str, tuple[Array, int]]) -> dict[str, Limbs]:
    """:func:`encode` of several arrays, each with its exponent, in one pass."""
    return _in_one_pass(encode, {name: (np.asarray(v, dtype=float), e) for name, (v, e) in sums.items()}, 0)


def decode_all(sums: Mapping[str, tuple[Limbs, int]]) -> dict[str, Array]:
    """:func:`decode` of several arrays, each with its exponent, in one pass."""
    return _in_one_pass(decode, sums, 1)


def _in_one_pass(
    convert: Callable[..., NDArray[Any]], sums: Mapping[str, tuple[NDArray[Any], int]], inner: int
) -> dict[str, NDArray[Any]]:
    """Numbers of all arrays side by side; ``inner`` axes at the end belong to each of them."""
    if not sums:
        return {}
    shapes = [v.shape[: v.ndim - inner] for v, _ in sums.values()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    flat = np.concatenate([v.reshape(-1, *v.shape[v.ndim - inner :]) for v, _ in sums.values()])
    exponents = np.repeat([e for _, e in sums.values()], np.diff(ends, prepend=0))
    parts = np.split(convert(flat, exponents), ends[:-1])
    named = zip(sums, parts, shapes, strict=True)
    return {name: part.reshape(*shape, *part.shape[1:]) for name, part, shape in named}


def _bit_length(word: Limbs) -> Limbs:
    """Position of the highest bit that is set, counted from one; 0 for 0."""
    _, power = np.frexp(word.astype(np.float64))  # rounding up may have carried into the next power
    length = power.astype(np.uint64)
    carried = (length > 0) & (word >> np.where(length > 0, length - np.uint64(1), np.uint64(0)) == 0)
    return np.asarray(length - carried.astype(np.uint64))
