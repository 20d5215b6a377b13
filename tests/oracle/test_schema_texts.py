"""Which texts are schemas: what one of several versions of Avro for Java reads, we read; what all of them refuse
for a cause that matters, we refuse with one readable error.

`corpus/schemas-real` has schemas in the ways of many tools. The tables below have one oddity each."""
import base64
import json
import pathlib
import subprocess
import unicodedata

import pytest

from oracle.test_avro_oracle import ask
from services import install

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = sorted((HERE.parent / "corpus/schemas-real").glob("*.avsc"))


def record(more="", fields="[]", name="R"):
    return f'{{"type":"record","name":"{name}","fields":{fields}{more}}}'


def field(more, kind='"int"', name="f"):
    return record(fields=f'[{{"name":"{name}","type":{kind}{more}}}]')


def enum(symbols, more=""):
    return f'{{"type":"enum","name":"E","symbols":{symbols}{more}}}'


def fixed(size, more=""):
    return f'{{"type":"fixed","name":"F","size":{size}{more}}}'


# Read by one version at least, some only with validation of defaults switched off.
READ = {
    "an alias of no namespace": record(',"aliases":[".Old"]'),
    "an alias twice, and the name itself": record(',"aliases":["A","A","R"]'),
    "a field's alias that is no name": field(',"aliases":["ref-no","","a.b"]'),
    "an alias that is another type's name":
        record(fields='[{"name":"a","type":{"type":"record","name":"S","aliases":["R"],"fields":[]}}]'),
    "a namespace with a hyphen": record(',"namespace":"cdc-eu-1.sales"'),
    "a namespace with digits": record(',"namespace":"prod.20240101.t"'),
    "a namespace of a nested class": record(',"namespace":"com.acme.Outer$"'),
    "a namespace with an empty part": record(',"namespace":"a..b"'),
    "a namespace of a dot": record(',"namespace":"."'),
    "a namespace with a line's end": record(',"namespace":"a\\nb"'),
    "an empty namespace": record(',"namespace":""'),
    "a namespace that is a number": record(',"namespace":7'),
    "a name with an odd namespace in it": record(name="a-b..R"),
    "a name that begins with a dot": record(name=".R"),
    "a name beyond ASCII": record(name="größe"),
    "a name with a digit beyond ASCII": record(name="a٣"),
    "a symbol beyond ASCII": enum('["ÉTÉ","日本"]'),
    "no symbols": enum("[]"),
    "an enum's default that is null": enum('["A"]', ',"default":null'),
    "an enum's default that is a number": enum('["A"]', ',"default":1'),
    "a default of another type": field(',"default":"x"'),
    "a default with a fraction": field(',"default":5.0'),
    "a default of null": field(',"default":null'),
    "a default of a union's second branch": field(',"default":1', '["null","int"]'),
    "a default of NaN as text": field(',"default":"NaN"', '"double"'),
    "a default of a number as text": field(',"default":" +1.5f "', '"float"'),
    "comments": '/** a **/{"type"/*b*/:/***/"int"//c\n}/**/ // d',
    "a comment to the end": '"int"//',
    "a comment in a string": '{"type":"int","doc":"// no /* no"}',
    "a byte order mark": '\ufeff"int"',
    "white space": ' \t\r\n"int"\n ',
    "half of a surrogate pair in a doc": record(',"doc":"\\ud800"'),
    "halves in the wrong order": record(',"doc":"\\ude00\\ud83d"'),
    "half of a surrogate pair in a key": record(',"x\\ud800":1'),
    "half of a surrogate pair in a default": field(',"default":"\\udfff"', '"string"'),
    "half of a surrogate pair in a map's default": field(',"default":{"\\udfff":1}', '{"type":"map","values":"int"}'),
    "half of a surrogate pair in a namespace": record(',"namespace":"\\ud800"'),
    "half of a surrogate pair in an alias": field(',"aliases":["\\ud800"]'),
    "half of a surrogate pair in UTF-8": b'{"type":"int","doc":"\xed\xa0\x80"}',
    "no branches in an array": '{"type":"array","items":[]}',
    "no branches in a map": '{"type":"map","values":[]}',
    "no branches in a field": field("", "[]"),
    "no branches": "[]",
    "docs of any kind": record(',"doc":1', '[{"name":"f","type":"int","doc":{"a":[]}}]'),
    "order in capitals": field(',"order":"ASCENDING"'),
    "a size of -0": fixed("-0"),
    "a size of 0": fixed("0"),
    "a logical type that is no text": '{"type":"bytes","logicalType":{}}',
    "a precision that is no number": '{"type":"bytes","logicalType":"decimal","precision":"x"}',
    "a precision of 0": '{"type":"bytes","logicalType":"decimal","precision":0}',
    "a scale above the precision": '{"type":"bytes","logicalType":"decimal","precision":2,"scale":5}',
    "a precision that does not fit": fixed(1, ',"logicalType":"decimal","precision":50'),
    "a logical type of another type": '{"type":"int","logicalType":"uuid"}',
    "the same fixed twice": f'[{fixed(1)},{{"type":"array","items":{fixed(1)}}}]',
    "the same enum twice": record(fields=f'[{{"name":"a","type":{enum("[]")}}},{{"name":"b","type":{enum("[]")}}}]'),
    "a type before its definition":
        record(fields='[{"name":"a","type":{"type":"array","items":"S"}},{"name":"b","type":' + record(name="S") + "}]"),
    "one name in two namespaces": record(fields='[{"name":"a","type":' + record(',"namespace":"o"') + "}]"),
    "a type's name in an object": record(
        fields='[{"name":"a","type":' + record(name="S") + '},{"name":"b","type":{"type":"S"}}]'),
    "a name like a primitive type's, with a namespace": record(name="n.int"),
    "a name like a word's": record(name="map"),
    "an error": '{"type":"error","name":"R","fields":[]}',
    "a key twice": '{"type":"int","type":"long"}',
    "fields whose names differ in case": record(fields='[{"name":"a","type":"int"},{"name":"A","type":"int"}]'),
    "a field named as another's alias":
        record(fields='[{"name":"a","type":"int"},{"name":"b","type":"int","aliases":["a"]}]'),
    "a number beyond every type's range": '{"type":"int","x":[1e400,99999999999999999999999]}',
    "unknown attributes, deep": '{"type":"int","x":' + "[" * 900 + "]" * 900 + "}",
    "a default of an array's type": '{"type":"array","items":"int","default":7}',
}

