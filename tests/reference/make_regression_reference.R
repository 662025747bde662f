# Reference values for tests/reference, computed by R on the tests' own data sets. From the root of the repository:
#
#   Rscript tests/reference/make_regression_reference.R
#
# writes tests/reference/regression.json (needs survival, sandwich and car).
#
# One line below is one case. It states the question in fedstats' words, formula and options; R's formula is derived
# from them: C(x) is factor(x), strata and offset are added as terms. So the JSON holds both sides of a comparison.
#   split  column whose groups stay at one site (strata, clusters), NULL: any row may go to any site
#   sites  numbers of sites to split into, NULL: those of tests/reference/comparison.py
# Every fit must be a maximum to 1e-12: one more Newton step from it may move nothing (see `settled`).

suppressPackageStartupMessages({
  library(survival)
  library(sandwich)
})
options(warn = 2)

source("tests/reference/common.R")

none <- setNames(list(), character())
# institutions dealt to as many sites as the first acceptance test names, and to those of every other case
by_institution <- c(1, 2, 4, 5, 9, 17)
few <- c(1, 5) # combinations whose parts other cases have at every number of sites
tight_glm <- glm.control(epsilon = 1e-14, maxit = 50)


# Functions of a number as fedstats writes them ---------------------------------------------------

# fedstats' polynomials are never orthogonal: of a centre, written or agreed, they are plain powers of the distance
poly <- function(x, degree, raw = TRUE) stats::poly(x, degree, raw = TRUE)

bs <- function(x, ..., degree = 3, low, high) {
  splines::bs(x, knots = c(...), Boundary.knots = c(low, high), degree = degree)
}

# Harrell's restricted cubic spline: the number itself, then the cubes, linear beyond the outer knots.
rcs <- function(x, ...) {
  knots <- c(...)
  k <- length(knots)
  cube <- function(knot) pmax(x - knot, 0)^3
  cubes <- vapply(knots[seq_len(k - 2)], function(knot) {
    (cube(knot) - cube(knots[k - 1]) * (knots[k] - knot) / (knots[k] - knots[k - 1]) +
      cube(knots[k]) * (knots[k - 1] - knot) / (knots[k] - knots[k - 1])) / (knots[k] - knots[1])^2
  }, numeric(length(x)))
  columns <- cbind(x, cubes)
  colnames(columns) <- seq_len(k - 1)
  columns
}


# From fedstats' words to R's, and back ----------------------------------------------------------

# Coefficients, standard errors and covariance under fedstats' names.
estimates <- function(beta, vcov) {
  terms <- term_names(names(beta))
  list(terms = terms, coef = unname(beta), se = unname(sqrt(diag(vcov))), vcov = unname(vcov))
}

# All coefficients at once. coxph's own wald.test drops a coefficient whose variance is tiny beside the others'
# (1e-16 for age * 1e6), so it is computed from z values and correlations.
wald <- function(beta, vcov) {
  z <- beta / sqrt(diag(vcov))
  drop(crossprod(z, solve(cov2cor(vcov), z)))
}

# The same for the coefficients of every term by itself, which R's `assign` lists.
joint_tests <- function(assign, beta, vcov) {
  groups <- Filter(length, assign[setdiff(names(assign), "(Intercept)")])
  list(
    term = I(unname(gsub(" ", "", sub("factor[(]", "C(", names(groups))))),
    df = I(unname(lengths(groups))),
    statistic = I(unname(vapply(groups, function(g) wald(beta[g], vcov[g, g, drop = FALSE]), 0)))
  )
}

# Of a combination of coefficients, by fedstats' names, that it is zero.
hypothesis_test <- function(fit, vcov, weights) {
  if (is.null(weights)) return(NULL)
  terms <- term_names(names(coef(fit)))
  stopifnot(names(weights) %in% terms)
  row <- vapply(terms, function(term) if (is.null(weights[[term]])) 0 else weights[[term]], 0)
  test <- car::linearHypothesis(fit, rbind(row), vcov. = vcov, test = "Chisq")
  list(weights = weights, statistic = test$Chisq[2], p_value = test$`Pr(>Chisq)`[2])
}

