"""Random Avro schemas, data of them in Avro's binary encoding, and readers' schemas that data of them
resolve to. The encoding is written here by hand, so that it owes nothing to what it tests: arrays and
maps go out in several blocks, with and without their size in bytes."""
import copy
import math
import random
import struct

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
NUMERIC = {"int", "long", "float", "double"}
LETTERS = "abcxyzABC 0189_-\"\\/\n\t\b\f\r\x00\x1f\x7fäß€漢😀\u2028"
DEPTH_MAX = 7

# Logical types: the type they annotate, and the values that every oracle can tell.
LOGICAL = {
    "date": ("int", -700_000, 2_900_000),
    "time-millis": ("int", 0, 86_399_999),
    "time-micros": ("long", 0, 86_399_999_999),
    "timestamp-millis": ("long", -62_000_000_000_000, 253_000_000_000_000),
    "timestamp-micros": ("long", -62_000_000_000_000_000, 253_000_000_000_000_000),
    "local-timestamp-millis": ("long", -62_000_000_000_000, 253_000_000_000_000),
    "local-timestamp-micros": ("long", -62_000_000_000_000_000, 253_000_000_000_000_000),
    "uuid": ("string", None, None),
    "decimal": ("bytes", None, None),
}


def kind(schema):
    """The schema's type: a word, or the full name of a named type."""
    if isinstance(schema, list):
        return "union"
    return schema["type"] if isinstance(schema, dict) else schema


def zigzag(value):
    raw = (value << 1) ^ (value >> 63)
    out = bytearray()
    while raw >= 0x80:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


