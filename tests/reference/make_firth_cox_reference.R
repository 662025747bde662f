# Reference values of Firth's penalised Cox regression for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_firth_cox_reference.R
#
# writes tests/reference/firth_cox.json (needs survival).
#
# A slow maximiser that knows no formula for the penalty's slope: survival evaluates the log-likelihood and its information
# at given coefficients, and everything else is a difference quotient of loglik + log det(information) / 2 (of eighth
# order in steps of 0.03 standard deviations of a column, exact to about 1e-11), until a Newton step moves nothing.
# It gives coxphf's coefficient for three deaths in order, which is checked first.

suppressPackageStartupMessages(library(survival))
options(warn = 2)
source("tests/reference/common.R")
stay <- suppressWarnings(coxph.control(iter.max = 0, eps = 1e-14))

# loglik, information and their penalised sum at coefficients of z, columns of standard deviation one
objective <- function(y, z, strata, weights, ties, offset) {
  fitter <- if (ncol(y) == 3) agreg.fit else coxph.fit
  function(b) {
    fit <- fitter(z, y, strata, offset = offset, init = b, control = stay, weights = weights, method = ties,
                  rownames = seq_len(nrow(z)))
    log_det <- -as.numeric(determinant(fit$var)$modulus)
    list(loglik = tail(fit$loglik, 1), value = tail(fit$loglik, 1) + log_det / 2, var = fit$var)
  }
}

stencil <- c(4 / 5, -1 / 5, 4 / 105, -1 / 280)

score <- function(value, b, among = seq_along(b), h = 0.03) {
  vapply(among, function(j) {
    ahead <- vapply(1:4, function(k) value(replace(b, j, b[j] + k * h)) - value(replace(b, j, b[j] - k * h)), 0)
    sum(stencil * ahead) / h
  }, 0)
}

slopes <- function(value, b, among, d = 1e-3) {
  sapply(among, function(j) {
    (score(value, replace(b, j, b[j] + d), among) - score(value, replace(b, j, b[j] - d), among)) / (2 * d)
  })
}

# Newton's method on the coefficients `among`, the others held where they are.
maximise <- function(value, b, among = seq_along(b)) {
  if (length(among) == 0) return(b)
  for (step in 1:60) {
    move <- -solve(slopes(value, b, among), score(value, b, among))
    move <- move * min(1, 1 / max(abs(move)))
    while (!isTRUE(value(replace(b, among, b[among] + move)) >= value(b) - 1e-9)) move <- move / 2
    b[among] <- b[among] + move
    if (max(abs(move)) < 1e-11) return(b)
  }
  stop("no maximum: the last step was ", max(abs(move)))
}

# Where the profile of the penalised log-likelihood has fallen by half the 95 % quantile of chi-squared: coefficient by coefficient.
limits <- function(value, b, se) {
  level <- value(b) - qchisq(0.95, 1) / 2
  above <- function(v, j) value(maximise(value, replace(b, j, v), setdiff(seq_along(b), j))) - level
  sapply(seq_along(b), function(j) {
    sapply(c(-1, 1), function(side) {
      far <- b[j] + side * se[j]
      while (above(far, j) > 0) far <- far + side * se[j]
      uniroot(above, sort(c(b[j], far)), j = j, tol = 1e-13)$root
    })
  })
}

case <- function(data, formula, strata, ties = "efron", weights = NULL, offset = NULL, frame = datasets[[data]]) {
  model <- model.frame(r_formula(formula), frame)
  x <- model.matrix(attr(model, "terms"), model)[, -1, drop = FALSE]
  w <- weights_of(frame, weights)
  o <- if (is.null(offset)) numeric(nrow(x)) else frame[[offset]]
  spread <- apply(x, 2, sd)
  z <- sweep(x, 2, spread, "/")
  at <- objective(model.response(model), z, as.integer(factor(frame[[strata]])), w, ties, o)
  b <- maximise(function(b) at(b)$value, numeric(ncol(z)))
  found <- at(b)
  ends <- limits(function(b) at(b)$value, b, sqrt(diag(found$var)))
  names <- term_names(colnames(x))
  list(
    data = data, formula = formula, strata = strata, split = strata, ties = ties, weights = weights, offset = offset, terms = I(names),
    coef = I(unname(b / spread)), se = I(unname(sqrt(diag(found$var)) / spread)), loglik = found$loglik,
    penalised_loglik = found$value + sum(log(spread)), penalised_loglik_null = at(0 * b)$value + sum(log(spread)),
    lr_statistic = 2 * (found$value - at(0 * b)$value),
    low = I(unname(ends[1, ] / spread)), high = I(unname(ends[2, ] / spread))
  )
}

toy <- case("toy", "Surv(t, d) ~ x", "s", frame = data.frame(t = 1:3, d = 1, x = c(1, 1, 0), s = 1))
stopifnot(abs(toy$coef - 1.3291038606) < 1e-10, abs(toy$se - 1.92907199395) < 1e-10) # printed by coxphf
stopifnot(abs(exp(toy$low) - 0.2914) < 5e-5, abs(exp(toy$high) - 528.73) < 5e-3)

surv_lung <- "Surv(time, status) ~"
cases <- list(
  "lung, Efron" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "inst"),
  "lung, offset" = case("lung", paste(surv_lung, "sex + ph.ecog"), "inst", offset = "age_effect"),
  "rossi, offset, Breslow" = case("rossi", "Surv(week, arrest) ~ fin + prio", "centre", "breslow", offset = "age_effect"),
  "lung, Breslow" = case("lung", paste(surv_lung, "age + sex + ph.ecog"), "inst", "breslow"),
  "lung, factor, weights" = case("lung", paste(surv_lung, "age + C(ecog3)"), "site17", weights = "weight"),
  "rossi, ties" = case("rossi", "Surv(week, arrest) ~ fin + age + prio", "centre"),
  "rossi, ties, Breslow" = case("rossi", "Surv(week, arrest) ~ fin + age + prio", "centre", "breslow"),
  "heart, entries" = case("heart", "Surv(start, stop, event) ~ age + year + surgery", "centre"),
  "heart, entries, weights" = case("heart", "Surv(start, stop, event) ~ age + surgery", "centre", "breslow", "weight"),
  "leukemia, monotone" = case("leukemia", "Surv(t, status) ~ monotone + logWBC", "sex"),
  "leukemia, monotone, Breslow" = case("leukemia", "Surv(t, status) ~ monotone + logWBC", "sex", "breslow")
)
write_reference("firth_cox", list(cases = cases), "survival")