settled <- function(beta, next_beta, vcov) {
  left <- max(abs(next_beta - beta) / pmax(sqrt(diag(vcov)), abs(beta)))
  if (left > 1e-12) stop("not yet at the maximum: one more step moves it by ", left)
}


# Cox regression ---------------------------------------------------------------------------------

# `surv` and `strata` are given where R has to be told otherwise than fedstats: a time that is moved to its
# grid cell in the data, or the site as a stratum.
cox_case <- function(data, formula, options = none, split = NULL, sites = NULL, surv = NULL,
                     strata = options$strata, levels = NULL, hypothesis = NULL) {
  frame <- datasets[[data]]
  for (column in names(levels)) frame[[column]] <- factor(frame[[column]], levels[[column]])
  asked <- if (is.null(surv)) formula else sub("^[^~]*", paste(surv, ""), formula)
  model <- r_formula(asked, strata, options$offset)
  arguments <- list(
    formula = model, data = frame, ties = options$ties, control = control_cox(),
    robust = isTRUE(options$robust) || !is.null(options$cluster)
  )
  if (!is.null(options$weights)) arguments$weights <- frame[[options$weights]]
  if (!is.null(options$cluster)) arguments$cluster <- frame[[options$cluster]]
  fit <- do.call(coxph, arguments)
  once_more <- do.call(coxph, modifyList(arguments, list(init = coef(fit), control = control_cox(1))))
  settled(coef(fit), coef(once_more), vcov(fit))
  c(
    list(data = data, formula = formula, options = options, split = split,
         sites = if (!is.null(sites)) I(sites), r = deparse1(model)),
    estimates(coef(fit), vcov(fit)),
    list(
      loglik_null = fit$loglik[1], loglik = fit$loglik[2], n = fit$n, n_event = fit$nevent,
      score_statistic = fit$score, wald_statistic = wald(coef(fit), vcov(fit)), aic = AIC(fit), bic = BIC(fit),
      lr_statistic = 2 * diff(fit$loglik), joint_tests = joint_tests(fit$assign, coef(fit), vcov(fit)),
      levels = levels, hypothesis = hypothesis_test(fit, vcov(fit), hypothesis)
    )
  )
}

surv_lung <- "Surv(time, status) ~"
lung3 <- paste(surv_lung, "age + sex + ph.ecog")
lung_factor <- paste(surv_lung, "age + sex + C(ecog3)")
lung_months <- 30.4375 * seq_len(ceiling(max(datasets$lung$time) / 30.4375))
heart4 <- "Surv(start, stop, event) ~ age + year + surgery + transplant"
heart_cells <- 30 * seq_len(ceiling(max(datasets$heart$stop) / 30))
rossi7 <- "Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio"
gbsg2_all <- "Surv(time, cens) ~ C(horTh) + age + C(menostat) + tsize + C(tgrade) + pnodes + progrec + estrec"
leukemia3 <- "Surv(t, status) ~ sex + logWBC + Rx"

shared <- function(ties = "efron", ...) list(baseline = "shared", ties = ties, ...)
by_site <- function(ties = "efron", ...) list(ties = ties, ...)

