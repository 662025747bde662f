"""What is looked at when a study is loaded: a slip is told before anything is started."""

from fedstats.contract.codebook import Codebook
from fedstats.contract.entries import listed
from fedstats.contract.formula import FormulaError, parse, parse_groups
from fedstats.contract.periods import agreed_cuts, with_periods
from fedstats.study.model_spec import ModelSpec
from fedstats.study.study_file import CurveSpec, StudyFile
from fedstats.study.toml_file import StudyError


def check_study(content: StudyFile, codebook: Codebook, file: str) -> None:
    """Names, columns and formulas, against the codebook.

    Raises
    ------
    StudyError
        In one sentence with the file's name.
    """
    _check_names(content, codebook, file)
    _check_formulas(content, codebook, file)


def _check_names(content: StudyFile, codebook: Codebook, file: str) -> None:
    names = [c.name for c in content.curves] + [m.name for m in content.models]
    names += [m.test_name for m in content.models if m.proportional_hazards is not None]
    twice = sorted({n for n in names if names.count(n) > 1 or n == "table_one"})
    if twice:
        raise StudyError(f"{file}: the name {twice[0]!r} is used twice; every analysis has its own.")
    wanted = [
        *(content.table_one.variables if content.table_one else ()),
        *([content.table_one.by] if content.table_one and content.table_one.by else []),
    ]
    for column in wanted:
        if column.removeprefix("C(").removesuffix(")") not in codebook:
            raise StudyError(f"{file}: table_one names {column!r}, which is not in codebook.toml.")


def _check_formulas(content: StudyFile, codebook: Codebook, file: str) -> None:
    """Read every formula now: a slip is told before anything is started."""
    specs: list[CurveSpec | ModelSpec] = [*content.curves, *content.models]
    for spec in specs:
        what = f"{file}: {spec.name}"
        try:
            if isinstance(spec, CurveSpec):
                parse_groups(spec.formula, codebook)
            else:
                _check_model(spec, codebook)
        except ValueError as problem:
            raise StudyError(f"{what}: {problem}") from None
        for column in spec.columns if isinstance(spec, ModelSpec) else ():
            if column not in codebook:
                raise StudyError(f"{what}: there is no column {column!r} in codebook.toml.")


def _check_model(spec: ModelSpec, codebook: Codebook) -> None:
    outcome, design = parse(spec.formula, codebook, intercept=spec.kind != "cox")
    cuts = agreed_cuts(spec.time_varying, codebook)
    with_periods(design, cuts, codebook, outcome.time)
    agreed = codebook.grid.cuts if codebook.grid is not None else ()
    if own := sorted({cut for of_term in cuts.values() for cut in of_term} - set(agreed)):
        raise FormulaError(
            f"time_varying cuts at {own[0]:g}, and codebook.toml agrees on {listed([f'{cut:g}' for cut in agreed])} (cuts of "
            "its [grid])."
        )
