# Reference values of effects by group for tests/reference, on the tests' own data sets:
#
#   Rscript tests/reference/make_heterogeneity_reference.R
#
# writes tests/reference/heterogeneity.json (needs survival and metafor).  Every group's estimate is coxph or glm on its rows;
# metafor puts them together.  The one-stage test is the score test of the model with a coefficient for each group, begun
# at the coefficients of the model with one for all: coxph's own, and for a glm R's Rao test of the two.

suppressPackageStartupMessages({ library(survival); library(metafor) })
source("tests/reference/common.R")

# Groups are fitted on the columns of all rows together: where one has nobody with a level, R gives NA for its coefficient.
in_r <- function(words) gsub("\\bC\\((\\w+)\\)", "\\1", words, perl = TRUE)
with_factors <- function(frame, words) {
  for (name in gsub("^C\\(|\\)$", "", regmatches(words, gregexpr("\\bC\\(\\w+\\)", words))[[1]])) frame[[name]] <- factor(frame[[name]])
  frame
}

together <- function(y, v, method, hk) {
  fit <- rma(y, v, method = method, test = if (hk) "knha" else "z", control = list(threshold = 1e-15, maxiter = 10000, tol = 1e-15))
  at <- predict(fit)
  out <- list(
    estimate = fit$b[1], se = fit$se, p_value = fit$pval, low = fit$ci.lb, high = fit$ci.ub, tau2 = fit$tau2, i2 = fit$I2 / 100,
    h2 = fit$H2, q = fit$QE, q_p = fit$QEp, pi_low = at$pi.lb, pi_high = at$pi.ub,
    without = I(vapply(seq_along(y), function(i) rma(y[-i], v[-i], method = method, test = if (hk) "knha" else "z",
      control = list(threshold = 1e-15, maxiter = 10000, tol = 1e-15))$b[1], 0))
  )
  if (method == "REML") {
    ends <- confint(fit, control = list(tol = 1e-12, tau2.max = 1000))$random["tau^2", ]
    out$tau2_ci <- I(unname(ends[c("ci.lb", "ci.ub")]))
  }
  out
}

# Statistic and degrees of freedom of the score test of one stage; columns that R finds aliased count for nothing.
one_stage <- function(frame, words, factor_term, family, ties, offset) {
  if (is.null(family)) {
    one <- coxph(as.formula(paste(words, "+ strata(g)")), frame, weights = w, ties = ties, control = control_cox())
    x <- model.matrix(as.formula(paste("~", sub("^[^~]*~", "", words))), frame)[, -1, drop = FALSE]
    in_term <- grep(factor_term, colnames(x), fixed = TRUE)
    by_group <- do.call(cbind, lapply(levels(frame$g), function(l) x[, in_term, drop = FALSE] * (frame$g == l)))
    others <- x[, -in_term, drop = FALSE]
    start <- c(rep(coef(one)[in_term], nlevels(frame$g)), coef(one)[-in_term])
    z <- cbind(by_group, others)
    outcome <- eval(parse(text = sub("~.*", "", words)), frame)
    plus <- if (is.null(offset)) rep(0, nrow(frame)) else frame[[offset]]
    many <- suppressWarnings(coxph(outcome ~ z + strata(frame$g) + offset(plus), weights = frame$w, ties = ties, init = start,
      control = coxph.control(iter.max = 0)))
    c(many$score, sum(diag(many$var) != 0) - ncol(x))
  } else {
    one <- glm(as.formula(paste(words, "+ g")), families[[family]], frame, weights = w, control = glm.control(epsilon = 1e-15, maxit = 100))
    many <- glm(as.formula(paste(words, "+ g +", factor_term, ": g")), families[[family]], frame, weights = w,
      control = glm.control(epsilon = 1e-15, maxit = 100))
    rao <- suppressWarnings(anova(one, many, test = "Rao"))
    c(rao$Rao[2], rao$Df[2])
  }
}

