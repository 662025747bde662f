# Reference values of models weighted by an estimated propensity, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_weights_reference.R
#
# writes tests/reference/weights.json (needs survival, survey, numDeriv). The stacked variance is worked out from the estimating functions
# of both models alone: their derivatives are numerical (numDeriv, Richardson), so that no formula of a cross-derivative is used.

suppressPackageStartupMessages({
  library(survival)
  library(survey)
  library(numDeriv)
})
source("tests/reference/common.R")
options(survey.lonely.psu = "adjust")

logit_maximum <- function(x, y, penalty) { # penalty: n times lambda times the squared spread, a column each
  beta <- rep(0, ncol(x))
  for (step in 1:100) {
    p <- drop(plogis(x %*% beta))
    change <- solve(crossprod(x, x * p * (1 - p)) + diag(penalty, ncol(x)), crossprod(x, y - p) - penalty * beta)
    beta <- beta + drop(change)
    if (max(abs(change)) < 1e-14) break
  }
  beta
}

# Weights at coefficients of the propensity (and the share of the treated, last, where stabilised).
weights_at <- function(alpha, z, a, case) {
  share <- if (isTRUE(case$stabilised)) alpha[length(alpha)] else NULL
  e <- drop(plogis(z %*% alpha[seq_len(ncol(z))]))
  if (!is.null(case$truncate)) e <- pmin(pmax(e, case$truncate[1]), case$truncate[2])
  w <- switch(case$estimand, ATE = a / e + (1 - a) / (1 - e), ATT = a + (1 - a) * e / (1 - e), overlap = a * (1 - e) + (1 - a) * e)
  if (!is.null(share)) w <- w * (a * share + (1 - a) * (1 - share))
  if (!is.null(case$bounds)) w <- pmin(pmax(w, case$bounds[1]), case$bounds[2])
  w
}

# Each patient's estimating function of the propensity, rows of (n, q).
propensity_scores <- function(alpha, z, a, penalty) {
  k <- ncol(z)
  scores <- z * (a - drop(plogis(z %*% alpha[1:k]))) - rep(penalty * alpha[1:k] / nrow(z), each = nrow(z))
  if (length(alpha) > k) cbind(scores, a - alpha[k + 1]) else scores
}

glm_parts <- function(case, frame, w) {
  family <- families[[paste(case$family, case$link)]]
  words <- r_formula(case$formula)
  frame$w_ <- w
  at <- function(start) suppressWarnings(
    glm(words, family, frame, weights = w_, start = start, control = glm.control(epsilon = 1e-15, maxit = 100))
  )
  fit <- at(coef(at(NULL)))
  x <- model.matrix(fit)
  y <- model.response(model.frame(words, frame))
  if (is.factor(y)) y <- as.numeric(y) - 1
  list(beta = coef(fit), scores = function(beta, w) w * x * (y - family$linkinv(drop(x %*% beta))))
}

cox_parts <- function(case, frame, w) {
  words <- r_formula(case$formula, case$strata)
  at <- function(beta, w, ...) {
    frame$w_ <- w
    suppressWarnings(coxph(words, frame, weights = w_, ties = case$ties, init = beta, x = TRUE, ...))
  }
  frame$w_ <- w
  beta <- coef(coxph(words, frame, weights = w_, ties = case$ties, control = control_cox()))
  list(beta = beta, scores = function(beta, w) {
    fit <- at(beta, w, control = coxph.control(iter.max = 0, timefix = TRUE))
    as.matrix(residuals(fit, "score", weighted = TRUE))
  })
}

# Standardised mean differences with the unweighted spread, one a column of z without the intercept.
differences <- function(z, a, w, estimand) {
  found <- sapply(colnames(z)[-1], function(name) {
    x <- z[, name]
    binary <- all(x %in% 0:1)
    variance <- function(x) if (binary) mean(x) * (1 - mean(x)) else var(x)
    parts <- c(variance(x[a == 1]), variance(x[a == 0]))
    sd <- sqrt(if (estimand == "ATT") parts[1] else mean(parts))
    c((mean(x[a == 1]) - mean(x[a == 0])) / sd,
      (weighted.mean(x[a == 1], w[a == 1]) - weighted.mean(x[a == 0], w[a == 0])) / sd)
  })
  list(smd = I(unname(found[1, ])), weighted_smd = I(unname(found[2, ])))
}

