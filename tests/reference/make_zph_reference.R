# Reference values of cox.zph for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_zph_reference.R
#
# writes tests/reference/zph.json (needs survival >= 3.0).

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")

case <- function(data, formula, strata, ties = "efron", weights = NULL, split = strata) {
  frame <- datasets[[data]]
  frame$w <- weights_of(frame, weights)
  frame <- frame[frame$w > 0, ] # whom nobody counts is not there
  words <- paste(gsub("\\bC\\(", "factor(", formula, perl = TRUE), sprintf("+ strata(%s)", strata))
  fit <- coxph(as.formula(words), frame, ties = ties, weights = w, control = control_cox())
  tests <- list()
  for (transform in c("km", "rank", "identity", "log")) {
    for (terms in c(TRUE, FALSE)) {
      table <- cox.zph(fit, transform, terms = terms)$table
      names <- term_names(rownames(table))
      tests[[length(tests) + 1]] <- list(
        transform = transform, terms = terms, term = I(sub("[]", "", names, fixed = TRUE)), statistic = I(unname(table[, "chisq"])),
        df = I(unname(table[, "df"])), p_value = I(unname(table[, "p"]))
      )
    }
  }
  list(
    data = data, formula = formula, strata = strata, ties = ties, weights = weights, split = split, n = fit$n,
    n_event = fit$nevent, tests = tests
  )
}

surv_lung <- "Surv(time, status) ~"
cases <- list(
  "lung, Efron" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "inst"),
  "lung, Breslow" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "inst", "breslow"),
  "lung, factor" = case("lung", paste(surv_lung, "age + sex + C(ecog3)"), "inst"),
  "lung, weights" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "inst", weights = "weight"),
  "lung, weights of which some are zero" = case("lung_zero", paste(surv_lung, "age + sex + ph.ecog"), "inst", weights = "weight"),
  "heart, entries and weights of which some are zero" =
    case("heart_zero", "Surv(start, stop, event) ~ age + year + surgery", "centre", weights = "weight"),
  "lung, empty cells" = case("lung_gaps", paste(surv_lung, "age + sex + ph.ecog"), "inst"),
  "rossi, ties" = case("rossi", "Surv(week, arrest) ~ fin + age + race + prio", "centre"),
  "heart, entries" = case("heart", "Surv(start, stop, event) ~ age + year + surgery", "centre")
)
write_reference("zph", list(cases = cases), "survival")
