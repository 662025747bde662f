"""The door through which papermill finds its engine ``fedstats``.

papermill loads registered engines while it is itself half imported, so a module that imports
papermill at its top could be asked for its engine before it has one.  This one imports nothing
until it is asked.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import papermill.engines  # noqa: F401, PLC0415 (first: it may come back here for the engine)

    from fedstats.running.notebook_engine import Engine  # noqa: PLC0415

    return Engine
