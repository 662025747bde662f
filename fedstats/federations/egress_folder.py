"""The private folder of a site that keeps a sheet for every answer: ``000001.csv`` ... and ``summary.csv``.

A sheet is written before its answer leaves, at once and once: a crash leaves a whole sheet or none.
"""

import csv
import io
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pandas as pd

from fedstats.contract.labels import harmless
from fedstats.federations.egress import Sheet
from fedstats.federations.files import explained, make_folder

SUMMARY = "summary.csv"


def keep(folder: str | Path, sheet: Sheet, line: Mapping[str, object]) -> Path | None:
    """Write a sheet and its line of the summary; nothing for an empty ``folder``.

    Returns
    -------
    Path or None
        ``000001.csv`` for question 1.  Where a site was stopped before that answer left and has computed
        another one since, the earlier sheet stays and this one is ``000001.2.csv``.

    Raises
    ------
    ValueError
        The folder keeps the sheets of another exchange; nothing may leave without its sheet.
    """
    if not str(folder):
        return None
    path = _keep_once(Path(folder), sheet, as_csv(sheet.frame))
    summarise(folder, [{"question": sheet.number, **line, "asked": sheet.asked, "sheet": path.name}])
    return path


def summary(folder: str | Path) -> pd.DataFrame:
    """The lines kept so far, one a question; none if there is no summary."""
    path = Path(folder) / SUMMARY
    with explained("folder of egress sheets", path, "read"):
        if not str(folder) or not path.is_file():
            return pd.DataFrame({"question": pd.Series(dtype=int)})
        return pd.read_csv(path, keep_default_na=False, na_values={"patients": [""]})


def summarise(folder: str | Path, lines: Sequence[Mapping[str, object]]) -> None:
    """Put lines into the summary, each in place of an earlier one of the same question."""
    kept = {int(row["question"]): row for row in summary(folder).to_dict("records")}
    kept |= {int(str(line["question"])): dict(line) for line in lines}
    frame = pd.DataFrame([kept[number] for number in sorted(kept)])
    path = Path(folder) / SUMMARY
    with explained("folder of egress sheets", path, "written"), _beside(path, as_csv(frame)) as part:
        part.replace(path)


def _keep_once(folder: Path, sheet: Sheet, content: bytes) -> Path:
    for attempt in count(1):
        suffix = "" if attempt == 1 else f".{attempt}"
        path = folder / f"{sheet.number:06d}{suffix}.csv"
        with explained("folder of egress sheets", path, "written"), _beside(path, content) as part:
            try:
                os.link(part, path)
            except FileExistsError:
                kept = path.read_bytes()
            else:
                return path
        if f"question,sha256,{sheet.sha256},".encode() not in kept:
            raise ValueError(
                f"{path.name} in the folder of egress sheets is about another question: the folder belongs to another "
                "exchange. Choose a new folder; nothing was sent."
            )
        if kept == content:
            return path
    raise AssertionError  # count never ends


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """A file of this content beside a path, flushed to disk, for the site's own eyes; gone afterwards."""
    make_folder(path.parent, 0o700)
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 (of a descriptor, so that the mode is its own)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


def as_csv(frame: pd.DataFrame) -> bytes:
    """A table that a spreadsheet may open: no cell of it runs, whoever wrote its text; numbers stay numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(harmless, map(str, frame.columns)))
    writer.writerows(map(_cells, frame.itertuples(index=False, name=None)))
    return text.getvalue().encode()


def _cells(row: Iterable[object]) -> list[object]:
    return [harmless(v) if isinstance(v, str) else "" if v != v else v for v in row]  # noqa: PLR0124 (NaN)
