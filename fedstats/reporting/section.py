"""Parts of a page that belong together."""

from typing import Any


class Section:
    """Parts of a section, shown one beneath the other."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def _repr_html_(self) -> str:
        return "\n".join(p._repr_html_() if hasattr(p, "_repr_html_") else p for p in self.parts)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        return {"text/html": self._repr_html_(), "text/plain": "\n".join(map(str, self.parts))}

    def __repr__(self) -> str:
        return "\n".join(map(str, self.parts))
