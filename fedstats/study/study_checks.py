"""What is looked at when a study is loaded: a slip is told before anything is started."""

from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.formula import parse_groups
from fedstats.study.follow_ups import follow_ups
from fedstats.study.model_checks import check_model_spec
from fedstats.study.study_file import StudyFile
from fedstats.study.toml_file import StudyError
from fedstats.study.weights_spec import check_weights, weights_analyses


def check_study(content: StudyFile, codebook: Codebook, policy: DisclosurePolicy, file: str) -> None:
    """Names, columns and formulas against the codebook, and what analyses take against the study's policy.

    Raises
    ------
    StudyError
        In one sentence with the file's name.
    """
    _check_names(content, codebook, file)
    try:
        for curve in content.curves:
            name = curve.name
            parse_groups(curve.formula, codebook)
        for key, weights in content.weights.items():
            name = f"weights.{key}"
            check_weights(weights, codebook)
        for model in content.models:
            name = model.name
            check_model_spec(model, codebook, policy)
    except ValueError as problem:
        raise StudyError(f"{file}: {name}: {problem}") from None


def _check_names(content: StudyFile, codebook: Codebook, file: str) -> None:
    names = [c.name for c in content.curves] + [m.name for m in content.models]
    names += [asked.name for m in content.models for asked in follow_ups(m)]
    names += [asked.name for name, spec in content.weights.items() for asked in weights_analyses(name, spec)]
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
