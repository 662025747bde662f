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
source("tests/reference/common.R")
events <- c(gbsg2 = "cens", rossi = "arrest")

# glmnet's first lambda is the largest that lets no coefficient in; asking for it alone costs a fit.
first <- function(x, y, family, mixing, w) {
  max(glmnet(x, y, family, weights = w, alpha = max(mixing, 0.001), nlambda = 3)$lambda)
}

case <- function(family, outcome, columns, mixing, weights = NULL, n = 5, baseline = "site",
                 sites = if (family == "cox" && baseline == "site") 1, data = "gbsg2") {
  frame <- datasets[[data]]
  frame$event <- frame[[events[[data]]]]
  x <- as.matrix(frame[columns])
  w <- weights_of(frame, weights)
  y <- if (family == "cox") Surv(frame$untied, frame$event) else frame[[outcome]]
  top <- first(x, y, family, mixing, w)
  lambda <- exp(seq(log(top), log(top * 0.001), length.out = n))
  cv <- suppressWarnings(cv.glmnet(x, y, family = family, weights = w, alpha = mixing, lambda = lambda, foldid = frame$fold,
                                   thresh = 1e-20, maxit = 1e8))
  stopifnot(length(cv$lambda) == n)
  beta <- t(as.matrix(coef(cv$glmnet.fit, s = lambda)))
  deviance <- if (family == "cox") {
    apply(beta, 1, function(b) {
      frame$eta <- as.vector(x %*% b)
      fit <- coxph(Surv(untied, event) ~ offset(eta), cbind(frame, w = w), weights = w, ties = "breslow")
      -2 * fit$loglik[1]
    })
  } else deviance(cv$glmnet.fit)
  formula <- if (family == "cox") sprintf("Surv(untied, %s)", events[[data]]) else outcome
  list(
    family = family, formula = paste(formula, "~", paste(columns, collapse = " + ")),
    terms = I(c(if (family != "cox") "Intercept", columns)), mixing = mixing, weights = weights, strata = NULL, baseline = baseline,
    sites = if (!is.null(sites)) I(sites), data = data, # with baselines of their own a site is a stratum
    lambda = lambda, beta = unname(beta), deviance = I(unname(deviance)), cvm = I(unname(cv$cvm)), cvsd = I(unname(cv$cvsd)),
    lambda_min = cv$lambda.min, lambda_1se = cv$lambda.1se
  )
}

# A stratified Cox model's path, found slowly, for glmnet's own does not converge with twenty strata. As in cv.glmnet the
# columns of a fold's others have unit standard deviation there.
slow_case <- function(columns, mixing, strata, n = 5) {
  frame <- datasets$gbsg2
  x <- as.matrix(frame[columns])
  path <- function(rows, lambda) {
    sds <- apply(x[rows, ], 2, spread, w = rep(1, sum(rows)))
    standard <- data.frame(sweep(x[rows, ], 2, sds, "/"), frame[rows, c("untied", "cens", strata)], w = 1)
    model <- as.formula(sprintf("Surv(untied, cens) ~ %s + strata(%s)", paste(columns, collapse = " + "), strata))
    zero <- numeric(length(columns))
    if (is.null(lambda)) {
      top <- max(abs(slope_of(model, standard, zero, "breslow")$slope)) / mixing
      lambda <- exp(seq(log(top), log(top * 0.001), length.out = n))
    }
    beta <- Reduce(function(b, l) slow_cox(model, standard, b, "breslow", l, mixing), lambda, zero, accumulate = TRUE)
    list(lambda = lambda, beta = t(vapply(beta[-1], function(b) b / sds, sds)))
  }
  deviance <- function(rows, beta) apply(beta, 1, function(b) {
    eta <- as.vector(x %*% b)[rows]
    words <- as.formula(sprintf("Surv(untied, cens) ~ offset(eta) + strata(%s)", strata))
    -2 * coxph(words, cbind(frame[rows, ], eta = eta), ties = "breslow")$loglik[1]
  })
  everyone <- rep(TRUE, nrow(x))
  whole <- path(everyone, NULL)
  events <- tapply(frame$cens, frame$fold, sum)
  raw <- sapply(names(events), function(fold) {
    others <- frame$fold != fold
    beta <- path(others, whole$lambda)$beta
    (deviance(everyone, beta) - deviance(others, beta)) / events[[fold]]
  })
  cvm <- drop(raw %*% events) / sum(events)
  cvsd <- sqrt(drop((raw - cvm)^2 %*% events) / sum(events) / (length(events) - 1))
  best <- which.min(cvm)
  list(
    family = "cox", formula = paste("Surv(untied, cens) ~", paste(columns, collapse = " + ")), terms = I(columns),
    mixing = mixing, weights = NULL, strata = strata, baseline = "site", split = strata, data = "gbsg2", lambda = whole$lambda,
    beta = unname(whole$beta), deviance = I(unname(deviance(everyone, whole$beta))), cvm = I(unname(cvm)), cvsd = I(unname(cvsd)),
    lambda_min = whole$lambda[best], lambda_1se = whole$lambda[which(cvm <= cvm[best] + cvsd[best])[1]]
  )
}

few <- c(1, 5) # many rounds of many points: those of the same family without weights have every number of sites
all <- c("age", "tsize", "pnodes", "progrec", "estrec")
prisoners <- c("fin", "age", "race", "wexp", "mar", "paro", "prio")
cases <- list(
  "logistic, lasso" = case("binomial", "cens", all, 1),
  "logistic, elastic net, weights" = case("binomial", "cens", all, 0.5, "age", sites = few),
  "Gaussian, lasso" = case("gaussian", "tsize", all[all != "tsize"], 1),
  "Gaussian, elastic net, weights" = case("gaussian", "tsize", all[all != "tsize"], 0.3, "age"),
  "Poisson, lasso" = case("poisson", "pnodes", all[all != "pnodes"], 1),
  "Poisson, ridge" = case("poisson", "pnodes", all[all != "pnodes"], 0, sites = few),
  "Cox, lasso" = case("cox", NULL, all, 1),
  "Cox, elastic net, strata" = slow_case(all, 0.5, "centre"),
  "Cox, one baseline, elastic net, weights" = case("cox", NULL, all, 0.7, "age", baseline = "shared"),
  "rossi, logistic, elastic net" = case("binomial", "arrest", prisoners, 0.5, sites = few, data = "rossi"),
  "rossi, Gaussian, lasso" = case("gaussian", "age", prisoners[prisoners != "age"], 1, sites = few, data = "rossi"),
  "rossi, Poisson, lasso, weights" =
    case("poisson", "prio", prisoners[prisoners != "prio"], 1, "weight", sites = few, data = "rossi"),
  "rossi, Cox, elastic net" = case("cox", NULL, prisoners, 0.5, data = "rossi"),
  "rossi, Cox, one baseline, lasso" = case("cox", NULL, prisoners, 1, baseline = "shared", sites = few, data = "rossi")
)
write_reference("path", list(cases = cases), c("survival", "glmnet"))
