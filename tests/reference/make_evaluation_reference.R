# Reference values of the evaluation of predictions, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_evaluation_reference.R
#
# writes tests/reference/evaluation.json (needs survival, riskRegression and metafor). Patients are compared within the columns of `strata`,
# which sites keep whole: survival::concordance, of a coxph or of a glm's predictor. Predicted risks are held against outcomes by
# riskRegression::Score (which makes a data.table of the very frame that it is given, so it is given a copy), prop.test and glm.

suppressPackageStartupMessages({
  library(survival)
  library(riskRegression)
  library(metafor)
})
source("tests/reference/common.R")

# A fit on the patients of `fitted_on`, or on all.
fitted_model <- function(case, frame) {
  frame <- if (is.null(case$fitted_on)) frame else subset(frame, eval(parse(text = case$fitted_on)))
  frame$w <- weights_of(frame, case$weights)
  if (grepl("^Surv", case$formula)) {
    words <- r_formula(case$formula, case$strata, case$offset)
    return(coxph(words, frame, weights = w, ties = "efron", control = control_cox(), model = TRUE))
  }
  at <- function(start) suppressWarnings(
    glm(r_formula(case$formula, NULL, case$offset), binomial(), frame, weights = w, start = start,
        control = glm.control(epsilon = 1e-15, maxit = 50))
  )
  at(coef(at(NULL)))
}

# Of everybody, or of the patients of `evaluated_on`, by the linear predictor of the fit.
pairs_of <- function(case) {
  frame <- datasets[[case$data]]
  fit <- fitted_model(case, frame)
  if (!is.null(case$evaluated_on)) frame <- subset(frame, eval(parse(text = case$evaluated_on)))
  is_cox <- inherits(fit, "coxph")
  frame$lp <- if (is_cox) predict(fit, frame, type = "lp", reference = "zero") else predict(fit, frame)
  y <- if (is_cox) eval(parse(text = trimws(strsplit(case$formula, "~")[[1]][1])), frame) else frame[[sub(" *~.*", "", case$formula)]]
  strata <- if (length(case$strata)) do.call(paste, frame[case$strata]) else rep(1, nrow(frame))
  arguments <- list(y = y, x = frame$lp, strata = strata, weights = weights_of(frame, case$weights), reverse = is_cox,
                    timewt = if (is.null(case$timewt)) "n" else case$timewt, ymax = case$ymax, keepstrata = TRUE)
  if (!is.null(case$cluster)) arguments$cluster <- paste(strata, frame[[case$cluster]]) # clusters lie within sites
  # keepstrata: of more than ten strata concordance() else moves the times of each past those of the one before, so that ymax
  # leaves the first stratum alone (survival 3.5-3)
  found <- do.call(concordancefit, arguments)
  found$count <- if (is.matrix(found$count)) colSums(found$count) else found$count
  if (is_cox && is.null(case$fitted_on) && is.null(case$evaluated_on) && is.null(case$cluster)) {
    # the very same as of the fit
    again <- do.call(concordance, c(list(fit, keepstrata = TRUE), arguments["timewt"], if (!is.null(case$ymax)) arguments["ymax"]))
    stopifnot(all.equal(c(found$concordance, found$var), c(unname(again$concordance), again$var), tolerance = 1e-12))
  }
  c(case, list(estimate = found$concordance, std_error = sqrt(found$var), concordant = found$count[["concordant"]],
               discordant = found$count[["discordant"]], tied = found$count[["tied.x"]]))
}

cox <- function(data, formula, ...) list(data = data, formula = formula, ...)
lung <- function(...) cox("lung", "Surv(time, status) ~ age + sex + C(ecog3)", ...)
rossi <- function(...) cox("rossi", "Surv(week, arrest) ~ fin + age + prio", ...)

