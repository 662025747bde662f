"""Signed and sealed messages: whatever is changed, cut off, added or exchanged is refused."""

import base64
import json
import random
import tracemalloc

import pytest

from fedstats.contract.query import canonical_json
from fedstats.federations import files
from fedstats.federations.envelope import LARGEST, Envelope, compose, parse_envelope, read_envelope
from fedstats.federations.files import LedgerMismatch
from fedstats.federations.keys import Identity, PublicKeys

BODY = {"release": {"n": 11}}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    home = tmp_path_factory.mktemp("homes")
    return {name: Identity.of(home / name, name) for name in ("coordinator", "north", "south")}


def message(places, writer="north", reader="coordinator"):
    public = places[reader].public if reader else None
    return compose(places[writer], "answer", {"number": 1}, BODY, public)


def read(places, raw, writer="north", reader="coordinator"):
    """Everything that a reader does before it believes a sealed message."""
    return (
        parse_envelope(raw, "000001.json", "answer")
        .signed_by(places[writer].public, writer)
        .opened(places[reader])
    )


def test_what_was_sealed_is_what_is_opened(places):
    assert read(places, message(places)) == BODY


def test_the_sealed_body_cannot_be_read_in_the_file(places):
    assert b"release" in message(places, reader=None)
    assert b"release" not in message(places)


def test_a_body_is_never_sealed_alike_twice(places):
    """Equal sums would otherwise be seen to be equal."""
    one, two = (json.loads(message(places))["body"] for _ in range(2))
    assert one != two


@pytest.mark.acceptance(12)
def test_a_flipped_bit_in_any_byte_is_refused(places):
    raw = message(places)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises(LedgerMismatch):
            read(places, bytes(changed))


@pytest.mark.acceptance(12)
def test_a_message_cut_off_anywhere_is_refused(places):
    raw = message(places)
    for length in range(len(raw)):
        with pytest.raises(LedgerMismatch):
            read(places, raw[:length])


@pytest.mark.acceptance(12)
@pytest.mark.parametrize("added", [b"\n", b" ", b"\0", b"{}", b'"}', b',"signature":"' + b"0" * 128 + b'"}'])
def test_trailing_and_leading_bytes_are_refused(places, added):
    for raw in (message(places) + added, added + message(places)):
        with pytest.raises(LedgerMismatch):
            read(places, raw)


@pytest.mark.acceptance(11)
def test_a_thousand_messages_put_together_from_the_parts_of_others_are_refused(places):
    pick = random.Random(0)
    parts = [json.loads(message(places, writer)) for writer in ("north", "south") for _ in range(3)]
    accepted = 0
    for _ in range(1000):
        made = {key: pick.choice(parts)[key] for key in ("body", "header", "signature")}
        whole = any(made == part for part in parts)
        try:
            read(places, json.dumps(made, sort_keys=True, separators=(",", ":")).encode())
            accepted += not whole
        except LedgerMismatch:
            pass
    assert accepted == 0


@pytest.mark.acceptance(13)
@pytest.mark.parametrize(
    ("writer", "reader", "words"),
    [
        ("south", "coordinator", "is not signed by south"),
        ("coordinator", "coordinator", "is not signed by coordinator"),
        ("north", "south", "cannot be opened with the keys of south"),
    ],
    ids=["another site's key", "the right key in another role", "sealed for another"],
)
def test_the_wrong_key_is_refused_and_named(places, writer, reader, words):
    with pytest.raises(LedgerMismatch, match=words):
        read(places, message(places), writer, reader)


@pytest.mark.acceptance(13)
def test_a_swapped_sealing_key_changes_the_fingerprint(places):
    north, south = places["north"].public, places["south"].public
    assert PublicKeys(north.sign, south.seal).fingerprint not in {north.fingerprint, south.fingerprint}


def test_without_the_signature_a_changed_message_would_be_believed(places, monkeypatch):
    """What the signature is for: with the check off, a header that lies is taken for north's."""
    lie = compose(
        places["south"], "answer", {"number": 1}, {"release": {"n": 0}}, places["coordinator"].public
    )
    with pytest.raises(LedgerMismatch):
        read(places, lie)
    monkeypatch.setattr(Envelope, "signed_by", lambda self, *_: self)
    assert read(places, lie) == {"release": {"n": 0}}


def test_without_sealing_whoever_reads_the_folder_reads_the_sums(places):
    """What sealing is for."""
    bare = parse_envelope(message(places, reader=None), "x", "answer")
    assert bare.body == BODY
    sealed = parse_envelope(message(places), "x", "answer")
    for place in ("north", "south"):
        with pytest.raises(LedgerMismatch):
            sealed.opened(places[place])


