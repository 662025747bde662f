# Reference values of Rubin's rules for tests/reference: mice::pool and mice::D1 on completed copies of gbsg2.
#
#   Rscript tests/reference/make_rubin_reference.R
#
# writes tests/reference/rubin.json (needs mice, mitml, survival).  The copies are the data set with every fourth age and every fifth
# size filled in by a rule that any language can follow (tests/datasets.py: gbsg2_filled): what is compared is what is made of them.

suppressPackageStartupMessages({
  library(survival)
  library(mice)
})
source("tests/reference/common.R")

copies <- datasets[grep("^gbsg2_filled", names(datasets))]
pooled <- function(fits, data, formula, kind, family, names, combination, terms) {
  rows <- pool(as.mira(fits))$pooled
  k <- length(coef(fits[[1]]))
  dfcom <- rows$dfcom[1]
  estimates <- sapply(fits, coef)
  covariances <- array(sapply(fits, vcov), c(k, k, length(fits)))
  d1 <- lapply(terms, function(chosen) {
    at <- match(chosen, term_names(base::names(coef(fits[[1]]))))
    # an explicit call, for testModels takes whole models
    found <- mitml:::.D1(estimates[at, , drop = FALSE], covariances[at, at, , drop = FALSE], dfcom)
    list(terms = I(chosen), statistic = as.numeric(found$F), df = found$k, df_denominator = as.numeric(found$v),
         p_value = pf(as.numeric(found$F), found$k, as.numeric(found$v), lower.tail = FALSE))
  })
  weights <- setNames(unlist(combination), base::names(combination))
  l <- rep(0, k)
  l[match(base::names(weights), term_names(base::names(coef(fits[[1]]))))] <- weights
  one <- pool.scalar(colSums(l * estimates), apply(covariances, 3, function(v) as.numeric(t(l) %*% v %*% l)),
                     n = dfcom + 1, k = 1)
  list(
    data = data, formula = formula, kind = kind, family = family, m = length(fits), terms = I(names),
    estimate = I(rows$estimate), total = I(rows$t), df = I(rows$df), riv = I(rows$riv), fmi = I(rows$fmi), df_complete = dfcom,
    d1 = d1,
    combination = list(weights = as.list(weights), estimate = one$qbar, total = one$t, df = one$df, fmi = one$fmi)
  )
}

cox <- function(formula, m, combination, terms) {
  fits <- lapply(copies[seq_len(m)], function(frame) {
    frame$w <- 1
    coxph(r_formula(formula), frame, ties = "efron", control = control_cox())
  })
  pooled(fits, "gbsg2_filled", formula, "cox", NULL, term_names(names(coef(fits[[1]]))), combination, terms)
}
general <- function(formula, family, m, combination, terms) {
  fits <- lapply(copies[seq_len(m)], function(frame) {
    glm(r_formula(formula), families[[family]], frame, control = glm.control(epsilon = 1e-15, maxit = 50))
  })
  pooled(fits, "gbsg2_filled", formula, "glm", family, term_names(names(coef(fits[[1]]))), combination, terms)
}

right <- "age + tsize + C(tgrade) + C(horTh)"
levels <- list(c("C(tgrade)[II]", "C(tgrade)[III]"), c("age", "tsize"))
cases <- list(
  "survival, 5 copies" = cox(paste("Surv(time, cens) ~", right), 5, list("age" = 10, "C(horTh)[yes]" = 1), levels),
  "survival, 4 copies" = cox(paste("Surv(time, cens) ~", right), 4, list("tsize" = 1, "age" = -1), levels),
  "logistic, 5 copies" = general(paste("cens ~", right), "binomial logit", 5, list("age" = 1, "tsize" = 1), levels),
  "linear, 5 copies" = general("pnodes ~ age + tsize + C(tgrade)", "gaussian identity", 5, list("age" = 2, "tsize" = -1), levels),
  "linear, 2 copies, joint test of few" =
    general("pnodes ~ age + tsize", "gaussian identity", 2, list("age" = 1), list(c("age", "tsize")))
)
# Reiter's degrees of freedom are not there for so few copies: those of Li, Raghunathan & Rubin
few <- cases[["linear, 2 copies, joint test of few"]]
fits <- lapply(copies[1:2], function(frame) glm(pnodes ~ age + tsize, data = frame))
found <- mitml:::.D1(sapply(fits, coef)[2:3, ], array(sapply(fits, function(f) vcov(f)[2:3, 2:3]), c(2, 2, 2)), NULL)
cases[["linear, 2 copies, joint test of few"]]$d1[[1]][c("df_denominator", "p_value")] <-
  list(as.numeric(found$v), pf(as.numeric(found$F), 2, as.numeric(found$v), lower.tail = FALSE))
write_reference("rubin", list(cases = cases), c("mice", "mitml", "survival"))