cox <- list(
  "lung, shared, Efron" = cox_case("lung", lung3, shared(), sites = by_institution),
  "lung, shared, Breslow" = cox_case("lung", lung3, shared("breslow"), sites = by_institution),
  "lung, strata inst, Efron" = cox_case("lung", lung3, by_site(strata = "inst"), split = "inst", sites = by_institution),
  "lung, strata inst, Breslow" =
    cox_case("lung", lung3, by_site("breslow", strata = "inst"), split = "inst", sites = by_institution),
  "lung, factor, shared" =
    cox_case("lung", lung_factor, shared(), hypothesis = list("C(ecog3)[1]" = 1, "C(ecog3)[2+]" = -1), sites = few),
  "lung, factor, strata inst" = cox_case("lung", lung_factor, by_site(strata = "inst"), split = "inst"),
  "lung, interaction, shared" = cox_case("lung", paste(lung3, "+ age:sex"), shared(), sites = few),
  "lung, interaction, strata inst" =
    cox_case("lung", paste(lung3, "+ age:sex"), by_site(strata = "inst"), split = "inst"),
  "lung, factor by number, shared" = cox_case("lung", paste(lung_factor, "+ age:C(ecog3)"), shared(), sites = few),
  "lung, weights, shared, Efron" = cox_case("lung", lung3, shared(weights = "weight")),
  "lung, weights, shared, Breslow" = cox_case("lung", lung3, shared("breslow", weights = "weight"), sites = few),
  "lung, weights, strata inst, Efron" =
    cox_case("lung", lung3, by_site(strata = "inst", weights = "weight"), split = "inst"),
  "lung, weights, strata inst, Breslow" =
    cox_case("lung", lung3, by_site("breslow", strata = "inst", weights = "weight"), split = "inst", sites = few),
  "lung, offset, shared" =
    cox_case("lung", paste(surv_lung, "sex + ph.ecog"), shared(offset = "age_effect")),
  "lung, offset, strata inst" =
    cox_case("lung", paste(surv_lung, "sex + ph.ecog"), by_site(strata = "inst", offset = "age_effect"), "inst"),
  "lung, robust, shared, Efron" = cox_case("lung", lung3, shared(robust = TRUE)),
  "lung, robust, shared, Breslow" = cox_case("lung", lung3, shared("breslow", robust = TRUE), sites = few),
  "lung, robust, strata inst" = cox_case("lung", lung3, by_site(strata = "inst", robust = TRUE), split = "inst"),
  "lung, robust, weights, shared, Efron" =
    cox_case("lung", lung3, shared(weights = "weight", robust = TRUE), sites = few),
  "lung, robust, weights, shared, Breslow" =
    cox_case("lung", lung3, shared("breslow", weights = "weight", robust = TRUE), sites = few),
  "lung, robust, weights, strata inst" =
    cox_case("lung", lung3, by_site(strata = "inst", weights = "weight", robust = TRUE), split = "inst", sites = few),
  "lung, cluster inst, shared" = cox_case("lung", lung3, shared(cluster = "inst"), split = "inst"),
  "lung, cluster inst, weights, shared" =
    cox_case("lung", lung3, shared(cluster = "inst", weights = "weight"), split = "inst", sites = few),
  "lung, cluster inst, strata site17" =
    cox_case("lung", lung3, by_site(strata = "site17", cluster = "inst"), split = "site17"),
  "lung, age + 1e8, shared" = cox_case("lung", paste(surv_lung, "age_far + sex + ph.ecog"), shared(), sites = few),
  "lung, age + 1e8, strata inst" =
    cox_case("lung", paste(surv_lung, "age_far + sex + ph.ecog"), by_site(strata = "inst"), split = "inst", sites = few),
  "lung, age * 1e6, shared" = cox_case("lung", paste(surv_lung, "age_large + sex + ph.ecog"), shared(), sites = few),
  "lung, age * 1e6, strata inst" =
    cox_case("lung", paste(surv_lung, "age_large + sex + ph.ecog"), by_site(strata = "inst"), split = "inst", sites = few),
  "lung, monthly cells, Efron" =
    cox_case("lung", lung3, shared(grid = I(lung_months)), surv = "Surv(month_end, status)"),
  "lung, monthly cells, Breslow" =
    cox_case("lung", lung3, shared("breslow", grid = I(lung_months)), surv = "Surv(month_end, status)", sites = few),
  "lung, monthly cells, weights, robust" = cox_case(
    "lung", lung3, shared(grid = I(lung_months), weights = "weight", robust = TRUE),
    surv = "Surv(month_end, status)", sites = few
  ),
  "lung, monthly cells, strata sex" = cox_case(
    "lung", paste(surv_lung, "age + ph.ecog"), shared(grid = I(lung_months), strata = "sex"),
    surv = "Surv(month_end, status)", sites = few
  ),
  "heart, shared, Efron" = cox_case("heart", heart4, shared()),
  "heart, shared, Breslow" = cox_case("heart", heart4, shared("breslow")),
  "heart, strata centre, Efron" = cox_case("heart", heart4, by_site(strata = "centre"), split = "centre"),
  "heart, strata centre, Breslow" =
    cox_case("heart", heart4, by_site("breslow", strata = "centre"), split = "centre"),
  "heart, strata centre, cluster id" =
    cox_case("heart", heart4, by_site(strata = "centre", cluster = "id"), split = "centre"),
  "heart, strata surgery, shared" =
    cox_case("heart", "Surv(start, stop, event) ~ age + year + transplant", shared(strata = "surgery")),
  "heart, cluster id, shared, Breslow" = cox_case("heart", heart4, shared("breslow", cluster = "id"), split = "id"),
  "heart, cluster id, weights, shared" =
    cox_case("heart", heart4, shared(cluster = "id", weights = "weight"), split = "id", sites = few),
  "heart, 30-day cells" =
    cox_case("heart", heart4, shared(grid = I(heart_cells)), surv = "Surv(cell_start, cell_stop, event)"),
  "rossi, shared, Efron" = cox_case("rossi", rossi7, shared()),
  "rossi, shared, Breslow" = cox_case("rossi", rossi7, shared("breslow"), sites = few),
  "rossi, robust, shared" = cox_case("rossi", rossi7, shared(robust = TRUE)),
  "rossi, strata race, shared" =
    cox_case("rossi", sub("race [+] ", "", rossi7), shared(strata = "race")),
  "rossi, strata centre, Efron" = cox_case("rossi", rossi7, by_site(strata = "centre"), split = "centre"),
  "rossi, robust, strata centre" =
    cox_case("rossi", rossi7, by_site(strata = "centre", robust = TRUE), split = "centre"),
  "rossi, strata centre and fin" =
    cox_case("rossi", sub("fin [+] ", "", rossi7), by_site(strata = c("centre", "fin")), split = "centre"),
  "gbsg2, factors, shared" = cox_case("gbsg2", gbsg2_all, shared()),
  "gbsg2, strata tgrade, shared" =
    cox_case("gbsg2", sub(" [+] C[(]tgrade[)]", "", gbsg2_all), shared(strata = "tgrade"), sites = few),
  "gbsg2, log and other units, shared" =
    cox_case("gbsg2", "Surv(time, cens) ~ log(tsize) + I(age / 10) + I((pnodes - 5) / 10)", shared(), sites = few),
  "lung, polynomial, strata inst" =
    cox_case("lung", paste(surv_lung, "poly(age - 62, 3) + sex"), by_site(strata = "inst"), split = "inst"),
  "heart, cubic calendar year, strata centre" = cox_case(
    "heart", "Surv(start, stop, event) ~ poly(calendar - 1971, 3) + transplant", by_site(strata = "centre"), "centre"
  ),
  "lung, square by sex, shared" =
    cox_case("lung", paste(surv_lung, "age + I(age^2) + sex + age:sex + I(age^2):sex"), shared(), sites = few),
  "lung, restricted cubic spline, shared" =
    cox_case("lung", paste(surv_lung, "rcs(age, 45, 58, 66, 75) + sex + ph.ecog"), shared(), sites = few),
  "lung, restricted cubic spline, strata inst" =
    cox_case("lung", paste(surv_lung, "rcs(age, 50, 62, 70) * sex"), by_site(strata = "inst"), split = "inst"),
  "lung, B-spline, shared" =
    cox_case("lung", paste(surv_lung, "bs(age, 58, 68, low = 35, high = 85) + sex"), shared()),
  "gbsg2, quadratic B-spline, shared" =
    cox_case("gbsg2", "Surv(time, cens) ~ bs(age, 45, 60, degree = 2, low = 20, high = 90) + log(tsize)", shared(), sites = few),
  "lung, strata inst and sex" =
    cox_case("lung", paste(surv_lung, "age + ph.ecog"), by_site(strata = c("inst", "sex")), split = "inst"),
  "lung, another reference" = cox_case("lung", lung_factor, shared(), levels = list(ecog3 = c("2+", "0", "1")),
                                       hypothesis = list("C(ecog3)[0]" = 1, "C(ecog3)[1]" = -1)),
  "heart, weights, strata centre" =
    cox_case("heart", heart4, by_site(strata = "centre", weights = "weight"), split = "centre"),
  "heart, offset, cluster id, strata centre" = cox_case(
    "heart", sub("age [+] ", "", heart4), by_site(strata = "centre", offset = "age_effect", cluster = "id"), "centre"
  ),
  "rossi, weights, shared" = cox_case("rossi", rossi7, shared(weights = "weight")),
  "rossi, offset, shared, Breslow" =
    cox_case("rossi", sub("age [+] ", "", rossi7), shared("breslow", offset = "age_effect")),
  "rossi, offset, strata centre, Breslow" =
    cox_case("rossi", sub("age [+] ", "", rossi7), by_site("breslow", strata = "centre", offset = "age_effect"), "centre"),
  "rossi, cluster centre, strata centre" =
    cox_case("rossi", rossi7, by_site(strata = "centre", cluster = "centre"), split = "centre"),
  "rossi, polynomial and product, strata centre" =
    cox_case("rossi", "Surv(week, arrest) ~ fin * prio + poly(age, 2, raw=TRUE)", by_site(strata = "centre"), split = "centre"),
  "rossi, product, shared" = cox_case("rossi", "Surv(week, arrest) ~ fin + age + fin:age", shared(), sites = few),
  "lung, log and other units, strata inst" =
    cox_case("lung", paste(surv_lung, "log(age) + I(ph.ecog / 2) + sex"), by_site(strata = "inst"), split = "inst"),
  "gbsg2, restricted cubic spline, strata centre" = cox_case(
    "gbsg2", "Surv(time, cens) ~ rcs(age, 35, 53, 68) + C(tgrade)", by_site(strata = "centre"), split = "centre",
    hypothesis = list("C(tgrade)[II]" = 1, "C(tgrade)[III]" = -1)
  ),
  "leukemia, shared, Efron" = cox_case("leukemia", leukemia3, shared()),
  "leukemia, shared, Breslow" = cox_case("leukemia", leukemia3, shared("breslow"), sites = few)
)
# a site is a stratum where none is asked for: the same question has another answer at another number of sites
for (k in by_institution) {
  of_sites <- function(data, formula, ...) {
    site <- if (k > 1) paste0("site", k)
    cox_case(data, formula, by_site(...), site, k, strata = site)
  }
  cox[[sprintf("lung, a stratum a site, %d", k)]] <- of_sites("lung", lung3)
  if (k %in% c(4, 9)) next
  cox[[sprintf("lung, a stratum a site, %d, Breslow", k)]] <- of_sites("lung", lung3, "breslow")
  cox[[sprintf("rossi, a stratum a site, %d, weights, robust", k)]] <-
    of_sites("rossi", rossi7, weights = "weight", robust = TRUE)
}