pairs_cases <- list(
  "lung, one site" = lung(sites = I(1)),
  "lung, institutions" = lung(split = "inst", strata = I("inst")),
  "lung, weights" = lung(split = "inst", strata = I("inst"), weights = "weight"),
  "lung, Uno" = lung(split = "site2", strata = I("site2"), timewt = "n/G2", sites = I(2)),
  "lung, Uno until a year" = lung(sites = I(1), timewt = "n/G2", ymax = 365),
  "lung, Uno, institutions, weights" = lung(split = "inst", strata = I("inst"), timewt = "n/G2", weights = "weight"),
  "lung, until a year" = lung(split = "inst", strata = I("inst"), ymax = 365),
  "lung, levels alone" = cox("lung", "Surv(time, status) ~ sex + C(ecog3)", split = "inst", strata = I("inst")),
  "lung, offset" = cox("lung", "Surv(time, status) ~ sex", offset = "age_effect", split = "inst", strata = I("inst")),
  "lung, women by men" = cox("lung", "Surv(time, status) ~ age + C(ecog3)", split = "inst", strata = I("inst"),
                             fitted_on = "sex == 1", evaluated_on = "sex == 2"),
  "rossi, ties" = rossi(split = "centre", strata = I("centre")),
  "rossi, two strata" = rossi(split = "centre", strata = I(c("centre", "race"))),
  "rossi, 17 sites" = rossi(split = "site17", strata = I("site17"), sites = I(17)),
  "heart, entries" = cox("heart", "Surv(start, stop, event) ~ age + year + surgery", split = "centre", strata = I("centre")),
  "heart, entries, clusters" = cox("heart", "Surv(start, stop, event) ~ age + year", split = "centre", strata = I("centre"),
                                   cluster = "id"),
  "gbsg2" = cox("gbsg2", "Surv(time, cens) ~ horTh + age + tsize + pnodes", split = "centre", strata = I("centre"))
)

arrests <- function(k, ...) {
  within <- if (k > 1) list(split = paste0("site", k), strata = I(paste0("site", k)))
  c(cox("rossi", "arrest ~ fin + age + prio", sites = I(k)), within, list(...))
}
everywhere <- function(name, ...) {
  counts <- c(1, 2, 5, 17)
  setNames(lapply(counts, arrests, ...), paste(name, counts))
}
auc_cases <- c(
  everywhere("rossi"),
  everywhere("rossi, weights", weights = "weight"),
  everywhere("rossi, clusters", cluster = "week"),
  everywhere("rossi, others", fitted_on = "race == 1", evaluated_on = "race == 0"),
  list(
    "rossi, levels alone" = cox("rossi", "arrest ~ fin + race", split = "site5", strata = I("site5"), sites = I(5)),
    "spector" = cox("spector", "GRADE ~ GPA + TUCE + PSI", sites = I(1)),
    "fair" = cox("fair", "affair ~ age + religious + yrs_married", sites = I(1))
  )
)

# Predicted risks of a glm against outcomes: by cells between `bins`, across all patients.
risks_of <- function(case) {
  frame <- datasets[[case$data]]
  fit <- fitted_model(case, frame)
  if (!is.null(case$evaluated_on)) frame <- subset(frame, eval(parse(text = case$evaluated_on)))
  y <- frame[[sub(" *~.*", "", case$formula)]]
  frame$lp <- predict(fit, frame)
  risk <- plogis(frame$lp)
  cell <- cut(risk, c(0, case$bins, 1))
  at <- function(formula, start = NULL) glm(formula, binomial(), frame, start = start, control = glm.control(epsilon = 1e-15, maxit = 50))
  twice <- function(formula) at(formula, coef(at(formula))) # glm's covariance is that of the step before its last
  large <- twice(y ~ 1 + offset(lp))
  slope <- twice(y ~ lp)
  wilson <- function(k) suppressWarnings(prop.test(sum(y[cell == k]), sum(cell == k), correct = FALSE))$conf.int
  intervals <- t(vapply(levels(cell), wilson, c(0, 0)))
  found <- Score(list(fit), formula = as.formula(paste(sub(" *~.*", "", case$formula), "~ 1")), data = data.table::copy(frame), metrics = "brier",
                 summary = "ipa", se.fit = TRUE)$Brier$score
  brier <- found[found$model != "Null model", ]
  pairs <- concordancefit(y = y, x = as.numeric(cell))
  above <- vapply(case$bins, function(t) mean(risk > t), 0)
  net <- vapply(case$bins, function(t) mean(risk > t & y == 1) - mean(risk > t & y == 0) * t / (1 - t), 0)
  c(case, list(
    n = as.numeric(table(cell)), n_event = as.numeric(tapply(y, cell, sum)), predicted = as.numeric(tapply(risk, cell, mean)),
    conf_low = unname(intervals[, 1]), conf_high = unname(intervals[, 2]),
    large = unname(coef(summary(large))[1, 1:2]), slope = unname(coef(summary(slope))["lp", 1:2]),
    brier = brier$Brier, brier_se = brier$se, scaled = brier$IPA, pooled = pairs$concordance, pooled_se = sqrt(pairs$var),
    whole = concordancefit(y = y, x = risk)$concordance, share_above = above, net = net
  ))
}
risk_cases <- list(
  "rossi" = cox("rossi", "arrest ~ fin + age + prio", bins = c(0.1, 0.2, 0.25, 0.3, 0.5)),
  "rossi, others" = cox("rossi", "arrest ~ age + prio", bins = c(0.2, 0.3, 0.4), fitted_on = "race == 1", evaluated_on = "race == 0"),
  "fair" = cox("fair", "affair ~ age + religious + yrs_married", bins = seq(0.1, 0.7, 0.05)),
  "lung" = cox("lung", "status ~ age + sex + C(ecog3)", bins = c(0.6, 0.8))
)

