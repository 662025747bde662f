"""Many sites, many rounds: an exchange folder under a long, dull load, with answers that come in any order and again.

    python benchmarks/soak.py [--sites 30] [--rounds 200]

Every round files one question; the sites answer in a random order, some of them twice, one in twenty rounds an answer
is deleted and has to be sent again.  At the end every chain is checked, every total against the sums of all rows in
one process, and the coordinator is started anew to replay the whole.
"""

import argparse
import os
import platform
import random
import resource
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from exchange_cost import codebook, question, rows

import fedstats as fs
from fedstats.federations.desk import Desk
from fedstats.federations.keys import HOME_VARIABLE

P = 10


def main() -> None:
    """Run the load and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=200)
    chosen = parser.parse_args()
    pick = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ[HOME_VARIABLE] = str(folder / "home")
        book, policy = codebook(P), fs.DisclosurePolicy.none()
        frames = {f"site-{i:02d}": rows(200, P, i) for i in range(chosen.sites)}
        study = SimpleNamespace(
            id="soak",
            digest="d",
            sites=tuple(frames),
            codebook=book,
            policy=policy,
            fingerprints={},
            revoked_keys=(),
        )
        sites = {name: fs.Site(name, frame, book, policy) for name, frame in frames.items()}
        desks = {name: Desk(folder / "exchange", site) for name, site in sites.items()}
        federation = fs.Folder(folder / "exchange", study=study)
        begin, late = time.perf_counter(), 0
        for number in range(1, chosen.rounds + 1):
            query = question(P, number / chosen.rounds)
            with suppress(fs.Waiting):
                federation.ask(query)
            order = pick.sample(sorted(sites), len(sites)) + pick.sample(sorted(sites), len(sites) // 10)
            for name in order:
                asked = desks[name].open_questions()
                fs.send(desks[name], sites[name], asked, sites[name].answers(asked))
            if number % 20 == 0:
                lost = pick.choice(sorted(sites))
                desks[lost].ledger.answer_path(lost, number).unlink()
                assert desks[lost].open_questions() == []
                late += 1
            federation.ask(query)
        asking = time.perf_counter() - begin
        ledger = fs.Ledger(folder / "exchange")
        assert list(ledger.verify()) == []
        begin = time.perf_counter()
        again = fs.Folder(folder / "exchange", study=study)
        whole = fs.InProcess(frames, book, policy)
        for asked in ledger.questions():
            total, expected = again.sum(asked.query), whole.sum(asked.query)
            assert all(np.array_equal(total[k], expected[k]) for k in expected)
        replay = time.perf_counter() - begin
        size = sum(p.stat().st_size for p in (folder / "exchange").rglob("*") if p.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    print(
        f"{chosen.sites} sites, {chosen.rounds} rounds: {asking:.0f} s, {asking / chosen.rounds:.2f} s a round; "
        f"{late} answers sent again; every total bit for bit that of one process, every chain whole; "
        f"replay and comparison {replay:.0f} s; exchange {size / 2**20:.0f} MB; peak memory {peak:.0f} MB."
    )


if __name__ == "__main__":
    main()
