# Reference values of what is worked out of a table of counts, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_curves_reference.R
#
# writes tests/reference/curves.json (needs survival, mvtnorm and etm). Weights by time other than survdiff's are written out below;
# where survdiff knows them both are compared here. Causes are invented as in test_cause.py.

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")

LAST <- 30 # rows of a curve that are kept

frame_of <- function(data, event = NULL, median = NULL) {
  frame <- datasets[[data]]
  if (!is.null(event)) frame$cause <- frame[[event]] * (1 + (frame$age > median))
  frame
}

# Weighted log-rank tests by hand -------------------------------------------------------------------

# Sums of one stratum under several weights: observed and expected by group, covariances of every pair of weights.
sums_of <- function(y, group, pairs) {
  entry <- if (ncol(y) == 3) y[, 1] else rep(-Inf, nrow(y))
  time <- y[, ncol(y) - 1]
  died <- y[, ncol(y)] == 1
  k <- nlevels(group)
  observed <- expected <- matrix(0, length(pairs), k)
  covariance <- array(0, c(length(pairs), length(pairs), k, k))
  survival <- 1
  for (t in sort(unique(time[died]))) {
    n <- tapply(entry < t & time >= t, group, sum)
    d <- tapply(died & time == t, group, sum)
    n[is.na(n)] <- d[is.na(d)] <- 0
    p <- n / sum(n)
    v <- if (sum(n) > 1) sum(d) * (sum(n) - sum(d)) / (sum(n) - 1) * (diag(p) - p %o% p) else 0 * (p %o% p)
    w <- vapply(pairs, function(pair) survival^pair[1] * (1 - survival)^pair[2], 1)
    observed <- observed + w %o% d
    expected <- expected + w %o% (sum(d) * p)
    for (a in seq_along(pairs)) for (b in seq_along(pairs)) covariance[a, b, , ] <- covariance[a, b, , ] + w[a] * w[b] * v
    survival <- survival * (1 - sum(d) / sum(n))
  }
  list(observed = observed, expected = expected, covariance = covariance)
}

sums_over <- function(y, group, stratum, pairs) {
  parts <- lapply(split(seq_along(group), stratum, drop = TRUE), function(i) sums_of(y[i, ], group[i], pairs))
  Reduce(function(a, b) Map(`+`, a, b), parts)
}

log_rank_case <- function(data, formula, rho = 0, gamma = 0, strata = NULL, split = NULL) {
  frame <- frame_of(data)
  y <- eval(as.formula(formula)[[2]], frame)
  group <- factor(frame[[all.vars(as.formula(formula)[[3]])]])
  stratum <- if (is.null(strata)) rep(1, nrow(frame)) else interaction(frame[strata], drop = TRUE)
  found <- sums_over(y, group, stratum, list(c(rho, gamma)))
  beyond <- (found$observed - found$expected)[1, -1]
  statistic <- drop(beyond %*% solve(found$covariance[1, 1, -1, -1], beyond))
  if (gamma == 0 && ncol(y) == 2) {
    theirs <- survdiff(r_formula(formula, strata), frame, rho = rho)
    stopifnot(abs(theirs$chisq / statistic - 1) < 1e-10)
  }
  if (gamma == 0 && rho == 0 && ncol(y) == 3) { # survdiff takes no entries; a score test has them, with a variance for no ties
    score <- coxph(r_formula(formula, strata), frame, ties = "exact", iter.max = 0)
    if (is.null(score$score)) stop("no score test")
    stopifnot(abs(score$score / statistic - 1) < 1e-8)
  }
  list(
    data = data, formula = formula, rho = rho, gamma = gamma, strata = strata, split = split, groups = levels(group), n = as.vector(table(group)),
    observed = found$observed[1, ], expected = found$expected[1, ], statistic = statistic, df = nlevels(group) - 1,
    p_value = pchisq(statistic, nlevels(group) - 1, lower.tail = FALSE)
  )
}