# Logistic regression ----------------------------------------------------------------------------

# Of each coefficient the label of its term.
term_of <- function(fit) {
  labels <- c("(Intercept)", attr(terms(fit), "term.labels"))
  factor(labels[attr(model.matrix(fit), "assign") + 1], labels)
}

logistic_case <- function(data, formula, options = none, split = NULL, sites = NULL, hypothesis = NULL) {
  frame <- datasets[[data]]
  weights <- weights_of(frame, options$weights)
  ask <- function(model, start = NULL) {
    do.call(glm, list(model, binomial(), frame, weights = weights, start = start, control = tight_glm))
  }
  model <- r_formula(formula, NULL, options$offset)
  # glm's covariance is of the iterate before the last one; started at the maximum, both are the maximum
  fit <- ask(model, start = coef(ask(model)))
  settled(coef(fit), coef(ask(model, start = coef(fit))), vcov(fit))
  null <- ask(update(model, . ~ 1), NULL)
  if (!is.null(options$offset)) null <- ask(r_formula(sub("~.*", "~ 1", formula), NULL, options$offset), NULL)
  null <- ask(formula(null), start = coef(null))
  variance <- if (!is.null(options$cluster)) {
    vcovCL(fit, cluster = frame[[options$cluster]], type = "HC0", cadjust = FALSE)
  } else if (isTRUE(options$robust)) {
    sandwich(fit)
  } else {
    vcov(fit)
  }
  # Rao's score test: the null residuals regressed on the columns (their scale does not matter), with the null weights
  x <- model.matrix(fit)
  x <- sweep(x, 2, apply(abs(x), 2, max), "/")
  mu <- fitted(null)
  u <- crossprod(x, weights * (fit$y - mu))
  score <- drop(crossprod(u, solve(crossprod(x, x * (weights * mu * (1 - mu))), u)))
  c(
    list(data = data, formula = formula, options = options, split = split,
         sites = if (!is.null(sites)) I(sites), r = deparse1(model)),
    estimates(coef(fit), variance),
    list(
      loglik_null = c(logLik(null)), loglik = c(logLik(fit)), n = nrow(frame), n_event = sum(fit$y),
      deviance = deviance(fit), score_statistic = score, aic = AIC(fit), bic = BIC(fit),
      lr_statistic = fit$null.deviance - deviance(fit), wald_statistic = wald(coef(fit)[-1], variance[-1, -1, drop = FALSE]),
      hypothesis = hypothesis_test(fit, variance, hypothesis),
      joint_tests = joint_tests(split(seq_along(coef(fit)), term_of(fit)), coef(fit), variance)
    )
  )
}

