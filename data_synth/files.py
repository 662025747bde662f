"""Write the study tables, site by site and block by block, in bounded memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np

from data_synth.assumptions import COURSE, Columns
from data_synth.network import chunks
from data_synth.plan import Plan
from data_synth.table_writers import WRITERS, TableWriter
from data_synth.tables import tables

BLOCK = 10_000


def write_network(plan: Plan, out: Path, block: int = BLOCK, form: str = "csv") -> list[Path]:
    """Write one folder of tables a site, and ``planted.json`` beside them.

    Parameters
    ----------
    plan : Plan
        What to generate.
    out : Path
        The folder; made if need be.  A site's folder is either the old or the whole new one.
    block : int
        Patients held in memory before their rows are written; it changes no byte of the files.
    form : {"csv", "parquet"}
        What the files are: a folder holds one of them, for a site's tables count once.

    Returns
    -------
    list of Path
        The sites' folders, then ``planted.json``.
    """
    if block < 1:
        raise ValueError(f"A block holds at least one patient; asked for: {block}.")
    if form not in WRITERS:
        raise ValueError(f"Tables are written as {' or '.join(WRITERS)}, not as {form!r}.")
    folders = [_write_site(plan, site, out, block, form) for site in plan.sites]
    planted = out / "planted.json"
    planted.write_text(
        json.dumps(_planted(plan), indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
    return [*folders, planted]


def _write_site(plan: Plan, site: str, out: Path, block: int, form: str) -> Path:
    folder, part = out / site, out / f".{site}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with ExitStack() as stack:
        writers: dict[str, TableWriter] = {}
        for found in blocks(plan, site, block):
            for name, table in tables(found, plan).items():
                if name not in writers:
                    writers[name] = stack.enter_context(WRITERS[form](part, name))
                writers[name].add(table)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


def blocks(plan: Plan, site: str, block: int = BLOCK) -> Iterator[Columns]:
    """Put chunks of patients together until a block is full."""
    held: list[Columns] = []
    for found in chunks(plan, site):
        held.append(found)
        if sum(len(one["patient_id"]) for one in held) >= block:
            yield _together(held)
            held = []
    if held:
        yield _together(held)


def _together(held: list[Columns]) -> Columns:
    return {name: np.concatenate([one[name] for one in held]) for name in held[0]}


def _planted(plan: Plan) -> dict[str, object]:
    """Say what was planted, for whoever checks an analysis."""
    return {
        "note": "Synthetic data: nothing here is a finding about patients.",
        "plan": asdict(plan),
        "stated": COURSE["ph"] if plan.truth == "ph" else COURSE["clinical"],
        "exact": "os, resistant, late with all switches off"
        if plan.truth == "ph"
        else "class model; effects are derived",
    }
