"""What to generate: the truth, the seed, the size, the sites, and which biases are on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np

from data_synth.assumptions import NETWORK, SITES


@dataclass(frozen=True)
class Switches:
    """The known biases, and loss to follow-up; all off gives complete, clean records.

    The twelve carry the numbers of the list in ``assumptions/biases.toml``; ``dependent_entry`` sharpens the third.
    """

    crossing: bool = False  # 1, of the truth `ph`
    durable: bool = False  # 2, of the truth `ph`
    delayed_entry: bool = False  # 3
    immortal_time: bool = False  # 4
    missing: bool = False  # 5
    systematic: bool = False  # 6
    missed_deaths: bool = False  # 7
    interval: bool = False  # 8
    confounding: bool = False  # 9
    units: bool = False  # 10
    practice_effects: bool = False  # 11
    tiny_practices: bool = False  # 12
    dependent_entry: bool = False  # 3b, acts where delayed_entry is on
    lost: bool = False  # no bias: who is lost to follow-up, whatever his prognosis

    @classmethod
    def all_on(cls) -> Switches:
        """Every bias at once, as in a real network."""
        return cls(**{one.name: True for one in fields(cls)})

    @classmethod
    def only(cls, *names: str) -> Switches:
        """The named biases and no other."""
        known = [one.name for one in fields(cls)]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ValueError(f"No switch is called {', '.join(unknown)}; there are {', '.join(known)}.")
        return cls(**dict.fromkeys(names, True))

    def without(self, name: str) -> Switches:
        """These switches with one of them off."""
        return replace(self, **{name: False})


@dataclass(frozen=True)
class Plan:
    """What to generate.

    Parameters
    ----------
    truth : {"clinical", "ph"}
        Latent classes whose hazards cross, or proportional hazards with stated coefficients.
    seed : int
        Same seed, same rows.  A practice's rows depend on the seed, its site's name and its own number, on nothing else.
    scale : float
        Factor on the number of patients of every practice.
    sites : tuple of str
        Names from ``assumptions/sites.toml``.
    switches : Switches
        Which biases are on.  Patients are the same whatever is on, but for what a switch is about.
    """

    truth: Literal["clinical", "ph"] = "clinical"
    seed: int = NETWORK["seed"]
    scale: float = 1.0
    sites: tuple[str, ...] = tuple(NETWORK["default"])
    switches: Switches = field(default_factory=Switches)

    def __post_init__(self) -> None:
        if self.truth not in ("clinical", "ph"):
            raise ValueError(f"The truth is 'clinical' or 'ph', not {self.truth!r}.")
        if self.seed < 0:
            raise ValueError(f"The seed must be a whole number of 0 or more; it is {self.seed}.")
        if not 0.01 <= self.scale <= 1000:
            raise ValueError(f"The scale must lie between 0.01 and 1000; it is {self.scale}.")
        unknown = sorted(set(self.sites) - set(SITES))
        if unknown or not self.sites:
            raise ValueError(f"The sites are {', '.join(SITES)}; asked for: {', '.join(unknown) or 'none'}.")


@dataclass(frozen=True)
class Streams:
    """Independent random streams of one chunk of patients of one practice, one a purpose.

    The key of a stream is made of names, so that no other practice, chunk or purpose can change it.
    """

    seed: int
    site: str
    practice: int
    chunk: int
    attempt: int = 0  # patients whose stated risks contradict each other are drawn again

    def __call__(self, purpose: str) -> np.random.Generator:
        """Start the stream of a purpose anew."""
        names = zlib.crc32(self.site.encode()), zlib.crc32(purpose.encode())
        key = (names[0], self.practice, self.chunk, self.attempt, names[1])
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


def chunk_sizes(number: int) -> Iterator[int]:
    """Cut a practice into chunks that are drawn one by one."""
    size = NETWORK["chunk"]
    yield from [size] * (number // size)
    if number % size:
        yield number % size
