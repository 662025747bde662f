"""A margin drawn for each point of a model, so that where the gate begins to refuse is nobody's value.

Some rules have an edge that lies where a patient lies: how far the oldest is from the next decides at which slope he weighs
too much.  Halving the slope between an answer and a refusal finds such an edge to any digit.  With a margin of its own at
every point there is no edge to find, and the mean of as many refusals as a site allows tells it to a few hundredths.
"""

import hashlib
from dataclasses import replace

from fedstats.contract.aggregate import Aggregate, Rule

#: Of these rules a patient's own values move the edge; those of whole numbers of patients have none between.
WITH_AN_EDGE: tuple[Rule, ...] = (
    "dominance",
    "dominance of two",
    "effective sample size",
    "effective size of a level",
)
_TOO_LITTLE: tuple[Rule, ...] = ("effective sample size", "effective size of a level")
#: By up to so much of it a number is judged as worse than it is.
WIDEST = 0.25


def margin(secret: bytes, about: bytes) -> float:
    """A number from 1 to 1 + WIDEST, the same whenever the same is asked, and known to the holder of the secret alone."""
    drawn = hashlib.blake2b(about, key=secret, digest_size=8).digest()
    return 1.0 + WIDEST * int.from_bytes(drawn, "big") / 2**64


def with_room(aggregate: Aggregate, secret: bytes, about: str) -> Aggregate:
    """As :func:`with_margins`, beyond the widest of these: what passes so passes with any of them, and has an edge nobody finds either."""
    return with_margins(aggregate, secret, f"room {about}", 1.0 + WIDEST)


def with_margins(aggregate: Aggregate, secret: bytes, about: str, times: float = 1.0) -> Aggregate:
    """The same sums; counts of rules with an edge as they are judged, each rule with a margin of its own (``times`` as wide)."""
    evidence = []
    for one in aggregate.evidence:
        if one.rule in WITH_AN_EDGE:
            by = times * margin(secret, f"{one.rule} {about}".encode())
            counts = one.counts / by if one.rule in _TOO_LITTLE else one.counts * by
            one = replace(one, counts=counts)  # noqa: PLW2901 (the same evidence, judged more strictly)
        evidence.append(one)
    return replace(aggregate, evidence=tuple(evidence))
