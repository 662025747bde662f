"""How many patients a model of several parameters needs: the criteria of Riley et al. (2020).

Riley RD, Ensor J, Snell KIE, et al. Calculating the sample size required for developing a clinical prediction model.
BMJ 2020;368:m441; formulas of Riley et al., Statistics in Medicine 2019;38:1276-1296 (binary and time-to-event outcomes).
"""

from dataclasses import dataclass

import numpy as np

#: Two-sided normal quantile of a 95 % interval, as the paper has it.
_Z = 1.96


@dataclass(frozen=True)
class SampleSize:
    """What each criterion asks for.

    Attributes
    ----------
    shrinkage : int     patients, for a uniform shrinkage of predictor effects of at least the target
    optimism : int      patients, for a small difference of apparent and adjusted Nagelkerke R squared
    overall : int       patients, for the overall risk within its margin
    r2 : float          the Cox-Snell R squared that was assumed
    largest_r2 : float  the largest one that the outcome allows
    """

    shrinkage: int
    optimism: int
    overall: int
    r2: float
    largest_r2: float

    @property
    def patients(self) -> int:
        """What all criteria together ask for."""
        return max(self.shrinkage, self.optimism, self.overall)

    @property
    def criterion(self) -> str:
        """The criterion that asks for the most."""
        return max(("shrinkage", "optimism", "overall"), key=lambda name: int(getattr(self, name)))


def binary_sample_size(
    parameters: int,
    prevalence: float,
    *,
    nagelkerke: float = 0.15,
    shrinkage: float = 0.9,
    optimism: float = 0.05,
    margin: float = 0.05,
) -> SampleSize:
    """Patients for a model of a 0/1 outcome.

    Parameters
    ----------
    parameters : int       of the model, without its intercept
    prevalence : float     share of patients with the outcome
    nagelkerke : float     the Nagelkerke R squared that is expected; 0.15 where nobody knows
    shrinkage, optimism, margin : float
        The three targets.

    Raises
    ------
    ValueError
        A share that is none, or no parameter.
    """
    _require(parameters, nagelkerke, shrinkage)
    if not 0 < prevalence < 1:
        raise ValueError(f"The prevalence lies between 0 and 1; it is {prevalence:g}.")
    null = prevalence * np.log(prevalence) + (1 - prevalence) * np.log1p(-prevalence)
    overall = (_Z / margin) ** 2 * prevalence * (1 - prevalence)
    return _criteria(parameters, null, nagelkerke, shrinkage, optimism, overall)


def survival_sample_size(
    parameters: int,
    rate: float,
    follow_up: float,
    horizon: float,
    *,
    nagelkerke: float = 0.15,
    shrinkage: float = 0.9,
    optimism: float = 0.05,
    margin: float = 0.05,
) -> SampleSize:
    """Patients for a model of a time to an event.

    Parameters
    ----------
    parameters : int       of the model
    rate : float           events by unit of time
    follow_up : float      mean follow-up, in the same unit
    horizon : float        the time at which the overall risk is to be known within the margin

    Notes
    -----
    As R's pmsampsize: the log-likelihood without predictors is that of E events in n patients, E log(E/n) - E, and the overall risk
    that of a constant rate, 1 - exp(-rate horizon), its interval by the standard error sqrt(rate / person-time).  pmsampsize shows
    that interval at the number found; here the number is solved for at which it keeps to the margin.

    Raises
    ------
    ValueError
        A number that is not above zero, or more events than patients.
    """
    _require(parameters, nagelkerke, shrinkage)
    if min(rate, follow_up, horizon) <= 0:
        raise ValueError(
            f"Rate, follow-up and horizon are above zero; they are {rate:g}, {follow_up:g}, {horizon:g}."
        )
    share = rate * follow_up
    if share > 1:
        raise ValueError(
            f"A rate of {rate:g} over a follow-up of {follow_up:g} is more than an event a patient."
        )
    null = share * np.log(share) - share
    risk = -np.expm1(-rate * horizon)
    # risk is concave in the rate, so the lower end of its interval is the farther one: that one is solved for
    lower = -np.log1p(-(risk - margin)) / horizon if risk > margin else 0.0
    person_time = rate * (_Z / (rate - lower)) ** 2
    return _criteria(parameters, null, nagelkerke, shrinkage, optimism, person_time / follow_up)


def _require(parameters: int, nagelkerke: float, shrinkage: float) -> None:
    if parameters < 1:
        raise ValueError(f"A model has one parameter or more; this one has {parameters}.")
    if not (0 < nagelkerke < 1 and 0 < shrinkage < 1):
        raise ValueError("R squared and shrinkage lie between 0 and 1.")


def _criteria(
    parameters: int, null: float, nagelkerke: float, shrinkage: float, optimism: float, overall: float
) -> SampleSize:
    """The three numbers, of a log-likelihood without predictors a patient."""
    largest = float(-np.expm1(2 * null))
    r2 = nagelkerke * largest
    second = r2 / (r2 + optimism * largest)
    needed = (_for_shrinkage(parameters, r2, shrinkage), _for_shrinkage(parameters, r2, second), overall)
    first, other, third = (int(np.ceil(size)) for size in needed)
    return SampleSize(first, other, third, r2, largest)


def _for_shrinkage(parameters: int, r2: float, target: float) -> float:
    """Patients at which effects are expected to shrink to a share of themselves: p / ((S - 1) log(1 - R2 / S))."""
    return float(parameters / ((target - 1) * np.log1p(-r2 / target)))
