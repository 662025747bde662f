"""The script that writes docs/disclosure.md, as a module: its examples serve other tests as well."""

import runpy
from pathlib import Path
from types import SimpleNamespace

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "make_disclosure.py"
PAGE = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
EXAMPLES = [(kind, i, query) for kind, queries in PAGE.EXAMPLES.items() for i, query in enumerate(queries)]
EXAMPLE_IDS = [f"{kind}-{i}" for kind, i, _ in EXAMPLES]