# Refused by all versions, and by us: with this in the error.
REFUSED = {
    "a name with a hyphen": (record(name="a-b"), "name: 'a-b' is not a name"),
    "a name that begins with a digit": (record(name="1R"), "name: '1R' is not a name"),
    "a name that begins with a digit beyond ASCII": (record(name="٣a"), "is not a name"),
    "no name after the dot": (record(name="R."), "name: 'R.' is not a name"),
    "a name with a combining mark": (record(name="gro\u0308ße"), "is not a name"),
    "a name with a blank beyond ASCII": (record(name="a\u00a0b"), "is not a name"),
    "a name with half of a surrogate pair": (record(name="a\\ud800"), "is not a name"),
    "a field's name with a dot": (field("", name="a.b"), "fields[0].name: not a name"),
    "a symbol with a hyphen": (enum('["a-b"]'), "symbols[0]: not a name"),
    "a symbol that is a number": (enum("[1]"), "symbols[0]: not a name"),
    "a symbol twice": (enum('["A","A"]'), "symbols: 'A' stands twice"),
    "no name": ('{"type":"record","fields":[]}', "'name' is missing"),
    "a name that is a number": ('{"type":"record","name":7,"fields":[]}', "name: a string is needed"),
    "a primitive type's name": (record(name="int"), "name: 'int' is a primitive type"),
    "no fields": ('{"type":"record","name":"R"}', "'fields' is missing"),
    "fields that are no array": (record(fields="{}"), "fields: an array is needed"),
    "a field that is no object": (record(fields='["a"]'), "fields[0]: an object is needed"),
    "a field twice": (record(fields='[{"name":"a","type":"int"},{"name":"a","type":"int"}]'),
                      "fields[1].name: 'a' stands twice"),
    "an unknown type": (field("", '"Nope"'), "fields[0].type: unknown type 'Nope'"),
    "an alias in place of a name": (record(',"aliases":["Old"]', '[{"name":"f","type":["null","Old"]}]'),
                                    "unknown type 'Old'"),
    "a union in a union": ('[["null"]]', "[0]: a union directly within a union"),
    "a type twice in a union": ('["int",{"type":"int","logicalType":"date"}]', "[1]: 'int' stands twice"),
    "two definitions of one name": (f'[{fixed(1)},{{"type":"map","values":{fixed(2)}}}]', "'F' is defined twice"),
    "no items": ('{"type":"array"}', "'items' is missing"),
    "items that are null": ('{"type":"array","items":null}', "items: a type is needed"),
    "no symbols at all": ('{"type":"enum","name":"E"}', "'symbols' is missing"),
    "a size in a string": (fixed('"16"'), "size: a number of bytes is needed"),
    "a size with a fraction": (fixed("16.0"), "size: a number of bytes is needed"),
    "a size below 0": (fixed("-1"), "size: a number of bytes is needed"),
    "a size beyond an int": (fixed("2147483648"), "size: a number of bytes is needed"),
    "nothing": ("", "not JSON: incomplete JSON"),
    "a comment alone": ("/* a */", "not JSON: incomplete JSON"),
    "a number": ("3", "a type is needed"),
    "a comment of shells": ('# a\n"int"', "not JSON: "),
    "NaN": ('{"type":"int","x":NaN}', "not JSON: "),
    "a control character in a string": ('{"type":"int","doc":"a\tb"}', "not JSON: "),
    "a comma at the end": ('["int",]', "not JSON: "),
    "an escape that is none": ('{"type":"int","doc":"\\q"}', "not JSON: "),
    "a bare word": ("int", "not JSON: "),
    "Latin-1": (b'{"type":"int","doc":"\xe9"}', "not JSON: "),
}

