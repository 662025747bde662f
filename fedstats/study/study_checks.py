"""What is looked at when a study is loaded: a slip is told before anything is started."""

from fedstats.contract.codebook import Codebook
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.methods.patient_groups import PatientGroups
from fedstats.methods.patient_table import check_variables
from fedstats.study.curve_checks import check_curve_spec, check_incidence_spec
from fedstats.study.curve_follow_ups import curve_follow_ups, incidence_follow_ups
from fedstats.study.families import check_family
from fedstats.study.follow_ups import follow_ups
from fedstats.study.model_checks import check_heterogeneity, check_model_spec
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
    for variable in codebook.variables:
        if variable.of_site and set(variable.levels) != set(content.study.sites):
            raise StudyError(
                f"{file}: {variable.name} is of_site in codebook.toml, with the levels {', '.join(variable.levels)}; the sites are "
                f"{', '.join(content.study.sites)}."
            )
    try:
        for curve in content.curves:
            name = curve.name
            check_curve_spec(curve, codebook, gated=not policy.off)
        for incidence in content.incidences:
            name = incidence.name
            check_incidence_spec(incidence, codebook)
        for key, weights in content.weights.items():
            name = f"weights.{key}"
            check_weights(weights, codebook)
        if content.missingness is not None:
            name = "missingness"
            content.missingness.check(codebook)
        if content.imputation is not None:
            name = "imputation"
            content.imputation.check(codebook, policy)
        for model in content.models:
            name = model.name
            check_model_spec(model, codebook, policy)
            check_heterogeneity(model, codebook, len(content.study.sites))
        for family in content.families:
            name = family.name
            check_family(family, content, codebook)
    except ValueError as problem:
        raise StudyError(f"{file}: {name}: {problem}") from None


def _check_names(content: StudyFile, codebook: Codebook, file: str) -> None:
    names = [c.name for c in content.curves] + [i.name for i in content.incidences]
    names += [m.name for m in content.models]
    names += [asked.name for m in content.models for asked in follow_ups(m)]
    names += [asked.name for name, spec in content.weights.items() for asked in weights_analyses(name, spec)]
    names += [asked.name for c in content.curves for asked in curve_follow_ups(c)]
    names += [asked.name for i in content.incidences for asked in incidence_follow_ups(i)]
    twice = sorted({n for n in names if names.count(n) > 1 or n in ("attrition", "missingness", "table_one")})
    if twice:
        raise StudyError(f"{file}: the name {twice[0]!r} is used twice; every analysis has its own.")
    try:
        if content.table_one is not None:
            check_variables(content.table_one.variables, codebook)
            PatientGroups.of(content.table_one.by, codebook, content.study.sites)
    except ValueError as problem:
        raise StudyError(f"{file}: table_one: {problem}") from None
