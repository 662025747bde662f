"""One small study for all tests of this folder, an empty exchange for each, and the results in one process."""

from types import SimpleNamespace

import pytest

import fedstats as fs
from tests.federations.small_study import (
    STUDY,
    TWO_MODELS,
    ask_until_answered,
    site_objects,
    tables,
    write_study,
)


def _in_one_process(folder, text):
    """A study, its tables, and what they give in one process; nobody changes these."""
    study = fs.Study.load(write_study(folder / "study", text))
    frames = tables()
    data = {}
    for name, frame in frames.items():
        data[name] = folder / f"{name}.csv"
        frame.to_csv(data[name], index=False)
    whole = fs.InProcess(frames, codebook=study.codebook, policy=study.policy)
    found = fs.together(whole, **study.analyses())
    sha256 = fs.save_results(found, folder / "in_process.json", study=study.digest)
    return SimpleNamespace(study=study, frames=frames, data=data, whole=whole, found=found, sha256=sha256)


def _with_sites(known, tmp_path):
    return SimpleNamespace(
        **vars(known),
        exchange=tmp_path / "exchange",
        results=tmp_path / "results.json",
        sites=site_objects(known.study, known.frames),
    )


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return _in_one_process(tmp_path_factory.mktemp("small"), STUDY)


@pytest.fixture(scope="session")
def two_models(tmp_path_factory):
    return _in_one_process(tmp_path_factory.mktemp("two_models"), TWO_MODELS)


@pytest.fixture
def here(small, tmp_path):
    """The small study with sites and an exchange folder of its own."""
    return _with_sites(small, tmp_path)


@pytest.fixture
def quick(two_models, tmp_path):
    """The study of two models with sites and an exchange folder of its own."""
    return _with_sites(two_models, tmp_path)


@pytest.fixture
def fitted(here):
    """An exchange that holds one finished Cox fit: ``here`` with ``here.fit`` and ``here.ask()``."""
    here.ask = lambda s: fs.cox(s, "Surv(time, status) ~ age + sex", strata="practice")
    here.fit = ask_until_answered(here.exchange, here.sites, here.study, here.ask)
    return here
