"""What an exchange costs: a round over a folder, large answers, the gate's share, many sites in one process.

    python benchmarks/exchange_cost.py

Prints one Markdown table.  Times are medians of repeated rounds on this machine; shares are taken within one run.
"""

import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

import fedstats as fs
from fedstats.contract.aggregate import Aggregate, Sum
from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import parse
from fedstats.contract.query import Query
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.variable import Variable
from fedstats.federations.desk import Desk
from fedstats.federations.envelope import compose
from fedstats.federations.keys import HOME_VARIABLE, Identity
from fedstats.methods.glm_model import GlmDerivatives, GlmModel

ROUNDS = 9


@dataclass(frozen=True)
class Large(Query):
    """So many numbers from every site; each call is a new question."""

    numbers: int
    beta: tuple[float, ...] = ()

    def aggregate(self, data):
        return Aggregate(
            {"s": Sum(np.arange(self.numbers) + 0.1, np.full(self.numbers, len(data.frame)))}, len(data.frame)
        )


def columns(p: int) -> tuple[str, ...]:
    return tuple(f"x{j}" for j in range(p))


def codebook(p: int) -> Codebook:
    return Codebook((Variable("y", "event"), *(Variable(c, "numeric") for c in columns(p))))


def rows(n: int, p: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    frame = pd.DataFrame(x, columns=list(columns(p)))
    frame["y"] = (random.random(n) < 1 / (1 + np.exp(-x[:, 0]))).astype(int)
    return frame


def question(p: int, beta: float) -> GlmDerivatives:
    _, design = parse("y ~ " + " + ".join(columns(p)), codebook(p), intercept=True)
    return GlmDerivatives(GlmModel("y", design, None, None, None), (beta,) + (0.0,) * p)


def median(call: Callable[[int], None], rounds: int = ROUNDS) -> float:
    call(rounds)  # models are prepared once, before a round is timed
    took = []
    for i in range(rounds):
        begin = time.perf_counter()
        call(i)
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def over_folder(folder: Path, sites: int, p: int, ask: Callable[[int], Query]) -> float:
    """One round: file a question, every site in turn reads, answers, signs, seals, the coordinator opens and adds."""
    book, policy = codebook(p), fs.DisclosurePolicy.none()
    names = tuple(f"site-{i}" for i in range(sites))
    study = SimpleNamespace(
        id="cost", digest="d", sites=names, codebook=book, policy=policy, fingerprints={}, revoked_keys=()
    )
    held = [fs.Site(n, rows(500, p, i), book, policy, home=folder / "homes" / n) for i, n in enumerate(names)]
    federation = fs.Folder(folder / "exchange", study=study, home=folder / "homes" / "coordinator")
    desks = [Desk(folder / "exchange", site) for site in held]

    def one_round(i: int) -> None:
        query = ask(i)
        try:
            federation.sum(query)
        except fs.Waiting:
            for desk, site in zip(desks, held, strict=True):
                open_ = desk.open_questions()
                fs.send(desk, site, open_, site.answers(open_))
            federation.sum(query)

    return median(one_round)


def share_of_gate(n: int, p: int) -> tuple[float, float]:
    """Seconds of a site's answers to a whole fit, and the share of what protects patients in them.

    The rest is the sums of the same seven questions on the same rows where nobody judges them: the design once, then
    predictors, log-likelihood, score and information.  Processor time of one thread, the least of several rounds of each in
    turn: what else the machine does adds to it and never takes from it.
    """
    book, site_keys, frame = codebook(p), {}, rows(n, p, 0)
    points = [question(p, b) for b in np.linspace(0, 0.5, 7)]
    whole, bare = [], []
    with tempfile.TemporaryDirectory() as scratch, one_blas_thread():
        for place in ("north", "coordinator"):
            site_keys[place] = Identity.of(Path(scratch) / place, place)
        for _ in range(ROUNDS):
            site = fs.Site("north", frame, book, fs.DisclosurePolicy())
            begin = time.process_time()
            for q in points:
                content = site.answer(q).content
                assert isinstance(content, fs.Release)
                body = {"release": content.to_dict()}
                compose(site_keys["north"], "answer", {}, body, site_keys["coordinator"].public)
            whole.append(time.process_time() - begin)
            data = fs.Site("north", frame, book, fs.DisclosurePolicy.none(), reviewed=False).data
            begin = time.process_time()
            for q in points:
                q.aggregate(data)
            bare.append(time.process_time() - begin)
    return min(whole), 1 - min(bare) / min(whole)


def in_process(sites: int, p: int, rounds: int) -> float:
    held = fs.InProcess(
        {f"s{i}": rows(300, p, i) for i in range(sites)}, codebook(p), fs.DisclosurePolicy.none()
    )
    begin = time.perf_counter()
    for i in range(rounds):
        held.sum(question(p, 0.01 * i))
    return time.perf_counter() - begin


def main() -> None:
    import os

    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ[HOME_VARIABLE] = str(Path(scratch) / "home")
        took = over_folder(Path(scratch) / "a", 10, 50, lambda i: question(50, 0.001 * (i + 1)))
        lines.append(("a round over the folder, 10 sites, p = 50", f"{took:.3f} s", "0.5 s"))
        took = over_folder(Path(scratch) / "b", 2, 2, lambda i: Large(5 * 2**20 // 16, (float(i),)))
        lines.append(("a round with 5 MB from each of 2 sites", f"{took:.3f} s", "1 s"))
    whole, share = share_of_gate(100_000, 30)
    lines.append(
        (
            f"gate, exact sum, signature and seal in the {whole:.2f} s of a fit's answers, n = 10^5, p = 30",
            f"{share:.0%}",
            "20 %",
        )
    )
    took = in_process(100, 50, 20)
    lines.append(("100 sites, p = 50, 20 rounds in one process", f"{took:.1f} s", "60 s"))
    print(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, medians of {ROUNDS} rounds.\n"
    )
    print("| what | measured | aim |\n|---|---|---|")
    for line in lines:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
