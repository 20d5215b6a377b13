"""Avro data as JSON, against the readings of two others: fastavro and Apache Avro for Python.

Schemas, data and readers' schemas are random; AVRO_ORACLE_SEED repeats a run and AVRO_ORACLE_PAIRS
sets its length. What an oracle cannot do, or does otherwise than the specification, is left out of the
comparison with that oracle only, by the narrow tests named `..._cannot` below."""
import base64
import datetime
import decimal
import io
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import uuid
import warnings
from dataclasses import dataclass, field

import avro.errors
import avro.io
import avro.schema
import fastavro
import pytest

from oracle.avro_random import (DatumMaker, ReaderMaker, SchemaMaker, has_two_numbers_in_a_union, kind,
                                without_logical_types)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PUSH_CACHE_BIN_DIR", ROOT / "build/release/bin"))
SEED = int(os.environ.get("AVRO_ORACLE_SEED") or random.SystemRandom().randrange(2**32))
PAIRS = int(os.environ.get("AVRO_ORACLE_PAIRS", "2500"))
EPOCH = datetime.datetime(1970, 1, 1)


@dataclass
class Pair:
    """One datum, with the schemas it is read with."""
    writer: object
    datum: bytes
    has_nan: bool
    reader: object = None
    used: set = field(default_factory=set)
    answer: str = ""
    sent_back: str = ""

    def __str__(self):
        return (f"\nseed {SEED}\nwriter {json.dumps(self.writer)}\nreader {json.dumps(self.reader)}"
                f"\ndatum {self.datum.hex()}\nanswer {self.answer}")


def random_pair(rng, resolved):
    maker = SchemaMaker(rng)
    writer = maker.make()
    data = DatumMaker(rng, maker.named)
    pair = Pair(writer, data.make(writer), False)
    pair.has_nan = data.has_nan
    if resolved:
        readers = ReaderMaker(rng)
        pair.reader = readers.make(writer)
        pair.used = readers.used
    return pair


def ask(name, lines):
    """What the program says to each line."""
    tool = BIN / name
    assert tool.exists(), f"{tool} is not there: build the target {name}"
    done = subprocess.run([tool], input="\n".join(lines) + "\n", capture_output=True, text=True,
                          encoding="utf-8", timeout=150, check=True)
    answers = done.stdout.split("\n")[:-1]
    assert len(answers) == len(lines)
    return answers


def run_tool(pairs, mode):
    lines = []
    for pair in pairs:
        reader = "" if pair.reader is None else json.dumps(pair.reader)
        lines.append("\t".join([mode, json.dumps(pair.writer), reader, pair.datum.hex()]))
    for pair, answer in zip(pairs, ask("avro_oracle_tool", lines)):
        pair.answer, _, pair.sent_back = answer.partition("\t")
    return pairs


@pytest.fixture(scope="module")
def plain_pairs():
    print(f"AVRO_ORACLE_SEED={SEED}")
    rng = random.Random(SEED)
    return run_tool([random_pair(rng, False) for _ in range(PAIRS)], "numbers")


@pytest.fixture(scope="module")
def resolved_pairs():
    print(f"AVRO_ORACLE_SEED={SEED}")
    rng = random.Random(SEED + 1)
    return run_tool([random_pair(rng, True) for _ in range(PAIRS)], "numbers")


# The oracles' values in the shape of our JSON.

def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def fraction_text(microseconds):
    return f".{microseconds:06d}".rstrip("0") if microseconds else ""


def clock_text(time):
    return f"{time.hour:02d}:{time.minute:02d}:{time.second:02d}{fraction_text(time.microsecond)}"