lung_status <- "status ~ age + sex + ph.ecog"
fair6 <- "affair ~ rate_marriage + age + yrs_married + children + religious + educ"

logistic <- list(
  "lung" = logistic_case("lung", lung_status, sites = by_institution),
  "lung, factor" =
    logistic_case("lung", "status ~ age + sex + C(ecog3)", hypothesis = list("C(ecog3)[1]" = 1, "C(ecog3)[2+]" = -1)),
  "lung, interaction" = logistic_case("lung", "status ~ age + sex + ph.ecog + age:sex", sites = few),
  "lung, weights" = logistic_case("lung", lung_status, list(weights = "weight")),
  "lung, offset" = logistic_case("lung", "status ~ sex + ph.ecog", list(offset = "age_effect")),
  "lung, weights and offset" =
    logistic_case("lung", "status ~ sex + ph.ecog", list(weights = "weight", offset = "age_effect"), sites = few),
  "lung, robust" = logistic_case("lung", lung_status, list(robust = TRUE)),
  "lung, robust, weights" = logistic_case("lung", lung_status, list(robust = TRUE, weights = "weight"), sites = few),
  "lung, cluster inst" = logistic_case("lung", lung_status, list(cluster = "inst"), split = "inst"),
  "lung, cluster inst, weights" =
    logistic_case("lung", lung_status, list(cluster = "inst", weights = "weight"), split = "inst", sites = few),
  "fair, restricted cubic spline" = logistic_case("fair", "affair ~ rcs(age, 20, 27, 35, 42) + religious"),
  "fair, B-spline" = logistic_case("fair", "affair ~ bs(yrs_married, 6, 13, low = 0, high = 30) + religious"),
  "fair, polynomial" = logistic_case("fair", "affair ~ poly(yrs_married, 2, raw=TRUE) + religious"),
  "fair, log" = logistic_case("fair", "affair ~ log(age) + I(yrs_married / 10) + religious"),
  "lung, age * 1e6" = logistic_case("lung", "status ~ age_large + sex + ph.ecog", sites = few),
  "rossi" = logistic_case("rossi", "arrest ~ fin + age + race + wexp + mar + paro + prio"),
  "rossi, cluster centre" =
    logistic_case("rossi", "arrest ~ fin + age + prio", list(cluster = "centre"), split = "centre"),
  "gbsg2, factors" = logistic_case("gbsg2", "cens ~ C(horTh) + age + C(menostat) + C(tgrade) + pnodes"),
  "gbsg2, factor, robust" = logistic_case(
    "gbsg2", "cens ~ C(tgrade) + log(tsize) + I(age / 10)", list(robust = TRUE),
    hypothesis = list("C(tgrade)[II]" = 1, "C(tgrade)[III]" = -0.5)
  ),
  "rossi, weights" = logistic_case("rossi", "arrest ~ fin * age + prio", list(weights = "weight")),
  "rossi, offset, polynomial" = logistic_case("rossi", "arrest ~ fin + poly(prio - 3, 2)", list(offset = "age_effect")),
  "lung, restricted cubic spline" = logistic_case("lung", "status ~ rcs(age, 50, 62, 70) + sex"),
  "rossi, B-spline" = logistic_case("rossi", "arrest ~ bs(age, 25, degree = 2, low = 15, high = 45) + fin"),
  "spector" = logistic_case("spector", "GRADE ~ GPA + TUCE + PSI"),
  "fair" = logistic_case("fair", fair6),
  "fair, robust" = logistic_case("fair", fair6, list(robust = TRUE)),
  "fair, factor" = logistic_case("fair", "affair ~ C(rate_marriage) + age + yrs_married + religious")
)


