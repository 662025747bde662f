"""Write the tests' data sets as CSV for R: ``python -m tests.reference.write_datasets FOLDER``."""

import sys
from pathlib import Path

from tests.datasets import DATASETS


def main(folder: str) -> None:
    """One file a data set; numbers in the shortest form that reads back as the same float64."""
    for name, load in DATASETS.items():
        load().to_csv(Path(folder) / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1])
