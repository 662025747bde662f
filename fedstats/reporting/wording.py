"""Names of questions as a reader of a report meets them."""

from fedstats.contract.query import Query


def question_words(kind: type[Query]) -> str:
    """What a kind of query asks for: the first sentence of its documentation."""
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")
