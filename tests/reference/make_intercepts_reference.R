# Reference values of models with an intercept for each practice, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_intercepts_reference.R
#
# writes tests/reference/intercepts.json (needs sandwich).
#
# The reference is glm with a 0/1 column for each practice. Practices without an event, or with events alone, have infinite
# coefficients there: they are left out of the fit, and the log-likelihood of the fit with them must be the same to glm's
# own tolerance. Every fit must be a maximum to 1e-12: one more step may move nothing.

suppressPackageStartupMessages(library(sandwich))
options(warn = 2)
source("tests/reference/common.R")

canonical <- list(binomial = binomial(), poisson = poisson(), gaussian = gaussian())

case <- function(data, formula, intercepts, family, weights = NULL, offset = NULL, robust = FALSE, cluster = NULL,
                 split = intercepts, profile = NULL) {
  frame <- datasets[[data]]
  frame$w <- weights_of(frame, weights)
  frame$o <- if (is.null(offset)) rep(0, nrow(frame)) else frame[[offset]]
  frame$practice <- factor(frame[[intercepts]])
  outcome <- frame[[sub(" ~.*", "", formula)]]
  extreme <- function(y) (family == "binomial" && length(unique(y)) == 1) || (family == "poisson" && all(y == 0))
  silent <- as.logical(ave(outcome, frame$practice, FUN = extreme))
  alone <- ave(outcome, frame$practice, FUN = length) == 1
  words <- paste(gsub("\\bC\\(", "factor(", formula, perl = TRUE), "+ practice + offset(o)")
  fitted <- function(words, rows, from = NULL, steps = 200) suppressWarnings( # of weights that are no whole numbers
    glm(as.formula(words), canonical[[family]], droplevels(rows), weights = w, start = from,
        control = glm.control(epsilon = 1e-15, maxit = steps))
  )
  informative <- frame[!silent, ]
  for (more in 1:3) { # glm's covariance is that of the step before its last
    before <- if (more == 1) NULL else coef(fit)
    fit <- fitted(words, informative, before, if (more == 1) 200 else 1)
  }
  moved <- max(abs(before - coef(fit)) / sqrt(diag(vcov(fit))))
  stopifnot(moved < 1e-12)
  whole <- fitted(words, frame, steps = 25)
  stopifnot(abs(deviance(whole) - deviance(fit)) < 1e-6)
  # from zero, for from where glm begins it runs away where weights are large
  zero <- numeric(length(unique(informative$practice)))
  null <- fitted(sub("~.*", "~ practice + offset(o)", words), informative, if (family != "gaussian") zero)
  covariance <- vcov(fit)
  if (robust) covariance <- sandwich(fit)
  if (!is.null(cluster)) covariance <- vcovCL(fit, informative[[cluster]], type = "HC0", cadjust = FALSE)
  kept <- !grepl("^practice|Intercept", names(coef(fit)))
  names <- term_names(names(coef(fit))[kept])
  parameters <- sum(kept) + nlevels(frame$practice) + (family == "gaussian")
  loglik <- as.numeric(logLik(fit))
  ends <- NULL
  if (!is.null(profile)) {
    fallen <- function(v) {
      held <- informative
      held$o <- held$o + v * held[[profile]]
      deviance(fitted(sub(profile, "1", words), held)) - deviance(fit) - qchisq(0.95, 1)
    }
    middle <- coef(fit)[[profile]]
    far <- 5 * sqrt(vcov(fit)[profile, profile])
    ends <- sapply(c(-1, 1), function(side) uniroot(fallen, sort(c(middle, middle + side * far)), tol = 1e-14)$root)
  }
  list(
    data = data, formula = formula, intercepts = intercepts, family = family, weights = weights, offset = offset,
    robust = robust, cluster = cluster, split = split, terms = I(names), coef = I(unname(coef(fit)[kept])),
    se = I(unname(sqrt(diag(covariance)))[kept]), vcov = covariance[kept, kept, drop = FALSE] |> unname(), loglik = loglik,
    loglik_null = as.numeric(logLik(null)), aic = -2 * loglik + 2 * parameters,
    bic = -2 * loglik + log(nrow(frame)) * parameters, deviance = deviance(fit), dispersion = summary(fit)$dispersion,
    n = nrow(frame), practices = nlevels(frame$practice), uninformative = sum(silent | alone), profile = profile,
    ends = if (is.null(ends)) NULL else I(ends)
  )
}

lung3 <- "status ~ age + sex + C(ecog3)"
cases <- list(
  "lung" = case("lung", lung3, "inst", "binomial"),
  "lung, profile" = case("lung", "status ~ age + sex", "inst", "binomial", profile = "sex"),
  "lung, weights" = case("lung", "status ~ age + sex", "inst", "binomial", weights = "weight"),
  "lung, offset" = case("lung", "status ~ sex + ph.ecog", "inst", "binomial", offset = "age_effect"),
  "lung, robust" = case("lung", lung3, "inst", "binomial", robust = TRUE),
  "lung, cluster is practice" = case("lung", lung3, "inst", "binomial", cluster = "inst"),
  "lung, clusters of practices" = case("lung", "status ~ age + sex", "inst", "binomial", cluster = "site17", split = "site17"),
  "rossi" = case("rossi", "arrest ~ fin + age + race + prio", "centre", "binomial", weights = "week", robust = TRUE),
  "fair, many" = case("fair", "affair ~ rate_marriage + religious", "yrs_married", "binomial"),
  "rossi, arrests" = case("rossi", "prio ~ age + fin + race", "centre", "poisson"),
  "rossi, arrests by week" = case("rossi", "prio ~ age + fin", "week", "poisson"),
  "rossi, arrests, robust" = case("rossi", "prio ~ age + fin + race", "centre", "poisson", robust = TRUE),
  "lung, rate" = case("lung", "status ~ age + sex", "inst", "poisson", offset = "age_effect", profile = "sex"),
  "rossi, arrests, weights, cluster" =
    case("rossi", "prio ~ age + fin", "centre", "poisson", weights = "weight", cluster = "centre"),
  "rossi, weeks, robust" = case("rossi", "week ~ age + fin", "centre", "gaussian", robust = TRUE),
  "rossi, offset" = case("rossi", "arrest ~ fin + prio", "centre", "binomial", offset = "age_effect"),
  "lung, weeks" = case("lung", "time ~ age + sex + C(ecog3)", "inst", "gaussian"),
  "lung, weeks, weights" = case("lung", "time ~ age + sex", "inst", "gaussian", weights = "weight"),
  "lung, weeks, cluster" = case("lung", "time ~ age + sex", "inst", "gaussian", cluster = "inst", offset = "age_effect")
)
write_reference("intercepts", list(cases = cases), "sandwich")
