"""How often a strict gate refuses ordinary weighted analyses: twenty simulated studies of moderate confounding, three estimands.

    python benchmarks/weights_behind_the_gate.py > benchmarks/weights_behind_the_gate.md

Prints one Markdown table: of every question that follows a propensity, how many of the studies were refused it, and for which
rule; beside it the same models without weights, the propensity's covariates among their terms.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import fedstats as fs

SIZES = (400, 800, 1500, 3000)
EACH = 5
PROPENSITY = "arm ~ age + C(sex) + C(ecog) + lab"
ADJUSTED = "arm + age + C(sex) + C(ecog) + lab"


def site(n: int, seed: int) -> pd.DataFrame:
    """Patients of a site: an age, two factors, a skewed measurement; both arms, an outcome of a third, follow-up."""
    random = np.random.default_rng(seed)
    age, lab = random.normal(65, 10, n), random.lognormal(1.2, 0.5, n)
    sex, ecog = random.choice(["F", "M"], n), random.choice(["0", "1", "2"], n, p=(0.4, 0.4, 0.2))
    risk = 0.04 * (age - 65) + 0.4 * (sex == "M") + 0.5 * (ecog == "2") + 0.1 * (lab - 3.7)
    arm = random.random(n) < 1 / (1 + np.exp(-(0.1 + 0.9 * risk)))
    outcome = random.random(n) < 1 / (1 + np.exp(-(-0.8 + 0.6 * risk - 0.5 * arm)))
    time, stop = random.exponential(12 / np.exp(0.5 * risk - 0.4 * arm)), random.uniform(6, 30, n)
    followed = {"time": np.minimum(time, stop), "status": (time <= stop).astype(int)}
    columns = {
        "age": age,
        "sex": sex,
        "ecog": ecog,
        "lab": lab,
        "arm": arm.astype(int),
        "y": outcome.astype(int),
    }
    return pd.DataFrame(columns | followed)


QUESTIONS: dict[str, Callable[[fs.Federation, Any], Any]] = {
    "logistic model, adjusted, no weights": lambda s, _: fs.logistic(s, f"y ~ {ADJUSTED}", robust=True),
    "Cox model, adjusted, no weights": lambda s, _: fs.cox(
        s, f"Surv(time, status) ~ {ADJUSTED}", robust=True
    ),
    "weighted logistic model, stacked variance": lambda s, w: fs.logistic(s, "y ~ arm", weights=w),
    "weighted logistic model, model's variance": lambda s, w: fs.logistic(
        s, "y ~ arm", weights=w, robust=False
    ),
    "weighted Cox model, stacked variance": lambda s, w: fs.cox(s, "Surv(time, status) ~ arm", weights=w),
    "augmented effect": lambda s, w: fs.augmented_effect(s, f"y ~ {ADJUSTED}", w),
    "balance": lambda s, w: _none_refused(fs.balance(s, weights=w)),
    "effective sample size": lambda _, w: w.effective_sample_size(),
    "overlap": lambda _, w: w.overlap(),
}


def _none_refused(found: fs.Balance) -> None:
    if found.refused:
        raise PermissionError(found.refused[0][1])


def main() -> None:
    """Print the table."""
    refused: dict[tuple[str, str, int], list[str]] = {}
    for estimand in ("ATE", "ATT", "overlap"):
        for n in SIZES:
            for k in range(EACH):
                sites = fs.InProcess(
                    {name: site(n, 1000 * n + 10 * k + j) for j, name in enumerate(("north", "south"))}
                )
                try:
                    w = fs.propensity_weights(sites, PROPENSITY, estimand=estimand)
                except fs.SiteRefused as refusal:
                    refused.setdefault(("propensity model", estimand, n), []).append(refusal.rule)
                    continue
                for question, ask in QUESTIONS.items():
                    if question == "augmented effect" and estimand != "ATE":
                        continue
                    try:
                        ask(sites, w)
                    except (fs.SiteRefused, PermissionError) as refusal:
                        rule = getattr(refusal, "rule", str(refusal))
                        refused.setdefault((question, estimand, n), []).append(rule)
    print(f"Refused of {EACH} studies of two sites, n patients at each, under `strict`.\n")
    print("| question | estimand | " + " | ".join(f"n = {n}" for n in SIZES) + " | rules |")
    print("|---|---|" + "---|" * (len(SIZES) + 1))
    for question in ("propensity model", *QUESTIONS):
        for estimand in ("ATE", "ATT", "overlap"):
            found = [refused.get((question, estimand, n), []) for n in SIZES]
            rules = Counter(rule for rules in found for rule in rules)
            said = ", ".join(f"{rule} ({count})" for rule, count in rules.most_common())
            if question == "augmented effect" and estimand != "ATE":
                continue
            print(f"| {question} | {estimand} | " + " | ".join(str(len(f)) for f in found) + f" | {said} |")


if __name__ == "__main__":
    main()
