"""A study as its authors write it: ``study.toml`` beside ``codebook.toml``."""

import hashlib
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.entries import listed
from fedstats.contract.federation import Federation
from fedstats.contract.formula import FormulaError, parse, parse_groups
from fedstats.contract.labels import unseen, visible
from fedstats.contract.periods import agreed_cuts, with_periods
from fedstats.federations.files import explained
from fedstats.federations.keys import home_of
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_regression import cox
from fedstats.methods.descriptives import table_one
from fedstats.methods.glm_regression import glm
from fedstats.methods.proportional_hazards import ProportionalHazardsTest, Transform, cox_zph
from fedstats.methods.survival_curve import kaplan_meier
from fedstats.study.agreed_questions import agreed_topics
from fedstats.study.study_file import CurveSpec, ModelSpec, StudyFile
from fedstats.study.table_file import read_table

Analysis = Callable[..., Any]


class StudyError(ValueError):
    """A study file that cannot be used; the message is one sentence with file, key and remedy."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"StudyError: {self}"]


class Study:
    """A study that has been read and checked.

    Attributes
    ----------
    file, folder : Path
    id, title, question, version, data_note : str
    sites : tuple of str
    codebook : Codebook
    policy : DisclosurePolicy      of the study's profile
    fingerprints : dict            of keys, by place, where the study names them
    points : int or None           coefficients at which one model may be asked for, where the study states it
    revoked_keys : tuple of str    fingerprints of sites' keys that count no more
    digest : str                   sha256 over both files: every message of an exchange names it
    """

    def __init__(self, file: Path, content: StudyFile, codebook: Codebook, digest: str) -> None:
        self.digest = digest
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

    @classmethod
    def load(cls, path: str | Path) -> "Study":
        """Read ``study.toml`` (or a folder that holds one) and the ``codebook.toml`` beside it.

        Raises
        ------
        StudyError
            A file is missing or wrong; what was found, and what is expected.
        """
        file = Path(path)
        file = (file / "study.toml" if file.is_dir() else file).resolve()
        try:
            raw, parsed = _toml(file)
            content = StudyFile.model_validate(parsed)
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise StudyError(f"{file.name}: {where}: {first['msg']}.") from None
        codebook_file = file.parent / "codebook.toml"
        try:
            raw_codebook, parsed = _toml(codebook_file)
            codebook = Codebook.from_toml(parsed)
        except StudyError:
            raise
        except ValueError as problem:
            raise StudyError(f"{codebook_file.name}: {problem}") from None
        digests = (hashlib.sha256(content).digest() for content in (raw, raw_codebook))
        try:
            study = cls(file, content, codebook, hashlib.sha256(b"".join(digests)).hexdigest())
        except ValueError as problem:
            raise StudyError(f"{file.name}: [disclosure]: {problem}") from None
        study._check_names()
        study._check_formulas()
        return study

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that define the study."""
        return (self.file, self.folder / "codebook.toml")

    def site_title(self, site: str) -> str:
        """How a report names a site."""
        return self._content.site_titles.get(site, site)

    def site(
        self,
        name: str,
        data_file: str | Path,
        profile: str = "strict",
        *,
        home: str | Path = "",
        remember: bool = True,
    ) -> Site:
        """A site of the study with the rows of a CSV file behind its own gate.

        Parameters
        ----------
        name : str
        data_file : path
        profile : str
            The site's own disclosure profile: a built-in name, or the path of the site's own file, ending in
            ``.toml``.  The study's, where stricter, tightens it; a built-in one takes over the study's ``points``.
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
        own_file = profile.endswith(".toml")
        policy = site_policy(profile).with_points(None if own_file else self.points).tightened_by(self.policy)
        table = read_table(data_file)
        own = home_of(self.id, name, home)
        memory = Memory(own / "memory") if remember else None
        return Site(
            name,
            table,
            self.codebook,
            policy,
            memory,
            home=own,
            fingerprints=self.fingerprints,
            agreed=partial(agreed_topics, self.analyses()),
            among=self.sites,
        )

    def analyses(self) -> dict[str, Analysis]:
        """Every analysis of the study by name, each a function of a federation; independent of each other."""
        found: dict[str, Analysis] = {}
        if (t := self.table_one) is not None:
            found["table_one"] = partial(table_one, by=t.by, variables=t.variables)
        for curve in self.curves:
            found[curve.name] = partial(kaplan_meier, formula=curve.formula, conf_type=curve.conf_type)
        for model in self.models:
            estimate: Analysis = cox if model.kind == "cox" else glm
            found[model.name] = partial(estimate, formula=model.formula, **model.options)
            if (transform := model.proportional_hazards) is not None:
                # the fit again, of answers that are there: a refusal of the one leaves the other
                found[model.test_name] = partial(_tested, fit=found[model.name], transform=transform)
        return found

    def _check_formulas(self) -> None:
        """Read every formula now: a slip is told before anything is started."""
        specs: list[CurveSpec | ModelSpec] = [*self.curves, *self.models]
        for spec in specs:
            what = f"{self.file.name}: {spec.name}"
            try:
                if isinstance(spec, CurveSpec):
                    parse_groups(spec.formula, self.codebook)
                else:
                    self._check_model(spec)
            except ValueError as problem:
                raise StudyError(f"{what}: {problem}") from None
            for column in spec.columns if isinstance(spec, ModelSpec) else ():
                if column not in self.codebook:
                    raise StudyError(f"{what}: there is no column {column!r} in codebook.toml.")

    def _check_model(self, spec: ModelSpec) -> None:
        outcome, design = parse(spec.formula, self.codebook, intercept=spec.kind != "cox")
        cuts = agreed_cuts(spec.time_varying, self.codebook)
        with_periods(design, cuts, self.codebook, outcome.time)
        agreed = self.codebook.grid.cuts if self.codebook.grid is not None else ()
        if own := sorted({cut for of_term in cuts.values() for cut in of_term} - set(agreed)):
            raise FormulaError(
                f"time_varying cuts at {own[0]:g}, and codebook.toml agrees on {listed([f'{cut:g}' for cut in agreed])} (cuts of "
                "its [grid])."
            )

    def _check_names(self) -> None:
        names = [c.name for c in self.curves] + [m.name for m in self.models]
        names += [m.test_name for m in self.models if m.proportional_hazards is not None]
        twice = sorted({n for n in names if names.count(n) > 1 or n == "table_one"})
        if twice:
            raise StudyError(
                f"{self.file.name}: the name {twice[0]!r} is used twice; every analysis has its own."
            )
        wanted = [
            *(self.table_one.variables if self.table_one else ()),
            *([self.table_one.by] if self.table_one and self.table_one.by else []),
        ]
        for column in wanted:
            if column.removeprefix("C(").removesuffix(")") not in self.codebook:
                raise StudyError(
                    f"{self.file.name}: table_one names {column!r}, which is not in codebook.toml."
                )

    def __repr__(self) -> str:
        return f"Study({self.id!r}, version {self.version!r}, sites {', '.join(self.sites)}, profile {self.profile!r})"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 (a notebook's repr alone needs it)

        sites = ", ".join(escape(self.site_title(s)) for s in self.sites)
        return (
            f"<h3>{escape(self.title)}</h3><p>{escape(self.question)}</p><p>Sites: {sites}. "
            f"Disclosure profile: <strong>{escape(self.profile)}</strong>. {escape(self.data_note)}</p>"
        )


def _tested(federation: Federation, fit: Analysis, transform: Transform) -> ProportionalHazardsTest:
    """The test of proportional hazards of a model of the study."""
    return cox_zph(federation, fit(federation), transform=transform)


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


def _toml(file: Path) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes and what they say."""
    with explained("folder of the study", file, "read"):
        if not file.is_file():
            raise StudyError(
                f"There is no {file.name} in {file.parent.name or file.parent}. A study is a folder with study.toml and codebook.toml."
            )
        raw = file.read_bytes()
    try:
        content = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise StudyError(f"{file.name} is not valid TOML: {problem}.") from None
    for text in _texts(content):
        if sign := unseen(text):
            raise StudyError(
                f"{file.name}: {visible(text)!r} holds the character {sign}, which cannot be seen."
            )
    return raw, content


def _texts(value: Any) -> Iterator[str]:
    """Every text of a file, its keys too: all of them come out somewhere."""
    if isinstance(value, str):
        yield value
    for part in (
        value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    ):
        yield from _texts(part)