# Profile likelihood -----------------------------------------------------------------------------

# The interval of one coefficient, found slowly: the column becomes an offset, R fits all others, and uniroot looks for
# where twice the log-likelihood has fallen by the quantile of chi-squared.
profile_case <- function(kind, data, formula, term, options = none, split = NULL, sites = NULL, level = 0.95) {
  frame <- datasets[[data]]
  weights <- weights_of(frame, options$weights)
  model <- r_formula(formula, options$strata, options$offset)
  column <- model.matrix(as.formula(paste("~", gsub("\\bC\\(", "factor(", sub(".*~", "", formula)))), frame)
  column <- column[, which(term_names(colnames(column)) == term)]
  fit <- function(model) {
    family <- list(logistic = binomial(), poisson = poisson())[[kind]]
    if (!is.null(family)) return(do.call(glm, list(model, family, frame, weights, control = tight_glm)))
    do.call(coxph, list(formula = model, data = frame, weights = weights, ties = options$ties, control = control_cox()))
  }
  whole <- fit(model)
  estimates <- setNames(coef(whole), term_names(names(coef(whole))))
  frame$others <- rowSums(cbind(0, if (!is.null(options$offset)) frame[[options$offset]]))
  rest <- update(model, as.formula(paste(". ~ . -", gsub("\\bC\\(", "factor(", term), "+ offset(held)")))
  fallen <- function(value) {
    frame$held <<- value * column
    # far beyond the end, where uniroot looks first, probabilities may be 0 or 1 to rounding
    2 * (c(logLik(whole)) - c(logLik(suppressWarnings(fit(rest))))) - qchisq(level, 1)
  }
  se <- sqrt(vcov(whole)[match(term, names(estimates)), match(term, names(estimates))])
  end <- function(side) {
    uniroot(fallen, sort(estimates[[term]] + side * c(0.01, 8) * se), tol = 1e-13 * se, maxiter = 200)$root
  }
  list(
    kind = kind, data = data, formula = formula, options = options, split = split, term = term,
    sites = if (!is.null(sites)) I(sites), level = level, low = end(-1), high = end(1), se = se
  )
}