case <- function(data, formula, term, by, family = NULL, ties = "efron", weights = NULL, offset = NULL, extra = NULL) {
  frame <- with_factors(datasets[[data]], formula)
  frame$w <- weights_of(frame, weights)
  frame$g <- factor(frame[[by]])
  words <- in_r(formula)
  factor_term <- in_r(term)
  if (!is.null(offset)) words <- sprintf("%s + offset(%s)", words, offset)
  cox <- is.null(family)
  frame$x <- model.matrix(as.formula(sub("^[^~]*", "", words)), frame)[, -1, drop = FALSE]
  own <- as.formula(paste(sub("~.*", "~ x", words), if (!is.null(offset)) sprintf("+ offset(%s)", offset)))
  fit_one <- function(rows) {
    if (cox) {
      fit <- coxph(own, rows, weights = w, ties = ties, control = control_cox())
      return(list(y = coef(fit), v = diag(vcov(fit))))
    }
    y <- v <- setNames(rep(NA_real_, ncol(rows$x)), colnames(rows$x))
    # with tight limits glm takes no column for aliased, so these are found with its own
    kept <- !is.na(coef(glm(own, families[[family]], rows, weights = w))[-1])
    rows$x <- rows$x[, kept, drop = FALSE]
    fit <- glm(own, families[[family]], rows, weights = w, control = glm.control(epsilon = 1e-15, maxit = 100))
    y[kept] <- coef(fit)[-1]
    v[kept] <- diag(vcov(fit))[-1]
    list(y = y, v = v)
  }
  groups <- split(frame, frame$g)
  fits <- lapply(groups, fit_one)
  chosen <- grep(factor_term, colnames(frame$x), fixed = TRUE)
  found <- lapply(chosen, function(j) {
    y <- vapply(fits, function(f) f$y[[j]], 0)
    v <- ifelse(is.na(y), NA, vapply(fits, function(f) f$v[[j]], 0))
    all_y <- y
    all_v <- v
    y <- all_y[!is.na(all_y)]
    v <- all_v[!is.na(all_y)]
    fixed <- rma(y, v, method = "FE")
    list(
      y = I(unname(all_y)), se = I(unname(sqrt(all_v))), fixed = fixed$b[1], fixed_se = fixed$se,
      random = setNames(lapply(c("REML", "DL", "PM"), function(m) together(y, v, m, FALSE)), c("REML", "DL", "PM")),
      hartung_knapp = together(y, v, "REML", TRUE)
    )
  })
  test <- one_stage(frame, words, factor_term, family, ties, offset)
  list(
    data = data, formula = formula, term = term, by = by, family = if (!cox) strsplit(family, " ")[[1]][1], ties = ties, weights = weights,
    offset = offset, split = by,
    aliased = I(unname(vapply(fits, function(f) sum(is.na(f$y)), 0L))),
    sizes = I(unname(vapply(groups, nrow, 0L))), coefficients = found, statistic = test[1], df = test[2]
  )
}

cases <- list(
  "gbsg2, hormones by practice" = case("gbsg2", "Surv(time, cens) ~ C(horTh) + age", "C(horTh)", "practice"),
  "gbsg2, nodes by fold, Breslow" = case("gbsg2", "Surv(time, cens) ~ pnodes + C(tgrade) + age", "pnodes", "fold", ties = "breslow"),
  "gbsg2, grades by fold" = case("gbsg2", "Surv(time, cens) ~ C(tgrade) + age", "C(tgrade)", "fold"),
  "lung, sex by ECOG, weights" = case("lung", "Surv(time, status) ~ sex + age", "sex", "ecog3", weights = "weight"),
  "gbsg2, age and nodes by practice" = case("gbsg2", "pnodes ~ C(horTh) + age", "age", "practice", family = "poisson log"),
  "gbsg2, events by practice" = case("gbsg2", "cens ~ age + pnodes", "age", "practice", family = "binomial logit"),
  "lung, deaths by ECOG, offset" = case("lung", "status ~ sex + age", "sex", "ecog3", family = "binomial logit", offset = "age_effect"),
  "gbsg2, nodes by fold, gaps in grades" = case("gbsg2", "Surv(time, cens) ~ pnodes + C(grade_gaps) + age", "pnodes", "fold"),
  "gbsg2, hormones by fold, gaps in both" = case("gbsg2", "Surv(time, cens) ~ C(grade_gaps) + age + C(treated_gaps)", "C(treated_gaps)", "fold", ties = "breslow"),
  "gbsg2, grades by fold, one without III" = case("gbsg2", "Surv(time, cens) ~ C(grade_upper) + age", "C(grade_upper)", "fold"),
  "gbsg2, events by fold, gaps in grades" = case("gbsg2", "cens ~ C(grade_gaps) + age + pnodes", "age", "fold", family = "binomial logit"),
  "gbsg2, counts by fold, gaps in grades" = case("gbsg2", "pnodes ~ age + C(grade_gaps)", "age", "fold", family = "poisson log")
)
# Where a group has nobody with a level, or no events, its own estimate does not exist and R drops its column of the test.
aliased <- function(data, formula, term, by, family = NULL, ties = "efron") {
  frame <- with_factors(datasets[[data]], formula)
  frame$w <- 1
  frame$g <- factor(frame[[by]])
  test <- one_stage(frame, in_r(formula), in_r(term), family, ties, NULL)
  list(
    data = data, formula = formula, term = term, by = by, family = if (!is.null(family)) strsplit(family, " ")[[1]][1], ties = ties,
    split = by, statistic = test[1], df = test[2]
  )
}

tests <- list(
  "lung, levels of ECOG by practice" = aliased("lung", "Surv(time, status) ~ C(ecog3) + age", "C(ecog3)", "practice"),
  "lung, sex by practice, one without deaths" = aliased("lung", "Surv(time, status) ~ sex + age", "sex", "practice"),
  "rossi, married by practice, Breslow" = aliased("rossi", "Surv(week, arrest) ~ mar + age", "mar", "practice", ties = "breslow"),
  "rossi, married by practice" = aliased("rossi", "arrest ~ mar + age", "mar", "practice", family = "binomial logit")
)
write_reference("heterogeneity", list(cases = cases, tests = tests), c("survival", "metafor"))
