# Reference values of survfit(coxph(), newdata) and basehaz for tests/reference, computed by R on the tests' own data sets:
#
#   Rscript tests/reference/make_prediction_reference.R
#
# writes tests/reference/prediction.json (needs survival). Of every curve half a dozen
# times, from the first event on. `strata` are those of R, in which the sites are one where each has its own baseline hazard.

suppressPackageStartupMessages(library(survival))
source("tests/reference/common.R")

case <- function(data, formula, newdata, strata = NULL, surv = NULL, baseline = "shared", options = setNames(list(), character()),
                 sites = NULL, split = NULL, level = 0.95) {
  frame <- datasets[[data]]
  frame$w <- weights_of(frame, options$weights)
  asked <- if (is.null(surv)) formula else sub("^[^~]*", paste(surv, ""), formula)
  added <- c(if (length(strata)) sprintf("strata(%s)", strata), if (!is.null(options$offset)) sprintf("offset(%s)", options$offset))
  words <- as.formula(paste(c(gsub("\\bC\\(", "factor(", asked, perl = TRUE), added), collapse = " + "))
  ties <- if (is.null(options$ties)) "efron" else options$ties
  robust <- isTRUE(options$robust)
  fit <- eval(bquote(coxph(.(words), frame, ties = .(ties), weights = w, control = control_cox(), robust = .(robust), x = TRUE)))
  found <- lapply(c("log", "log-log", "plain"), function(kind) survfit(fit, newdata, conf.type = kind, conf.int = level))
  first <- found[[1]]
  n <- if (is.null(first$strata)) c("1" = length(first$time)) else first$strata
  ends <- cumsum(n)
  curves <- list()
  for (s in seq_along(n)) {
    lines <- seq(ends[s] - n[s] + 1, ends[s])
    events <- lines[as.matrix(first$cumhaz)[lines, 1] > 0]
    kept <- events[unique(round(seq(1, length(events), length.out = 6)))]
    for (k in seq_len(nrow(newdata))) {
      of <- function(values) I(unname(as.matrix(values)[kept, k]))
      ends_of <- setNames(lapply(found, function(f) list(low = of(f$lower), high = of(f$upper))), c("log", "log-log", "plain"))
      curves[[length(curves) + 1]] <- list(
        row = k, stratum = sub("^.*=", "", names(n)[s]), time = I(first$time[kept]), cumulative_hazard = of(first$cumhaz),
        estimate = of(first$surv), std_error = I(unname(as.matrix(first$surv * first$std.err)[kept, k])), intervals = ends_of
      )
    }
  }
  base <- basehaz(fit, centered = FALSE)
  hazard <- if (is.null(options$offset)) list(time = base$time, hazard = base$hazard, strata = sub("^.*=", "", base$strata)) else NULL
  list(data = data, formula = formula, newdata = newdata, strata = strata, baseline = baseline, options = options,
       sites = if (!is.null(sites)) I(sites), split = split, level = level, curves = curves, basehaz = hazard)
}

lung <- "Surv(time, status) ~ age + sex + ph.ecog"
two <- data.frame(age = c(50, 72.5), sex = c(2, 1), ph.ecog = c(0, 2))
few <- c(1, 5) # others with the same options have every number of sites
cases <- list(
  "lung, Efron" = case("lung", lung, two),
  "lung, Breslow" = case("lung", lung, two, options = list(ties = "breslow"), level = 0.9),
  "lung, factor and product" = case("lung", "Surv(time, status) ~ C(ecog3) + sex*age", data.frame(ecog3 = c("0", "2+"), sex = 1:2, age = 60), sites = few),
  "lung, weights" = case("lung", lung, two, options = list(weights = "weight"), sites = few),
  "lung, robust" = case("lung", lung, two, options = list(robust = TRUE), sites = few),
  "lung, offset" = case("lung", "Surv(time, status) ~ sex", data.frame(sex = 1:2, age_effect = c(0.4, 0.7)), options = list(offset = "age_effect"), sites = few),
  "lung, far from zero" = case("lung", "Surv(time, status) ~ age_far", data.frame(age_far = 1e8 + c(50, 70)), sites = few),
  "lung, strata" = case("lung", "Surv(time, status) ~ age + ph.ecog", two[, c("age", "ph.ecog")], strata = "sex", options = list(strata = "sex"), sites = few),
  "lung, months" = case("lung", lung, two, surv = "Surv(month_end, status)", options = list(grid = 30.4375 * 1:34), sites = few),
  "rossi, ties" = case("rossi", "Surv(week, arrest) ~ fin + age + prio", data.frame(fin = 0:1, age = c(20, 30), prio = c(3, 0))),
  "heart, entries" = case("heart", "Surv(start, stop, event) ~ age + year + surgery", data.frame(age = c(0, -10), year = 3, surgery = 0:1), sites = few),
  "heart, weights" = case("heart", "Surv(start, stop, event) ~ year + surgery", data.frame(year = 3, surgery = 0:1), options = list(weights = "weight")),
  "rossi, offset" = case("rossi", "Surv(week, arrest) ~ fin", data.frame(fin = 0:1, age_effect = c(0.2, 0.3)), options = list(offset = "age_effect")),
  "rossi, strata, robust" = case("rossi", "Surv(week, arrest) ~ age + prio", data.frame(age = c(20, 30), prio = c(3, 0)), strata = "fin", options = list(strata = "fin", robust = TRUE))
)
for (k in c(1, 2, 5, 17)) { # each site has a hazard of its own
  site <- if (k > 1) paste0("site", k)
  own <- function(...) case(..., strata = site, baseline = "site", sites = k, split = site)
  cases[[sprintf("lung, own hazards, %d", k)]] <- own("lung", lung, two)
  cases[[sprintf("rossi, own hazards, Breslow, %d", k)]] <-
    own("rossi", "Surv(week, arrest) ~ fin + prio", data.frame(fin = 0:1, prio = c(3, 0)), options = list(ties = "breslow"))
}
cases[["lung, far from zero"]]$basehaz <- NULL # exp(-1e8 beta)
write_reference("prediction", list(cases = cases), "survival")
