# Reference values of adjusted p-values for tests/reference, of R's p.adjust:
#
#   Rscript tests/reference/make_adjust_reference.R
#
# writes tests/reference/adjust.json.

source("tests/reference/common.R")
methods <- c("holm", "hochberg", "bonferroni", "BH", "BY")
set.seed(5)
values <- list(
  "one" = 0.03, "ties" = c(0.01, 0.01, 0.04, 0.04, 0.5), "out of order" = c(0.9, 0.001, 0.2, 0.013, 0.04, 0.0499),
  "a missing one" = c(0.02, NA, 0.04, 0.001), "many" = runif(60)^3, "ends" = c(0, 1, 0.5, 1e-300)
)
cases <- lapply(values, function(p) c(list(p = I(p)), setNames(lapply(methods, function(m) I(p.adjust(p, m))), methods)))
write_reference("adjust", list(cases = cases))
