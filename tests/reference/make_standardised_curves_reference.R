# Reference values of standardised survival of Cox models for tests/reference, on the tests' own data sets:
#
#   Rscript tests/reference/make_standardised_curves_reference.R
#
# writes tests/reference/standardised_curves.json (needs survival).  The mean of survfit(fit, newdata = everybody with the column set); its
# standard error from hazards that are written out, by central differences in the coefficients and the variances of the increments.

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")

# Increments of the baseline hazard and their variances by event time, of one stratum.
increments <- function(entry, time, event, r, w, ties) {
  at <- sort(unique(time[event == 1 & w > 0]))
  found <- t(vapply(at, function(s) {
    s0 <- sum(r[entry < s & time >= s])
    died <- event == 1 & time == s & w > 0
    d <- sum(died)
    shares <- if (ties == "efron") s0 - (seq_len(d) - 1) / d * sum(r[died]) else rep(s0, d)
    mean_weight <- sum(w[died]) / d
    c(mean_weight * sum(1 / shares), mean_weight * sum(1 / shares^2))
  }, numeric(2)))
  list(time = at, hazard = found[, 1], variance = found[, 2])
}

case <- function(data, formula, column, values, options = setNames(list(), character()), strata = NULL, sites = NULL) {
  frame <- datasets[[data]]
  frame$w <- weights_of(frame, options$weights)
  ties <- if (is.null(options$ties)) "efron" else options$ties
  added <- c(if (length(strata)) sprintf("strata(%s)", strata), if (!is.null(options$offset)) sprintf("offset(%s)", options$offset))
  words <- as.formula(paste(c(gsub("\\bC\\(", "factor(", formula, perl = TRUE), added), collapse = " + "))
  robust <- isTRUE(options$robust)
  fit <- eval(bquote(coxph(.(words), frame, ties = .(ties), weights = w, control = control_cox(), robust = .(robust), x = TRUE, y = TRUE)))
  terms_of <- as.formula(paste("~", sub("^[^~]*~", "", gsub("\\bC\\(([^)]*)\\)", "\\1", formula, perl = TRUE)))) # text is a factor below
  levels_of <- lapply(Filter(is.character, frame), function(v) sort(unique(v)))
  for (name in names(levels_of)) frame[[name]] <- factor(frame[[name]], levels_of[[name]])
  matrix_of <- function(of) model.matrix(terms_of, of)[, -1, drop = FALSE]
  x <- matrix_of(frame)
  y <- unclass(fit$y)
  entry <- if (ncol(y) == 3) y[, 1] else rep(-Inf, nrow(y))
  plus <- if (is.null(options$offset)) 0 else frame[[options$offset]]
  group <- if (is.null(strata)) rep(1, nrow(frame)) else as.integer(factor(frame[[strata]]))
  events <- sort(unique(y[y[, ncol(y)] == 1, ncol(y) - 1]))
  times <- events[unique(round(seq(1, length(events), length.out = 6)))]
  designs <- lapply(values, function(value) {
    of <- frame
    of[[column]] <- if (is.factor(of[[column]])) factor(value, levels(of[[column]])) else value
    matrix_of(of)
  })
  curves <- function(b, hazards) lapply(designs, function(z) {
    risk <- exp(drop(z %*% b) + plus)
    vapply(times, function(s) {
      up <- vapply(hazards, function(h) sum(h$hazard[h$time <= s]), 0)[group]
      sum(frame$w * exp(-risk * up)) / sum(frame$w)
    }, 0)
  })
  hazards_at <- function(b) lapply(sort(unique(group)), function(g) {
    here <- group == g
    r <- frame$w * exp(drop(x %*% b) + plus)
    increments(entry[here], y[here, ncol(y) - 1], y[here, ncol(y)], r[here], frame$w[here], ties)
  })
  b <- coef(fit)
  hazards <- hazards_at(b)
  means <- curves(b, hazards)
  # the same by survfit
  by_survfit <- lapply(values, function(value) {
    of <- frame
    of[[column]] <- if (is.factor(of[[column]])) factor(value, levels(of[[column]])) else value
    if (!is.null(strata)) return(NULL)
    s <- summary(survfit(fit, of, se.fit = FALSE), times = times, extend = TRUE)$surv
    drop(s %*% frame$w) / sum(frame$w)
  })
  for (k in seq_along(values)) if (!is.null(by_survfit[[k]])) stopifnot(max(abs(by_survfit[[k]] - means[[k]])) < 1e-9)
  steps <- 2e-4 * sqrt(diag(vcov(fit)))
  jacobian <- lapply(seq_along(values), function(k) vapply(seq_along(b), function(j) {
    move <- replace(0 * b, j, steps[j])
    at <- function(m) curves(b + m * move, hazards_at(b + m * move))[[k]]
    (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * steps[j])
  }, 0 * times))
  by_hazard <- lapply(designs, function(z) {
    risk <- exp(drop(z %*% b) + plus)
    vapply(times, function(s) {
      up <- vapply(hazards, function(h) sum(h$hazard[h$time <= s]), 0)
      vapply(seq_along(hazards), function(g) -sum((frame$w * risk * exp(-risk * up[group]))[group == g]) / sum(frame$w), 0)
    }, numeric(length(hazards)))
  })
  variances <- vapply(times, function(s) vapply(hazards, function(h) sum(h$variance[h$time <= s]), 0), numeric(length(hazards)))
  error <- function(weights) {
    j <- Reduce(`+`, Map(`*`, weights, jacobian))
    h <- matrix(Reduce(`+`, Map(`*`, weights, by_hazard)), length(hazards))
    I(sqrt(rowSums((j %*% vcov(fit)) * j) + colSums(h^2 * matrix(variances, length(hazards)))))
  }
  each <- diag(length(values))
  list(
    data = data, formula = formula, column = column, values = I(values), options = options, strata = strata, baseline = "shared",
    sites = if (!is.null(sites)) I(sites), time = I(times), survival = lapply(means, I),
    std_error = lapply(seq_along(values), function(k) error(each[k, ])),
    difference_error = lapply(seq_along(values)[-1], function(k) error(each[k, ] - each[1, ]))
  )
}

few <- c(1, 5)
cases <- list(
  "lung, sex" = case("lung", "Surv(time, status) ~ age + sex + ph.ecog", "sex", 1:2),
  "lung, ECOG and products, robust" = case("lung", "Surv(time, status) ~ C(ecog3)*age + sex", "ecog3", c("0", "1", "2+"), list(robust = TRUE), sites = few),
  "rossi, aid, Breslow, weights" = case("rossi", "Surv(week, arrest) ~ fin + age + prio", "fin", 0:1, list(ties = "breslow", weights = "weight")),
  "lung, strata" = case("lung", "Surv(time, status) ~ age + ph.ecog", "age", c(50, 70), list(strata = "sex"), strata = "sex", sites = few),
  "lung, offset" = case("lung", "Surv(time, status) ~ sex + ph.ecog", "sex", 1:2, list(offset = "age_effect"), sites = few),
  "heart, entries" = case("heart", "Surv(start, stop, event) ~ age + surgery", "surgery", 0:1, sites = few)
)
write_reference("standardised_curves", list(cases = cases), "survival")
