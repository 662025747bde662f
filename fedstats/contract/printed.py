"""What a terminal shows of a result: its own text, never the fields of its dataclass."""

import pandas as pd

#: Rows of a long table that are printed; ``tidy()`` has all.
MOST_ROWS = 20


class Printed:
    """A result with a text of its own, ``__str__``; its dataclass says ``repr=False``, so that a terminal shows it as well."""

    def __repr__(self) -> str:
        return str(self)


def with_heading(heading: str, table: pd.DataFrame) -> str:
    """A table under what it is of; of a long one its first and last rows."""
    return f"{heading}\n{table.to_string(index=False, max_rows=MOST_ROWS, na_rep='')}"


def dropped_in_words(rows: int) -> str:
    """``2 rows dropped for an empty cell``.

    Examples
    --------
    >>> dropped_in_words(1)
    '1 row dropped for an empty cell'
    """
    return f"{rows} row{'' if rows == 1 else 's'} dropped for an empty cell"
