# Reference values of penalty paths and their cross-validation for tests/reference, computed by glmnet on the tests' own data:
#
#   Rscript tests/reference/make_path_reference.R
#
# writes tests/reference/path.json (needs glmnet, survival).
#
# Strengths are chosen here as fedstats chooses them, from the smallest that keeps all coefficients at zero, and given to
# glmnet: without them cv.glmnet gives each fold strengths of its own and interpolates. thresh is 1e-20. Times are without
# ties: on tied ones glmnet's Cox fits do not meet the conditions of a maximum (see make_penalised_reference.R), and its
# deviance has a constant for them. cv.glmnet gives the mean over folds of the held-out deviance, of a Cox model
# 2 (loglik of all - loglik without the fold) over the fold's events.

suppressPackageStartupMessages({
  library(glmnet)
  library(survival)
})
glmnet.control(epsnr = 1e-18, mxitnr = 1e4) # of stratified Cox models, which stop by another rule than thresh
source("tests/reference/common.R")
frame <- datasets$gbsg2

spread <- function(x, w) {
  m <- sum(w * x) / sum(w)
  sqrt(sum(w * (x - m)^2) / sum(w))
}

# glmnet's first lambda is the largest that lets no coefficient in; asking for it alone costs a fit.
first <- function(x, y, family, mixing, w) {
  max(glmnet(x, y, family, weights = w, alpha = max(mixing, 0.001), nlambda = 3)$lambda)
}

case <- function(family, outcome, columns, mixing, weights = NULL, strata = NULL, n = 20, baseline = "site") {
  x <- as.matrix(frame[columns])
  w <- weights_of(frame, weights)
  y <- if (family == "cox") Surv(frame$untied, frame$cens) else frame[[outcome]]
  if (!is.null(strata)) y <- stratifySurv(y, as.integer(factor(frame[[strata]])))
  top <- first(x, y, family, mixing, w)
  lambda <- exp(seq(log(top), log(top * 0.001), length.out = n))
  cv <- suppressWarnings(cv.glmnet(x, y, family = family, weights = w, alpha = mixing, lambda = lambda, foldid = frame$fold,
                                   thresh = 1e-20, maxit = 1e8))
  stopifnot(length(cv$lambda) == n)
  beta <- t(as.matrix(coef(cv$glmnet.fit, s = lambda)))
  deviance <- if (family == "cox") {
    apply(beta, 1, function(b) {
      frame$eta <- as.vector(x %*% b)
      added <- if (is.null(strata)) "" else sprintf("+ strata(%s)", strata)
      frame$w <- w
      fit <- coxph(as.formula(paste("Surv(untied, cens) ~ offset(eta)", added)), frame, weights = w, ties = "breslow")
      -2 * fit$loglik[1]
    })
  } else deviance(cv$glmnet.fit)
  formula <- if (family == "cox") "Surv(untied, cens)" else outcome
  list(
    family = family, formula = paste(formula, "~", paste(columns, collapse = " + ")),
    terms = I(c(if (family != "cox") "Intercept", columns)), mixing = mixing, weights = weights, strata = strata, baseline = baseline,
    lambda = lambda, beta = unname(beta), deviance = I(unname(deviance)), cvm = I(unname(cv$cvm)), cvsd = I(unname(cv$cvsd)),
    lambda_min = cv$lambda.min, lambda_1se = cv$lambda.1se
  )
}

all <- c("age", "tsize", "pnodes", "progrec", "estrec")
cases <- list(
  "logistic, lasso" = case("binomial", "cens", all, 1),
  "logistic, elastic net, weights" = case("binomial", "cens", all, 0.5, "age"),
  "Gaussian, lasso" = case("gaussian", "tsize", all[all != "tsize"], 1),
  "Gaussian, elastic net, weights" = case("gaussian", "tsize", all[all != "tsize"], 0.3, "age"),
  "Poisson, lasso" = case("poisson", "pnodes", all[all != "pnodes"], 1),
  "Poisson, ridge" = case("poisson", "pnodes", all[all != "pnodes"], 0),
  "Cox, lasso" = case("cox", NULL, all, 1),
  "Cox, elastic net, strata" = case("cox", NULL, all, 0.5, strata = "tgrade"),
  "Cox, one baseline, elastic net, weights" = case("cox", NULL, all, 0.7, "age", baseline = "shared")
)
write_reference("path", list(cases = cases), c("survival", "glmnet"))
