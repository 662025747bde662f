"""Steps side by side: one process each, none able to take the others down."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fedstats.running.child import Child
from fedstats.running.outcome import Outcome, Step
from fedstats.running.parameters import check_parameters

__all__ = ["Outcome", "Step", "run_together"]

#: Seconds between two looks at the children.
POLL = 0.1


def run_together(
    steps: Sequence[Step],
    folder: Path,
    on_event: Callable[[str, dict[str, Any]], None] | None = None,
    on_finished: Callable[[Outcome], None] | None = None,
    *,
    limit_seconds: float | None = None,
    cell_seconds: float | None = None,
    grace_seconds: float = 30.0,
) -> dict[str, Outcome]:
    """Execute notebooks side by side, each in a process of its own.

    Parameters
    ----------
    steps : sequence of Step
        Their names must differ.
    folder : Path
        For the logs and events.
    on_event : callable
        ``(step name, event)``, for a display.  The first event is ``started``.
    on_finished : callable
        Called as soon as a step has ended, while the others still run.
    limit_seconds, cell_seconds : float or None
        Wall-clock limit of each notebook and of each cell.
    grace_seconds : float
        How long a step may go on after one that it ``needs`` has failed.

    Returns
    -------
    dict of str to Outcome
        One for every step.  A failing step never stops another that does not need it.

    Raises
    ------
    UsageError
        A parameter is unknown or of the wrong type; then nothing was started.
    KeyboardInterrupt
        After every child has been stopped and reported.
    """
    for step in steps:
        check_parameters(step.notebook, step.given())
    tell = on_event or (lambda _name, _event: None)
    report = on_finished or (lambda _outcome: None)
    children: list[Child] = []
    try:
        for step in steps:
            children.append(Child(step, folder, limit_seconds, cell_seconds))
            tell(step.name, {"event": "started"})
        while _look(children, tell, report):
            _stop_the_needless(children, grace_seconds)
            time.sleep(POLL)
    finally:
        _end(children, tell, report)
    return {child.step.name: child.outcome for child in children if child.outcome is not None}


def _look(children: Iterable[Child], tell: Callable[..., None], report: Callable[[Outcome], None]) -> bool:
    """Pass on what is new; whether any child is still running."""
    running = False
    for child in children:
        if child.outcome is not None:
            continue
        ended = child.ended()  # asked first: events written before the end are then all there
        for event in child.events():
            tell(child.step.name, event)
        if ended:
            child.outcome = child.finish()
            report(child.outcome)
        else:
            running = True
    return running


def _stop_the_needless(children: Sequence[Child], grace_seconds: float) -> None:
    """Stop children that wait for one which is gone."""
    now = time.time()
    lost = {
        child.step.name
        for child in children
        if child.outcome is not None and not child.outcome.ok and now > child.outcome.ended + grace_seconds
    }
    for child in children:
        if child.outcome is None and lost.intersection(child.step.needs):
            child.ask_to_stop("stopped")


def _end(children: Sequence[Child], tell: Callable[..., None], report: Callable[[Outcome], None]) -> None:
    """Stop whatever still runs: politely, then firmly; a second Ctrl-C makes it firm at once."""
    try:
        for child in children:
            if child.outcome is None:
                child.ask_to_stop()
        while _look(children, tell, report):
            time.sleep(POLL)
    finally:
        for child in children:
            if child.outcome is None:
                child.kill()
                child.outcome = child.finish()
                report(child.outcome)