# Risks by milestones of a coxph with one baseline hazard: riskRegression::Score (censoring by Kaplan-Meier), survfit by cells of the risk.
milestones_of <- function(case) {
  frame <- datasets[[case$data]]
  part <- function(which) if (is.null(which)) frame else subset(frame, eval(parse(text = which)))
  words <- r_formula(case$formula)
  training <- part(case$fitted_on)
  there <- part(case$evaluated_on)
  fit <- coxph(words, training, ties = "efron", control = control_cox(), x = TRUE)
  outcome <- trimws(strsplit(case$formula, "~")[[1]][1])
  marginal <- as.formula(paste(outcome, "~ 1"))
  y <- eval(parse(text = outcome), there)
  at <- function(t) {
    risk <- 1 - summary(survfit(fit, there), times = t, extend = TRUE)$surv
    risk <- as.numeric(risk)
    found <- Score(list(fit = matrix(risk)), formula = marginal, data = data.table::copy(there), times = t, metrics = "brier", summary = "ipa",
                   cens.model = "km", se.fit = FALSE)$Brier$score
    cell <- cut(risk, c(0, case$bins, 1))
    curve <- function(who) {
      s <- summary(survfit(y[who] ~ 1, conf.type = "log-log"), times = t, extend = TRUE)
      1 - c(s$surv, s$upper, s$lower)
    }
    curves <- t(vapply(levels(cell), function(k) curve(cell == k), c(0, 0, 0)))
    above <- vapply(case$bins, function(b) c(mean(risk > b), curve(risk > b)[1]), c(0, 0))
    net <- above[1, ] * above[2, ] - above[1, ] * (1 - above[2, ]) * case$bins / (1 - case$bins)
    list(time = t, brier = found[found$model == "fit"]$Brier, null = found[found$model == "Null model"]$Brier,
         scaled = found[found$model == "fit"]$IPA, n = as.numeric(table(cell)), predicted = as.numeric(tapply(risk, cell, mean)),
         curves = unname(curves), share_above = above[1, ], net = net, ratio = curve(rep(TRUE, nrow(there)))[1] / mean(risk))
  }
  lp <- as.numeric(predict(fit, there, type = "lp"))
  whole <- concordancefit(y = y, x = lp, reverse = TRUE)
  c(case, list(milestones = lapply(case$times, at), whole = whole$concordance))
}
milestone_cases <- list(
  "lung, 180 days" = cox("lung", "Surv(time, status) ~ age + sex + ph.ecog", times = I(180), bins = c(0.2, 0.3, 0.4)),
  "lung, a year" = cox("lung", "Surv(time, status) ~ age + sex + ph.ecog", times = I(365), bins = c(0.4, 0.5, 0.7)),
  "lung, 545 days" = cox("lung", "Surv(time, status) ~ age + sex + ph.ecog", times = I(545), bins = c(0.6, 0.75, 0.85)),
  "gbsg2" = cox("gbsg2", "Surv(time, cens) ~ age + tsize + pnodes", times = I(1096), bins = c(0.3, 0.35, 0.45)),
  "rossi, others" = cox("rossi", "Surv(week, arrest) ~ age + prio", times = I(40), bins = I(0.25), fitted_on = "race == 1",
                        evaluated_on = "race == 0")
)