# Read by us alone: what they say plays no role in reading either.
READ_BY_US = {
    "a type's alias that is no name": record(',"aliases":["ref-no",""]'),
    "aliases that are no array": record(',"aliases":"Old"'),
    "an alias that is no text": record(',"aliases":[1,null]'),
    "a field's aliases that are null": field(',"aliases":null'),
    "an enum's default that is no symbol": enum('["A"]', ',"default":"B"'),
    "a default of a double that is no number": field(',"default":"x"', '"double"'),
    "an order that is none": field(',"order":"sideways"'),
    "the same record twice": record(
        fields='[{"name":"a","type":' + record(name="S") + '},{"name":"b","type":' + record(name="S") + "}]"),
}

# Java stops reading where the schema ends. What follows is more likely a text cut or joined by mistake.
JUNK = ['"int" x', '"int" "int"', '"int"]', '"int" /* not closed']


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def lines(texts):
    return [base64.b64encode(as_bytes(text)).decode() for text in texts]


def java_verdicts(texts):
    """For each text what each version of Java's says."""
    answers = []
    for version in install.AVRO_VERSIONS:
        done = subprocess.run(["java", *install.JVM, "-cp", f"{install.avro() / version}/libs/*",
                               HERE / "SchemaTexts.java"], input="\n".join(lines(texts)) + "\n",
                              capture_output=True, text=True, encoding="utf-8", timeout=150, check=True)
        answers.append(done.stdout.splitlines())
        assert len(answers[-1]) == len(texts), done.stderr
    return list(zip(*answers))


def our_verdicts(texts):
    return ask("schema_text_tool", lines(texts))


@pytest.mark.timeout(600)
def test_what_a_version_of_java_reads_we_read():
    texts = {path.name: path.read_bytes() for path in CORPUS} | READ
    assert len(CORPUS) >= 60
    wrong = []
    for (name, text), java, ours in zip(texts.items(), java_verdicts(texts.values()), our_verdicts(texts.values())):
        if all(verdict.startswith("refused") for verdict in java):
            wrong.append(f"{name}: not read by Java: {java[-1]}")
        if not ours.startswith("read"):
            wrong.append(f"{name}: {ours}\n{text}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(600)
def test_what_every_version_of_java_refuses_we_refuse():
    texts = [text for text, _ in REFUSED.values()]
    wrong = []
    for (name, (_, error)), java, ours in zip(REFUSED.items(), java_verdicts(texts), our_verdicts(texts)):
        if not all(verdict.startswith("refused") for verdict in java):
            wrong.append(f"{name}: read by Java: {java}")
        if not ours.startswith("refused ") or error not in ours:
            wrong.append(f"{name}: {ours}")
    assert not wrong, "\n".join(wrong)


def test_what_we_read_alone():
    wrong = [f"{name}: {ours}" for name, ours in zip(READ_BY_US, our_verdicts(READ_BY_US.values()))
             if not ours.startswith("read")]
    assert not wrong, "\n".join(wrong)


def test_what_follows_the_schema_is_refused():
    for ours in our_verdicts(JUNK):
        assert ours.startswith("refused not JSON: extra data after the value at byte "), ours


def test_letters_and_digits_are_those_of_unicode():
    """Each assigned character of the Unicode version that Python knows: at the first place, and at the second."""
    points = [point for point in range(0x80, 0x30000) if unicodedata.category(chr(point)) not in ("Cn", "Cs")]
    first = our_verdicts([json.dumps({"type": "fixed", "name": chr(point), "size": 1}) for point in points])
    second = our_verdicts([json.dumps({"type": "fixed", "name": "a" + chr(point), "size": 1}) for point in points])
    for point, alone, behind in zip(points, first, second):
        category = unicodedata.category(chr(point))
        assert alone.startswith("read") == category.startswith("L"), (hex(point), category, alone)
        assert behind.startswith("read") == (category.startswith("L") or category == "Nd"), (hex(point), category)
