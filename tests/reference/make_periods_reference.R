# Reference values of Cox models whose effects change after cuts of follow-up for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_periods_reference.R
#
# writes tests/reference/periods.json (needs survival). Rows are split by survSplit at all cuts
# of a model; a column that changes is multiplied by the indicator of each of its periods. The cluster of a robust variance is the
# patient, or the column named. Where one term changes the same model is fitted as x:strata(period), and must be the same.

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")
control <- control_cox()

columns_of <- function(term, frame) {
  if (grepl("^C\\(", term)) {
    column <- sub("^C\\((.*)\\)$", "\\1", term)
    levels <- sort(unique(as.character(frame[[column]])))
    found <- sapply(levels[-1], function(level) as.numeric(as.character(frame[[column]]) == level))
    colnames(found) <- sprintf("%s[%s]", term, levels[-1])
    return(found)
  }
  found <- matrix(Reduce(`*`, lapply(strsplit(term, ":")[[1]], function(column) frame[[column]])), ncol = 1)
  colnames(found) <- term
  found
}

wald <- function(fit, rows) {
  v <- rows %*% vcov(fit) %*% t(rows)
  b <- rows %*% coef(fit)
  drop(t(b) %*% solve(v, b))
}

case <- function(data, outcome, terms, varying, strata = NULL, ties = "efron", weights = NULL, offset = NULL, robust = FALSE,
                 cluster = NULL, baseline = "shared", cause = NULL, as_strata = FALSE) {
  frame <- datasets[[data]]
  frame$patient_ <- seq_len(nrow(frame))
  frame$w_ <- if (is.null(weights)) rep(1, nrow(frame)) else as.numeric(frame[[weights]])
  frame$o_ <- if (is.null(offset)) rep(0, nrow(frame)) else frame[[offset]]
  frame$cluster_ <- if (is.null(cluster)) frame$patient_ else frame[[cluster]]
  frame$stratum_ <- if (is.null(strata)) rep(1, nrow(frame)) else frame[[strata]]
  frame$event_ <- if (is.null(cause)) frame[[outcome[length(outcome)]]] else
    as.numeric(frame[[outcome[length(outcome)]]] * (1 + (frame$age > cause)) == 1)
  frame$stop_ <- frame[[outcome[length(outcome) - 1]]]
  frame$start_ <- if (length(outcome) == 3) frame[[outcome[1]]] else rep(0, nrow(frame))
  cuts <- sort(unique(unlist(varying)))
  long <- survSplit(Surv(start_, stop_, event_) ~ ., frame, cut = cuts, episode = "episode_")
  x <- NULL
  column <- NULL
  of_term <- NULL
  for (term in terms) {
    whole <- columns_of(term, long)
    of <- varying[[term]]
    period <- findInterval(long$start_, c(0, of))
    for (j in seq_len(ncol(whole))) {
      pieces <- if (is.null(of)) whole[, j, drop = FALSE] else sapply(seq_len(length(of) + 1), function(k) whole[, j] * (period == k))
      x <- cbind(x, pieces)
      column <- c(column, rep(colnames(whole)[j], ncol(pieces)))
      of_term <- c(of_term, rep(term, ncol(pieces)))
    }
  }
  rest <- paste(c("offset(o_)", if (!is.null(strata)) "strata(stratum_)"), collapse = " + ")
  formula <- as.formula(paste("Surv(start_, stop_, event_) ~ x +", rest))
  fit <- if (robust) coxph(formula, long, ties = ties, weights = w_, control = control, cluster = cluster_, robust = TRUE) else
    coxph(formula, long, ties = ties, weights = w_, control = control)
  z <- do.call(cbind, lapply(terms, columns_of, frame))
  constant <- coxph(as.formula(paste("Surv(start_, stop_, event_) ~ z +", rest)), frame, ties = ties, weights = w_, control = control)
  if (as_strata) {
    again <- coxph(as.formula(sprintf("Surv(start_, stop_, event_) ~ %s + %s:strata(episode_) + %s",
      paste(setdiff(terms, names(varying)), collapse = " + "), names(varying), rest)), long, ties = ties, weights = w_, control = control)
    stopifnot(abs(again$loglik - fit$loglik) < 1e-8, abs(sort(coef(again)) - sort(coef(fit))) < 1e-8)
  }
  constancy <- lapply(names(varying), function(term) {
    rows <- NULL
    for (name in unique(column[of_term == term])) {
      at <- which(column == name)
      for (j in at[-1]) {
        row <- rep(0, length(column))
        row[at[1]] <- -1
        row[j] <- 1
        rows <- rbind(rows, row)
      }
    }
    list(term = term, df = nrow(rows), statistic = wald(fit, rows))
  })
  event <- outcome[length(outcome)]
  list(
    data = data,
    formula = sprintf("Surv(%s) ~ %s", paste(c(outcome[-length(outcome)], if (is.null(cause)) event else "cause == 1"), collapse = ", "),
      paste(terms, collapse = " + ")),
    varying = lapply(varying, I), strata = strata, ties = ties, weights = weights, offset = offset, robust = robust, cluster = cluster,
    baseline = baseline, cause = cause, event = event,
    columns = I(column), coef = I(unname(coef(fit))), se = I(unname(sqrt(diag(vcov(fit))))), vcov = unname(vcov(fit)),
    loglik = fit$loglik[2], loglik_null = fit$loglik[1], score_test = fit$score, n = nrow(frame), n_event = sum(frame$event_),
    constancy = constancy, likelihood_ratio = 2 * (fit$loglik[2] - constant$loglik[2])
  )
}

