"""A study as its authors write it: ``study.toml`` beside ``codebook.toml``."""

import hashlib
import tomllib
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from fedstats.cohort.reading import Watcher
from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.entry_faults import fault_in_words
from fedstats.federations.keys import home_of
from fedstats.federations.memory import Memory
from fedstats.federations.memory_folder import MEMORY, SCREENED, other_memories
from fedstats.federations.site import Site
from fedstats.methods.attrition import attrition
from fedstats.study.agreed_questions import agreed_topics
from fedstats.study.analyses import analyses_of
from fedstats.study.curve_checks import remarks_on
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.follow_ups import Analysis
from fedstats.study.site_rows import SiteRows, TableRules
from fedstats.study.study_checks import check_study
from fedstats.study.study_file import StudyFile
from fedstats.study.toml_file import StudyError, read_toml


class Study:
    """A study that has been read and checked.

    Attributes
    ----------
    file, folder : Path
    id, title, question, version, data_note : str
    sites : tuple of str
    codebook : Codebook
    dictionary : Dictionary or None    of the sites' tables, where ``tables.toml`` is there
    cohort : CohortFile or None    rules from these to one row a patient, where ``cohort.toml`` is there
    policy : DisclosurePolicy      of the study's profile, at the points that the study states
    fingerprints : dict            of keys, by place, where the study names them
    points : int or None           coefficients at which one model may be asked for, where the study states it
    revoked_keys : tuple of str    fingerprints of sites' keys that count no more
    remarks : tuple of str         what can be asked and is not what it seems, a sentence each; a notebook shows them
    digest : str                   sha256 over the files: every message of an exchange names it
    """

    def __init__(
        self,
        file: Path,
        content: StudyFile,
        codebook: Codebook,
        digest: str,
        tables: TableRules | None = None,
    ) -> None:
        self.digest, self._tables = digest, tables or TableRules()
        self.dictionary, self.cohort = self._tables.dictionary, self._tables.cohort
        self.file, self.folder, self._content, self.codebook = file, file.parent, content, codebook
        heading = content.study
        self.id, self.title, self.question = heading.id, heading.title, heading.question
        self.version, self.data_note, self.sites = heading.version, heading.data_note, heading.sites
        self.profile = heading.profile
        self.fingerprints, self.revoked_keys = dict(content.keys), heading.revoked_keys
        self.points = heading.points
        self.policy = DisclosurePolicy.named(heading.profile).with_points(heading.points)
        if content.disclosure:
            self.policy = self.policy.tightened_by_study(content.disclosure)
        self.rehearsal = self.folder / heading.rehearsal if heading.rehearsal else None
        self.table_one, self.curves, self.models = content.table_one, content.curves, content.models
        self.attrition, self.missingness = content.attrition, content.missingness
        self.weights = content.weights
        self.families = content.families
        self.incidences = content.incidences
        drawn: list[CurveSpec | IncidenceSpec] = [*content.curves, *content.incidences]
        self.remarks = tuple(said for spec in drawn for said in remarks_on(spec, codebook))

    @classmethod
    def load(cls, path: str | Path) -> "Study":
        """Read ``study.toml`` (or a folder that holds one), and ``codebook.toml``, ``tables.toml`` and ``cohort.toml`` beside it.

        Raises
        ------
        StudyError
            A file is missing or wrong; what was found, and what is expected.
        """
        file = Path(path)
        file = (file / "study.toml" if file.is_dir() else file).resolve()
        try:
            raw, parsed = read_toml(file)
            content = StudyFile.model_validate(parsed)
        except ValidationError as problem:
            raise StudyError(f"{file.name}: {fault_in_words(problem, parsed, StudyFile)}.") from None
        codebook_file = file.parent / "codebook.toml"
        try:
            raw_codebook, parsed = read_toml(codebook_file)
            codebook = Codebook.from_toml(parsed)
        except StudyError:
            raise
        except ValueError as problem:
            raise StudyError(f"{codebook_file.name}: {problem}") from None
        tables = TableRules.beside(file.parent, codebook)
        if content.attrition is not None and tables.cohort is None:
            raise StudyError(
                f"{file.name}: [attrition] counts the steps of a cohort.toml, and there is none."
            )
        digests = (hashlib.sha256(content).digest() for content in (raw, raw_codebook, *tables.raws))
        digest = hashlib.sha256(b"".join(digests)).hexdigest()
        try:
            study = cls(file, content, codebook, digest, tables)
        except ValueError as problem:
            raise StudyError(f"{file.name}: [disclosure]: {problem}") from None
        check_study(content, codebook, study.policy, file.name)
        return study

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that define the study."""
        return (self.file, self.folder / "codebook.toml", *self._tables.files)

    def site_title(self, site: str) -> str:
        """How a report names a site."""
        return self._content.site_titles.get(site, site)

    def rows(self, data_file: str | Path, mapping: str | Path = "", watch: Watcher | None = None) -> SiteRows:
        """A site's rows, of a CSV file or a folder of tables; see :meth:`fedstats.study.site_rows.TableRules.rows`."""
        return self._tables.rows(data_file, mapping, watch)

    def site(
        self,
        name: str,
        data_file: str | Path | SiteRows,
        profile: str = "strict",
        *,
        home: str | Path = "",
        remember: bool = True,
    ) -> Site:
        """A site of the study with its rows behind its own gate.

        Parameters
        ----------
        name : str
        data_file : path, or rows that have been read
            A CSV file with one row a patient, or a folder of tables of which the study's cohort is built.
        profile : str
            The site's own disclosure profile: a built-in name, or the path of the site's own file, ending in
            ``.toml``.  The study's, where stricter, tightens it; more points than a built-in one has are in a file alone.
        home : path
            The site's private folder: its keys, what it has sent, and its memory of what has left; empty: one
            below the user's own.
        remember : bool
            False for a look from which nothing leaves: no memory is made or asked, and nothing is written.

        Raises
        ------
        StudyError
            The study has no such site, or the profile cannot be read.
        DataError
            The file is missing, empty, or does not keep to the codebook, every fault is listed; or its rows
            are not those that earlier answers are about.
        FolderTrouble
            The private folder, or the data file, cannot be read or written.
        """
        if name not in self.sites:
            raise StudyError(
                f"The study {self.id} has the sites {', '.join(self.sites)}; {name!r} is not one of them."
            )
        policy = site_policy(profile).tightened_by(self.policy)
        rows = data_file if isinstance(data_file, SiteRows) else self.rows(data_file)
        own = home_of(self.id, name, home)
        if remember and not home:
            self._require_no_other(own)
        of_screened = rows.cohort is not None and self.attrition is not None
        memory = Memory(own / MEMORY, own / SCREENED if of_screened else None) if remember else None
        screened = None
        if rows.cohort is not None and of_screened:
            kept = Memory(own / SCREENED, own / MEMORY) if remember else None
            screened = Site(name, *rows.cohort.screened, policy, kept)
        return Site(
            name,
            rows.frame,
            self.codebook,
            policy,
            memory,
            home=own,
            fingerprints=self.fingerprints,
            agreed=partial(agreed_topics, self.analyses()),
            among=self.sites,
            screened=screened,
        )

    def _require_no_other(self, own: Path) -> None:
        """Raise where a new memory would begin beside that of a name the study has no more: it may be the same patients.

        Sites that the study still has may share a machine.
        """
        known = [] if (own / MEMORY).exists() else other_memories(own)
        others = [name for name in known if name not in self.sites]
        if others:
            raise StudyError(
                f"In {own.parent} another site of the study {self.id} keeps a memory of what has left ({', '.join(others)}), and "
                f"{own.name} would begin a new one, which knows nothing of it. If these are the same patients under a new name, give "
                f"home={str(own.parent / others[0])!r}; if they are others, say so with a home= of their own, for instance {str(own)!r}."
            )

    def analyses(self) -> dict[str, Analysis]:
        """Every analysis of the study by name, each a function of a federation; independent of each other."""
        return self._of_screened() | analyses_of(self._content)

    def analyses_of_a_site(self) -> dict[str, Analysis]:
        """Those that a site can be asked on its own, for its own eyes: all but those that compare sites."""
        return self._of_screened() | analyses_of(self._content, of_one_site=True)

    def _of_screened(self) -> dict[str, Analysis]:
        """The count of who left at which step, where the study asks for it."""
        if self.attrition is None or self.cohort is None:
            return {}
        return {"attrition": partial(attrition, steps=self.cohort.steps, column=self.cohort.attrition)}

    def __repr__(self) -> str:
        said = f"Study({self.id!r}, version {self.version!r}, sites {', '.join(self.sites)}, profile {self.profile!r})"
        return "\n".join([said, *self.remarks])

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 (a notebook's repr alone needs it)

        sites = ", ".join(escape(self.site_title(s)) for s in self.sites)
        return (
            f"<h3>{escape(self.title)}</h3><p>{escape(self.question)}</p><p>Sites: {sites}. "
            f"Disclosure profile: <strong>{escape(self.profile)}</strong>. {escape(self.data_note)}</p>"
        ) + "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)


def site_policy(profile: str) -> DisclosurePolicy:
    """A site's own policy: of a built-in name, or of the site's file when it ends in ``.toml``.

    Raises
    ------
    StudyError
        The file is missing or wrong; in one sentence with its name.
    """
    if not profile.endswith(".toml"):
        return DisclosurePolicy.named(profile)
    file = Path(profile)
    if not file.is_file():
        raise StudyError(f"There is no disclosure profile {profile!r}; give the path of the site's own file.")
    try:
        return DisclosurePolicy.from_toml(tomllib.loads(file.read_bytes().decode("utf-8")))
    except ValueError as problem:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise StudyError(f"{file.name}: {str(problem).rstrip('.')}.") from None