max_combo_case <- function(data, formula, strata = NULL, split = NULL) {
  frame <- frame_of(data)
  y <- eval(as.formula(formula)[[2]], frame)
  group <- factor(frame[[all.vars(as.formula(formula)[[3]])]])
  stratum <- if (is.null(strata)) rep(1, nrow(frame)) else interaction(frame[strata], drop = TRUE)
  pairs <- list(c(0, 0), c(1, 0), c(0, 1), c(1, 1))
  found <- sums_over(y, group, stratum, pairs)
  variance <- found$covariance[, , 2, 2]
  z <- (found$observed - found$expected)[, 2] / sqrt(diag(variance))
  p_of <- function(low, high) {
    set.seed(1)
    how <- mvtnorm::GenzBretz(maxpts = 2e7, abseps = 1e-7)
    1 - as.numeric(mvtnorm::pmvnorm(low, high, corr = cov2cor(variance), algorithm = how))
  }
  list(
    data = data, formula = formula, strata = strata, split = split, z = z, correlation = cov2cor(variance),
    p_value = list(`two-sided` = p_of(rep(-max(abs(z)), 4), rep(max(abs(z)), 4)), less = p_of(rep(min(z), 4), rep(Inf, 4)),
                   greater = p_of(rep(-Inf, 4), rep(max(z), 4)))
  )
}

# Curves: cumulative hazards, milestones, quantiles, follow-up, landmarks, weights ------------------

some <- function(n) unique(round(seq(1, n, length.out = LAST)))

group_names <- function(fit) if (is.null(fit$strata)) "all" else sub("^[^=]*=", "", names(fit$strata))

curve_case <- function(data, formula, times, probabilities = c(0.2, 0.5, 0.7), weights = NULL, robust = FALSE, landmark = NULL) {
  frame <- frame_of(data)
  frame$w <- weights_of(frame, weights)
  words <- as.formula(formula)
  kept <- if (is.null(landmark)) rep(TRUE, nrow(frame)) else eval(words[[2]], frame)[, "time"] > landmark
  frame <- frame[kept, ]
  fit <- survfit(words, frame, weights = w, robust = robust)
  at <- summary(fit, times = times)
  quantiles <- quantile(fit, probabilities)
  rows <- some(length(fit$time))
  names <- group_names(fit)
  matrix_of <- function(v) matrix(unlist(v), nrow = length(names))
  list(
    data = data, formula = formula, weights = weights, robust = robust, landmark = landmark, groups = names,
    # of every row some: time, hazard with its standard error
    curve = list(
      group = rep(names, if (is.null(fit$strata)) length(fit$time) else fit$strata)[rows], time = fit$time[rows],
      estimate = fit$surv[rows], std_error = summary(fit, censored = TRUE)$std.err[rows], hazard = fit$cumhaz[rows], hazard_error = fit$std.chaz[rows]
    ),
    milestones = list(
      group = if (is.null(at$strata)) rep("all", length(at$time)) else sub("^[^=]*=", "", as.character(at$strata)), time = at$time,
      estimate = at$surv, std_error = at$std.err, conf_low = at$lower, conf_high = at$upper
    ),
    quantiles = list(
      probability = probabilities, estimate = matrix_of(quantiles$quantile), conf_low = matrix_of(quantiles$lower),
      conf_high = matrix_of(quantiles$upper)
    )
  )
}

follow_up_case <- function(data, formula, reversed) {
  fit <- survfit(as.formula(reversed), frame_of(data))
  medians <- summary(fit)$table
  medians <- if (is.matrix(medians)) medians else t(medians)
  list(data = data, formula = formula, median = medians[, "median"], conf_low = medians[, "0.95LCL"], conf_high = medians[, "0.95UCL"])
}

# Restricted means ----------------------------------------------------------------------------------

