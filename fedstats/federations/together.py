"""Independent analyses that share rounds: their open questions go out as one batch."""

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from fedstats.contract.arguments import check_federation
from fedstats.contract.federation import Federation, SiteRefused, Subset, Waiting
from fedstats.contract.query import QueryError
from fedstats.contract.results import NotAvailable
from fedstats.contract.values import kind_of
from fedstats.federations.folder import Folder

Analysis = Callable[[Federation], Any]


class Results(Mapping[str, Any]):
    """Results by name, also as attributes: ``results.primary`` is ``results["primary"]``."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = dict(results)

    def __getitem__(self, name: str) -> Any:
        return self._results[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._results:
            raise AttributeError(f"There is no analysis {name!r}; there are {', '.join(self._results)}.")
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return "\n\n".join(f"{name}: {result}" for name, result in self._results.items())

    def _repr_html_(self) -> str:
        return "".join(f"<h4>{escape(name)}</h4>{_html(result)}" for name, result in self._results.items())


def _html(result: Any) -> str:
    own = getattr(result, "_repr_html_", None)
    return str(own()) if own is not None else f"<pre>{escape(repr(result))}</pre>"


def together(federation: Federation, /, **analyses: Analysis) -> Results:
    """Run independent analyses side by side, each a function of the federation.

    Parameters
    ----------
    federation : Federation
    **analyses : callable
        ``name=lambda sites: fs.cox(sites, ...)``; deterministic, for a carrier may run them again.

    Returns
    -------
    Results
        An analysis that a site refused, or that has no finite maximum, is a :class:`NotAvailable` under
        its name; the others go on.

    Notes
    -----
    Over a folder every pass files one question of each analysis, so that all of them together take as
    many exchanges as the longest one alone.
    """
    check_federation(federation)
    given: Mapping[str, object] = analyses
    unasked = [name for name, analysis in given.items() if not callable(analysis)]
    if unasked:
        raise TypeError(
            f"{unasked[0]} is {kind_of(analyses[unasked[0]])}; give a function, as {unasked[0]}=lambda sites: fs.cox(sites, ...)."
        )
    carrier: Any = federation
    while isinstance(carrier, Subset):
        carrier = carrier.whole
    done: dict[str, Any] = {}
    while True:
        waiting = _pass(federation, carrier, analyses, done)
        if not waiting:
            return Results({name: done[name] for name in analyses})
        carrier.wait()


def _pass(
    federation: Federation, carrier: Any, analyses: Mapping[str, Analysis], done: dict[str, Any]
) -> bool:
    if not isinstance(carrier, Folder):
        done.update({name: _outcome(f, federation) for name, f in analyses.items()})
        return False
    waiting = False
    for name, analysis in analyses.items():
        if name not in done:
            try:
                with carrier.batch():
                    done[name] = _outcome(analysis, federation)
            except Waiting:
                waiting = True
    return waiting


def _outcome(analysis: Analysis, federation: Federation) -> Any:
    try:
        return analysis(federation)
    except SiteRefused as refused:
        return NotAvailable("not released", str(refused))
    except (ArithmeticError, QueryError) as problem:
        return NotAvailable("not estimated", str(problem))