case <- function(data, treatment, formula, estimand, kind = "logistic", ...) {
  case <- list(data = data, propensity = treatment, formula = formula, estimand = estimand, kind = kind, ...)
  if (kind == "logistic") case <- c(case, family = "binomial", link = "logit")
  frame <- datasets[[data]]
  frame[] <- lapply(frame, function(x) if (is.character(x)) factor(x) else x)
  words <- r_formula(treatment)
  a <- model.response(model.frame(words, frame))
  if (is.factor(a)) a <- as.numeric(a) - 1
  z <- model.matrix(words, frame)
  n <- nrow(z)
  penalty <- rep(0, ncol(z))
  if (!is.null(case$ridge)) penalty[-1] <- n * case$ridge * apply(z[, -1], 2, spread, w = rep(1, n))^2
  alpha <- logit_maximum(z, a, penalty)
  names(alpha) <- colnames(z)
  nuisance <- if (isTRUE(case$stabilised)) c(alpha, mean(a)) else alpha
  w <- weights_at(nuisance, z, a, case)
  parts <- (if (kind == "cox") cox_parts else glm_parts)(case, frame, w)
  q <- length(nuisance)
  together <- function(theta) {
    own <- theta[1:q]
    cbind(propensity_scores(own, z, a, penalty), parts$scores(theta[-(1:q)], weights_at(own, z, a, case)))
  }
  theta <- c(nuisance, parts$beta)
  scores <- together(theta)
  slope <- jacobian(function(theta) colSums(together(theta)), theta, method.args = list(r = 6))
  groups <- if (is.null(case$cluster)) seq_len(n) else frame[[case$cluster]]
  variance <- function(keep) {
    added <- rowsum(scores[, keep, drop = FALSE], groups)
    bread <- solve(slope[keep, keep, drop = FALSE])
    sqrt(diag(bread %*% crossprod(added) %*% t(bread)))
  }
  own <- q + seq_along(parts$beta)
  robust <- variance(own)
  if (kind != "cox" && is.null(case$cluster)) { # survey has n / (n - 1) besides
    frame$w_ <- w
    design <- svydesign(ids = ~1, weights = ~w_, data = frame)
    family <- switch(case$family, binomial = quasibinomial(), poisson = quasipoisson(), gaussian())
    survey_fit <- svyglm(r_formula(formula), design, family = family, control = glm.control(epsilon = 1e-15, maxit = 100))
    stopifnot(max(abs(SE(survey_fit) * sqrt((n - 1) / n) / robust - 1)) < 1e-6)
  }
  if (kind == "cox" && is.null(case$strata)) {
    frame$w_ <- w
    fit <- coxph(r_formula(formula), frame, weights = w_, ties = case$ties, robust = TRUE, control = control_cox())
    stopifnot(max(abs(sqrt(diag(vcov(fit))) / robust - 1)) < 1e-6)
  }
  c(case, list(
    terms = I(unname(term_names(names(parts$beta)))), coef = I(unname(parts$beta)), se = I(unname(variance(c(1:q, own))[own])),
    robust = I(unname(robust)), alpha_terms = I(unname(term_names(colnames(z)))), alpha = I(unname(alpha)),
    effective = sapply(0:1, function(k) sum(w[a == k])^2 / sum(w[a == k]^2)), balance = differences(z, a, w, estimand)
  ))
}

augmented <- function(data, treatment, formula, truncate = NULL, estimand = "ATE") {
  frame <- datasets[[data]]
  frame[] <- lapply(frame, function(x) if (is.character(x)) factor(x) else x)
  words <- r_formula(treatment)
  a <- model.response(model.frame(words, frame))
  column <- all.vars(words)[1]
  values <- if (is.factor(a)) levels(a) else 0:1
  if (is.factor(a)) a <- as.numeric(a) - 1
  z <- model.matrix(words, frame)
  w <- weights_at(logit_maximum(z, a, rep(0, ncol(z))), z, a, list(estimand = estimand, truncate = truncate))
  own <- if (estimand == "ATT") a else rep(1, length(a))
  at <- function(start) glm(r_formula(formula), binomial(), frame, start = start, control = glm.control(epsilon = 1e-15, maxit = 100))
  fit <- at(coef(at(NULL)))
  y <- fit$y
  phi <- sapply(0:1, function(k) {
    set <- frame
    set[[column]] <- if (is.factor(frame[[column]])) factor(values[k + 1], levels = values) else values[k + 1]
    m <- predict(fit, set, "response")
    own * m + (a == k) * w * (y - m)
  })
  mu <- colSums(phi) / sum(own)
  influence <- (phi - own %o% mu) / sum(own) # of the means, a patient each
  se <- function(x) sqrt(sum(x^2))
  list(data = data, propensity = treatment, formula = formula, truncate = truncate, estimand = estimand, risk = mu,
       risk_se = apply(influence, 2, se), difference_se = se(influence[, 2] - influence[, 1]),
       ratio_se = se(influence[, 2] / mu[2] - influence[, 1] / mu[1]))
}

