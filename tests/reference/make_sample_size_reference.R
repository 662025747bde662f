# Riley's minimum sample sizes, which tests/reference/test_sample_size.py compares with fedstats':
#
#   Rscript tests/reference/make_sample_size_reference.R
#
# writes tests/reference/sample_size.json.  The published closed forms are written out in the papers' terms, criteria (i) to (iii):
#   Riley RD, Snell KIE, Ensor J, et al. Minimum sample size for developing a multivariable prediction model: PART II, binary and
#   time-to-event outcomes. Statistics in Medicine 2019;38:1276-1296.
#   Riley RD, Ensor J, Snell KIE, et al. Calculating the sample size required for developing a clinical prediction model. BMJ 2020;368:m441.
# They are those of R's pmsampsize, but for two roundings that it has on top: events of its 10,000 patients are whole there, and the
# interval of an overall risk at a time is shown at the number of the other criteria. Here the number is solved for, by uniroot.

source("tests/reference/common.R")

shrinkage_size <- function(p, r2, s) p / ((s - 1) * log(1 - r2 / s))

# Criteria (i) and (ii), of a Nagelkerke R squared as a share of the largest Cox-Snell one.
two <- function(p, largest, nagelkerke, shrinkage, optimism) {
  r2 <- nagelkerke * largest
  c(shrinkage = ceiling(shrinkage_size(p, r2, shrinkage)),
    optimism = ceiling(shrinkage_size(p, r2, r2 / (r2 + optimism * largest))))
}

# ln L of the model without predictors, a patient: 1 - exp of its double is the largest Cox-Snell R squared (equation 23). Of a 0/1
# outcome it is fitted, of a time it is that of events in a Poisson model, E log(E/n) - E.
null_binary <- function(prevalence, n = 1e5) {
  y <- rep(c(1, 0), round(n * c(prevalence, 1 - prevalence)))
  as.numeric(logLik(glm(y ~ 1, family = binomial, control = list(epsilon = 1e-14)))) / n
}
null_survival <- function(rate, follow_up) {
  e <- rate * follow_up
  e * log(e) - e
}

binary <- function(case) with(case, {
  largest <- 1 - exp(2 * null_binary(prevalence))
  c(two(parameters, largest, nagelkerke, shrinkage, optimism),
    overall = ceiling((1.96 / margin)^2 * prevalence * (1 - prevalence)), largest_r2 = largest)
})

survival_time <- function(case) with(case, {
  largest <- 1 - exp(2 * null_survival(rate, follow_up))
  risk <- 1 - exp(-rate * horizon)
  half <- function(n) risk - (1 - exp(-(rate - 1.96 * sqrt(rate / (n * follow_up))) * horizon))  # the farther end
  n <- uniroot(function(n) half(n) - margin, c(1, 1e7), tol = 1e-9)$root
  c(two(parameters, largest, nagelkerke, shrinkage, optimism), overall = ceiling(n), largest_r2 = largest)
})

defaults <- list(nagelkerke = 0.15, shrinkage = 0.9, optimism = 0.05, margin = 0.05)
cases <- function(...) lapply(list(...), function(one) modifyList(defaults, one))

of_binary <- cases(
  list(parameters = 24, prevalence = 0.174), list(parameters = 12, prevalence = 0.4), list(parameters = 18, prevalence = 0.47),
  list(parameters = 1, prevalence = 0.5), list(parameters = 40, prevalence = 0.02),
  list(parameters = 24, prevalence = 0.174, nagelkerke = 0.48, margin = 0.03), list(parameters = 12, prevalence = 0.4, shrinkage = 0.95),
  list(parameters = 12, prevalence = 0.4, optimism = 0.02), list(parameters = 30, prevalence = 0.9, nagelkerke = 0.3)
)
of_survival <- cases(
  list(parameters = 30, rate = 0.065, follow_up = 2.07, horizon = 2), list(parameters = 18, rate = 0.041, follow_up = 16, horizon = 24),
  list(parameters = 18, rate = 0.083, follow_up = 9.3, horizon = 24), list(parameters = 1, rate = 0.01, follow_up = 5, horizon = 1, margin = 0.005),
  list(parameters = 25, rate = 0.3, follow_up = 2, horizon = 5, nagelkerke = 0.4),
  list(parameters = 10, rate = 0.05, follow_up = 12, horizon = 12, shrinkage = 0.8, optimism = 0.1)
)
answered <- function(kind, given, answer) {
  lapply(given, function(one) list(kind = kind, given = one, expected = as.list(answer(one))))
}
write_reference("sample_size", list(
  cases = c(answered("binary", of_binary, binary), answered("survival", of_survival, survival_time))
), character())
