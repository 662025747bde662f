# Reference values of penalised fits for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_penalised_reference.R
#
# writes tests/reference/penalised.json (needs glmnet, survival).
#
# glmnet's objective is -loglik / n with columns of unit standard deviation (divisor n), which is fedstats' too; its
# weights are made to add up to n, and fedstats' -loglik is divided by their sum. Its Cox fits do not meet the conditions of
# a maximum to more than 1e-4 on tied times, so these are found slowly: the gradient is coxph's, and proximal steps
# go on until nothing moves. A ridge is survival's ridge() as well, whose theta is n times the strength on columns
# standardised beforehand. A Gaussian outcome has unit standard deviation within glmnet (around zero without an intercept),
# so lambda counts in its own units; the squares of an elastic net are then over that standard deviation.

suppressPackageStartupMessages({
  library(glmnet)
  library(survival)
})
source("tests/reference/common.R")

# Every solution must meet the conditions of a maximum to 1e-9: `slope` is -loglik's, over the sum of weights.
settled <- function(slope, beta, strength, mixing, sds) {
  away <- slope / sds + strength * (1 - mixing) * beta * sds
  off <- ifelse(beta != 0, abs(away + strength * mixing * sign(beta)), pmax(abs(away) - strength * mixing, 0))
  if (max(off) > 1e-9) stop("not yet at the maximum: ", max(off))
}

case <- function(kind, data, formula, terms, beta, strength, mixing, weights, extra = list()) {
  c(list(kind = kind, data = data, formula = formula, terms = I(terms), coef = I(unname(beta)),
         strength = strength, mixing = mixing, weights = weights), extra)
}

of_glmnet <- function(data, outcome, columns, strength, mixing, weights = NULL, family = "binomial", offset = NULL,
                      intercept = TRUE) {
  frame <- datasets[[data]]
  x <- as.matrix(frame[columns])
  y <- frame[[outcome]]
  w <- weights_of(frame, weights)
  o <- if (is.null(offset)) rep(0, nrow(x)) else frame[[offset]]
  fit <- glmnet(x, y, family, weights = w, alpha = mixing, lambda = strength, thresh = 1e-22, maxit = 1e7, offset = o,
                intercept = intercept)
  beta <- as.numeric(coef(fit, exact = FALSE))
  eta <- cbind(1, x) %*% beta + o
  mean <- switch(family, binomial = plogis(eta), poisson = exp(eta), gaussian = eta)
  slope <- -colSums(w * (y - mean)[, 1] * x) / sum(w)
  around <- if (intercept) sum(w * (y - o)) / sum(w) else 0
  of_outcome <- if (family == "gaussian") sqrt(sum(w * (y - o - around)^2) / sum(w)) else 1
  settled(slope / of_outcome, beta[-1] / of_outcome, strength / of_outcome, mixing, apply(x, 2, spread, w))
  kind <- if (family == "binomial") "logistic" else family
  terms <- c(if (intercept) "Intercept", columns)
  case(kind, data, paste(outcome, "~", paste(columns, collapse = " + "), if (!intercept) "- 1"), terms,
       if (intercept) beta else beta[-1], strength, mixing, weights, list(offset = offset))
}

# Proximal gradient steps on standardised columns, the first of them the intercept, half as long whenever one breaks its promise.
log_binomial <- function(data, outcome, columns, strength, mixing, weights = NULL, offset = NULL) {
  frame <- datasets[[data]]
  w <- weights_of(frame, weights)
  o <- if (is.null(offset)) 0 else frame[[offset]]
  y <- frame[[outcome]]
  sds <- vapply(columns, function(column) spread(frame[[column]], w), 0)
  means <- vapply(columns, function(column) sum(w * frame[[column]]) / sum(w), 0)
  z <- cbind(1, scale(as.matrix(frame[columns]), means, sds))
  free <- c(0, rep(1, length(columns))) # the intercept is not penalised
  loss <- function(b) {
    eta <- drop(z %*% b) + o
    if (max(eta) >= 0) Inf else -sum(w * (y * eta + (1 - y) * log1p(-exp(eta)))) / sum(w)
  }
  slope <- function(b) {
    mean <- exp(drop(z %*% b) + o)
    -colSums(w * (y - mean) / (1 - mean) * z) / sum(w)
  }
  b <- c(log(sum(w * y) / sum(w)) - max(o), 0 * sds)
  size <- 1
  for (step in 1:20000) {
    g <- slope(b)
    repeat {
      pull <- b - size * g
      new <- sign(pull) * pmax(abs(pull) - size * strength * mixing * free, 0) / (1 + size * strength * (1 - mixing) * free)
      if (loss(new) <= loss(b) + sum(g * (new - b)) + sum((new - b)^2) / (2 * size) + 1e-15) break
      size <- size / 2
    }
    moved <- max(abs(new - b))
    b <- new
    if (moved < 1e-13) break
  }
  if (abs(slope(b)[1]) > 1e-9) stop("the intercept is not at its maximum: ", slope(b)[1], " ", size, " ", step)
  settled(slope(b)[-1], b[-1], strength, mixing, 1)
  beta <- b[-1] / sds
  case("log-binomial", data, paste(outcome, "~", paste(columns, collapse = " + ")), c("Intercept", columns),
       c(b[1] - sum(beta * means), beta), strength, mixing, weights, list(offset = offset))
}