# A curve with the weights: the infinitesimal jackknife, as survfit has it where weights are no whole numbers.
curve <- function(data, treatment, formula, estimand, times, tau, truncate = NULL) {
  frame <- datasets[[data]]
  frame[] <- lapply(frame, function(x) if (is.character(x)) factor(x) else x)
  words <- r_formula(treatment)
  a <- model.response(model.frame(words, frame))
  if (is.factor(a)) a <- as.numeric(a) - 1
  z <- model.matrix(words, frame)
  w <- weights_at(logit_maximum(z, a, rep(0, ncol(z))), z, a, list(estimand = estimand, truncate = truncate))
  fit <- do.call(survfit, list(formula = as.formula(formula), data = frame, weights = w, robust = TRUE))
  at <- summary(fit, times = times)
  group <- factor(frame[[all.vars(as.formula(formula)[[3]])]])
  mean_errors <- residuals(fit, times = tau, type = "RMST")
  list(
    data = data, propensity = treatment, formula = formula, estimand = estimand, truncate = truncate, times = times, tau = tau,
    group = sub("^[^=]*=", "", as.character(at$strata)), time = at$time, n_risk = at$n.risk, estimate = at$surv, std_error = at$std.err,
    conf_low = at$lower, conf_high = at$upper, mean = unname(summary(fit, rmean = tau)$table[, "rmean"]),
    mean_error = vapply(levels(group), function(g) sqrt(sum((w * mean_errors)[group == g]^2)), 1)
  )
}

rossi <- "fin ~ age + C(race) + prio"
gbsg2 <- "horTh ~ age + C(menostat) + tsize + pnodes"
cases <- list(
  "rossi, ATE" = case("rossi", rossi, "arrest ~ fin", "ATE"),
  "rossi, ATE, clusters" = case("rossi", rossi, "arrest ~ fin", "ATE", cluster = "centre", split = "centre", sites = c(1, 5)),
  "rossi, overlap, a covariate" = case("rossi", rossi, "arrest ~ fin + age", "overlap", sites = c(1, 5)),
  "rossi, ridge of the propensity" = case("rossi", rossi, "arrest ~ fin", "ATE", ridge = 0.02, sites = c(1, 5)),
  "rossi, stabilised, a covariate" = case("rossi", rossi, "arrest ~ fin + age", "ATE", stabilised = TRUE, sites = c(1, 5)),
  "rossi, ATT, strata" = case("rossi", rossi, "Surv(week, arrest) ~ fin", "ATT", "cox", ties = "efron", strata = "centre", split = "centre", baseline = "site"),
  "rossi, stabilised and cut, shared" = case("rossi", rossi, "Surv(week, arrest) ~ fin + age", "ATE", "cox", ties = "efron", baseline = "shared", stabilised = TRUE, truncate = c(0.45, 0.55), sites = c(1, 5)),
  "gbsg2, overlap, strata, clusters" = case("gbsg2", gbsg2, "Surv(time, cens) ~ C(horTh)", "overlap", "cox", ties = "efron", strata = "centre", split = "centre", baseline = "site", cluster = "centre", sites = c(1, 5)),
  "gbsg2, ATE, bounds, Poisson" = case("gbsg2", gbsg2, "cens ~ C(horTh)", "ATE", "glm", family = "poisson", link = "log", bounds = c(1.3, 4), sites = c(1, 5)),
  "gbsg2, ATT, Gaussian" = case("gbsg2", "horTh ~ age + pnodes", "tsize ~ C(horTh)", "ATT", "glm", family = "gaussian", link = "identity", sites = c(1, 5)),
  "heart, entries" = case("heart", "surgery ~ age + year", "Surv(start, stop, event) ~ surgery", "ATE", "cox", ties = "breslow", strata = "centre", split = "centre", baseline = "site", sites = c(1, 5)),
  "spector, ATT" = case("spector", "PSI ~ GPA + TUCE", "GRADE ~ PSI", "ATT", sites = c(1, 5))
)
effects <- list(
  "rossi" = augmented("rossi", rossi, "arrest ~ fin + age + prio"),
  "gbsg2, cut" = augmented("gbsg2", gbsg2, "cens ~ C(horTh) + age + pnodes", c(0.2, 0.6)),
  "rossi, of the treated" = augmented("rossi", rossi, "arrest ~ fin + age + prio", estimand = "ATT"),
  "gbsg2, of the treated" = augmented("gbsg2", gbsg2, "cens ~ C(horTh) + age + pnodes", c(0.2, 0.6), "ATT")
)
curves <- list(
  "rossi, ATE" = curve("rossi", rossi, "Surv(week, arrest) ~ fin", "ATE", c(10, 25, 40, 52), 40),
  "rossi, overlap, by another factor" = curve("rossi", rossi, "Surv(week, arrest) ~ race", "overlap", c(10, 40), 50),
  "gbsg2, ATT, cut" = curve("gbsg2", gbsg2, "Surv(time, cens) ~ horTh", "ATT", c(365, 1000, 2000), 1500, c(0.2, 0.6))
)
write_reference("weights", list(cases = cases, effects = effects, curves = curves), c("survival", "survey", "numDeriv"))
