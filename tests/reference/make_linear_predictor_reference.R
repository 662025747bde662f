# Reference values of models that take the linear predictor of another as a column, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_linear_predictor_reference.R
#
# writes tests/reference/linear_predictor.json (needs survival). predict() makes the column, of a Cox model about zero; its
# mean and standard deviation are given, and two regressions that have it as a term and as the offset.

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")

# A Cox model where the outcome is a Surv, a logistic one otherwise, at its maximum.
fitted_model <- function(formula, frame, offset = NULL) {
  words <- r_formula(formula, offset = offset)
  if (grepl("^Surv", formula)) return(coxph(words, frame, control = control_cox()))
  at <- function(start) glm(words, binomial(), frame, start = start, control = glm.control(epsilon = 1e-15, maxit = 50))
  at(coef(at(NULL))) # glm's covariance is that of the step before its last
}

regression <- function(formula, frame, offset = NULL) {
  fit <- fitted_model(formula, frame, offset)
  list(formula = formula, terms = I(term_names(names(coef(fit)))), coef = I(unname(coef(fit))),
       se = I(unname(sqrt(diag(vcov(fit))))), loglik = as.numeric(logLik(fit)))
}

case <- function(data, formula, term, offset) {
  frame <- datasets[[data]]
  fit <- fitted_model(formula, frame)
  frame$lp <- if (inherits(fit, "coxph")) predict(fit, type = "lp", reference = "zero") else predict(fit)
  list(data = data, formula = formula, mean = mean(frame$lp), sd = sd(frame$lp), as_term = regression(term, frame),
       as_offset = regression(offset, frame, "lp"))
}

cases <- list(
  "lung" = case("lung", "Surv(time, status) ~ age + C(ecog3) + age:sex", "status ~ lp + sex", "Surv(time, status) ~ sex"),
  "rossi" = case("rossi", "Surv(week, arrest) ~ fin + age + prio", "Surv(week, arrest) ~ lp + race", "arrest ~ race"),
  "heart, entries" = case("heart", "Surv(start, stop, event) ~ age + year", "Surv(start, stop, event) ~ lp + surgery", "event ~ age"),
  "lung, logistic" = case("lung", "status ~ age + C(ecog3)", "Surv(time, status) ~ lp + sex", "status ~ sex"),
  "fair, logistic" = case("fair", "affair ~ age + religious", "affair ~ lp + yrs_married", "affair ~ yrs_married")
)
write_reference("linear_predictor", list(cases = cases), "survival")