cox <- function(data, time, event, columns, strength, mixing, strata = NULL, ties = "breslow", weights = NULL, offset = NULL) {
  frame <- datasets[[data]]
  w <- weights_of(frame, weights)
  sds <- vapply(columns, function(column) spread(frame[[column]], w), 0)
  standard <- as.data.frame(Map(function(column, sd) frame[[column]] / sd, columns, sds))
  names(standard) <- columns
  standard$w <- w
  standard$o <- if (is.null(offset)) rep(0, nrow(frame)) else frame[[offset]]
  standard$y <- do.call(Surv, unname(as.list(frame[c(time, event)])))
  added <- if (is.null(strata)) character() else "strata(stratum)"
  if (!is.null(strata)) standard$stratum <- frame[[strata]]
  model <- as.formula(paste("y ~", paste(c(columns, added, "offset(o)"), collapse = " + ")))
  beta <- slow_cox(model, standard, numeric(length(columns)), ties, strength, mixing)
  settled(slope_of(model, standard, beta, ties)$slope, beta, strength, mixing, rep(1, length(beta)))
  case("cox", data, sprintf("Surv(%s, %s) ~ %s", toString(time), event, paste(columns, collapse = " + ")), columns,
       beta / sds, strength, mixing, weights, list(ties = ties, strata = strata, split = strata, offset = offset))
}

efron_ridge <- function(data, time, event, columns, strength) {
  frame <- datasets[[data]]
  n <- nrow(frame)
  sds <- vapply(columns, function(column) spread(frame[[column]], rep(1, n)), 0)
  standard <- as.data.frame(Map(function(column, sd) frame[[column]] / sd, columns, sds))
  names(standard) <- columns
  standard$y <- Surv(frame[[time]], frame[[event]])
  theta <- n * strength
  penalty <- sprintf("ridge(%s, theta = %s, scale = FALSE)", paste(columns, collapse = ", "), format(theta, digits = 17))
  fit <- coxph(as.formula(paste("y ~", penalty)), standard, ties = "efron", control = control_cox(100))
  case("cox", data, sprintf("Surv(%s, %s) ~ %s", time, event, paste(columns, collapse = " + ")), columns,
       coef(fit) / sds, strength, 0, NULL,
       list(ties = "efron", strata = NULL, offset = NULL, se = I(unname(sqrt(diag(fit$var)) / sds)), df = sum(fit$df)))
}

