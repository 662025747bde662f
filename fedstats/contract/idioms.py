"""What formulas of R say and ours do not, each with the words for it here."""

import re

from fedstats.contract.functions import KNOWN

#: How a term is written.
TERMS = "a column, C(column), a:b, a*b, or a function of a number"

_AS_DATA = "make that column in every site's data, and agree on it in the codebook"
_AS_NUMBER = f"{_AS_DATA}, or take a function of a number: {KNOWN}"
_SPLINE = "write rcs({x}, knots), a natural cubic spline whose knots are agreed, as in rcs(age, 50, 60, 70), or bs({x}, knots)"
_REFERENCE = "the reference is the first of the codebook's levels: put it first there, and write C({x})"
_FRAILTY = (
    "there are no frailties: give strata={quoted} for baseline hazards, cluster={quoted} for standard errors, or ask "
    "fs.heterogeneity(..., by={quoted}) how effects differ"
)
_CHANGES = "effects that change with time are asked for as time_varying={quoted}, after agreed cuts, or as {{{quoted}: [6, 12]}}"
_OTHER_BASE = (
    "write log({x}), the natural logarithm: its coefficient times log(2), or log(10), is that of this one"
)
#: By the name of a function what to write in its place; {x} is its first argument, {all} all of them.
_FUNCTIONS = {
    ("factor", "as.factor", "ordered"): "write C({x})",
    ("as.numeric", "as.integer", "as.double"): "write {x}, which is the number that the codebook says it is",
    ("relevel", "fct_relevel", "Treatment", "contr.treatment", "Sum", "Poly"): _REFERENCE,
    ("ns", "pspline", "s", "te", "lo", "cr", "cs", "nsk", "rcspline.eval"): _SPLINE,
    ("strata", "strat"): "give the argument strata={all}",
    ("cluster",): "give the argument cluster={quoted}, for standard errors that add up its groups",
    ("offset",): "give the argument offset={quoted}",
    ("weights",): "give the argument weights={quoted}",
    ("frailty", "frailty.gamma", "frailty.gaussian"): _FRAILTY,
    ("tt",): _CHANGES,
    ("ridge",): "give the argument, for all terms, penalty=fs.Ridge(strength)",
    ("log2", "log10"): _OTHER_BASE,
    ("np.log",): "write log({x})",
    ("np.sqrt", "np.exp", "np.log1p", "np.log2", "np.log10", "np.abs"): _AS_NUMBER,
    ("scale",): "write I(({x} - 60) / 10) with an agreed number in place of a mean that no site knows",
    ("interaction",): "write {product}",
    ("cut", "cut2", "ifelse", "case_when", "quantcut", "ntile"): _AS_DATA,
    ("sqrt", "exp", "log1p", "abs", "round", "pmin", "pmax", "min", "max", "as.Date", "is.na"): _AS_NUMBER,
}
_REMEDIES = {name: remedy for names, remedy in _FUNCTIONS.items() for name in names}

