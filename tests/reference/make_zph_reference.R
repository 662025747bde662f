# Reference values of cox.zph for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_zph_reference.R
#
# writes tests/reference/zph.json (needs survival >= 3.0 and jsonlite; PYTHON as in make_reference.R).

suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})
folder <- tempfile("datasets")
dir.create(folder)
python <- Sys.getenv("PYTHON", ".venv/bin/python")
stopifnot(system2(python, c("-m", "tests.reference.write_datasets", folder)) == 0)
paths <- list.files(folder, full.names = TRUE)
datasets <- setNames(lapply(paths, read.csv), sub("[.]csv$", "", basename(paths)))

case <- function(data, formula, strata, ties = "efron", weights = NULL, split = strata) {
  frame <- datasets[[data]]
  frame$w <- if (is.null(weights)) rep(1, nrow(frame)) else as.numeric(frame[[weights]])
  words <- paste(gsub("\\bC\\(", "factor(", formula, perl = TRUE), sprintf("+ strata(%s)", strata))
  control <- suppressWarnings(coxph.control(eps = 1e-14, iter.max = 50))
  fit <- coxph(as.formula(words), frame, ties = ties, weights = w, control = control)
  tests <- list()
  for (transform in c("km", "rank", "identity", "log")) {
    for (terms in c(TRUE, FALSE)) {
      table <- cox.zph(fit, transform, terms = terms)$table
      names <- gsub("factor\\(([^)]*)\\)([^:]*)", "C(\\1)[\\2]", rownames(table))
      tests[[length(tests) + 1]] <- list(
        transform = transform, terms = terms, term = I(sub("\\[\\]$", "", names)), statistic = I(unname(table[, "chisq"])),
        df = I(unname(table[, "df"])), p_value = I(unname(table[, "p"]))
      )
    }
  }
  list(data = data, formula = formula, strata = strata, ties = ties, weights = weights, split = split, tests = tests)
}

surv_lung <- "Surv(time, status) ~"
cases <- list(
  "lung, Efron" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "site4"),
  "lung, Breslow" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "site4", "breslow"),
  "lung, factor" = case("lung", paste(surv_lung, "age + sex + C(ecog3)"), "inst"),
  "lung, weights" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "site4", weights = "weight"),
  "lung, empty cells" = case("lung_gaps", paste(surv_lung, "age + sex + ph.ecog"), "site4"),
  "rossi, ties" = case("rossi", "Surv(week, arrest) ~ fin + age + race + prio", "centre"),
  "heart, entries" = case("heart", "Surv(start, stop, event) ~ age + year + surgery", "centre")
)
versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(list(versions = versions, cases = cases), "tests/reference/zph.json", digits = NA, auto_unbox = TRUE,
           pretty = TRUE, null = "null")
