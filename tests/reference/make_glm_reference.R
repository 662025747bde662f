# Reference values of generalised linear models for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_glm_reference.R
#
# writes tests/reference/glm.json (needs sandwich and, before R 4.4, MASS).
# Every fit must be a maximum to 1e-12: one more step of Fisher scoring may move nothing.

suppressPackageStartupMessages(library(sandwich))
options(warn = 2)
source("tests/reference/common.R")

case <- function(data, formula, family, weights = NULL, offset = NULL, robust = FALSE, cluster = NULL, start = NULL,
                 split = NULL) {
  frame <- datasets[[data]]
  words <- gsub("\\bC\\(", "factor(", formula, perl = TRUE)
  if (!is.null(offset)) words <- sprintf("%s + offset(%s)", words, offset)
  frame$w <- weights_of(frame, weights)
  # of a model with an offset glm fits the null model again, and gives it no start
  started <- function(x, y, weights, start = NULL, mustart = NULL, offset, ...) {
    if (is.null(start) && ncol(x) == 1) start <- log(sum(weights * y) / sum(weights * exp(offset)))
    glm.fit(x, y, weights, start, offset = offset, ...)
  }
  at <- function(from, steps) suppressWarnings( # of weights that are no whole numbers, and of too few steps
    glm(as.formula(words), families[[family]], frame, weights = w, start = from,
        method = if (family == "binomial log") started else "glm.fit",
        control = glm.control(epsilon = 1e-15, maxit = steps))
  )
  fit <- at(start, 200)
  for (more in 1:100) { # Fisher scoring of a log-binomial model is linear, and glm stops by the deviance
    again <- at(coef(fit), 1)
    moved <- max(abs(coef(again) - coef(fit)) / pmax(sqrt(diag(vcov(fit))), abs(coef(fit))))
    fit <- again
    if (moved < 1e-13) break
  }
  stopifnot(moved < 1e-12)
  null <- suppressWarnings(
    glm(as.formula(sub("~.*?(\\+ offset|$)", "~ 1 \\1", words, perl = TRUE)), families[[family]], frame, weights = w,
        start = if (is.null(start)) NULL else start[1], control = glm.control(epsilon = 1e-15, maxit = 200))
  )
  covariance <- vcov(fit)
  if (robust) covariance <- sandwich(fit)
  if (!is.null(cluster)) covariance <- vcovCL(fit, frame[[cluster]], type = "HC0", cadjust = FALSE)
  names <- term_names(names(coef(fit)))
  parts <- strsplit(family, " ")[[1]]
  # of a Gaussian model R cuts the profile of the deviance, a parabola, at normal quantiles
  limits <- NULL
  if (parts[1] == "gaussian" && !robust && is.null(cluster)) limits <- suppressWarnings(suppressMessages(unname(confint(fit))))
  list(
    data = data, formula = formula, family = parts[1], link = parts[2], weights = weights, offset = offset,
    robust = robust, cluster = cluster, split = split, terms = I(names), coef = I(unname(coef(fit))),
    se = I(unname(sqrt(diag(covariance)))), loglik = as.numeric(logLik(fit)), loglik_null = as.numeric(logLik(null)),
    aic = AIC(fit), bic = BIC(fit), deviance = deviance(fit), null_deviance = deviance(null),
    dispersion = summary(fit)$dispersion,
    p_value = I(unname(summary(fit)$coefficients[, 4])), n = nobs(fit), confint = limits
  )
}

lung <- "age + sex + C(ecog3)"
cases <- list(
  "lung, risk" = case("lung", paste("status ~", lung), "binomial log", start = c(-0.5, 0, 0, 0, 0)),
  "lung, risk, weights" = case("lung", "status ~ age + sex", "binomial log", weights = "weight", start = c(-0.5, 0, 0)),
  "lung, risk, robust" = case("lung", "status ~ age + sex", "binomial log", robust = TRUE, start = c(-0.5, 0, 0)),
  "lung, risk, cluster" =
    case("lung", "status ~ age + sex", "binomial log", cluster = "inst", start = c(-0.5, 0, 0), split = "inst"),
  "lung, risk, offset" =
    case("lung", "status ~ sex", "binomial log", offset = "age_effect", start = c(-1, 0)),
  "rossi, risk, offset, robust" =
    case("rossi", "arrest ~ fin + race", "binomial log", offset = "age_effect", start = c(-1.6, 0, 0), robust = TRUE),
  "rossi, risk, weights, cluster" = case(
    "rossi", "arrest ~ fin + age + race", "binomial log", weights = "weight", start = c(-1.3, 0, 0, 0), cluster = "centre",
    split = "centre"
  ),
  "rossi, arrests, cluster" = case("rossi", "prio ~ age + fin + race", "poisson log", cluster = "centre", split = "centre"),
  "lung, rate, weights, cluster" =
    case("lung", "status ~ sex + ph.ecog", "poisson log", weights = "weight", offset = "age_effect", cluster = "inst", split = "inst"),
  "rossi, weeks, cluster" = case("rossi", "week ~ age + fin", "gaussian identity", cluster = "centre", split = "centre"),
  "rossi, weeks, offset" = case("rossi", "week ~ fin + prio", "gaussian identity", offset = "age"),
  "lung, odds" = case("lung", paste("status ~", lung), "binomial logit"),
  "lung, risk by Poisson, robust" = case("lung", paste("status ~", lung), "poisson log", robust = TRUE),
  "gbsg2, nodes" = case("gbsg2", "pnodes ~ age + C(horTh) + tsize", "poisson log"),
  "gbsg2, nodes, weights" = case("gbsg2", "pnodes ~ age + C(horTh) + tsize", "poisson log", weights = "age"),
  "gbsg2, nodes, robust" = case("gbsg2", "pnodes ~ age + C(tgrade)", "poisson log", robust = TRUE),
  "rossi, arrests by weeks" = case("rossi", "prio ~ age + fin + race", "poisson log"),
  "lung, rate" = case("lung", "status ~ age + sex + ph.ecog", "poisson log", offset = "age_effect"),
  "lung, weeks" = case("lung", paste("time ~", lung), "gaussian identity"),
  "lung, weeks, weights" = case("lung", paste("time ~", lung), "gaussian identity", weights = "weight"),
  "lung, weeks, offset" = case("lung", "time ~ sex + ph.ecog", "gaussian identity", offset = "age"),
  "lung, weeks, robust" = case("lung", paste("time ~", lung), "gaussian identity", robust = TRUE),
  "lung, weeks, cluster" =
    case("lung", paste("time ~", lung), "gaussian identity", cluster = "inst", split = "inst"),
  "gbsg2, size" = case("gbsg2", "tsize ~ age + C(horTh) + pnodes", "gaussian identity"),
  "gbsg2, size, weights and robust" =
    case("gbsg2", "tsize ~ age + C(horTh)", "gaussian identity", weights = "age", robust = TRUE)
)
write_reference("glm", list(cases = cases), "sandwich")
