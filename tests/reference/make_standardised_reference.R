# Reference values of standardised risks and average marginal effects for tests/reference, by hand in R on the tests' own data sets:
#
#   Rscript tests/reference/make_standardised_reference.R
#
# writes tests/reference/standardised.json (needs sandwich). The model matrix is made
# anew with the column set; the slopes of the mean in the coefficients, for the delta method, are complex steps, exact to the last digits.

suppressPackageStartupMessages(library(sandwich))
source("tests/reference/common.R")

inverse <- list(logit = function(eta) 1 / (1 + exp(-eta)), log = exp, identity = function(eta) eta)
slope <- list(logit = function(eta) 1 / (2 + exp(eta) + exp(-eta)), log = exp, identity = function(eta) 1 + 0 * eta)

jacobian <- function(f, b) {
  t(matrix(vapply(seq_along(b), function(j) {
    step <- complex(real = b, imaginary = 0)
    step[j] <- step[j] + 1e-30i
    Im(f(step)) / 1e-30
  }, numeric(length(f(b)))), ncol = length(b)) |> t())
}

case <- function(data, formula, family, column, values, numbers = character(), weights = NULL, offset = NULL, robust = FALSE,
                 cluster = NULL, start = NULL, split = NULL) {
  frame <- datasets[[data]]
  words <- gsub("\\bC\\(", "factor(", formula, perl = TRUE)
  if (!is.null(offset)) words <- sprintf("%s + offset(%s)", words, offset)
  frame$w <- weights_of(frame, weights)
  at <- function(from, steps) suppressWarnings(
    glm(as.formula(words), families[[family]], frame, weights = w, start = from, control = glm.control(epsilon = 1e-15, maxit = steps))
  )
  fit <- at(start, 200)
  for (more in 1:100) {
    again <- at(coef(fit), 1)
    moved <- max(abs(coef(again) - coef(fit)) / pmax(sqrt(diag(vcov(fit))), abs(coef(fit))))
    fit <- again
    if (moved < 1e-13) break
  }
  stopifnot(moved < 1e-12)
  covariance <- vcov(fit)
  if (robust) covariance <- sandwich(fit)
  if (!is.null(cluster)) covariance <- vcovCL(fit, frame[[cluster]], type = "HC0", cadjust = FALSE)
  parts <- strsplit(family, " ")[[1]]
  added <- if (is.null(offset)) 0 else frame[[offset]]
  matrix_of <- function(changed) model.matrix(delete.response(terms(fit)), changed, xlev = fit$xlevels)
  set <- function(value) { changed <- frame; changed[[column]] <- value; matrix_of(changed) }
  designs <- lapply(values, set)
  average <- function(v) sum(frame$w * v) / sum(frame$w)
  means <- function(b) vapply(designs, function(x) average(inverse[[parts[2]]](drop(x %*% b) + added)), b[1])
  b <- coef(fit)
  of_means <- jacobian(means, b)
  contrast <- cbind(-1, diag(length(values) - 1))
  r <- Re(means(b + 0i))
  logs <- contrast %*% diag(1 / r)
  se <- function(j) I(sqrt(diag(j %*% covariance %*% t(j))))
  effects <- lapply(numbers, function(name) {
    more <- frame
    more[[name]] <- more[[name]] + 1
    dx <- matrix_of(more) - matrix_of(frame)
    x <- matrix_of(frame)
    effect <- function(b) average(slope[[parts[2]]](drop(x %*% b) + added) * drop(dx %*% b))
    list(estimate = Re(effect(b + 0i)), std_error = unclass(se(jacobian(effect, b))))
  })
  list(
    data = data, formula = formula, family = parts[1], link = parts[2], weights = weights, offset = offset, robust = robust,
    cluster = cluster, split = split, column = column, values = I(values), risk = I(r), risk_se = se(of_means),
    difference = I(drop(contrast %*% r)), difference_se = se(contrast %*% of_means),
    ratio = I(r[-1] / r[1]), ratio_se = if (all(r > 0)) se(logs %*% of_means), df = if (parts[1] == "gaussian") df.residual(fit),
    effects = setNames(effects, numbers)
  )
}

lung <- "status ~ age + sex + C(ecog3)"
cases <- list(
  "lung, odds" = case("lung", lung, "binomial logit", "ecog3", c("0", "1", "2+"), c("age", "sex")),
  "lung, odds, products" = case("lung", "status ~ age * C(ecog3) + sex", "binomial logit", "ecog3", c("0", "1", "2+"), c("age", "sex")),
  "lung, odds, two ages" = case("lung", "status ~ age + age:sex + sex", "binomial logit", "age", c(50, 70), c("sex", "age")),
  "lung, odds, a function" = case("lung", "status ~ log(age) + sex", "binomial logit", "age", c(50, 60.5, 70), "sex"),
  "lung, odds, other unit" = case("lung", "status ~ I(age / 10) + sex", "binomial logit", "sex", 1:2, "age"),
  "lung, odds, weights" = case("lung", lung, "binomial logit", "sex", 1:2, "age", weights = "weight"),
  "lung, odds, offset, robust" = case("lung", "status ~ sex + ph.ecog", "binomial logit", "sex", 1:2, "ph.ecog", offset = "age_effect", robust = TRUE),
  "lung, odds, cluster" = case("lung", lung, "binomial logit", "sex", 1:2, "age", cluster = "inst", split = "inst"),
  "fair, odds" = case("fair", "affair ~ age + religious + yrs_married", "binomial logit", "religious", 1:4, c("age", "religious")),
  "lung, risk" = case("lung", lung, "binomial log", "sex", 1:2, c("age", "sex"), start = c(-0.5, 0, 0, 0, 0)),
  "rossi, risk" =
    case("rossi", "arrest ~ fin + age + race", "binomial log", "fin", 0:1, "age", weights = "weight", start = c(-1.3, 0, 0, 0)),
  "lung, rate" = case("lung", "status ~ age + sex + ph.ecog", "poisson log", "sex", 1:2, "age", offset = "age_effect"),
  "gbsg2, nodes, robust" = case("gbsg2", "pnodes ~ age * C(horTh) + C(tgrade)", "poisson log", "tgrade", c("I", "II", "III"), "age", robust = TRUE),
  "gbsg2, size" = case("gbsg2", "tsize ~ age * C(horTh) + pnodes", "gaussian identity", "horTh", c("no", "yes"), c("age", "pnodes")),
  "lung, time, no intercept" = case("lung", "time ~ 0 + C(ecog3) + age", "gaussian identity", "ecog3", c("0", "1", "2+"), "age")
)
write_reference("standardised", list(cases = cases), "sandwich")
