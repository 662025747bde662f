"""A federation in one process: teaching, tests, the pooled reference."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from fedstats.contract.aggregate import Release
from fedstats.contract.agreement import codebook_of
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy, Refusal
from fedstats.contract.federation import Answers, Asked, Federation
from fedstats.contract.query import Query
from fedstats.contract.table_checks import laid_by_columns
from fedstats.contract.variable import Variable
from fedstats.federations.refusals import outcome
from fedstats.federations.site import Answer, Site


class InProcess(Federation):
    """Sites held as data frames in this process, behind the same gate as anywhere.

    Parameters
    ----------
    frames : mapping of site name to DataFrame
    codebook : Codebook, optional
        Without one, levels and types are taken from all the frames together: of pandas' categories in their order, the first
        the reference, where the frames' orders do not contradict each other; sorted of other texts.
    policy : DisclosurePolicy, optional
        Strict by default; ``DisclosurePolicy.none()`` switches the gate off.
    site_column : str, optional
        A factor of this name that holds the site's own name, for models in which the site is a covariate.

    Examples
    --------
    >>> import fedstats as fs, pandas as pd
    >>> north = pd.DataFrame({"x": [0, 0, 1, 1], "y": [0, 1, 0, 1]})
    >>> south = pd.DataFrame({"x": [0, 1, 1, 1], "y": [0, 1, 1, 0]})
    >>> sites = fs.InProcess({"north": north, "south": south}, policy=fs.DisclosurePolicy.none())
    >>> round(float(fs.logistic(sites, "y ~ x").coef["x"]), 6)
    1.098612
    """

    hint = "You hold all the data here and may decide otherwise: pass policy=fs.DisclosurePolicy.none()."

    def __init__(
        self,
        frames: Mapping[str, pd.DataFrame],
        codebook: Codebook | None = None,
        policy: DisclosurePolicy | None = None,
        *,
        site_column: str | None = None,
    ) -> None:
        _check_arguments(frames, codebook, policy)
        policy = policy if policy is not None else DisclosurePolicy()
        self.sites = tuple(sorted(frames))
        self.distinct_values, self._is_gated = policy.distinct_values, not policy.off
        self.hint = type(self).hint if self._is_gated else ""
        laid = codebook is None
        if laid:
            frames = {name: laid_by_columns(frame) for name, frame in frames.items()}
        self.codebook = codebook or codebook_of(frames.values())
        if site_column is not None:
            self.codebook = self.codebook.with_variable(_own_name(site_column, self.sites, self.codebook))
        self._asked: dict[Query, Asked] = {}
        self._sites = {
            name: Site(name, frames[name], self.codebook, policy, reviewed=False, owned=laid)
            for name in self.sites
        }

    @classmethod
    def alone(cls, site: Site) -> "InProcess":
        """A site's own rows without the gate: for the site's eyes, nothing of it leaves."""
        policy = DisclosurePolicy.none()
        found = cls({site.name: site.data.frame}, site.data.codebook, policy)
        if site.screened is not None:
            found._sites[site.name].screened = site.screened.without_memory(policy)
        return found

    def ask(self, query: Query, *, each: bool = False) -> Answers:  # noqa: ARG002 (each site's own are here anyway)
        """Every site answers at once."""
        answered = {name: site.answer(query) for name, site in self._sites.items()}
        answers = {name: answer.content for name, answer in answered.items()}
        self._asked[query] = outcome(query, answers)
        if not self._is_gated:  # whoever holds the rows and has no gate is told what was found among them
            answers |= {name: _with_found(answer) for name, answer in answered.items() if answer.found}
        return Answers(query, answers)

    def history(self) -> Iterable[Asked]:
        """What has been asked in this process; the sums themselves are not kept."""
        return self._asked.values()

    def __repr__(self) -> str:
        return f"InProcess({', '.join(map(repr, self._sites.values()))})"


def _with_found(answer: Answer) -> Release | Refusal:
    content = answer.content
    if isinstance(content, Refusal):
        return replace(content, rule=f"{content.rule} Found: {answer.found}.")
    return content


def _own_name(column: str, sites: tuple[str, ...], codebook: Codebook) -> Variable:
    if column in codebook:
        raise ValueError(
            f"site_column is {column!r}, and the tables have a column of that name: choose another."
        )
    return Variable(column, "factor", levels=sites, level_labels=sites, of_site=True)


def _check_arguments(frames: object, codebook: object, policy: object) -> None:
    if not isinstance(frames, Mapping) or not all(isinstance(f, pd.DataFrame) for f in frames.values()):
        raise TypeError(
            f'Sites are given by name, as in fs.InProcess({{"north": frame, "south": frame}}), '
            f"and not as a {type(frames).__name__}."
            if not isinstance(frames, Mapping)
            else "Every site's table must be a DataFrame: pass {name: DataFrame}."
        )
    if not frames:
        raise ValueError("A federation needs at least one site: pass {name: DataFrame}.")
    if codebook is not None and not isinstance(codebook, Codebook):
        raise TypeError(f"codebook is {codebook!r}; pass a fs.Codebook, for instance study.codebook.")
    if policy is not None and not isinstance(policy, DisclosurePolicy):
        raise TypeError(f"policy is {policy!r}; pass a policy, for instance fs.DisclosurePolicy.none().")
    for name, frame in frames.items():
        if frame.columns.nlevels > 1:
            raise ValueError(
                f"The columns of the table of {name} have names of several levels (a MultiIndex): give each one name, as by "
                "frame.columns = ['_'.join(map(str, names)) for names in frame.columns]."
            )
        names = pd.Index([str(column) for column in frame.columns])
        twice = sorted({*names[names.duplicated()]})
        if twice:
            raise ValueError(f"The table of {name} has the column {twice[0]!r} twice.")
