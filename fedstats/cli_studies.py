"""What commands share: the checkout at work, its studies, a line on the terminal."""

import sys
from pathlib import Path
from typing import Any

from fedstats.running.exit_codes import UsageError


def home() -> Path:
    """The checkout at work: the nearest folder with ``studies`` or ``notebooks``, else our own."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "studies").is_dir() or (folder / "notebooks").is_dir():
            return folder
    return Path(__file__).resolve().parents[1]


def known_studies() -> list[str]:
    """Names of the studies of the checkout."""
    return sorted(path.parent.name for path in (home() / "studies").glob("*/study.toml"))


def load(name: str) -> Any:
    """The study of that name or path."""
    known = known_studies()
    path = home() / "studies" / name / "study.toml" if name in known else Path(name)
    if path.is_dir():
        path /= "study.toml"
    if not path.is_file():
        raise UsageError(f"There is no study {name!r}; the studies here are: {', '.join(known) or 'none'}.")
    from fedstats.study.definition import Study  # noqa: PLC0415
    from fedstats.study.toml_file import StudyError  # noqa: PLC0415

    try:
        study = Study.load(path)
    except StudyError as error:
        raise UsageError(str(error)) from None
    for remark in study.remarks:
        sys.stderr.write(f"{remark}\n")
    return study


def show(what: Any) -> None:
    """Print a text or a table."""
    from rich.console import Console  # noqa: PLC0415

    Console().print(what, markup=False, highlight=False, soft_wrap=isinstance(what, str))