_NAME = r"(?<![\w.])[^\W\d][\w.]*"
#: No end of a name such as x2.
_NUMBER = r"(?<![\w.])[\d.][\w.]*"
_CALL = re.compile(rf"({_NAME})\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
#: Signs of a formula's right-hand side that are none here, and what to write.
_SIGNS = (
    (
        re.compile(rf"\|\s*({_NAME})"),
        (
            'there are no random effects: give intercepts="{x}" (fs.logistic, fs.glm) or strata="{x}" (fs.cox), or ask '
            'fs.heterogeneity(..., by="{x}") how effects differ'
        ),
    ),
    (
        re.compile(rf"{_NAME}(?:\$|\[[\"'])({_NAME})(?:[\"']\])?"),
        'write the name of the column alone, "{x}": every site has its own table',
    ),
    (re.compile(rf"{_NAME}::+({_NAME})"), "write {x} without the name of its package"),
    (
        re.compile(rf"({_NAME})\s*(?:[<>]=?|[!=]=)\s*[^\s+:*)]*"),
        f"a comparison is no term; {_AS_DATA} ({{x}} as 0 and 1), or restrict the patients with sites.where(...)",
    ),
    (
        re.compile(rf"({_NAME})\s*/\s*[\d.]+"),
        "write I({x} / 10) for another unit: a slash alone nests terms, as in R",
    ),
    (
        re.compile(rf"({_NAME})\s*(?:\^|\*\*)\s*\d"),
        "a power of one column is that column again, as in R; write I({x}^2) or poly({x}, 2)",
    ),
    (
        re.compile(r",\s*(data|subset|weights|family|na\.action)\s*=.*"),
        "{x} is no part of a formula: the sites are an analysis's first argument, patients are chosen by sites.where(...)",
    ),
    (re.compile(r",\s*([^\s,]+)"), "write + between terms"),
    (re.compile(r"[\"']([^\"']*)[\"']"), "write the name of a column without quotes, {x}"),
    (re.compile(rf"{_NUMBER}\s*\*\s*({_NAME})"), "write I(2 * {x}) for another unit"),
    (re.compile(rf"({_NAME})\s*\*\s*[\d.]+"), "write I(2 * {x}) for another unit"),
)


def said_here(terms: str) -> str:
    """How what a right-hand side says is said here, as half a sentence; empty where nothing in it is known to be R's.

    Parameters
    ----------
    terms : str    all terms, or one of them
    """
    for name, inside in _CALL.findall(terms):
        arguments = [argument.strip() for argument in _split(inside)]
        first = arguments[0] if arguments and arguments[0] else "x"
        if name == "C" and len(arguments) > 1:
            return f"{name}({inside}) is no term here: {_REFERENCE.format(x=first)}."
        if name == "I" and (word := _inside_of_i(inside)):
            return f"I({inside}) is no term here: {word}."
        if word := _number_of_knots(name, arguments):
            return f"{name}({inside}) is no term here: {word}."
        if name in _REMEDIES:
            names, made = zip(*map(_argument, arguments), strict=True)
            quoted = [f'"{n}"' for n in names]
            every = quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
            words = {"x": first, "quoted": quoted[0], "all": every, "product": ":".join(names)}
            first_made = (
                f" (make {made[0]} a column of the data first)"
                if made[0] and "quoted" in _REMEDIES[name]
                else ""
            )
            return f"{name}({inside}) is no term here: {_REMEDIES[name].format(**words)}{first_made}."
    outside = _without_calls(terms)
    for sign, remedy in _SIGNS:
        if found := sign.search(outside):
            return f"{found.group(0).strip()!r} is no term here: {remedy.format(x=found.group(1))}."
    return ""


def said_on_the_left(left: str) -> str:
    """The same of an outcome that cannot be read: how it is said here."""
    if re.search(rf"{_NAME}::+", left):
        return f"Write {re.sub(rf'{_NAME}::+', '', left)} without the name of a package."
    if found := re.match(r"(coxph|survfit|survdiff|glm|lm|cph)\s*\(", left):
        return f'{left!r} begins with {found.group(1)}: give the formula alone, as fs.cox(sites, "Surv(time, event) ~ age").'
    if re.match(r"surv\s*\(", left, re.IGNORECASE) and not left.startswith("Surv"):
        return f"{left!r} cannot be read: write Surv with a capital S alone."
    if not re.match(r"Surv\s*\(", left):
        return (
            f"{left!r} is no column, and an outcome is one: {_AS_DATA} (0 and 1, or a factor of two levels, the second the event)."
            if re.search(r"[^\w.]", left)
            else ""
        )
    inside = left[left.index("(") + 1 :].rstrip().removesuffix(")")
    parts = [part.strip() for part in _split(inside)]
    if any(re.fullmatch(r"(['\"]).*\1", part) for part in parts):
        return f"{left!r} puts a column in quotes: write its name without."
    if len(parts) == 1:
        return f"{left!r} names no event: write Surv({parts[0] or 'time'}, event), the event 0 or 1."
    if "%in%" in inside or "!=" in inside:
        return (
            f"{left!r} counts several codes, and an event is one: name it, as cause == 1; for several, make a column of 0 and 1 "
            "in the data."
        )
    if given := re.search(rf"({_NAME})\s*=(?!=)\s*(.+?)\s*$", parts[-1]):
        name, value = given.groups()
        if name in ("type", "origin"):
            return (
                f"{left!r}: follow-up is right-censored, with an entry where there is one; leave out {name}."
            )
        if re.fullmatch(_NAME, value):
            return f"{left!r} names its arguments: write them in order, as Surv(time, {value}) or Surv(entry, time, {value})."
        return f"{left!r} has one sign for equal: write {name} == {value}."
    if any("=" in part for part in parts[:-1]):
        return f"{left!r} names its arguments: write them in order, Surv(time, event) or Surv(entry, time, event)."
    for part in parts[:-1]:
        if (found := re.search(_NAME, part)) and found.group(0) != part:
            return (
                f"{part!r} is no column: a time is a column of the data, in the unit that the codebook agrees on. Make it there; "
                "a ratio of hazards does not depend on the unit."
            )
    return ""


def with_plain_names(text: str) -> str:
    """A formula without the backticks that R puts around names.

    Raises
    ------
    ValueError
        A name that holds a blank or another sign: no formula of ours can name such a column.
    """
    for name in re.findall(r"`([^`]*)`", text):
        if not re.fullmatch(_NAME, name):
            plain = re.sub(r"\W+", "_", name).strip("_") or "x"
            raise ValueError(
                f"The column {name!r} cannot stand in a formula: a name is of letters, digits, dots and underscores. Rename it in "
                f"the data, for instance to {plain!r}."
            )
    return text.replace("`", "")


def _inside_of_i(inside: str) -> str:
    if re.search(r"[<>]|[!=]=", inside):
        return f"a comparison is no number; {_AS_DATA} (as 0 and 1)"
    names = re.findall(_NAME, inside)
    if _CALL.search(inside):
        return ""
    if len(set(names)) > 1 and "*" in inside:
        return f"write {':'.join(dict.fromkeys(names))} for a product of columns"
    return f"a function of several columns is no term; {_AS_DATA}" if len(set(names)) > 1 else ""


def _argument(written: str) -> tuple[str, str]:
    """The column that an argument stands for, and what was written where the column is still to be made."""
    inner = re.fullmatch(rf"(?:C|factor|as\.factor)\(({_NAME})\)", written)
    if inner or re.fullmatch(_NAME, written):
        return (inner.group(1) if inner else written), ""
    return re.sub(r"\W+", "_", written).strip("_") or "x", written


def _number_of_knots(name: str, arguments: list[str]) -> str:
    """Where the places of knots are to follow from a number of them, as R takes them from the rows."""
    spline = name in ("rcs", "bs")
    named = [a for a in arguments[1:] if re.match(r"(knots|Boundary\.knots|parms)\s*=", a)]
    if spline and named:
        ends = ", its ends as low= and high=" if name == "bs" else ""
        return f"knots stand without a name, as in {name}({arguments[0]}, 50, 60, 70){ends}"
    by_number = any(re.match(r"(df|nk|n_knots)\s*=", a) for a in arguments[1:])
    if not spline or not (by_number or (name == "rcs" and len(arguments) == 2 and arguments[1].isdigit())):
        return ""
    return (
        "a number of knots would place them by everybody's rows; name their places, which are agreed, as in "
        f"{name}({arguments[0]}, 50, 60, 70), or in the codebook"
    )


def _split(arguments: str) -> list[str]:
    """Arguments at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for sign in arguments:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _without_calls(terms: str) -> str:
    """Terms without the calls in them, whose insides follow other rules."""
    while (shorter := _CALL.sub("f", terms)) != terms:
        terms = shorter
    return terms