profile <- list(
  "lung, sex, shared" = profile_case("cox", "lung", lung3, "sex", shared()),
  "lung, age, shared, Breslow" = profile_case("cox", "lung", lung3, "age", shared("breslow")),
  "lung, ph.ecog, strata inst, 90 %" =
    profile_case("cox", "lung", lung3, "ph.ecog", by_site(strata = "inst"), split = "inst", level = 0.9),
  "lung, sex, weights, strata inst" =
    profile_case("cox", "lung", lung3, "sex", by_site(strata = "inst", weights = "weight"), split = "inst"),
  "heart, surgery, strata centre" =
    profile_case("cox", "heart", heart4, "surgery", by_site(strata = "centre"), split = "centre"),
  "rossi, prio" = profile_case("cox", "rossi", rossi7, "prio", shared()),
  "leukemia, logWBC" = profile_case("cox", "leukemia", leukemia3, "logWBC", shared()),
  "lung, logistic, sex" = profile_case("logistic", "lung", lung_status, "sex"),
  "lung, logistic, ph.ecog, weights, 99 %" =
    profile_case("logistic", "lung", lung_status, "ph.ecog", list(weights = "weight"), level = 0.99),
  "spector, logistic, PSI" = profile_case("logistic", "spector", "GRADE ~ GPA + TUCE + PSI", "PSI"),
  "spector, logistic, GPA" = profile_case("logistic", "spector", "GRADE ~ GPA + TUCE + PSI", "GPA"),
  "rossi, Poisson, age" = profile_case("poisson", "rossi", "prio ~ age + fin + race", "age"),
  "gbsg2, Poisson, tsize" = profile_case("poisson", "gbsg2", "pnodes ~ age + tsize", "tsize")
)


