"""A study as its authors write it: ``study.toml`` beside ``codebook.toml``."""

import csv
import hashlib
import tomllib
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fedstats.contract.codebook import Codebook, DataError
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.formula import parse, parse_groups
from fedstats.federations.ledger import SITE_NAME
from fedstats.federations.site import Site
from fedstats.methods.cox_regression import cox
from fedstats.methods.descriptives import table_one
from fedstats.methods.logistic_regression import logistic
from fedstats.methods.survival_curve import kaplan_meier

Analysis = Callable[..., Any]


class StudyError(ValueError):
    """A study file that cannot be used; the message is one sentence with file, key and remedy."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"StudyError: {self}"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Heading(_Entry):
    """``[study]``: what is asked, and of whom.

    ``profile`` is the loosest disclosure profile the study is designed for; a site may be stricter.
    ``rehearsal`` names a script that writes the sites' tables when all sites are played on one machine.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    title: str
    question: str
    version: str
    sites: tuple[str, ...] = Field(min_length=1)
    profile: Literal["strict", "teaching", "none"] = "strict"
    data_note: str = ""
    rehearsal: str | None = None

    @field_validator("sites")
    @classmethod
    def _site_names(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        for site in sites:
            if not SITE_NAME.fullmatch(site):
                raise ValueError(f"the site name {site!r} must be lower-case letters, digits, - and _")
        if len(set(sites)) < len(sites):
            raise ValueError("a site is named twice")
        return sites


class TableSpec(_Entry):
    """``[table_one]``: patient characteristics by a factor."""

    variables: tuple[str, ...]
    by: str | None = None
    title: str = "Patient characteristics"


class CurveSpec(_Entry):
    """``[[curves]]``: a Kaplan-Meier figure."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    formula: str
    conf_type: Literal["log", "log-log", "plain"] = "log"
    note: str = ""


class ModelSpec(_Entry):
    """``[[models]]``: a regression."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    kind: Literal["cox", "logistic"]
    formula: str
    strata: str | tuple[str, ...] | None = None
    ties: Literal["efron", "breslow"] = "efron"
    baseline: Literal["site", "shared"] = "site"
    weights: str | None = None
    offset: str | None = None
    robust: bool = False
    cluster: str | None = None
    primary: bool = False
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the options name."""
        strata = (self.strata,) if isinstance(self.strata, str) else self.strata or ()
        return (*strata, *(c for c in (self.weights, self.offset, self.cluster) if c))

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the estimator."""
        common = {k: getattr(self, k) for k in ("weights", "offset", "robust", "cluster")}
        if self.kind == "logistic":
            return common
        return common | {"strata": self.strata, "ties": self.ties, "baseline": self.baseline}


class _File(_Entry):
    study: Heading
    site_titles: dict[str, str] = {}
    table_one: TableSpec | None = None
    curves: tuple[CurveSpec, ...] = ()
    models: tuple[ModelSpec, ...] = ()


class Study:
    """A study that has been read and checked.

    Attributes
    ----------
    file, folder : Path
    id, title, question, version, data_note : str
    sites : tuple of str
    codebook : Codebook
    policy : DisclosurePolicy      of the study's profile
    digest : str                   sha256 over both files: every message of an exchange names it
    """

    def __init__(self, file: Path, content: _File, codebook: Codebook, digest: str) -> None:
        self.digest = digest
        self.file, self.folder, self._content, self.codebook = file, file.parent, content, codebook
        heading = content.study
        self.id, self.title, self.question = heading.id, heading.title, heading.question
        self.version, self.data_note, self.sites = heading.version, heading.data_note, heading.sites
        self.profile = heading.profile
        self.policy = DisclosurePolicy.named(heading.profile)
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
            content = _File.model_validate(parsed)
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
        study = cls(file, content, codebook, hashlib.sha256(b"".join(digests)).hexdigest())
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

    def site(self, name: str, data_file: str | Path, profile: str = "strict") -> Site:
        """A site of the study with the rows of a CSV file behind its own gate.

        Parameters
        ----------
        name : str
        data_file : path
        profile : str
            The site's own disclosure profile; the study's, where stricter, tightens it.

        Raises
        ------
        StudyError
            The study has no such site.
        DataError
            The file is missing, empty, or does not keep to the codebook; every fault is listed.
        """
        if name not in self.sites:
            raise StudyError(
                f"The study {self.id} has the sites {', '.join(self.sites)}; {name!r} is not one of them."
            )
        policy = DisclosurePolicy.named(profile).tightened_by(self.policy)
        return Site(name, read_table(data_file), self.codebook, policy)

    def analyses(self) -> dict[str, Analysis]:
        """Every analysis of the study by name, each a function of a federation; independent of each other."""
        found: dict[str, Analysis] = {}
        if (t := self.table_one) is not None:
            found["table_one"] = partial(table_one, by=t.by, variables=t.variables)
        for curve in self.curves:
            found[curve.name] = partial(kaplan_meier, formula=curve.formula, conf_type=curve.conf_type)
        for model in self.models:
            estimate: Analysis = cox if model.kind == "cox" else logistic
            found[model.name] = partial(estimate, formula=model.formula, **model.options)
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
                    parse(spec.formula, self.codebook, intercept=spec.kind == "logistic")
            except ValueError as problem:
                raise StudyError(f"{what}: {problem}") from None
            for column in spec.columns if isinstance(spec, ModelSpec) else ():
                if column not in self.codebook:
                    raise StudyError(f"{what}: there is no column {column!r} in codebook.toml.")

    def _check_names(self) -> None:
        names = [c.name for c in self.curves] + [m.name for m in self.models]
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


def read_table(data_file: str | Path) -> pd.DataFrame:
    """Rows of a CSV file, with a clear word when it is missing, empty or not a table.

    Raises
    ------
    DataError
    """
    path = Path(data_file)
    if not str(data_file).strip() or not path.is_file():
        raise DataError(
            f"There is no data file {str(data_file)!r}. Give the path of the site's CSV file as data_file."
        )
    try:
        # "NA" and empty cells are missing; texts such as "None" or "null" in a factor are not.
        # index_col=False: a comma too many in every row must not shift the columns
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                keep_default_na=False,
                na_values=["", "NA", "NaN"],
                encoding="utf-8-sig",
                index_col=False,
            )
    except pd.errors.EmptyDataError:
        raise DataError(
            f"The data file {path.name} is empty. Export it again with a header and one row a patient."
        ) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as problem:
        first = str(problem).splitlines()[0].rstrip(".")
        raise DataError(f"The data file {path.name} is not a CSV table in UTF-8: {first}.") from None
    header = _header(path)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"The data file {path.name} has the column {twice[0]!r} twice. Correct its export.")
    if len(header) == 1 and header[0].count(";") > 0:
        raise DataError(
            f"The data file {path.name} is separated by ; and must be by commas. Export it again as CSV."
        )
    return table


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _toml(file: Path) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes and what they say."""
    if not file.is_file():
        raise StudyError(
            f"There is no {file.name} in {file.parent.name or file.parent}. A study is a folder with study.toml and codebook.toml."
        )
    raw = file.read_bytes()
    try:
        return raw, tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise StudyError(f"{file.name} is not valid TOML: {problem}.") from None
