# What the scripts that make reference values share: the tests' own data sets, words and how values are written.
#
# Run a script from the root of the repository. It needs jsonlite beside what it loads; PYTHON names another interpreter
# than that of .venv. R is needed to remake the values, not to run the tests.

folder <- tempfile("datasets")
dir.create(folder)
python <- Sys.getenv("PYTHON", ".venv/bin/python")
stopifnot(system2(python, c("-m", "tests.reference.write_datasets", folder)) == 0)
paths <- list.files(folder, full.names = TRUE)
datasets <- setNames(lapply(paths, read.csv), sub("[.]csv$", "", basename(paths)))

# R's formula of one in fedstats' words, with strata and an offset as terms of it.
r_formula <- function(formula, strata = NULL, offset = NULL) {
  added <- c(if (length(strata)) sprintf("strata(%s)", paste(strata, collapse = ", ")), sprintf("offset(%s)", offset))
  as.formula(paste(c(gsub("\\bC\\(", "factor(", formula, perl = TRUE), added), collapse = " + "), parent.frame())
}

# fedstats' names of R's coefficients.
term_names <- function(names) {
  names <- sub("^\\(Intercept\\)$", "Intercept", gsub(" ", "", names))
  names <- gsub("((rcs|bs|poly)\\([^)]*\\))([0-9]+)", "\\1[\\3]", names)
  gsub("factor\\(([^)]*)\\)([^:]*)", "C(\\1)[\\2]", names)
}

# Case weights, one where a case has none.
weights_of <- function(frame, weights) if (is.null(weights)) rep(1, nrow(frame)) else as.numeric(frame[[weights]])

# coxph.control warns that eps is below the tolerance for pivots; that one is about rank, and no fit here lacks rank.
control_cox <- function(iter.max = 50) suppressWarnings(survival::coxph.control(eps = 1e-14, iter.max = iter.max))

# Standard deviation with the divisor n, weighted.
spread <- function(x, w) {
  m <- sum(w * x) / sum(w)
  sqrt(sum(w * (x - m)^2) / sum(w))
}

# Of the partial likelihood's slope, over the sum of weights, at beta.
slope_of <- function(model, frame, beta, ties) {
  at <- suppressWarnings(
    coxph(model, frame, weights = w, ties = ties, init = beta, x = TRUE, control = coxph.control(iter.max = 0))
  )
  list(slope = -colSums(as.matrix(residuals(at, "score", weighted = TRUE))) / sum(frame$w), variance = vcov(at))
}

# Proximal gradient steps on columns of unit standard deviation, each as long as the curvature at the start allows.
slow_cox <- function(model, frame, beta, ties, strength, mixing) {
  curvature <- 2 * max(eigen(solve(slope_of(model, frame, beta, ties)$variance) / sum(frame$w))$values)
  for (step in 1:5000) {
    pull <- beta - slope_of(model, frame, beta, ties)$slope / curvature
    new <- sign(pull) * pmax(abs(pull) - strength * mixing / curvature, 0) / (1 + strength * (1 - mixing) / curvature)
    if (max(abs(new - beta)) < 1e-13) return(new)
    beta <- new
  }
  stop("no maximum after ", step, " steps")
}

families <- list(
  "binomial log" = binomial("log"), "poisson log" = poisson("log"), "gaussian identity" = gaussian("identity"),
  "binomial logit" = binomial("logit")
)

# The values with the versions that made them; NULL is null, a vector of length one a number unless marked by I().
write_reference <- function(name, values, packages = character()) {
  packages <- c(packages, "jsonlite")
  versions <- c(R = R.version.string, vapply(packages, function(p) as.character(packageVersion(p)), ""))
  path <- sprintf("tests/reference/%s.json", name)
  jsonlite::write_json(c(list(versions = as.list(versions)), values), path, digits = NA, auto_unbox = TRUE,
                       pretty = TRUE, null = "null", na = "null")
  cat(path, "\n")
}