rmst_case <- function(data, formula, tau, weights = NULL, robust = FALSE) {
  frame <- frame_of(data)
  frame$w <- weights_of(frame, weights)
  fit <- do.call(survfit, list(formula = as.formula(formula), data = frame, weights = frame$w, robust = robust))
  table <- summary(fit, rmean = tau)$table
  table <- if (is.matrix(table)) table else t(table)
  error <- table[, "se(rmean)"]
  if (robust) { # of a robust curve the table has Greenwood's
    names <- levels(factor(frame[[all.vars(as.formula(formula)[[3]])]]))
    of_each <- residuals(fit, times = tau, type = "RMST")
    group <- factor(frame[[all.vars(as.formula(formula)[[3]])]])
    error <- vapply(names, function(g) sqrt(sum((frame$w * of_each)[group == g]^2)), 1)
  }
  list(
    data = data, formula = formula, tau = tau, weights = weights, robust = robust, groups = group_names(fit),
    estimate = unname(table[, "rmean"]), std_error = unname(error)
  )
}

# Competing causes ----------------------------------------------------------------------------------

# etm's Greenwood-type variances of one group's incidences at some times.
errors_of_etm <- function(y, cause, times) {
  moves <- data.frame(
    id = seq_along(cause), from = 0, to = ifelse(cause == 0, "cens", cause), entry = if (ncol(y) == 3) y[, 1] else 0,
    exit = y[, ncol(y) - 1]
  )
  allowed <- matrix(FALSE, 3, 3)
  allowed[1, 2:3] <- TRUE
  theirs <- etm::etm(moves, c("0", "1", "2"), allowed, "cens", s = 0)
  place <- findInterval(times, theirs$time)
  vapply(c("0 1", "0 2"), function(move) sqrt(c(0, theirs$cov[move, move, ])[place + 1]), times)
}

# survfit's standard errors; where patients enter late etm's, for survfit's are then of another kind.
incidence_case <- function(data, event, median, formula) {
  frame <- frame_of(data, event, median)
  frame$id <- seq_len(nrow(frame))
  fit <- survfit(as.formula(sub("cause", "factor(cause, 0:2)", formula)), frame, id = id)
  rows <- some(length(fit$time))
  names <- group_names(fit)
  of_group <- rep(names, if (is.null(fit$strata)) length(fit$time) else fit$strata)
  errors <- fit$std.err[, 2:3]
  y <- eval(as.formula(sub("cause", "cause > 0", formula))[[2]], frame)
  if (length(names) == 1) {
    of_etm <- errors_of_etm(y, frame$cause, fit$time)
    if (ncol(y) == 3) errors <- of_etm else stopifnot(max(abs(of_etm - errors)) < 1e-12)
  }
  curve_of <- function(k) {
    p <- fit$pstate[rows, k + 1]
    ends <- lapply(c(-1, 1), function(sign) pmin(1, exp(log(p) + sign * qnorm(0.975) * errors[rows, k] / p)))
    if (ncol(y) == 2) stopifnot(all.equal(ends, list(fit$lower[rows, k + 1], fit$upper[rows, k + 1])))
    list(estimate = p, std_error = errors[rows, k], conf_low = ends[[1]], conf_high = ends[[2]])
  }
  list(
    data = data, event = event, median = median, formula = formula, group = of_group[rows], time = fit$time[rows],
    causes = lapply(1:2, curve_of)
  )
}

# Hazard ratios by period ---------------------------------------------------------------------------

periods_case <- function(data, formula, cuts, ties = "efron", strata = NULL) {
  frame <- frame_of(data)
  words <- as.formula(formula)
  y <- all.vars(words[[2]])
  frame$id <- seq_len(nrow(frame))
  pieces <- survSplit(as.formula(sub("~.*", "~ .", formula)), frame, cut = cuts, episode = "period")
  pieces$group <- factor(pieces[[all.vars(words[[3]])]])
  left <- if (length(y) == 2) sprintf("Surv(tstart, %s, %s)", y[1], y[2]) else sprintf("Surv(%s, %s, %s)", y[1], y[2], y[3])
  of_strata <- paste(c("period", strata), collapse = ", ")
  fits <- lapply(split(pieces, pieces$period), function(piece)
    coxph(as.formula(sprintf("%s ~ group + strata(%s)", left, of_strata)), piece, ties = ties, control = control_cox()))
  list(
    data = data, formula = formula, cuts = I(cuts), ties = ties, strata = strata,
    coef = lapply(unname(fits), function(f) I(unname(coef(f)))), se = lapply(unname(fits), function(f) I(unname(sqrt(diag(vcov(f)))))),
    n_event = vapply(unname(fits), function(f) f$nevent, 1)
  )
}