# Kaplan-Meier -----------------------------------------------------------------------------------

# survfit has a row at every time at which someone leaves; fedstats may have more (other groups' times).
kaplan_meier_case <- function(data, formula, conf_types) {
  fits <- lapply(setNames(conf_types, conf_types), function(type) {
    survfit(as.formula(formula), datasets[[data]], conf.type = type)
  })
  tables <- lapply(fits, summary, censored = TRUE)
  curve <- tables[[1]]
  group <- if (is.null(curve$strata)) rep("all", length(curve$time)) else sub("^[^=]*=", "", curve$strata)
  medians <- lapply(fits, function(fit) {
    rows <- lapply(quantile(fit, 0.5), function(column) I(c(column)))
    list(group = I(unique(group)), median = rows$quantile, conf_low = rows$lower, conf_high = rows$upper)
  })
  list(
    data = data, formula = formula,
    group = group, time = curve$time, n_risk = curve$n.risk, n_event = curve$n.event,
    estimate = curve$surv, std_error = curve$std.err,
    intervals = lapply(tables, function(table) list(conf_low = table$lower, conf_high = table$upper)),
    medians = medians
  )
}

every_type <- c("log", "log-log", "plain")
kaplan_meier <- list(
  "lung by sex" = kaplan_meier_case("lung", "Surv(time, status) ~ sex", every_type),
  "lung" = kaplan_meier_case("lung", "Surv(time, status) ~ 1", "log"),
  "heart, delayed entry" = kaplan_meier_case("heart", "Surv(start, stop, event) ~ 1", every_type),
  "heart, delayed entry, by transplant" =
    kaplan_meier_case("heart", "Surv(start, stop, event) ~ transplant", every_type),
  "gbsg2 by hormone therapy" = kaplan_meier_case("gbsg2", "Surv(time, cens) ~ horTh", "log"),
  "leukemia by treatment" = kaplan_meier_case("leukemia", "Surv(t, status) ~ Rx", every_type)
)


write_reference(
  "regression", list(cox = cox, logistic = logistic, profile = profile, kaplan_meier = kaplan_meier),
  c("survival", "sandwich")
)
