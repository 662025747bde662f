"""The codebook: what the columns are called, their kinds, units, levels and ranges, agreed by all.

Nothing here is learned from one site's rows.  :meth:`Codebook.harmonise` checks a site's table and
says everything that is wrong at once.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import pandas as pd

from fedstats.contract.codebook_entries import grid_of, variable_of
from fedstats.contract.query import Spec
from fedstats.contract.table_checks import harmonised
from fedstats.contract.variable import TimeGrid, Variable

#: Columns that a message lists.
_NAMED = 20


def _composed(name: str) -> str:
    """A name with each accent in its letter, as formulas are read."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class Codebook(Spec):
    """The agreed columns of a study and its time grid."""

    variables: tuple[Variable, ...]
    grid: TimeGrid | None = None

    @cached_property
    def _by_name(self) -> dict[str, Variable]:
        return {v.name: v for v in self.variables}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Variable:
        if name not in self._by_name:
            raise KeyError(self.has_no(name))
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        return tuple(self._by_name)

    def has_no(self, name: str) -> str:
        """The sentence that there is no such column, with one that is nearly called so, or those that there are."""
        known = [v.name for v in self.variables]
        alike = [k for k in known if _composed(k) == _composed(name)]
        if alike:
            return (
                f"There is no column {name!r} in the codebook; one looks the same, but its letters are written as others (its accents "
                f"are signs of their own): rename it in every site's data, in pandas by "
                f"frame.columns.str.normalize('NFC')."
            )
        plain = {k.casefold(): k for k in known}
        near = get_close_matches(name.casefold(), plain, n=1)
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        hint = f"did you mean {plain[near[0]]!r}?" if near else f"it has {', '.join(known[:_NAMED])}{more}."
        return f"There is no column {name!r} in the codebook; {hint}"

    def with_variable(self, variable: Variable) -> "Codebook":
        """The codebook with one column more."""
        return replace(self, variables=(*self.variables, variable))

    @classmethod
    def from_toml(cls, content: Mapping[str, Any]) -> "Codebook":
        """Read the content of ``codebook.toml``: a table ``[columns.<name>]`` a column, and ``[grid]``.

        Raises
        ------
        ValueError
            An unknown key or kind, a factor without levels, edges out of order; in one sentence.
        """
        unknown = set(content) - {"columns", "grid"}
        columns = content.get("columns")
        if unknown or not isinstance(columns, Mapping):
            raise ValueError(
                f"a codebook has [columns.<name>] tables and one [grid]; this one has {sorted(content)}."
            )
        variables = tuple(variable_of(name, entry) for name, entry in columns.items())
        return cls(variables, grid_of(content["grid"]) if "grid" in content else None)

    def harmonise(self, frame: pd.DataFrame, source: str, *, owned: bool = False) -> pd.DataFrame:
        """A site's table as the codebook has it: agreed columns, types and levels; other columns are left out.

        Parameters
        ----------
        frame : DataFrame
        source : str          named in the message, for instance the file's name
        owned : bool          nobody else holds the floats of the frame: they are kept where they are, and not copied

        Raises
        ------
        DataError
            Everything that is wrong, with what was found, what was agreed and what to do.
        """
        return harmonised(frame, self.variables, source, owned=owned)
