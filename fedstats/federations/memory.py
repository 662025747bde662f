"""What a site remembers of its answers, so that no few patients are singled out by putting them together.

A private, append-only account on the site's own disk.  It holds no patient's value: patients and values
are keyed 64-bit hashes, and the key never leaves the folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.query import Query, has_point, questions_in
from fedstats.contract.refusal import DisclosureRefused, Refusal
from fedstats.federations.cuts import Cuts
from fedstats.federations.differences import Differences
from fedstats.federations.hashed_table import HashedTable
from fedstats.federations.memory_folder import Line, MemoryFolder
from fedstats.federations.model_points import ModelPoints, sums_of_cohorts
from fedstats.federations.overlay import Flags
from fedstats.federations.points_of_differences import PointsOfDifferences
from fedstats.federations.readings import Readings

#: So many times the refusals of one model are told of all together, over all tables.
OF_ALL_MODELS = 2


@dataclass(frozen=True)
class Trace:
    """What an answer would leave in the memory: its line, and whose rows stood behind it.

    Attributes
    ----------
    line : Line
    members : mapping        of a cohort's name to which patients of the table are in it, (n,) bool
    policy : DisclosurePolicy
    topic : str              what was asked, at whatever point
    numbers : int            sums that leave with it
    most_points : int or None   of this kind of question, where it is less than the policy's
    of_screened : bool       it belongs to the memory of everybody screened, not to that of the eligible
    """

    line: Line
    members: Mapping[str, Flags]
    policy: DisclosurePolicy
    topic: str
    numbers: int = 0
    most_points: int | None = None
    of_screened: bool = False


class Memory:
    """A site's account of what has left it; one folder a site and study, readable by the site alone.

    Parameters
    ----------
    folder : path
        Made, if it is not there, for rows that keep to the codebook.  Kept over restarts and over cuts of
        the data: a patient is known again by the codebook's unique column, or, without one, by a row that
        has not changed.
    witness : path, optional
        The folder of the site's other memory, which vouches for this one: neither is set back alone unseen.
    """

    def __init__(self, folder: str | Path, witness: str | Path | None = None) -> None:
        self._folder, self._witness = folder, witness
        self._judged: tuple[object, tuple[Evidence, ...]] = (None, ())

    def hold(self, frame: pd.DataFrame, codebook: Codebook) -> None:
        """Take the site's harmonised rows; every later cohort is a part of these.

        Raises
        ------
        DataError
            The memory is damaged, or is gone though answers have left, or knew patients by another column.
        """
        self._files = MemoryFolder(self._folder, self._witness)
        self._held = HashedTable(frame, codebook, self._files.key)
        self._files.require_known_by(self._held.known_by)
        self._differences = Differences(self._held, self._files)
        self._readings = Readings(self._held, self._files)
        self._cuts = Cuts(self._held, self._files)
        self._told = PointsOfDifferences(self._held, self._differences)

    @property
    def secret(self) -> bytes:
        """What a site's draws are keyed with; whoever holds it cannot tell the key of the hashes."""
        return self._files.name(b"draws").encode()

    @property
    def state(self) -> tuple[str, int]:
        """Which memory this is, and how many answers it holds: both only grow old together."""
        self._files.read()
        return self._files.name(b"which memory"), len(self._files.lines)

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
        inside = questions_in(query)
        made = {
            name: predictor.variables
            for question in inside
            for predictor in question.made
            for name in getattr(predictor, "completed", (predictor.name,))
        }
        by = [condition.column for question in inside for condition in question.where]
        chosen_by = [column for name in by for column in made.get(name, (name,))]
        members, cohorts = {}, set()
        for cohort in aggregate.rows:
            flags = np.zeros(len(self._held.patients), dtype=bool)
            flags[self._held.place[cohort.rows]] = True
            name = self._files.cohort_name(self._held.name, flags)
            members[name] = flags
            cohorts.add((name, self._read(cohort, chosen_by, name)))
        numbers = sum(np.size(entry.values) for entry in aggregate.sums.values())
        counted = numbers * max(question.counts_numbers for question in inside)
        line = replace(self._line(query, tuple(sorted(cohorts))), numbers=counted)
        most = min((q.most_points for q in inside if q.most_points is not None), default=None)
        trace = Trace(line, members, policy, query.topic(), numbers, most)
        self._files.read()
        return (() if policy.off else self._evidence(trace, pending)), trace

    def refused(self, query: Query, policy: DisclosurePolicy) -> Trace | None:
        """What a refusal would leave here; nothing where no point of a model is refused.

        Whether a model is refused at a point says on which side of an edge the rows lie: so many bits, and no more.
        """
        topic = query.topic()
        line = self._line(query, (), topic)
        return Trace(line, {}, policy, topic) if line.has_point else None

    def refusals(self, query: Query, pending: Sequence[Trace] = ()) -> tuple[Evidence, ...]:
        """At how many points models would have been refused if this one were; what was answered before tells nothing new."""
        line = self._line(query, ())
        self._files.read()
        if not line.has_point or self._has_left(line):
            return ()
        before = [*self._files.lines, *(t.line for t in pending)]
        return (self._refusals(line.question, query.topic(), before),)

    def _refusals(self, question: str, topic: str, lines: Sequence[Line]) -> Evidence:
        this = question, self._held.name
        refused = {((line.question, line.table), line.refused) for line in lines if line.refused}
        in_all = len({point for point, _ in refused} - {this}) + 1
        of_model = len({point for point, of in refused if of == topic} - {this}) + 1
        return Evidence(
            "number of refusals",
            np.array([of_model, in_all / OF_ALL_MODELS]),
            ("refused points of one model", f"refused points of all models, by {OF_ALL_MODELS}"),
        )

    def _line(
        self, query: Query, cohorts: tuple[tuple[str, tuple[str, ...]], ...], refused: str = ""
    ) -> Line:
        inside = questions_in(query)
        points = any(has_point(question) for question in inside)
        held = self._held
        which = query.topic() if points else ""
        kind = type(query).__name__
        model = which, next((q.likelihood for q in inside if q.likelihood), kind)
        return Line(query.digest(), kind, held.name, held.known_by, points, cohorts, refused, *model)

    def _read(self, cohort: Cohort, chosen_by: Sequence[str], name: str) -> tuple[str, ...]:
        """What was read of a cohort of this name: columns, and those that the question made of them."""
        held = self._held
        made = [held.cut(column, edges) for column, edges in cohort.cuts]
        made += [held.levels(columns) for columns in cohort.levels]
        made += [held.function(column, words) for column, words in cohort.functions]
        made += [held.grouped(of, groups) for of, groups in cohort.whole]
        made += [held.told_by(cohort.told_by)] if cohort.told_by else []
        made += [held.made(f"{of} of {name}", cohort.rows, x, levelled=few) for of, x, few in cohort.made]
        return tuple(sorted({*cohort.columns, *chosen_by, *made}))

    def record(self, trace: Trace) -> None:
        """Write down that an answer leaves, before it does: written and not sent errs on the safe side.

        Raises
        ------
        DisclosureRefused
            Another answer has left since this one was judged, and together they single out too few patients.
        """
        with self._files.locked():
            self._files.read()
            if self._has_left(trace.line) or trace.line in self._files.lines:
                return  # the latter is a refusal
            found = () if trace.policy.off else self._evidence(trace, ())
            for evidence in found:
                if not trace.policy.meets(evidence.rule, evidence.counts).all():
                    refusal = Refusal(trace.line.kind, evidence.rule, evidence.rule)
                    review = partial(trace.policy.review, Aggregate({}, 0, found))
                    raise DisclosureRefused(refusal, review)
            asked = {column for _, columns in trace.line.cohorts for column in columns}
            hashes = {column: self._held.column(column) for column in sorted(asked)}
            self._files.keep_table(trace.line.table, {"": self._held.patients} | hashes)
            for flags in trace.members.values():
                self._files.keep_cohort(trace.line.table, flags)
            self._files.append(trace.line)

    def _evidence(self, trace: Trace, pending: Sequence[Trace]) -> tuple[Evidence, ...]:
        if self._has_left(trace.line):
            return ()
        lines = [*self._files.lines, *(t.line for t in pending)]
        if self._judged[0] == (trace.line, trace.policy, lines):  # recorded as it was judged a moment ago
            return self._judged[1]
        members = {name: flags for t in (*pending, trace) for name, flags in t.members.items()}
        judges = () if trace.line.refused else (self._differences, self._readings)
        found = [e for j in judges for e in j.evidence(trace.line, lines, members, trace.policy)]
        if not trace.line.refused:
            found += self._told.evidence(trace.line, lines, members)
        patients = {name: int(flags.sum()) for name, flags in trace.members.items()}
        akin = self._cuts.akin(trace.members, lines)
        found += sums_of_cohorts(trace.line, lines, patients, akin)
        if trace.line.has_point:
            found.append(self._refusals(trace.line.question, trace.topic, lines))
            asked = ModelPoints(trace.line, lines, patients, akin)
            found += asked.evidence(trace.numbers, trace.most_points, trace.policy.max_points)
        self._judged = (trace.line, trace.policy, lines), tuple(found)
        return tuple(found)

    def _has_left(self, line: Line) -> bool:
        """Whether the same question about the same rows has been answered: it tells nothing new."""
        asked = (line.question, line.table)
        return any((known.question, known.table) == asked for known in self._files.lines if not known.refused)
