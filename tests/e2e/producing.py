"""Writes to and reads from Kafka without any of this project's code: confluent-kafka and fastavro."""
import io
import json
import random
import struct
import uuid

import fastavro
from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic)

from services import wait_for

NAMESPACE = "com.polecatworks.billing"


def record_type(name, *fields):
    return {"type": "record", "name": name, "namespace": NAMESPACE,
            "fields": [{"name": field, "type": kind} for field, kind in fields]}


CUSTOMER = record_type("Customer", ("accountId", "string"), ("name", "string"), ("address", "string"),
                       ("phone", "string"), ("createdAt", "long"), ("updatedAt", "long"))
PAYMENT = record_type("Payment", ("date", "string"), ("amount", "double"), ("method", "string"))
BILL = record_type("CustomerBill", ("accountId", "string"), ("year", "int"), ("totalAmount", "double"),
                   ("payments", {"type": "array", "items": PAYMENT}))
USAGE = record_type("UsageRecord", ("accountId", "string"), ("serviceType", "string"), ("amount", "double"),
                    ("unit", "string"), ("timestamp", "long"))
TICKET = record_type("SupportTicket", ("ticketId", "string"), ("accountId", "string"), ("issue", "string"),
                     ("status", "string"), ("timestamp", "long"))
# what populate_kafka calls it -> its route, its schema, the field that is its key
TYPES = {"customer": ("/customers", CUSTOMER, "accountId"), "bill": ("/bills", BILL, "accountId"),
         "usage": ("/usage", USAGE, "accountId"), "ticket": ("/tickets", TICKET, "ticketId")}


def customer(number, **changes):
    record = {"accountId": f"C{number:07}", "name": f"Näme {number}", "address": f"{number} High Street",
              "phone": f"+44 {number:010}", "createdAt": 1_700_000_000_000 + number,
              "updatedAt": 1_750_000_000_000 + number}
    return {**record, **changes}


def sample(kind, number, seed=0):
    """A record of a type with awkward content, always the same one for the same numbers."""
    chance = random.Random(f"{kind} {number} {seed}")
    text = "".join(chance.choice(['a', 'Z', ' ', '"', '\\', '/', '\n', '\t', '\x01', '\x7f', 'é', '漢', '🎉', '\u2028'])
                   for _ in range(chance.randrange(20)))
    if kind == "customer":
        return customer(number, name=text, updatedAt=chance.randrange(-2**63, 2**63))
    if kind == "bill":
        payments = [{"date": f"2024-01-{day + 1:02}T00:00:00Z", "amount": chance.uniform(-1e9, 1e9),
                     "method": text} for day in range(chance.randrange(4))]
        return {"accountId": f"C{number:07}", "year": chance.randrange(-2**31, 2**31),
                "totalAmount": chance.choice([0.0, 0.1, 1e300, 5e-324, -1 / 3, 123456789.5]),
                "payments": payments}
    if kind == "usage":
        return {"accountId": f"C{number:07}", "serviceType": text, "amount": chance.gauss(0, 1e6),
                "unit": "GB", "timestamp": chance.randrange(2**53, 2**63)}
    return {"ticketId": f"T{number:07}", "accountId": f"C{number:07}", "issue": text,
            "status": chance.choice(["open", "closed"]), "timestamp": 1_700_000_000_000 + number}


_parsed = {}  # id of a schema's dict -> the dict, which keeps the id its own, and what fastavro made of it


def datum(schema, record):
    """The Avro bytes alone."""
    if id(schema) not in _parsed:
        _parsed[id(schema)] = (schema, fastavro.parse_schema(schema))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed[id(schema)][1], record)
    return out.getvalue()


def framed(schema_id, content):
    """The wire format: byte 0, schema id, datum."""
    return struct.pack(">bI", 0, schema_id) + content


class Kafka:
    """One broker (or cluster) together with one registry, as a producer sees them."""

    def __init__(self, bootstrap, registry):
        self.bootstrap = bootstrap
        self.registry = registry
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        self.producer = self.new_producer()

    def new_producer(self, **settings):
        return Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "acks": "all",
                         "enable.idempotence": True,  # or a retry could change the order
                         "message.max.bytes": 16_000_000, "queue.buffering.max.messages": 2_000_000,
                         "log_level": 2,  # or brokers that tests end would fill the report
                         **settings})

    def create(self, name, partitions=1, wait=True, **config):
        """A new topic. In the names of its settings a dot is written as an underscore."""
        topic = Topic(self, name, partitions)
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        self.admin.create_topics([NewTopic(name, partitions, config=config)])[name].result(60)
        if wait:  # the answer comes before every partition has its leader
            wait_for(lambda: topic.has_leaders(), 60, f"leaders of {name}")
        return topic

    def exists(self, name):
        # Asked for in a list of all: a question for one topic may create it.
        return name in self.admin.list_topics(timeout=30).topics


