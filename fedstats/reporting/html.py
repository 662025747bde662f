"""An executed notebook as one HTML file that opens anywhere, offline, with no script in it."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def export_html(notebook: "Path | NotebookNode", out: Path, *, title: str, language: str = "en") -> Path:
    """Write an executed notebook as one self-contained HTML page.

    Code is folded, headings make the contents, formulas are MathML, figures and tables are numbered, paths of this
    machine are shortened, and nothing that could run or fetch survives.  The same notebook gives the same bytes.

    Parameters
    ----------
    notebook : Path or NotebookNode
        The executed notebook.  Images that its markdown names are embedded if they lie beside it or below.
    out : Path
        The page; it appears complete or not at all.
    title : str
        Title of the page, and its first heading unless the notebook has one.
    language : str
        Language of the notebook's prose, such as ``"en"`` or ``"fr"``.

    Returns
    -------
    Path
        ``out``.
    """
    from fedstats.reporting.exporter import draw  # noqa: PLC0415 (nbconvert takes seconds to import)

    if not _LANGUAGE.fullmatch(language):
        raise ValueError(f"language is a code such as 'en' or 'pt-BR', not {language!r}.")
    return _write(Path(out), draw(notebook, title, language))


def _write(out: Path, text: str) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, out)  # noqa: PTH105  the one call that is atomic on every system
    finally:
        part.unlink(missing_ok=True)
    return out
