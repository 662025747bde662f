"""The nbconvert exporter behind :func:`fedstats.reporting.html.export_html`.

Importing this module imports nbconvert, so only :mod:`fedstats.reporting.html` does, and late.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from fedstats.reporting.mathml import mathml
from fedstats.reporting.notebook import DIAGRAM_NOTICE, UNDESCRIBED, for_reading
from fedstats.reporting.page import finish
from fedstats.reporting.sanitise import FORMULA_MARKS, drawings_to_images, sanitise, svg_image

_OPEN, _CLOSE = FORMULA_MARKS[0], FORMULA_MARKS[1]


def draw(notebook: "Path | nbformat.NotebookNode", title: str, language: str) -> str:
    """The whole page; see :func:`fedstats.reporting.html.export_html`."""
    in_a_file = isinstance(notebook, str | Path)
    node = nbformat.read(notebook, as_version=4) if in_a_file else notebook
    folder = str(Path(notebook).parent) if in_a_file else ""
    resources = {"metadata": {"path": folder}, "page_title": title, "page_language": language}
    html, _ = _exporter().from_notebook_node(for_reading(node), resources)
    return finish(html, title)


@cache
def _exporter() -> "ReportExporter":
    """One exporter a process: the templates compile once."""
    return ReportExporter()


class _Renderer(IPythonRenderer):
    """Markdown to HTML; formulas leave a mark and are put in when the rest has been sanitised."""

    def __init__(self, **options: Any) -> None:
        super().__init__(escape=False, embed_images=True, exclude_anchor_links=True, **options)
        self.formulas: list[str] = []

    def _mark(self, tex: str, *, block: bool) -> str:
        self.formulas.append(mathml(tex, block=block))
        return f"{_OPEN}{len(self.formulas) - 1}{_CLOSE}"

    def inline_math(self, body: str) -> str:
        return self._mark(body, block=False)

    def block_math(self, body: str) -> str:
        return self._mark(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return self._mark(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)

    def block_mermaidjs(self, code: str) -> str:  # noqa: ARG002  the signature is nbconvert's
        return DIAGRAM_NOTICE

    def _html_embed_images(self, html: str) -> str:
        return str(super()._html_embed_images(drawings_to_images(html)))

    def with_formulas(self, html: str) -> str:
        return re.sub(f"{_OPEN}(\\d+){_CLOSE}", lambda mark: self.formulas[int(mark[1])], html)


class ReportExporter(HTMLExporter):
    """nbconvert's HTML exporter with our template, MathML and a sanitiser that our own figures survive."""

    def __init__(self, **options: Any) -> None:
        config = Config()
        config.HTMLExporter.template_name = "template"
        config.HTMLExporter.extra_template_basedirs = [str(Path(__file__).parent)]
        super().__init__(config=config, **options)
        self.register_filter("sanitise", sanitise)
        self.register_filter("alt_text", _alt_text)
        self.register_filter("svg_image", svg_image)

    @property
    def default_config(self) -> Config:
        """nbconvert's, with images after text: a figure that brings its own HTML brings its own description."""
        config = Config(
            {
                "NbConvertBase": {
                    "display_data_priority": [
                        "text/html",
                        "text/markdown",
                        "image/svg+xml",
                        "image/png",
                        "image/jpeg",
                        "text/latex",
                        "text/plain",
                    ]
                }
            }
        )
        merged = super().default_config.copy()
        merged.merge(config)
        return merged

    @jinja2.pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Markdown to harmless HTML with MathML."""
        renderer = _Renderer(
            attachments=(context.get("cell") or {}).get("attachments", {}),
            path=context["resources"]["metadata"].get("path", ""),
        )
        source = source.replace(_OPEN, "").replace(_CLOSE, "")
        return renderer.with_formulas(sanitise(MarkdownWithMath(renderer=renderer).render(source)))


def _alt_text(output: Any, kind: str) -> str:
    """The description of a bare image, which a notebook can give as ``metadata={"alt": …}`` when it displays it."""
    metadata = output.get("metadata", {})
    nested = metadata.get(kind, {})
    return str((nested.get("alt") if isinstance(nested, dict) else "") or metadata.get("alt") or UNDESCRIBED)
