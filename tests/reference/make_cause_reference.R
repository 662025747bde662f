# Reference values of cause-specific Cox models for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_cause_reference.R
#
# writes tests/reference/cause.json (needs survival). The causes are invented from the
# age, in the same way as in test_cause.py: 2 of the older, 1 of the younger patients who had the event.

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")

case <- function(data, event, median, cause, formula, strata = NULL, ties = "efron", weights = NULL, robust = FALSE, baseline = "shared") {
  frame <- datasets[[data]]
  frame$cause <- frame[[event]] * (1 + (frame$age > median))
  frame$w <- weights_of(frame, weights)
  words <- paste(c(gsub("\\bC\\(", "factor(", formula, perl = TRUE), sprintf("strata(%s)", strata)), collapse = " + ")
  fit <- coxph(as.formula(words), frame, ties = ties, weights = w, control = control_cox(), robust = robust)
  curve <- survfit(as.formula(sub("~.*", "~ 1", formula)), frame)
  rows <- unique(round(seq(1, length(curve$time), length.out = 20)))
  list(
    data = data, event = event, median = median, formula = formula, strata = strata, split = strata, ties = ties, weights = weights,
    robust = robust, baseline = baseline, coef = I(unname(coef(fit))), se = I(unname(sqrt(diag(vcov(fit))))),
    loglik = fit$loglik[2], n = fit$n, n_event = fit$nevent,
    curve = list(time = curve$time[rows], estimate = curve$surv[rows], n_event = sum(curve$n.event))
  )
}

cases <- list(
  "rossi, strata, Breslow" = case("rossi", "arrest", 23, 2, "Surv(week, cause == 2) ~ fin + prio", strata = "centre", ties = "breslow", baseline = "site"),
  "lung, younger" = case("lung", "status", 63, 1, "Surv(time, cause == 1) ~ sex + ph.ecog"),
  "lung, older, Breslow" = case("lung", "status", 63, 2, "Surv(time, cause == 2) ~ sex + C(ecog3)", ties = "breslow"),
  "lung, older, weights, robust" = case("lung", "status", 63, 2, "Surv(time, cause == 2) ~ sex + ph.ecog", weights = "weight", robust = TRUE),
  "lung, strata" = case("lung", "status", 63, 1, "Surv(time, cause == 1) ~ sex + ph.ecog", strata = "inst", baseline = "site"),
  "lung, censoring" = case("lung", "status", 63, 0, "Surv(time, cause == 0) ~ sex + ph.ecog"),
  "rossi" = case("rossi", "arrest", 23, 2, "Surv(week, cause == 2) ~ fin + prio"),
  "heart, entries" = case("heart", "event", 0, 1, "Surv(start, stop, cause == 1) ~ year + surgery")
)
write_reference("cause", list(cases = cases), "survival")
