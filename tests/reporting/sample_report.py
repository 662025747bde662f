"""An executed notebook made by hand: what a study's report holds, and what an attacker would like it to hold."""

from typing import Any

import numpy as np
import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fedstats.reporting import figure, forest_plot, survival_plot, table

SCRIPT = "<script>alert(1)</script>"
HOSTILE_HTML = (
    SCRIPT + '<img src="x" onerror="alert(2)"><img src="https://example.org/pixel.png" alt="a pixel">'
    '<a href="javascript:alert(3)">press</a><a href="java&#10;script:alert(3)">press</a>'
    '<a href="data:text/html,<script>alert(4)</script>">press</a><iframe src="https://example.org"></iframe>'
    '<style>main { display: none }</style><link rel="stylesheet" href="https://example.org/x.css">'
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="18" onload="alert(5)"><title>A square</title>'
    '<script>alert(6)</script><rect width="9" height="9"/></svg><math><mtext><img src=x onerror=alert(7)></mtext></math>'
    '<form action="https://example.org"><button formaction="javascript:alert(8)">go</button></form>'
    '<p style="position:fixed;top:0;background:url(https://example.org/y)" onclick="alert(9)">harmless words</p>'
)


def survival_curve(groups: tuple[str, ...], n: int = 400, end: float = 30.0) -> pd.DataFrame:
    """Kaplan-Meier curves of made-up patients, as the estimator's ``tidy()`` gives them."""
    generator = np.random.default_rng(20)
    rows: list[tuple[Any, ...]] = []
    for number, group in enumerate(groups):
        death, leaves = generator.exponential(11 + 5 * number, n), generator.uniform(8, end, n)
        time, event = np.ceil(np.minimum(death, leaves)), death <= leaves
        share, variance = 1.0, 0.0
        rows.append((group, 0.0, n, 0, 1.0, 0.0, 1.0, 1.0))
        for at in np.unique(time):
            n_risk, n_event = int((time >= at).sum()), int(((time == at) & event).sum())
            variance += n_event / (n_risk * (n_risk - n_event)) if n_risk > n_event else 0.0
            share *= 1 - n_event / n_risk
            error = share * variance**0.5
            low, high = max(share - 1.96 * error, 0), min(share + 1.96 * error, 1)
            rows.append((group, at, n_risk, n_event, share, error, low, high))
    names = ["group", "time", "n_risk", "n_event", "estimate", "std_error", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=names)


def effects(terms: tuple[str, ...], seed: int = 3) -> pd.DataFrame:
    """Made-up ratios, exponentiated, as ``tidy(exponentiate=True)`` gives them."""
    generator = np.random.default_rng(seed)
    beta, error = generator.normal(0, 0.35, len(terms)), generator.uniform(0.06, 0.25, len(terms))
    return pd.DataFrame(
        {
            "term": terms,
            "estimate": np.exp(beta),
            "std_error": error,
            "statistic": beta / error,
            "p_value": np.exp(-np.abs(beta / error)),
            "conf_low": np.exp(beta - 1.96 * error),
            "conf_high": np.exp(beta + 1.96 * error),
        }
    )


def shown(thing: Any, source: str, **metadata: Any) -> NotebookNode:
    """A code cell whose result is one of our objects."""
    output = new_output("execute_result", data=thing._repr_mimebundle_(), execution_count=1)
    return new_code_cell(source, outputs=[output], execution_count=1, metadata=metadata)


def _baseline() -> Any:
    frame = pd.DataFrame(
        {
            "characteristic": ["Age, years", "Female", "0 or 1", "2 or more", SCRIPT, '=HYPERLINK("x")'],
            "part": [
                "Patients",
                "Patients",
                "ECOG performance status",
                "ECOG performance status",
                "Site",
                "Site",
            ],
            "Immunotherapy alone (n\u00a0=\u00a01,204)": [
                "66.1 (9.8)",
                "498 (41.4%)",
                "951 (79.0%)",
                "253 (21.0%)",
                "700",
                "504",
            ],
            "With chemotherapy (n\u00a0=\u00a02,310)": [
                "64.0 (9.5)",
                "1,002 (43.4%)",
                "1,890 (81.8%)",
                "420 (18.2%)",
                "1,200",
                "1,110",
            ],
            "smd": [0.218, -0.04, 0.071, 0.071, 0.0, np.nan],
        }
    )
    return table(
        frame,
        caption="Patients by first-line therapy. Mean (standard deviation) or number (%).",
        note="SMD: standardised mean difference; 0.1 or less is usually called balanced. Counts under 11 are not released.",
        labels={"smd": "SMD"},
        groups="part",
    )


def _survival() -> Any:
    curve = survival_curve(("Immunotherapy alone", "With chemotherapy"))
    return figure(
        survival_plot(curve, outcome="Alive"),
        alt="Survival falls faster with immunotherapy alone: half have died after about 8 months, against 11.",
        caption="Overall survival by first-line therapy, Kaplan–Meier, with 95% confidence bands and numbers at risk.",
        data=curve,
    )


