"""Which fedstats a place runs, and whether two of them understand each other."""

from importlib.metadata import PackageNotFoundError, version

from fedstats.federations.files import LedgerMismatch

try:
    SOFTWARE = version("fedstats")
except PackageNotFoundError:  # a source tree that nobody has installed
    SOFTWARE = "0"


def require_same_software(here: str, there: str, whose: str) -> None:
    """Raise :class:`LedgerMismatch` unless both have the same first two numbers of their version."""
    if here.split(".")[:2] != there.split(".")[:2]:
        raise LedgerMismatch(
            f"This place runs fedstats {here}, and {whose} runs {there}: their sums may not mean the same. "
            f"Install fedstats {there} here, or ask {whose} to change; nothing was sent."
        )