# A fit without each site, held against that site; metafor puts the sites together.
left_out_of <- function(case) {
  frame <- datasets[[case$data]]
  site <- frame[[case$split]]
  is_cox <- grepl("^Surv", case$formula)
  left <- trimws(strsplit(case$formula, "~")[[1]][1])
  one <- function(k) {
    training <- transform(frame[site != k, ], within = site[site != k])
    there <- frame[site == k, ]
    words <- r_formula(case$formula, if (is_cox) "within")
    fit <- if (is_cox) coxph(words, training, control = control_cox()) else {
      at <- glm(words, binomial(), training, control = glm.control(epsilon = 1e-15, maxit = 50))
      glm(words, binomial(), training, start = coef(at), control = glm.control(epsilon = 1e-15, maxit = 50))
    }
    there$lp <- if (is_cox) as.numeric(as.matrix(there[names(coef(fit))]) %*% coef(fit)) else predict(fit, there)
    y <- eval(parse(text = left), there)
    pairs <- concordancefit(y = y, x = there$lp, reverse = is_cox)
    area <- c(pairs$concordance, sqrt(pairs$var))
    on <- as.formula(paste(left, "~ lp"))
    if (is_cox) {
      slope <- coef(summary(coxph(on, there, control = control_cox())))["lp", c(1, 3)]
      return(list(area = area, slope = unname(slope)))
    }
    at <- function(start) glm(on, binomial(), there, start = start, control = glm.control(epsilon = 1e-15, maxit = 50))
    slope <- coef(summary(at(coef(at(NULL)))))["lp", 1:2]
    observed <- sum(y)
    ratio <- observed / sum(plogis(there$lp))
    list(area = area, slope = unname(slope), ratio = c(ratio, ratio * sqrt((1 - observed / length(y)) / observed)))
  }
  found <- lapply(sort(unique(site)), one)
  measure <- function(name) t(vapply(found, function(f) f[[name]], c(0, 0)))
  together <- function(y, se, back) {
    fit <- rma(y, sei = se, method = "REML", test = "knha", control = list(threshold = 1e-14, maxiter = 10000))
    at <- predict(fit)
    c(list(tau2 = fit$tau2), lapply(list(estimate = at$pred, conf_low = at$ci.lb, conf_high = at$ci.ub,
                                         prediction_low = at$pi.lb, prediction_high = at$pi.ub), back))
  }
  area <- measure("area")
  slope <- measure("slope")
  result <- list(area = area, slope = slope, summaries = list(
    area = together(qlogis(area[, 1]), area[, 2] / (area[, 1] * (1 - area[, 1])), plogis),
    slope = together(slope[, 1], slope[, 2], identity)
  ))
  if (!is_cox) {
    ratio <- measure("ratio")
    result$ratio <- ratio
    result$summaries$ratio <- together(log(ratio[, 1]), ratio[, 2] / ratio[, 1], exp)
  }
  c(case, result)
}
left_out_cases <- list(
  "rossi, 5 sites" = cox("rossi", "arrest ~ fin + age + prio", split = "site5", sites = I(5)),
  "rossi, Cox, 5 sites" = cox("rossi", "Surv(week, arrest) ~ fin + age + prio", split = "site5", sites = I(5)),
  "lung, Cox, 4 sites" = cox("lung", "Surv(time, status) ~ age + sex", split = "site4", sites = I(4))
)

write_reference("evaluation", list(
  left_out = lapply(left_out_cases, left_out_of), milestones = lapply(milestone_cases, milestones_of),
  concordance = lapply(pairs_cases, pairs_of), auc = lapply(auc_cases, pairs_of), risks = lapply(risk_cases, risks_of)
), c("survival", "riskRegression", "metafor"))
