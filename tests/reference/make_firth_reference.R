# Reference values of Firth's penalised regression for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_firth_reference.R
#
# writes tests/reference/firth.json.
#
# A slow maximiser that shares no code and no algorithm with fedstats: Newton's method on Firth's modified score
# (Firth 1993, logistf's), its slopes taken by central differences, until a step moves nothing any more. The leverages are
# those of R's own hatvalues, through a QR decomposition. The half log determinant must have that score as its slope.

options(warn = 2)
source("tests/reference/common.R")

families <- list(
  binomial = list(
    mean = plogis, variance = function(mu) mu * (1 - mu), tilt = function(mu) 1 - 2 * mu,
    loglik = function(y, mu) ifelse(y == 1, log(mu), log1p(-mu))
  ),
  poisson = list(
    mean = exp, variance = function(mu) mu, tilt = function(mu) rep(1, length(mu)),
    loglik = function(y, mu) dpois(y, mu, log = TRUE)
  )
)

case <- function(data, formula, family, weights = NULL, offset = NULL) {
  frame <- datasets[[data]]
  model <- model.frame(r_formula(formula), frame)
  x <- model.matrix(attr(model, "terms"), model)
  y <- model.response(model)
  w <- weights_of(frame, weights)
  o <- if (is.null(offset)) rep(0, nrow(x)) else frame[[offset]]
  f <- families[[family]]
  spread <- apply(x, 2, sd)
  spread[spread == 0] <- 1
  z <- sweep(x, 2, spread, "/") # central differences of one length for all coefficients
  information <- function(b) crossprod(z * sqrt(w * f$variance(f$mean(drop(z %*% b) + o))))
  penalised <- function(b) {
    mu <- f$mean(drop(z %*% b) + o)
    sum(w * f$loglik(y, mu)) + determinant(information(b))$modulus / 2
  }
  score <- function(b) {
    mu <- f$mean(drop(z %*% b) + o)
    h <- rowSums(qr.Q(qr(z * sqrt(w * f$variance(mu))))^2)
    drop(crossprod(z, w * (y - mu) + h * f$tilt(mu) / 2))
  }
  slopes <- function(b, among, d = 1e-5) {
    sapply(among, function(j) {
      (score(replace(b, j, b[j] + d))[among] - score(replace(b, j, b[j] - d))[among]) / (2 * d)
    })
  }
  # Newton's method on the coefficients `among`, the others held where they are
  maximise <- function(b, among = seq_along(b)) {
    for (step in 1:200) {
      move <- -solve(slopes(b, among), score(b)[among])
      move <- move * min(1, 1 / max(abs(move)))
      while (!isTRUE(penalised(replace(b, among, b[among] + move)) >= penalised(b) - 1e-9)) move <- move / 2
      b[among] <- b[among] + move
      if (max(abs(move)) < 1e-13 * max(1, abs(b))) break
    }
    b
  }
  b <- maximise(numeric(ncol(z)))
  stopifnot(max(abs(solve(information(b), score(b)))) < 1e-12)
  numeric_score <- sapply(seq_along(b), function(j) {
    (penalised(replace(b, j, b[j] + 1e-4)) - penalised(replace(b, j, b[j] - 1e-4))) / 2e-4
  })
  stopifnot(max(abs(numeric_score) / sqrt(diag(information(b)))) < 1e-5) # third derivatives of 1e5 times 1e-8 / 6
  # where the profile of the penalised log-likelihood has fallen by half the 95 % quantile of chi-squared
  level <- penalised(b) - qchisq(0.95, 1) / 2
  above <- function(v, j) penalised(maximise(replace(b, j, v), setdiff(seq_along(b), j))) - level
  se <- sqrt(diag(solve(information(b))))
  ends <- sapply(seq_along(b), function(j) {
    sapply(c(-1, 1), function(side) {
      far <- b[j] + side * se[j]
      while (above(far, j) > 0) far <- far + side * se[j]
      uniroot(above, sort(c(b[j], far)), j = j, tol = 1e-13)$root
    })
  })
  covariance <- solve(information(b)) / outer(spread, spread)
  # logistf's test of all slopes: the intercept alone is estimated, under the penalty of all columns
  null <- penalised(maximise(numeric(ncol(z)), 1))
  written <- sum(log(spread)) # the determinant of the information of x, and not of z
  names <- term_names(colnames(x))
  mu <- f$mean(drop(z %*% b) + o)
  list(
    data = data, formula = formula, family = family, weights = weights, offset = offset, terms = I(names),
    coef = I(unname(b / spread)), se = I(unname(sqrt(diag(covariance)))), loglik = sum(w * f$loglik(y, mu)), n = nrow(x),
    penalised_loglik = as.numeric(penalised(b)) + written, penalised_loglik_null = as.numeric(null) + written,
    lr_statistic = 2 * as.numeric(penalised(b) - null),
    low = I(unname(ends[1, ] / spread)), high = I(unname(ends[2, ] / spread))
  )
}

cases <- list(
  "rossi, weights" = case("rossi", "arrest ~ fin + age + prio", "binomial", weights = "weight"),
  "rossi, offset" = case("rossi", "arrest ~ fin + prio", "binomial", offset = "age_effect"),
  "rossi, arrests, weights" = case("rossi", "prio ~ age + fin + race", "poisson", weights = "weight"),
  "lung" = case("lung", "status ~ age + sex + C(ecog3)", "binomial"),
  "lung, weights" = case("lung", "status ~ age + sex", "binomial", weights = "weight"),
  "lung, offset" = case("lung", "status ~ sex + ph.ecog", "binomial", offset = "age_effect"),
  "rossi, few events" = case("rossi", "arrest ~ fin + age + race + wexp + mar + paro + prio", "binomial"),
  "gbsg2, nodes" = case("gbsg2", "pnodes ~ age + C(horTh) + C(tgrade)", "poisson"),
  "lung, rate" = case("lung", "status ~ age + sex + ph.ecog", "poisson", offset = "age_effect")
)
write_reference("firth", list(cases = cases))