class SchemaMaker:
    """Makes one schema; `named` has its named types by full name."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.named = {}
        self.open = []
        self.count = 0

    def make(self):
        return self.type(0, False)

    def name(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}"

    def type(self, depth, may_recur, within_union=False):
        rng = self.rng
        roll = rng.random()
        if depth >= DEPTH_MAX or roll < 0.05 + 0.1 * min(depth, 4):
            return self.primitive()
        if roll < 0.05 + 0.1 * min(depth, 4) + 0.07:
            return self.logical()
        closed = [name for name in self.named if name not in self.open]
        if roll < 0.47 and closed:
            return rng.choice(closed)
        if roll < 0.53 and may_recur and self.open:
            return rng.choice(self.open)
        if roll < 0.65:
            return {"type": "array", "items": self.type(depth + 1, True)}
        if roll < 0.72:
            return {"type": "map", "values": self.type(depth + 1, True)}
        if roll < 0.85 and not within_union:
            return self.union(depth)
        if roll < 0.89:
            return self.define({"type": "enum", "symbols": [f"S{i}" for i in range(rng.randint(1, 5))]})
        if roll < 0.92:
            return self.define({"type": "fixed", "size": rng.choice([0, 1, 2, 5, 16])})
        return self.record(depth)

    def primitive(self):
        word = self.rng.choice(PRIMITIVES)
        return {"type": word} if self.rng.random() < 0.1 else word

    def logical(self):
        word = self.rng.choice(list(LOGICAL))
        schema = {"type": LOGICAL[word][0], "logicalType": word}
        if word == "decimal":
            schema.update(precision=28, scale=self.rng.randint(0, 9))
        return schema

    def define(self, schema):
        name = self.name({"enum": "E", "fixed": "F", "record": "R"}[schema["type"]])
        schema = {"name": name, "namespace": "n.s", **schema}
        self.named["n.s." + name] = schema
        return schema

    def union(self, depth):
        branches, seen = [], set()
        for _ in range(self.rng.randint(1, 4)):
            named_before = set(self.named)
            branch = "null" if self.rng.random() < 0.3 else self.type(depth + 1, True, True)
            word = kind(branch)
            if word in ("record", "enum", "fixed"):
                word = "n.s." + branch["name"]
            if word in seen:
                for name in set(self.named) - named_before:
                    del self.named[name]
                continue
            # Where a datum would end in a recursive type, there is a way out.
            if isinstance(branch, str) and branch in self.open and "null" not in seen:
                seen.add("null")
                branches.append("null")
            seen.add(word)
            branches.append(branch)
        return branches

    def record(self, depth):
        schema = self.define({"type": "record", "fields": []})
        full_name = "n.s." + schema["name"]
        self.open.append(full_name)
        for _ in range(self.rng.choice([0, 1, 2, 3, 5])):
            schema["fields"].append({"name": self.name("f"), "type": self.type(depth + 1, False)})
        self.open.pop()
        return schema


class DatumMaker:
    """Writes random data of a schema."""

    def __init__(self, rng, named):
        self.rng = rng
        self.named = named
        self.has_nan = False

    def make(self, schema):
        self.left = 400  # values of one datum
        return self.value(schema, 0)

    def value(self, schema, depth):
        rng = self.rng
        self.left -= 1
        if isinstance(schema, str) and schema in self.named:
            schema = self.named[schema]
        word = kind(schema)
        if isinstance(word, (dict, list)):
            return self.value(word, depth)
        if isinstance(schema, dict) and "logicalType" in schema:
            return self.logical(schema)
        if word == "union":
            return self.union(schema, depth)
        if word == "record":
            return b"".join(self.value(field["type"], depth + 1) for field in schema["fields"])
        if word == "array":
            return self.blocks(lambda i: self.value(schema["items"], depth + 1), depth)
        if word == "map":
            return self.blocks(
                lambda i: self.sized(f"{i}{self.text()}".encode()) + self.value(schema["values"], depth + 1),
                depth)
        if word == "enum":
            return zigzag(rng.randrange(len(schema["symbols"])))
        if word == "fixed":
            return rng.randbytes(schema["size"])
        return self.primitive(word)

    def primitive(self, word):
        rng = self.rng
        if word == "null":
            return b""
        if word == "boolean":
            return bytes([rng.randrange(2)])
        if word in ("int", "long"):
            bits = 31 if word == "int" else 63
            return zigzag(rng.choice([0, 1, -1, 63, -64, 2**bits - 1, -(2**bits), rng.randint(-200, 200),
                                      rng.randint(-(2**bits), 2**bits - 1)]))
        if word in ("float", "double"):
            code = "<f" if word == "float" else "<d"
            number = rng.choice([0.0, -0.0, 1.0, 100.0, 0.1, 1e22, 1e-7, rng.uniform(-1e6, 1e6), math.nan,
                                 math.inf, -math.inf, rng.getrandbits(31)])
            data = struct.pack(code, number)
            if rng.random() < 0.4:
                data = rng.randbytes(len(data))
            self.has_nan |= not math.isfinite(struct.unpack(code, data)[0])
            return data
        if word == "bytes":
            # Sometimes text, which a reader that asks for a string can have.
            return self.sized(self.text().encode() if rng.random() < 0.5 else rng.randbytes(rng.randrange(20)))
        return self.sized(self.text().encode())

    def text(self):
        length = self.rng.choice([0, 1, 3, 7, 8, 9, 15, 16, 17, 40])
        alphabet = LETTERS if self.rng.random() < 0.4 else LETTERS[:12]
        return "".join(self.rng.choice(alphabet) for _ in range(length))

    def logical(self, schema):
        word = schema["logicalType"]
        if word == "uuid":
            digits = self.rng.randbytes(16).hex()
            return self.sized("-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]]).encode())
        if word == "decimal":
            number = self.rng.choice([0, 1, -1, 127, -128, 128, self.rng.randint(-10**28, 10**28)])
            return self.sized(number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))
        _, low, high = LOGICAL[word]
        return zigzag(self.rng.choice([low, high, 0, self.rng.randint(low, high), self.rng.randint(low, high)]))

    def union(self, schema, depth):
        choices = range(len(schema))
        if depth >= DEPTH_MAX or self.left < 0:
            choices = [i for i in choices if schema[i] == "null"] or choices
        branch = self.rng.choice(list(choices))
        return zigzag(branch) + self.value(schema[branch], depth + 1)

    def sized(self, data):
        return zigzag(len(data)) + data

    def blocks(self, item, depth):
        out, index = b"", 0
        for _ in range(0 if depth >= DEPTH_MAX or self.left < 0 else self.rng.choice([0, 1, 1, 2, 3])):
            count = self.rng.choice([1, 1, 2, 4])
            body = b"".join(item(index + i) for i in range(count))
            index += count
            if self.rng.random() < 0.4:
                out += zigzag(-count) + zigzag(len(body)) + body
            else:
                out += zigzag(count) + body
        return out + zigzag(0)


class ReaderMaker:
    """Changes a schema to one that its data (or most of them) resolve to."""

    PROMOTIONS = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
                  "string": ["bytes"], "bytes": ["string"]}
    DEFAULTS = [("int", 7), ("long", -3), ("string", 'd"q'), ("boolean", True), ("double", 2.5),
                (["null", "int"], None), ({"type": "array", "items": "string"}, ["x", "y"]),
                ({"type": "map", "values": "long"}, {"k": 1})]

    def __init__(self, rng):
        self.rng = rng
        self.used = set()  # what of the rules of resolution it takes
        self.names = 0

    def make(self, schema):
        self.gone = []
        return defined_where_first_named(self.change(copy.deepcopy(schema)), self.gone)

    def items(self, schema):
        changed = self.change(copy.deepcopy(schema))
        if kind(changed) != kind(schema):
            self.used.add("other items")
        return changed

    def change(self, schema, within_union=False):
        rng = self.rng
        word = kind(schema)
        if word == "union":
            schema = [self.change(branch, True) for branch in schema]
            seen, out = set(), []
            for branch in schema:  # promotions may have made two of one type
                name = branch.get("name", kind(branch)) if isinstance(branch, dict) else branch
                if name not in seen:
                    out.append(branch)
                seen.add(name)
            if rng.random() < 0.2:
                rng.shuffle(out)
            if rng.random() < 0.1 and len(out) == 1:
                self.used.add("no union")
                return out[0]
            return out
        if isinstance(schema, dict):
            if word == "record":
                self.record(schema)
            elif word == "array":
                schema["items"] = self.items(schema["items"])
            elif word == "map":
                schema["values"] = self.items(schema["values"])
            elif word == "enum" and rng.random() < 0.4:
                self.enum(schema)
        if word in self.PROMOTIONS and rng.random() < 0.25:
            schema = rng.choice(self.PROMOTIONS[word])
            if word in ("string", "bytes"):
                self.used.add("text as bytes")
        if not within_union and rng.random() < 0.1:
            schema = ["null", schema] if kind(schema) != "null" else [schema]
        return schema

    def enum(self, schema):
        symbols = schema["symbols"]
        self.rng.shuffle(symbols)
        if len(symbols) > 1 and self.rng.random() < 0.5:
            symbols.pop()
        symbols.append("Other")
        if self.rng.random() < 0.7:
            schema["default"] = "Other"
            self.used.add("enum default")

    def record(self, schema):
        rng = self.rng
        fields = schema["fields"]
        for field in fields:
            field["type"] = self.change(field["type"])
            if rng.random() < 0.1:
                field["aliases"] = [field["name"]]
                field["name"] += "_new"
                self.used.add("alias")
        if rng.random() < 0.4:
            rng.shuffle(fields)
        if fields and rng.random() < 0.4:
            self.gone.append(fields.pop(rng.randrange(len(fields))))
        for _ in range(rng.choice([0, 0, 1, 2])):
            self.names += 1
            word, default = rng.choice(self.DEFAULTS)
            fields.insert(rng.randint(0, len(fields)),
                          {"name": f"added{self.names}", "type": copy.deepcopy(word), "default": default})


def named_types(schema, found):
    if isinstance(schema, list):
        for branch in schema:
            named_types(branch, found)
    elif isinstance(schema, dict):
        if "name" in schema:
            found["n.s." + schema["name"]] = schema
        for part in [schema.get("type"), schema.get("items"), schema.get("values")]:
            named_types(part, found)
        for field in schema.get("fields", []):
            named_types(field["type"], found)
    return found


def defined_where_first_named(schema, gone=()):
    """The same schema after fields have changed places or gone: a type is defined where it is named
    first."""
    named = named_types(schema, {})
    for field in gone:
        for name, definition in named_types(field["type"], {}).items():
            named.setdefault(name, definition)
    seen = set()

    def walk(part):
        if isinstance(part, list):
            return [walk(branch) for branch in part]
        name = part if isinstance(part, str) else "n.s." + part["name"] if "name" in part else None
        if name in named:
            if name in seen:
                return name
            seen.add(name)
            part = named[name]
        if not isinstance(part, dict):
            return part
        out = dict(part)
        for key in ("type", "items", "values"):
            if isinstance(out.get(key), (dict, list)) or key != "type" and key in out:
                out[key] = walk(out[key])
        if "fields" in out:
            out["fields"] = [{**field, "type": walk(field["type"])} for field in out["fields"]]
        return out

    return walk(schema)


def without_logical_types(schema):
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: [{**field, "type": without_logical_types(field["type"])} for field in value]
            if key == "fields" else without_logical_types(value) if key in ("type", "items", "values") else value
            for key, value in schema.items() if key not in ("logicalType", "precision", "scale")}


def has_two_numbers_in_a_union(schema):
    """Then a number may come back as one of the other branch."""
    if isinstance(schema, list):
        numbers = sum(kind(branch) in NUMERIC for branch in schema)
        return numbers > 1 or any(has_two_numbers_in_a_union(branch) for branch in schema)
    if isinstance(schema, dict):
        return any(has_two_numbers_in_a_union(part) for part in
                   [schema.get("items"), schema.get("values"), schema.get("type")] +
                   [field["type"] for field in schema.get("fields", [])])
    return False
