"""What a store takes of memory, and what it does at its cap."""
import pytest

from e2e.producing import customer


@pytest.fixture
def capped(config):
    def make(topic, **store):
        stores = [{"name": "small", "type": "in_memory", **store}]
        return config(topic, cache={"stores": stores, "routes": [{"path": "/customers", "store": "small"}]})
    return make


def test_a_full_store_says_so_and_keeps_what_it_has_true(topic, capped, service):
    """New keys are refused beyond the cap; updates and deletes go on; 404 is never said of a refused key."""
    made = topic()
    count = 40_000
    made.put_all({f"key-{i:06}": customer(i) for i in range(count)})
    running = service(capped(made.name, memory_max_bytes="2MiB"))
    running.wait(lambda: running.status()["load"]["records_total"] == count, "all records to be read")
    store = running.status()["stores"][0]
    assert store["state"] == "full"
    assert 1000 < store["records"] < count and store["records"] + store["refused"] == count
    assert store["memory"]["total"] < 2.3 * 2**20 and store["memory"]["max"] == 2 * 2**20
    answer = running.health.get("/ready")
    assert answer.status == 503 and "memory_max_bytes" in answer.body.decode()
    assert running.health.get("/live").status == 200
    metrics = running.metrics()
    assert metrics['push_cache_store_refused_total{store="small"}'] == store["refused"]
    assert metrics['bad_records_total{cause="store_full"}'] == store["refused"]
    assert running.api.record("/customers", "key-000001").json() == customer(1)
    assert running.api.record("/customers", f"key-{count - 1:06}").status == 503
    made.put_all({"key-000001": customer(7), "key-000002": None})
    running.wait_record("/customers", "key-000001", customer(7))
    running.wait(lambda: running.api.record("/customers", "key-000002").status == 503, "the tombstone")


def test_memory_by_kind(topic, capped, service):
    made = topic()
    made.put_all({f"key-{i:06}": customer(i) for i in range(1000)})
    running = service(capped(made.name)).wait_ready()
    memory = running.status()["stores"][0]["memory"]
    assert memory["max"] is None
    assert memory["total"] == sum(memory[kind] for kind in ("index", "order", "records", "slack"))
    metrics = running.metrics()
    for kind in ("index", "order", "records", "slack"):
        assert metrics[f'push_cache_store_memory_bytes{{store="small",kind="{kind}"}}'] == memory[kind] > 0


def test_a_route_without_a_list(topic, config, service):
    """No order is kept for the keys of a store that no route lists."""
    made = topic()
    made.put_all({"a": customer(1)})
    stores = [{"name": name, "type": "in_memory"} for name in ("unlisted", "listed")]
    routes = [{"path": "/unlisted", "store": "unlisted", "list": "off"}, {"path": "/listed", "store": "listed"},
              {"path": "/both", "store": "listed", "list": False}]
    running = service(config(made.name, cache={"stores": stores, "routes": routes})).wait_ready()
    for path in ("/unlisted", "/both"):
        answer = running.api.get(path)
        assert answer.status == 405 and "list" in answer.json()["message"], path
        assert running.api.record(path, "a").json() == customer(1)
    assert running.keys("/listed") == ["a"]
    order = {store["name"]: store["memory"]["order"] for store in running.status()["stores"]}
    assert order["unlisted"] == 0 < order["listed"]
