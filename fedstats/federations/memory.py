"""What a site remembers of its answers, so that two of them do not differ by a few patients.

A private, append-only account on the site's own disk.  It holds no patient's value: a cohort is the
sorted list of keyed 64-bit hashes of its rows, and the key never leaves the folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.query import Query, point_fields, questions_in
from fedstats.contract.refusal import DisclosureRefused, Refusal
from fedstats.contract.thresholds import threshold
from fedstats.federations.memory_folder import Hashes, Line, MemoryFolder, row_hashes


@dataclass(frozen=True)
class Trace:
    """What an answer would leave in the memory: its question, and whose rows stood behind it.

    Attributes
    ----------
    question : str                   digest
    kind : str
    rows : str                       keyed digest of all rows of the site
    cohorts : mapping                of (name of the cohort, its columns) to its sorted hashes
    has_point : bool                 whether a model was evaluated at coefficients
    policy : DisclosurePolicy
    """

    question: str
    kind: str
    rows: str
    cohorts: dict[tuple[str, tuple[str, ...]], Hashes]
    has_point: bool
    policy: DisclosurePolicy


class Memory:
    """A site's account of what has left it; one folder a site and study, readable by the site alone.

    Parameters
    ----------
    folder : path
        Made if it is not there.  Kept over restarts and over cuts of the data: a patient whose row has
        changed since is another row.
    """

    def __init__(self, folder: str | Path) -> None:
        self._files = MemoryFolder(folder)
        self._rows: Hashes = np.zeros(0, dtype=np.uint64)
        self._held = ""

    def hold(self, frame: pd.DataFrame) -> None:
        """Take the site's harmonised rows; every later cohort is a part of these."""
        self._rows = row_hashes(frame, self._files.key)
        self._held = self._files.name(np.sort(self._rows))

    def judge(
        self, query: Query, aggregate: Aggregate, policy: DisclosurePolicy, pending: Sequence[Trace] = ()
    ) -> tuple[tuple[Evidence, ...], Trace]:
        """Evidence against everything that has left before, and what the answer would leave here.

        Parameters
        ----------
        pending : sequence of Trace
            Of answers that will leave together with this one.

        Returns
        -------
        tuple of Evidence, Trace
            No evidence for a question whose answer has left: it tells nothing new.
        """
        cohorts = {}
        for cohort in aggregate.rows:
            hashes = np.sort(self._rows[cohort.rows])
            cohorts[self._files.name(hashes), tuple(sorted(cohort.columns))] = hashes
        points = any(point_fields(type(question)) for question in questions_in(query))
        trace = Trace(query.digest(), type(query).__name__, self._held, cohorts, points, policy)
        self._files.read()
        return (() if policy.off else self._evidence(trace, pending)), trace

    def record(self, trace: Trace) -> None:
        """Write down that an answer leaves, before it does: written and not sent errs on the safe side.

        Raises
        ------
        DisclosureRefused
            Another answer has left since this one was judged, and the two differ by too few patients.
        """
        with self._files.locked():
            self._files.read()
            if self._has_left(trace):
                return
            for evidence in () if trace.policy.off else self._evidence(trace, ()):
                passes, _, _ = threshold(
                    trace.policy, evidence.rule, np.asarray(evidence.counts, dtype=float)
                )
                if not passes.all():
                    raise DisclosureRefused(Refusal(trace.kind, evidence.rule, evidence.rule), pd.DataFrame)
            for (name, _), hashes in trace.cohorts.items():
                self._files.keep(name, hashes)
            cohorts = [[name, list(columns)] for name, columns in sorted(trace.cohorts)]
            line = {
                "question": trace.question,
                "kind": trace.kind,
                "rows": trace.rows,
                "point": trace.has_point,
            }
            self._files.append(line | {"cohorts": cohorts})
            self._files.read()

    def _evidence(self, trace: Trace, pending: Sequence[Trace]) -> tuple[Evidence, ...]:
        if self._has_left(trace):
            return ()
        here = {name: hashes for t in pending for (name, _), hashes in t.cohorts.items()}
        lines = self._files.lines + [
            Line(t.question, t.kind, t.rows, t.has_point, tuple(t.cohorts)) for t in pending
        ]
        counts, labels = self._differences(trace, lines, here)
        found = [Evidence("difference between cohorts", counts, labels)]
        if trace.has_point:
            asked = [
                len({line.question for line in lines if line.has_point and cohort in line.cohorts}) + 1
                for cohort in trace.cohorts
            ]
            found.append(Evidence("number of coefficients", np.array(asked), "points of one model"))
        return tuple(found)

    def _differences(
        self, trace: Trace, lines: Sequence[Line], here: dict[str, Hashes]
    ) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """The larger of |A - B| and |B - A| for every earlier cohort B that shares a column with a cohort A."""
        earlier = {(name, columns): line.kind for line in lines for name, columns in line.cohorts}
        counts, labels, known = [], [], {}
        for (name, columns), hashes in trace.cohorts.items():
            for (other, of), kind in earlier.items():
                if other == name or not set(columns) & set(of):
                    continue
                if (name, other) not in known:
                    theirs = here[other] if other in here else self._files.cohort(other)
                    shared = len(np.intersect1d(hashes, theirs, assume_unique=True))
                    known[name, other] = max(len(hashes), len(theirs)) - shared
                counts.append(known[name, other])
                labels.append(f"patients apart from those of an earlier {kind}")
        return np.array(counts, dtype=np.int64), tuple(labels)

    def _has_left(self, trace: Trace) -> bool:
        """Whether the same question about the same rows has been answered: it tells nothing new."""
        asked = (trace.question, trace.rows)
        return any((line.question, line.rows) == asked for line in self._files.lines)