lung <- c("age", "sex", "ph.ecog")
gbsg2 <- c("age", "tsize", "pnodes", "progrec", "estrec")
cases <- list(
  "lung, risk, ridge" = log_binomial("lung", "status", c("age", "sex"), 0.05, 0),
  "rossi, risk, ridge, offset" =
    log_binomial("rossi", "arrest", c("fin", "race"), 0.03, 0, offset = "age_effect"),
  "lung, risk, lasso, weights" = log_binomial("lung", "status", c("age", "sex"), 0.01, 1, "weight"),
  "rossi, risk, lasso" = log_binomial("rossi", "arrest", c("fin", "age", "race"), 0.01, 1),
  "lung, risk, elastic net" = log_binomial("lung", "status", c("age", "sex"), 0.02, 0.5),
  "rossi, risk, elastic net, weights" =
    log_binomial("rossi", "arrest", c("fin", "age", "race"), 0.01, 0.3, "weight"),
  "rossi, logistic, ridge, offset" = of_glmnet("rossi", "arrest", c("fin", "prio"), 0.05, 0, offset = "age_effect"),
  "rossi, logistic, elastic net" = of_glmnet("rossi", "arrest", c("fin", "age", "prio"), 0.01, 0.5),
  "rossi, Poisson, ridge, offset" =
    of_glmnet("rossi", "prio", c("fin", "race"), 0.1, 0, family = "poisson", offset = "age_effect"),
  "rossi, Poisson, elastic net" = of_glmnet("rossi", "prio", c("fin", "age", "race"), 0.1, 0.5, family = "poisson"),
  "rossi, Poisson, lasso" = of_glmnet("rossi", "prio", c("fin", "age", "race"), 0.05, 1, family = "poisson"),
  "gbsg2, Gaussian, ridge" = of_glmnet("gbsg2", "tsize", c("age", "pnodes"), 2, 0, family = "gaussian"),
  "gbsg2, Gaussian, lasso" = of_glmnet("gbsg2", "tsize", c("age", "pnodes", "estrec"), 1, 1, family = "gaussian"),
  "lung, Cox, elastic net, weights, Efron" =
    cox("lung", "time", "status", lung, 0.05, 0.5, ties = "efron", weights = "weight"),
  "rossi, Cox, lasso, weights, strata centre" =
    cox("rossi", "week", "arrest", c("fin", "age", "prio"), 0.01, 1, "centre", weights = "weight"),
  "rossi, Cox, ridge, offset" = cox("rossi", "week", "arrest", c("fin", "prio"), 0.05, 0, offset = "age_effect"),
  "heart, Cox, lasso, entries" =
    cox("heart", c("start", "stop"), "event", c("age", "year", "surgery"), 0.02, 1, ties = "efron"),
  "lung, logistic, ridge" = of_glmnet("lung", "status", lung, 0.05, 0),
  "lung, logistic, lasso" = of_glmnet("lung", "status", lung, 0.02, 1),
  "lung, logistic, elastic net, weights" = of_glmnet("lung", "status", lung, 0.03, 0.5, "weight"),
  "gbsg2, logistic, lasso" = of_glmnet("gbsg2", "cens", gbsg2, 0.02, 1),
  "gbsg2, Poisson, ridge" = of_glmnet("gbsg2", "pnodes", c("age", "tsize"), 0.3, 0, family = "poisson"),
  "gbsg2, Poisson, elastic net, weights" =
    of_glmnet("gbsg2", "pnodes", c("age", "tsize", "estrec"), 0.2, 0.5, "age", family = "poisson"),
  "gbsg2, Poisson, lasso" = of_glmnet("gbsg2", "pnodes", c("age", "tsize"), 0.3, 1, family = "poisson"),
  "lung, Gaussian, ridge" = of_glmnet("lung", "time", lung, 40, 0, family = "gaussian"),
  "lung, Gaussian, lasso" = of_glmnet("lung", "time", lung, 20, 1, family = "gaussian"),
  "lung, Gaussian, elastic net, weights and offset" =
    of_glmnet("lung", "time", lung, 15, 0.4, "weight", family = "gaussian", offset = "age_effect"),
  "gbsg2, Gaussian, elastic net" = of_glmnet("gbsg2", "tsize", gbsg2[gbsg2 != "tsize"], 1, 0.7, family = "gaussian"),
  "gbsg2, Gaussian, elastic net, no intercept" =
    of_glmnet("gbsg2", "tsize", c("age", "pnodes"), 2, 0.5, family = "gaussian", intercept = FALSE),
  "lung, Cox, ridge" = cox("lung", "time", "status", lung, 0.1, 0),
  "lung, Cox, lasso" = cox("lung", "time", "status", lung, 0.05, 1),
  "lung, Cox, lasso, strata inst" = cox("lung", "time", "status", lung, 0.03, 1, "inst"),
  "gbsg2, Cox, lasso" = cox("gbsg2", "time", "cens", gbsg2, 0.02, 1),
  "gbsg2, Cox, elastic net" = cox("gbsg2", "time", "cens", gbsg2, 0.05, 0.5),
  "gbsg2, Cox, lasso, Efron" = cox("gbsg2", "time", "cens", gbsg2, 0.02, 1, ties = "efron"),
  "lung, Cox, ridge, Efron" = efron_ridge("lung", "time", "status", lung, 0.1),
  "gbsg2, Cox, ridge, Efron" = efron_ridge("gbsg2", "time", "cens", gbsg2, 0.05)
)
write_reference("penalised", list(cases = cases), c("survival", "glmnet"))