three <- c("age", "sex", "ph.ecog")
cases <- list(
  "lung, one cut" = case("lung", c("time", "status"), three, list(sex = 180), as_strata = TRUE),
  "lung, two cuts, Breslow" = case("lung", c("time", "status"), three, list(sex = c(180, 365)), ties = "breslow", as_strata = TRUE),
  "lung, cuts of their own" = case("lung", c("time", "status"), three, list(sex = c(90, 365), ph.ecog = 180)),
  "lung, all terms" = case("lung", c("time", "status"), three, list(age = 250, sex = 250, ph.ecog = 250)),
  "lung, factor and product" = case("lung", c("time", "status"), c("sex", "C(ecog3)", "sex:age"), list("C(ecog3)" = 200, "sex:age" = c(200, 400))),
  "lung, strata" = case("lung", c("time", "status"), three, list(sex = c(180, 365)), strata = "site4", baseline = "site"),
  "lung, strata, Breslow, robust" = case("lung", c("time", "status"), three, list(sex = 180), strata = "site9", baseline = "site",
    ties = "breslow", robust = TRUE),
  "lung, weights, offset" = case("lung", c("time", "status"), c("sex", "ph.ecog"), list(ph.ecog = c(100, 300)), weights = "weight", offset = "age_effect"),
  "lung, weights, robust" = case("lung", c("time", "status"), three, list(sex = c(180, 365)), weights = "weight", robust = TRUE),
  "lung, strata, weights, clusters" = case("lung", c("time", "status"), three, list(sex = c(180, 365), age = 365), strata = "site4",
    weights = "weight", robust = TRUE, cluster = "inst", baseline = "site"),
  "lung, a cut at events" = case("lung", c("time", "status"), three, list(sex = c(11, 310))),
  "lung, a cause" = case("lung", c("time", "status"), c("sex", "ph.ecog"), list(sex = 250), cause = 63),
  "lung, months" = case("lung", c("month_end", "status"), three, list(sex = 182.625), as_strata = TRUE),
  "rossi, ties" = case("rossi", c("week", "arrest"), c("fin", "prio", "age"), list(fin = c(13, 26, 39), prio = 26)),
  "rossi, strata" = case("rossi", c("week", "arrest"), c("fin", "prio"), list(fin = 26), strata = "centre", baseline = "site", as_strata = TRUE),
  "heart, entries" = case("heart", c("start", "stop", "event"), c("age", "year", "surgery", "transplant"), list(transplant = c(30, 90))),
  "heart, entries, clusters" = case("heart", c("start", "stop", "event"), c("age", "transplant"), list(transplant = 60), ties = "breslow",
    robust = TRUE, cluster = "id"),
  "heart, entries, strata, weights, clusters" = case("heart", c("start", "stop", "event"), c("age", "transplant"),
    list(transplant = 60, age = 60), strata = "centre", weights = "weight", robust = TRUE, cluster = "id", baseline = "site"),
  "gbsg2, untied" = case("gbsg2", c("untied", "cens"), c("age", "tsize", "C(tgrade)", "C(menostat)"), list("C(tgrade)" = c(730, 1460), tsize = 730))
)
write_reference("periods", list(cases = cases), "survival")
