"""What a fit leaves in the exchange folder holds no patient: planted values are searched for in every file.

The policy is ``none``: it is the design (sums, a baseline of the site's own) that is tested, not the gate.
The same search finds the values where a leaking question is planted, and in a fit on distinct times.
"""

import base64
import binascii
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.aggregate import Aggregate, Release, Sum
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.query import _VOCABULARY, Query, QueryError
from fedstats.contract.variable import Variable
from fedstats.federations.site import Site
from fedstats.methods.descriptives import Moments
from tests.attacks.targets import NONE
from tests.exchange_reading import opened_files

BOOK = Codebook(
    (
        Variable("time", "time", scale=64.0),
        Variable("status", "event"),
        Variable("age", "numeric", centre=60.0, scale=8.0),
        Variable("ldh", "numeric", centre=250.0, scale=128.0),
        Variable("weight", "numeric"),
        Variable("ecog", "factor", levels=("0", "1")),
        Variable("practice", "label"),
    )
)
NUMBERS = ("time", "age", "ldh", "weight")
LABELS = tuple(f"Praxis Zeisig-{k}" for k in "QXZV")


def canaries(seed, labels):
    """Eighty patients, no number of whom occurs twice; ids of the hospital stand in a column nobody agreed on."""
    random = np.random.default_rng(seed)
    n = 80
    return pd.DataFrame(
        {
            "id": [f"MRN-{seed}-{random.integers(10**9, 10**10)}" for _ in range(n)],
            "time": random.exponential(300, n) + random.random(),
            "status": (random.random(n) < 0.7).astype(int),
            "age": random.normal(62, 9, n),
            "ldh": random.lognormal(5.5, 0.4, n),
            "weight": random.uniform(0.5, 2, n),
            "ecog": random.integers(0, 2, n),
            "practice": random.choice(labels, n),
        }
    )


SITES = {"north": canaries(1, LABELS[:2]), "south": canaries(2, LABELS[2:])}
EVERYONE = pd.concat(SITES.values())


def forms(frame):
    """Every planted number as it is, centred, scaled, both, squared, weighted, and about its stratum's mean."""
    found = []
    for name in NUMBERS:
        v, variable = frame[name].to_numpy(), BOOK[name]
        z = (v - variable.centre) / variable.scale
        found += [v, v - variable.centre, z, z * z, v * v, v * frame["weight"].to_numpy()]
        scaled = pd.Series(z, index=frame.index).groupby(frame["practice"])
        found.append(z - scaled.transform("mean").to_numpy())
    return found


PLANTED = np.unique(np.abs(np.concatenate([f for frame in SITES.values() for f in forms(frame)])))
TEXTS = (
    *EVERYONE["id"],
    *LABELS,
    *(text for name in NUMBERS for v in EVERYONE[name] for text in (repr(float(v)), f"{v:.6f}")),
)
BYTES = tuple(
    raw for name in NUMBERS for v in EVERYONE[name] for raw in (struct.pack("<d", v), struct.pack(">d", v))
)