class Topic:
    """One topic: writing to it, and reading it back whole."""

    def __init__(self, kafka, name, partitions):
        self.kafka = kafka
        self.name = name
        self.partitions = partitions
        self.ids = {}  # id of a schema's dict -> its id in the registry, and the dict

    def has_leaders(self):
        found = self.kafka.admin.list_topics(timeout=30).topics.get(self.name)
        return (found is not None and len(found.partitions) == self.partitions
                and all(part.leader >= 0 for part in found.partitions.values()))

    def id_of(self, schema):
        """The schema's id, registered under this topic's subject when it is new here."""
        if id(schema) not in self.ids:
            self.ids[id(schema)] = (self.kafka.registry.register(f"{self.name}-value", schema), schema)
        return self.ids[id(schema)][0]

    def encode(self, record, schema):
        return framed(self.id_of(schema), datum(schema, record))

    def put(self, key, record, schema=CUSTOMER, partition=None, producer=None, timestamp=None):
        """`timestamp`: in ms; None = now."""
        self.put_raw(key, None if record is None else self.encode(record, schema), partition, producer, timestamp)

    def put_all(self, records, schema=CUSTOMER):
        """key -> record, None for a tombstone."""
        for key, record in records.items():
            self.put(key, record, schema)
        self.flush()

    def put_raw(self, key, value, partition=None, producer=None, timestamp=None, headers=None):
        """`headers`: (name, bytes or None) in their order."""
        more = {} if partition is None else {"partition": partition}
        if timestamp is not None:
            more["timestamp"] = timestamp
        if headers is not None:
            more["headers"] = headers
        producer = producer or self.kafka.producer
        while True:
            try:
                producer.produce(self.name, value, key, on_delivery=_must_arrive, **more)
                return
            except BufferError:
                producer.poll(0.5)

    def flush(self, producer=None):
        assert (producer or self.kafka.producer).flush(60) == 0, "records were not delivered in time"

    def add_partitions(self, total):
        self.kafka.admin.create_partitions([NewPartitions(self.name, total)])[self.name].result(60)
        self.partitions = total
        wait_for(self.has_leaders, 60, f"leaders of {self.name}")
        self.kafka.producer.list_topics(self.name, timeout=30)  # which makes it see them too

    def delete_records(self, partition, before):
        """Moves the log's start; `before` -1 = deletes all there is."""
        place = TopicPartition(self.name, partition, before)
        self.kafka.admin.delete_records([place])[place].result(60)

    def delete(self):
        self.kafka.admin.delete_topics([self.name])[self.name].result(60)
        wait_for(lambda: not self.kafka.exists(self.name), 60, f"{self.name} to be gone")

    def alter(self, **config):
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.name)
        for key, value in config.items():
            resource.add_incremental_config(ConfigEntry(key.replace("_", "."), str(value),
                                                        incremental_operation=AlterConfigOpType.SET))
        self.kafka.admin.incremental_alter_configs([resource])[resource].result(60)

    def watermarks(self, partition=0):
        consumer = self._consumer()
        try:
            return consumer.get_watermark_offsets(TopicPartition(self.name, partition), timeout=30)
        finally:
            consumer.close()

    def read(self, isolation="read_committed"):
        """Every message that is there: (partition, offset, key, value), in order within a partition."""
        consumer = self._consumer(isolation)
        try:
            consumer.assign([TopicPartition(self.name, number, OFFSET_BEGINNING)
                             for number in range(self.partitions)])
            found, at_end = [], 0
            while at_end < self.partitions:
                message = consumer.poll(30)
                assert message is not None, f"{self.name}: nothing read for 30 s"
                if message.error():
                    if message.error().name() != "_PARTITION_EOF":
                        raise KafkaException(message.error())
                    at_end += 1
                else:
                    found.append((message.partition(), message.offset(), message.key(), message.value()))
            return found
        finally:
            consumer.close()

    def _consumer(self, isolation="read_committed"):
        return Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": f"read-{uuid.uuid4()}",
                         "enable.partition.eof": True, "enable.auto.commit": False,
                         "isolation.level": isolation, "log_level": 2})

    def records(self):
        """key -> record as the last message of each key says, decoded by the registry's schema."""
        schemas, records = {}, {}
        for _, _, key, value in self.read():
            key = key.decode()
            if value is None:
                records.pop(key, None)
                continue
            zero, number = struct.unpack(">bI", value[:5])
            assert zero == 0
            if number not in schemas:
                schemas[number] = fastavro.parse_schema(json.loads(self.kafka.registry.schema(number)))
            records[key] = fastavro.schemaless_reader(io.BytesIO(value[5:]), schemas[number], None)
        return records


def _must_arrive(error, message):
    if error is not None:
        raise KafkaException(error)