@pytest.mark.parametrize("kind", ["question", "opened", "study"])
def test_a_message_of_another_kind_is_refused(places, kind):
    with pytest.raises(LedgerMismatch, match=f"of the kind '{kind}'"):
        parse_envelope(message(places), "x", kind)


def test_a_message_of_another_format_says_so(places, monkeypatch):
    monkeypatch.setattr("fedstats.federations.envelope.FORMAT", 1)
    old = message(places)
    monkeypatch.undo()
    with pytest.raises(LedgerMismatch, match=r"another format than this version reads \(2\)"):
        parse_envelope(old, "x", "answer")


def test_a_message_holds_no_code_and_no_other_encoding_than_ascii_json(places):
    assert message(places).isascii()
    assert set(json.loads(message(places))) == {"body", "header", "signature"}


# What is parsed, and when -------------------------------------------------------------------------


def nested(size, kind):
    """A file of brackets that nobody has signed: as JSON it takes some 25 times its size in memory."""
    header = json.dumps({"format": 2, "from": "coordinator", "kind": kind}).encode()
    body = b"[" + b"[]," * (size // 3) + b"[]]"
    return b'{"body":' + body + b',"header":' + header + b',"signature":"' + b"0" * 128 + b'"}'


@pytest.mark.parametrize("kind", ["question", "answer"])
def test_a_body_that_nobody_has_signed_is_not_parsed(places, tmp_path, kind):
    size = 2**22
    path = tmp_path / "000002.json"
    path.write_bytes(nested(size, kind))
    tracemalloc.start()
    try:
        found = read_envelope(path, kind)
        with pytest.raises(LedgerMismatch, match="is not signed by coordinator"):
            found.signed_by(places["coordinator"].public, "coordinator")
        unsigned = tracemalloc.get_traced_memory()[1]
        assert len(found.body) > size // 4
        parsed = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert unsigned < 2.5 * size  # the bytes, and those that the signature stands over
    assert parsed > 10 * size  # what the order is for


def test_a_header_is_parsed_before_its_signature_is_checked_and_so_is_small(places):
    header = {"number": 1, "more": "x" * 10_000}
    large = compose(places["north"], "answer", header, BODY)
    with pytest.raises(LedgerMismatch, match="has no body and header of a message"):
        parse_envelope(large, "x", "answer")


@pytest.mark.parametrize("kind", ["study", "join", "roster", "closed", "question", "answer", "opened"])
def test_a_message_larger_than_its_kind_may_be_is_not_read(tmp_path, kind):
    """Joins and openings bring the keys they are signed with, so these are parsed first: they are small."""
    path = tmp_path / "1.json"
    limit = LARGEST.get(kind, 2**20)
    with path.open("wb") as file:
        file.truncate(limit + 1)
    with pytest.raises(LedgerMismatch, match=r"1\.json is a link or larger"):
        read_envelope(path, kind)
    assert limit == 2**20 or kind in {"question", "answer", "opened"}


def no_memory(*arguments, **options):
    raise MemoryError


@pytest.mark.parametrize(
    ("where", "what"),
    [(files, "_content"), (json, "loads"), (base64, "b64decode")],
    ids=["reading", "parsing", "opening"],
)
def test_a_message_for_which_there_is_no_memory_is_told_in_a_sentence(
    places, tmp_path, monkeypatch, where, what
):
    (tmp_path / "1.json").write_bytes(message(places))
    monkeypatch.setattr(where, what, no_memory)
    with pytest.raises(LedgerMismatch, match=r"^1\.json takes more memory than this machine has left"):
        read_envelope(tmp_path / "1.json", "answer").signed_by(places["north"].public, "north").opened(
            places["coordinator"]
        )


@pytest.mark.parametrize("reader", [None, "coordinator"])
def test_a_signed_body_nested_without_end_is_told_in_a_sentence(places, monkeypatch, reader):
    deep = "[" * 100_000 + "]" * 100_000
    monkeypatch.setattr(
        "fedstats.federations.envelope.canonical_json",
        lambda value: deep if value is BODY else canonical_json(value).replace(canonical_json(BODY), deep),
    )
    raw = compose(places["north"], "answer", {}, BODY, places[reader].public if reader else None)
    found = parse_envelope(raw, "x", "answer").signed_by(places["north"].public, "north")
    with pytest.raises(LedgerMismatch, match="x is not JSON"):
        found.opened(places[reader]) if reader else found.body


@pytest.mark.parametrize("signed", ["", "{}", '{"body":1}', '{"header":{}}', '{"header":{},"body":1}', "[]"])
def test_what_has_no_body_and_header_is_no_message(signed):
    with pytest.raises(LedgerMismatch):
        parse_envelope(f'{signed[:-1]},"signature":"{"0" * 128}"}}'.encode(), "x", "answer")