def numbers_in(value):
    """Every number of a JSON value, and every number that a text in it may be the base64 of."""
    if isinstance(value, dict):
        if "limbs" in value and "exponent" in value:
            yield from Release.from_dict({"s": value}).values()["s"].ravel().tolist()
        for part in value.values():
            yield from numbers_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from numbers_in(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
    elif isinstance(value, str):
        raw = opened(value)
        for kind in ("<f8", ">f8") if len(raw) >= 8 else ():
            with np.errstate(invalid="ignore"):
                yield from np.frombuffer(raw[: len(raw) // 8 * 8], kind).tolist()


def opened(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def texts_in(value):
    """Every text of a JSON value with what it may be the base64 of."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key.encode()
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)
    elif isinstance(value, str):
        yield value.encode()
        yield opened(value)


def planted_in(folder):
    """What of the planted is found in any file of an exchange, and how many numbers were looked at."""
    found, looked = set(), 0
    for _, raw, content in opened_files(folder, "canary"):
        haystack = b"\n".join([raw, *texts_in(content)])
        found |= {text for text in TEXTS if text.encode() in haystack}
        found |= {known.hex() for known in BYTES if known in haystack}
        values = np.abs([v for v in numbers_in(content) if np.isfinite(v) and abs(v) > 1e-6])
        looked += len(values)
        nearest = np.clip(np.searchsorted(PLANTED, values), 1, len(PLANTED) - 1)
        for known in (PLANTED[nearest - 1], PLANTED[nearest]):
            found |= set(known[np.isclose(values, known, rtol=1e-11, atol=0)].tolist())
    return found, looked


def run(folder, analysis):
    """An analysis over an exchange folder, each site serving in a thread of its own."""
    study = SimpleNamespace(
        id="canary",
        digest="d",
        sites=tuple(SITES),
        codebook=BOOK,
        policy=NONE,
        fingerprints={},
        revoked_keys=(),
    )
    sites = fs.Folder(folder, study=study, wait_seconds=60)

    def serve(name):
        fs.serve(folder, Site(name, SITES[name], BOOK, NONE), wait_seconds=60)

    threads = [threading.Thread(target=serve, args=(name,), daemon=True) for name in SITES]
    for thread in threads:
        thread.start()
    try:
        return analysis(sites)
    finally:
        sites.close()
        for thread in threads:
            thread.join(timeout=60)


FITS = {
    "site-stratified Cox": lambda s: fs.cox(s, "Surv(time, status) ~ age + ldh + C(ecog)", weights="weight"),
    "Cox by practice": lambda s: fs.cox(s, "Surv(time, status) ~ age * ecog + ldh", strata="practice"),
    "robust Cox, clusters": lambda s: fs.cox(
        s, "Surv(time, status) ~ age + ldh", strata="practice", cluster="practice", ties="breslow"
    ),
    "warm start": lambda s: fs.cox(s, "Surv(time, status) ~ age + ldh", start="pooled", robust=True),
    "logistic": lambda s: fs.logistic(s, "status ~ age + ldh + C(ecog)", weights="weight", robust=True),
    "a subset": lambda s: fs.cox(s.where("age >= 55"), "Surv(time, status) ~ ldh", strata="practice"),
    "curves on a grid": lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ ecog", grid=[200.0, 400.0, 800.0]),
}


@pytest.mark.parametrize("fit", FITS)
def test_the_ledger_of_a_fit_holds_no_time_no_row_no_id_and_no_label(fit, tmp_path):
    result = run(tmp_path, FITS[fit])
    assert len(result.tidy()) > 0
    found, looked = planted_in(tmp_path)
    assert looked > 10
    assert not found


def test_the_search_finds_the_times_of_a_fit_on_distinct_times(tmp_path):
    # nothing is planted here: this is why every policy but none refuses distinct times
    run(tmp_path, lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ 1"))
    found, _ = planted_in(tmp_path)
    assert set(EVERYONE["time"]) <= found


@pytest.fixture
def leak() -> Iterator[type[Query]]:
    """A question that lets patients out in the guise of sums or of a complaint."""
    known = dict(_VOCABULARY)

    @dataclass(frozen=True)
    class Leak(Query):
        what: str

        def aggregate(self, data):
            frame = data.frame
            z = {name: (frame[name].to_numpy() - BOOK[name].centre) / BOOK[name].scale for name in NUMBERS}
            means = pd.Series(z["age"]).groupby(frame["practice"], observed=True).transform("mean").to_numpy()
            sums = {
                "times": frame["time"].to_numpy(),
                "one time": frame["time"].to_numpy()[[7]],
                "scaled ages": z["age"],
                "centred ages": z["age"] - means,
                "squares": z["ldh"] ** 2,
                "weights": -frame["weight"].to_numpy(),
            }
            if self.what in sums:
                values = sums[self.what]
                return Aggregate({"s": Sum(values, np.ones(len(values)))}, len(frame))
            words = {
                "a label": frame["practice"].iloc[0],
                "a time as text": f"a patient died at {frame['time'].iloc[3]!r}",
                "a time as base64": base64.b64encode(struct.pack("<d", frame["time"].iloc[3])).decode(),
                "a label as base64": base64.b64encode(frame["practice"].iloc[0].encode()).decode(),
            }
            raise QueryError(words[self.what])

    yield Leak
    _VOCABULARY.clear()
    _VOCABULARY.update(known)


LEAKS = ["times", "one time", "scaled ages", "centred ages", "squares", "weights"]
WORDS = ["a label", "a time as text", "a time as base64", "a label as base64"]


@pytest.mark.parametrize("what", LEAKS + WORDS)
def test_the_same_search_finds_what_a_leaking_question_lets_out(what, leak, tmp_path):
    run(tmp_path, lambda s: s.ask(leak(what=what)))
    found, _ = planted_in(tmp_path)
    assert found


def test_every_planted_number_is_planted_once():
    for name in NUMBERS:
        assert EVERYONE[name].is_unique


def test_a_subset_by_practice_is_refused_before_it_is_asked_and_its_refusal_names_none(tmp_path):
    crafted = Moments("age", None, (), 60.0, 8.0, where=(Condition("practice", "==", ("nowhere",)),))

    def ask_both(sites):
        with pytest.raises(QueryError):
            sites.where("practice == 'nowhere'")
        with pytest.raises(fs.SiteRefused):
            sites.sum(crafted)

    run(tmp_path, ask_both)
    assert not planted_in(tmp_path)[0]