log_rank <- list(
  "lung by sex" = log_rank_case("lung", "Surv(time, status) ~ sex"),
  "lung, three groups" = log_rank_case("lung", "Surv(time, status) ~ ecog3"),
  "lung, three groups, rho" = log_rank_case("lung", "Surv(time, status) ~ ecog3", rho = 1),
  "lung, strata" = log_rank_case("lung", "Surv(time, status) ~ sex", strata = "ecog3"),
  "lung, strata, rho" = log_rank_case("lung", "Surv(time, status) ~ sex", rho = 0.5, strata = "ecog3"),
  "lung, two strata" = log_rank_case("lung", "Surv(time, status) ~ sex", strata = c("ecog3", "site2")),
  "lung, gamma" = log_rank_case("lung", "Surv(time, status) ~ sex", gamma = 1),
  "lung, rho and gamma, strata" = log_rank_case("lung", "Surv(time, status) ~ sex", rho = 1, gamma = 1, strata = "ecog3"),
  "leukemia" = log_rank_case("leukemia", "Surv(t, status) ~ Rx"),
  "leukemia, rho" = log_rank_case("leukemia", "Surv(t, status) ~ Rx", rho = 1),
  "rossi, ties" = log_rank_case("rossi", "Surv(week, arrest) ~ fin"),
  "gbsg2, strata" = log_rank_case("gbsg2", "Surv(time, cens) ~ horTh", strata = "menostat"),
  "heart, delayed entry" = log_rank_case("heart", "Surv(start, stop, event) ~ transplant"),
  "heart, delayed entry, gamma" = log_rank_case("heart", "Surv(start, stop, event) ~ surgery", gamma = 0.5),
  # strata that stay at the sites and lie within them
  "gbsg2, centres" = log_rank_case("gbsg2", "Surv(time, cens) ~ horTh", strata = "centre", split = "centre"),
  "gbsg2, centres, three groups, rho and gamma" =
    log_rank_case("gbsg2", "Surv(time, cens) ~ tgrade", rho = 0.5, gamma = 1, strata = "centre", split = "centre"),
  "rossi, centres, ties, rho" = log_rank_case("rossi", "Surv(week, arrest) ~ fin", rho = 1, strata = "centre", split = "centre"),
  "rossi, centres and a factor" = log_rank_case("rossi", "Surv(week, arrest) ~ fin", strata = c("centre", "race"), split = "centre"),
  "heart, centres, delayed entry" = log_rank_case("heart", "Surv(start, stop, event) ~ transplant", strata = "centre", split = "centre")
)
max_combo <- list(
  "lung by sex" = max_combo_case("lung", "Surv(time, status) ~ sex"),
  "lung, strata" = max_combo_case("lung", "Surv(time, status) ~ sex", strata = "ecog3"),
  "gbsg2" = max_combo_case("gbsg2", "Surv(time, cens) ~ horTh"),
  "rossi" = max_combo_case("rossi", "Surv(week, arrest) ~ fin"),
  "heart" = max_combo_case("heart", "Surv(start, stop, event) ~ transplant"),
  "gbsg2, centres" = max_combo_case("gbsg2", "Surv(time, cens) ~ horTh", strata = "centre", split = "centre")
)
curves <- list(
  "lung by sex" = curve_case("lung", "Surv(time, status) ~ sex", c(90, 180.5, 365, 700)),
  "lung, landmark" = curve_case("lung", "Surv(time, status) ~ sex", c(190, 365, 700), c(0.1, 0.5), landmark = 180),
  "lung, weights" = curve_case("lung", "Surv(time, status) ~ sex", c(90, 365), weights = "weight"),
  "lung, weights, robust" = curve_case("lung", "Surv(time, status) ~ sex", c(90, 365), weights = "weight", robust = TRUE),
  "rossi, weights, robust" = curve_case("rossi", "Surv(week, arrest) ~ fin", c(10, 40), c(0.05, 0.2), weights = "weight", robust = TRUE),
  "gbsg2" = curve_case("gbsg2", "Surv(time, cens) ~ 1", c(365, 1000, 2000), c(0.1, 0.25, 0.5)),
  "heart, delayed entry" = curve_case("heart", "Surv(start, stop, event) ~ transplant", c(30, 100, 400), c(0.25, 0.5))
)
follow_up <- list(
  "lung by sex" = follow_up_case("lung", "Surv(time, status) ~ sex", "Surv(time, status == 0) ~ sex"),
  "gbsg2" = follow_up_case("gbsg2", "Surv(time, cens) ~ horTh", "Surv(time, cens == 0) ~ horTh"),
  "leukemia" = follow_up_case("leukemia", "Surv(t, status) ~ Rx", "Surv(t, status == 0) ~ Rx"),
  "heart, delayed entry" = follow_up_case("heart", "Surv(start, stop, event) ~ 1", "Surv(start, stop, event == 0) ~ 1")
)
means <- list(
  "lung by sex" = rmst_case("lung", "Surv(time, status) ~ sex", 365),
  "lung, three groups" = rmst_case("lung", "Surv(time, status) ~ ecog3", 500.5),
  "lung" = rmst_case("lung", "Surv(time, status) ~ 1", 700),
  "leukemia" = rmst_case("leukemia", "Surv(t, status) ~ Rx", 22),
  "gbsg2" = rmst_case("gbsg2", "Surv(time, cens) ~ horTh", 2000),
  "heart, delayed entry" = rmst_case("heart", "Surv(start, stop, event) ~ transplant", 300),
  "lung, weights" = rmst_case("lung", "Surv(time, status) ~ sex", 365, weights = "weight"),
  "lung, weights, robust" = rmst_case("lung", "Surv(time, status) ~ sex", 365, weights = "weight", robust = TRUE),
  "rossi, weights, robust" = rmst_case("rossi", "Surv(week, arrest) ~ fin", 40, weights = "weight", robust = TRUE)
)
incidences <- list(
  "lung" = incidence_case("lung", "status", 63, "Surv(time, cause) ~ 1"),
  "lung by sex" = incidence_case("lung", "status", 63, "Surv(time, cause) ~ sex"),
  "rossi by aid, ties" = incidence_case("rossi", "arrest", 23, "Surv(week, cause) ~ fin"),
  "rossi, ties" = incidence_case("rossi", "arrest", 23, "Surv(week, cause) ~ 1"),
  "heart, delayed entry" = incidence_case("heart", "event", 0, "Surv(start, stop, cause) ~ 1")
)
ratios <- list(
  "lung by sex" = periods_case("lung", "Surv(time, status) ~ sex", c(180, 365)),
  "lung, Breslow" = periods_case("lung", "Surv(time, status) ~ sex", 300, ties = "breslow"),
  "lung, three groups, strata" = periods_case("lung", "Surv(time, status) ~ ecog3", 270, strata = "sex"),
  "rossi, ties" = periods_case("rossi", "Surv(week, arrest) ~ fin", c(17, 34)),
  "heart, delayed entry" = periods_case("heart", "Surv(start, stop, event) ~ surgery", 100)
)
values <- list(
  log_rank = log_rank, max_combo = max_combo, curves = curves, follow_up = follow_up, means = means, incidences = incidences, ratios = ratios
)
write_reference("curves", values, c("survival", "mvtnorm", "etm"))
