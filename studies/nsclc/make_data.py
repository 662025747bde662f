"""Write the NSCLC study's files: the synthetic network of ``data_synth``.

Run ``python studies/nsclc/make_data.py --out DIR``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script finds its own folder only
from data_synth.generate import main

if __name__ == "__main__":
    sys.exit(main())
