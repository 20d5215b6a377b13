"""Null values remove, nothing else does."""
from e2e.producing import customer


def test_put_and_tombstone_of_one_key_in_one_batch(topic, config, service):
    """Both orders, while loading and while running."""
    made = topic()
    for when in ("loading", "running"):
        made.put(f"removed-{when}", customer(1))
        made.put(f"removed-{when}", None)
        made.put(f"kept-{when}", None)  # for a key that was never there
        made.put(f"kept-{when}", customer(2))
        made.put(f"again-{when}", customer(3))
        made.put(f"again-{when}", None)
        made.put(f"again-{when}", customer(4))
        made.flush()
        if when == "loading":
            running = service(config(made.name)).wait_ready()
        running.wait_record("/customers", f"again-{when}", customer(4))
        running.wait_record("/customers", f"kept-{when}", customer(2))
        assert running.api.record("/customers", f"removed-{when}").status == 404
    assert running.keys("/customers") == ["again-loading", "again-running", "kept-loading", "kept-running"]
    assert running.status()["records"]["tombstones"] == 6


def test_tombstone_removes_from_every_store(topic, config, service):
    """A tombstone names no schema: the key goes wherever it is."""
    made = topic()
    stores = [{"name": "a", "type": "in_memory"}, {"name": "b", "type": "in_memory", "schemas": ["Customer"]}]
    routes = [{"path": "/a", "store": "a"}, {"path": "/b", "store": "b"}]
    made.put_all({"x": customer(1), "y": customer(2)})
    running = service(config(made.name, cache={"stores": stores, "routes": routes})).wait_ready()
    running.wait_record("/a", "x", customer(1))
    running.wait_record("/b", "x", customer(1))
    made.put_all({"x": None})
    running.wait_record("/a", "x", None)
    running.wait_record("/b", "x", None)
    running.wait_record("/a", "y", customer(2))


def test_empty_value_is_no_tombstone(topic, config, service):
    made = topic()
    made.put_all({"x": customer(1)})
    running = service(config(made.name)).wait_ready()
    made.put_raw("x", b"")
    made.put_all({"after": customer(2)})
    running.wait_record("/customers", "after", customer(2))
    assert running.api.record("/customers", "x").json() == customer(1)
    status = running.status()["records"]
    assert status["tombstones"] == 0
    assert sum(status["bad"].values()) == 1, status
