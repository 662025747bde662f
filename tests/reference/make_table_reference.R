# Reference values of Table 1 for tests/reference, in base R on the tests' own data sets:
#
#   Rscript tests/reference/make_table_reference.R
#
# writes tests/reference/table.json.  Standardised mean differences are written out as in the package tableone (its
# ExtractSmd gives their mean over pairs of groups); tests are chisq.test (with Yates's correction of two by two
# cells) and oneway.test(var.equal = TRUE), tableone's defaults; of two groups t.test(var.equal = TRUE), the same p-value.

source("tests/reference/common.R")

of_number <- function(x, y) abs(mean(x) - mean(y)) / sqrt((var(x) + var(y)) / 2)

of_factor <- function(x, y) {
  p <- prop.table(table(x))[-1]
  q <- prop.table(table(y))[-1]
  s <- (diag(p, length(p)) - p %o% p + diag(q, length(q)) - q %o% q) / 2
  sqrt(drop((p - q) %*% solve(s) %*% (p - q)))
}

describe <- function(x, group, as_factor) {
  keep <- !is.na(x)
  x <- if (as_factor) factor(x[keep]) else x[keep]
  group <- group[keep]
  parts <- split(x, group)
  pairs <- combn(length(parts), 2)
  smd <- apply(pairs, 2, function(k) (if (as_factor) of_factor else of_number)(parts[[k[1]]], parts[[k[2]]]))
  test <- if (as_factor) suppressWarnings(chisq.test(group, x))
    else if (length(parts) == 2) t.test(x ~ group, var.equal = TRUE)
    else oneway.test(x ~ group, var.equal = TRUE)
  found <- list(smd = I(smd), statistic = unname(test$statistic), p_value = test$p.value)
  if (as_factor) return(c(found, list(n = unname(as.list(as.data.frame(unclass(table(x, group))))))))
  q <- function(p) I(vapply(parts, quantile, 0, probs = p, names = FALSE))
  c(found, list(
    n = I(lengths(parts, FALSE)), mean = I(vapply(parts, mean, 0)), sd = I(vapply(parts, sd, 0)), q1 = q(0.25), median = q(0.5),
    q3 = q(0.75)
  ))
}

case <- function(data, by, factors, numbers) {
  frame <- datasets[[data]]
  # crossed, the last column fastest, as the columns of a table are
  group <- interaction(lapply(frame[by], factor), lex.order = TRUE)
  kinds <- c(setNames(rep(TRUE, length(factors)), factors), setNames(rep(FALSE, length(numbers)), numbers))
  described <- Map(function(name, as_factor) describe(frame[[name]], group, as_factor), names(kinds), kinds)
  list(data = data, formula = "~", by = I(by), factors = I(factors), variables = described)
}

cases <- list(
  "gbsg2, two groups" = case("gbsg2", "horTh", c("menostat", "tgrade"), c("age", "tsize", "pnodes")),
  "gbsg2, three groups" = case("gbsg2", "tgrade", c("menostat", "horTh"), c("age", "progrec")),
  "gbsg2, two factors crossed" = case("gbsg2", c("horTh", "menostat"), "tgrade", c("age", "estrec")),
  "lung, gaps, three groups" = case("lung_gaps", "ecog3", character(), c("age", "time"))
)
write_reference("table", list(cases = cases))