def readable(value):
    if isinstance(value, datetime.datetime):
        return (f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{clock_text(value)}"
                + ("Z" if value.tzinfo else ""))
    if isinstance(value, datetime.date):
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if isinstance(value, datetime.time):
        return clock_text(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return plain(value)


def as_float32(number):
    try:
        return struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return None


def same(ours, theirs, promoted=False):
    """Of one type and value. A float is given by its shortest text, which they read as a double. With
    `promoted` an integer of theirs may be a float of ours: Apache Avro for Python leaves it as it is."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key], promoted) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(same(a, b, promoted) for a, b in zip(ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        if ours == theirs:
            return math.copysign(1, ours) == math.copysign(1, theirs)
        return as_float32(ours) == as_float32(theirs)
    if promoted and isinstance(ours, float) and type(theirs) is int:
        return ours == float(theirs) or as_float32(ours) == as_float32(float(theirs))
    if promoted and isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
        # A string that is read as bytes, or the other way round, is left as it was written.
        return (base64.b64encode(theirs.encode()).decode() == ours
                or base64.b64encode(ours.encode()).decode() == theirs)
    return type(ours) is type(theirs) and ours == theirs


def parse_ours(pair):
    return json.loads(pair.answer)


def field_order(schema, named=None):
    """Names of the top-level fields, when the schema is a record."""
    return [part["name"] for part in schema["fields"]] if kind(schema) == "record" else None


def by_fastavro(pair, logical=False):
    writer, reader = pair.writer, pair.reader
    if not logical:
        writer = without_logical_types(writer)
        reader = reader and without_logical_types(reader)
    stream = io.BytesIO(pair.datum)
    writer = fastavro.parse_schema(writer)
    value = fastavro.schemaless_reader(stream, writer, reader and fastavro.parse_schema(reader))
    assert stream.read() == b"", f"fastavro left bytes over{pair}"
    return value


def by_apache(pair):
    writer = avro.schema.parse(json.dumps(without_logical_types(pair.writer)))
    reader = avro.schema.parse(json.dumps(without_logical_types(pair.reader))) if pair.reader else writer
    stream = io.BytesIO(pair.datum)
    value = avro.io.DatumReader(writer, reader).read(avro.io.BinaryDecoder(stream))
    assert stream.read() == b"", f"Apache Avro left bytes over{pair}"
    return value


def test_plain_against_fastavro(plain_pairs):
    for pair in plain_pairs:
        assert not pair.answer.startswith("error"), str(pair)
        assert same(parse_ours(pair), plain(by_fastavro(pair))), str(pair)


def test_plain_against_apache_avro(plain_pairs):
    for pair in plain_pairs:
        assert same(parse_ours(pair), plain(by_apache(pair))), str(pair)


def test_fields_keep_the_schemas_order(plain_pairs):
    seen = 0
    for pair in plain_pairs:
        names = field_order(pair.writer)
        if names is not None:
            assert list(parse_ours(pair)) == names, str(pair)
            seen += 1
    assert seen > PAIRS / 50


def test_json_can_be_sent_back(plain_pairs):
    seen = 0
    for pair in plain_pairs:
        # NaN is null in JSON, which a double does not take; a number takes the union's first branch
        # that fits.
        if pair.has_nan or has_two_numbers_in_a_union(pair.writer):
            continue
        assert pair.sent_back == "same", f"{pair}\nsent back: {pair.sent_back}"
        seen += 1
    assert seen > PAIRS / 3


def test_cut_and_damaged_data_are_refused_or_read_alike(plain_pairs):
    """No datum of which a part is missing is taken for a whole one; what fastavro refuses of damaged
    ones may be accepted by neither (it is laxer in places, never stricter)."""
    rng = random.Random(SEED + 2)
    cut = [Pair(pair.writer, pair.datum[:rng.randrange(len(pair.datum))], True)
           for pair in plain_pairs[:800] if pair.datum]
    for pair in run_tool(cut, "numbers"):
        assert pair.answer.startswith("error: byte "), str(pair)
    damaged = []
    for pair in plain_pairs[:800]:
        if pair.datum:
            data = bytearray(pair.datum)
            data[rng.randrange(len(data))] = rng.randrange(256)
            damaged.append(Pair(pair.writer, bytes(data), True))
    read = 0
    for pair in run_tool(damaged, "numbers"):
        if pair.answer.startswith("error"):
            continue
        assert same(parse_ours(pair), plain(by_fastavro(pair))), str(pair)
        read += 1
    assert read > 100


def test_logical_types_as_text_against_fastavro():
    rng = random.Random(SEED + 3)
    pairs = [random_pair(rng, False) for _ in range(PAIRS)]
    seen = 0
    for pair in run_tool(pairs, "readable"):
        with decimal.localcontext(decimal.Context(prec=60)):
            theirs = readable(by_fastavro(pair, logical=True))
        assert same(parse_ours(pair), theirs), str(pair)
        seen += "logicalType" in json.dumps(pair.writer)
    assert seen > PAIRS / 10


# Resolution. A value, or the error that each says in its own words.

REFUSED = object()
UNABLE = object()
NAME_AND_DEFINITION = ("unhashable type: 'dict'", "string indices must be integers, not 'str'")
PROMOTED_TO = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
               "string": ["bytes"], "bytes": ["string"]}


def any_part(schema, test):
    """Whether `test` is true of the schema or of a type in it."""
    if test(schema):
        return True
    if isinstance(schema, list):
        return any(any_part(branch, test) for branch in schema)
    if isinstance(schema, dict):
        parts = [schema[key] for key in ("type", "items", "values") if key in schema]
        return any(any_part(part, test) for part in parts + [f["type"] for f in schema.get("fields", [])])
    return False


def promotion_stands_first(reader):
    """A union in which a type comes after one that it can be promoted to. We, and Apache Avro for Java, choose
    the same type all the same; both oracles choose the first that matches."""
    def test(schema):
        if not isinstance(schema, list):
            return False
        words = [kind(branch) for branch in schema]
        return any(word in PROMOTED_TO and any(other in PROMOTED_TO[word] for other in words[:i])
                   for i, word in enumerate(words) if isinstance(word, str))
    return any_part(reader, test)


def fastavro_cannot(pair):
    return promotion_stands_first(pair.reader)


def apache_cannot(pair):
    """Apache Avro for Python knows no aliases and no defaults of enums, reads neither strings as bytes nor a
    union's value as one of no union, and has arrays and maps only with items of the same type."""
    return promotion_stands_first(pair.reader) or bool(
        pair.used & {"alias", "enum default", "text as bytes", "other items", "no union"})


def attempt(read, pair, errors):
    try:
        return plain(read(pair))
    except errors:
        return REFUSED
    except TypeError as error:
        # fastavro trips where one schema has the name of a type and the other its definition.
        if read is by_fastavro and str(error) in NAME_AND_DEFINITION:
            return UNABLE
        raise


def test_resolution_against_fastavro(resolved_pairs):
    errors = (fastavro.read.SchemaResolutionError, UnicodeDecodeError)
    agreed = refused = unable = 0
    for pair in resolved_pairs:
        if fastavro_cannot(pair):
            continue
        theirs = attempt(by_fastavro, pair, errors)
        if theirs is UNABLE:
            unable += 1
        elif theirs is REFUSED:
            assert pair.answer.startswith("error: "), str(pair)
            refused += 1
        else:
            assert not pair.answer.startswith("error"), f"{pair}\nfastavro {theirs}"
            assert same(parse_ours(pair), theirs), f"{pair}\nfastavro {theirs}"
            agreed += 1
    print(f"agreed on {agreed}, refused by both {refused}, beyond fastavro {unable}")
    assert agreed > PAIRS / 3 and unable < PAIRS / 20


def test_resolution_against_apache_avro(resolved_pairs):
    errors = (avro.errors.SchemaResolutionException, UnicodeDecodeError)
    agreed = refused = 0
    for pair in resolved_pairs:
        if apache_cannot(pair):
            continue
        theirs = attempt(by_apache, pair, errors)
        if theirs is REFUSED:
            assert pair.answer.startswith("error: "), str(pair)
            refused += 1
        else:
            assert not pair.answer.startswith("error"), f"{pair}\nApache Avro {theirs}"
            assert same(parse_ours(pair), theirs, promoted=True), f"{pair}\nApache Avro {theirs}"
            agreed += 1
    print(f"agreed on {agreed}, refused by both {refused}")
    assert agreed > PAIRS / 4


def test_readers_order_of_fields(resolved_pairs):
    seen = 0
    for pair in resolved_pairs:
        names = field_order(pair.reader)
        if names is not None and not pair.answer.startswith("error"):
            assert list(parse_ours(pair)) == names, str(pair)
            seen += 1
    assert seen > PAIRS / 50