def _forest() -> Any:
    terms = ("age", "C(sex)[female]", "C(ecog)[2]", "C(liver)[yes]", SCRIPT, "=HYPERLINK(1)")
    labels = {"age": "Age, per 10 years", "C(sex)[female]": "Female sex", "C(ecog)[2]": "ECOG 2 or more",
              "C(liver)[yes]": "Liver metastases at the start of therapy"}  # fmt: skip
    models = {"Unadjusted": effects(terms), "Adjusted": effects(terms, seed=4)}
    models["Adjusted"].loc[5, ["estimate", "conf_low", "conf_high"]] = np.nan
    return figure(
        forest_plot(models, labels=labels),
        alt="Liver metastases and an ECOG status of 2 or more go with a higher hazard of death, before and after adjustment.",
        caption="Hazard ratios of death, unadjusted and adjusted, with 95% confidence intervals.",
        data=pd.concat(models, names=["model"]).reset_index(level=0),
    )


_PROSE = """
# Why some patients resist first-line immunotherapy

**In short.** Among 3,514 patients at two sites, liver metastases and poor performance status went with earlier death.
No patient's row left a site; what left is listed under [What left each site](#What-left-each-site).

## What was asked

Which factors that are known at the start of therapy go with *primary resistance*, and how strongly? The hazard of
patient $i$ is modelled as

$$\\lambda_i(t) = \\lambda_{0s}(t)\\,\\exp(x_i^\\top \\beta), \\qquad U(\\beta) = \\sum_{k=1}^{K} U_k(\\beta) = 0,$$

with a baseline hazard $\\lambda_{0s}$ of its own for each practice $s$. In code a price stays a price: `cost = "$5"` and `$x$`.

### Who took part

| Site | Practices | Patients | Events |
|:--|--:|--:|--:|
| North network | 9 | 2,310 | 1,420 |
| European hospital | 1 | 1,204 | 811 |
"""

_METHODS = """
## What left each site

- Sums over at least 11 patients, never a row.
- One answer a question: see the account below, and the [protocol](https://example.org/protocol).
- A link to [nowhere](#there-is-no-such-place) is only text.

> Synthetic patients. Nothing on this page is a finding about people.
"""


def sample_notebook() -> NotebookNode:
    """Everything at once: prose, formulas, figures, tables, failures, widgets, hostile labels."""
    cells = [
        new_markdown_cell(_PROSE.strip()),
        new_code_cell('site = "north"  # the site that answers', metadata={"tags": ["parameters"]}),
        new_markdown_cell("## Patients\n\nTherapy was chosen by the physicians, so the groups differ at the start."),
        shown(_baseline(), 'fs.table_one(sites, by="arm")  # counts and means'),
        new_markdown_cell("## Survival"),
        shown(_survival(), "curve = fs.kaplan_meier(sites, \"Surv(time, status) ~ arm\")"),
        new_markdown_cell("## Effects\n\n#### Main model"),
        shown(_forest(), "fs.cox(sites, formula, ties=\"efron\")", tags=["remove-input"]),
        new_markdown_cell(_METHODS.strip()),
        new_code_cell("print(account)", outputs=[new_output("stream", name="stdout", text="24 questions, 24 answers\n")]),
        new_code_cell("slider", outputs=[new_output("display_data", data={
            "application/vnd.jupyter.widget-view+json": {"model_id": "0"}, "text/plain": "IntSlider()"})]),
        new_markdown_cell("```mermaid\ngraph TD; a-->b\n```"),
        new_code_cell("secret()", metadata={"tags": ["remove-cell"]}),
        new_markdown_cell(f"## Hostile {SCRIPT} label\n\n{HOSTILE_HTML}\n\n[press](javascript:alert(10))"),
        new_code_cell("hostile", outputs=[new_output("display_data", data={"text/html": HOSTILE_HTML})]),
        new_code_cell("hostile", outputs=[new_output("display_data", data={
            "application/javascript": "alert(11)", "text/plain": SCRIPT})]),
        new_code_cell("fit", outputs=[failure()]),
    ]  # fmt: skip
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def failure() -> NotebookNode:
    """A failed cell with a traceback as IPython writes it, colours and paths included."""
    where = "\x1b[32m/home/anna/studies/lung/.venv/lib/python3.11/site-packages/fedstats/cox.py:41\x1b[39m"
    return new_output(
        "error",
        ename="SiteRefused",
        evalue=f"the level {SCRIPT} has fewer than 11 patients",
        traceback=[
            "\x1b[31m---------------\x1b[39m",
            f"\x1b[36mFile \x1b[39m{where}, in cox(federation)",
            'File "/srv/data/secret-place/run.py", line 3',
        ],
    )
