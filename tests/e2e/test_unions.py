"""A schema that is a union: each of its branches goes to the stores that take its type."""
import pytest

from e2e.producing import BILL, CUSTOMER, customer, sample
from e2e.pushcache import shared_store

EITHER = [CUSTOMER, BILL]


def bill(number):
    return sample("bill", number)


def put(topic, key, record):
    """fastavro names a branch by (name, record)."""
    kind = "Customer" if "phone" in record else "CustomerBill"
    topic.put(key, (f"com.polecatworks.billing.{kind}", record), EITHER)


def filled(topic):
    """A customer, a bill, and a key whose customer became a bill."""
    made = topic(cleanup_policy="compact")
    put(made, "c", customer(1))
    put(made, "b", bill(2))
    put(made, "changes", customer(3))
    put(made, "changes", bill(4))
    made.flush()
    return made


def test_branches_go_to_the_stores_that_take_them(topic, config, service):
    made = filled(topic)
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"c": customer(1)})
    running.check_all("/bills", {"b": bill(2), "changes": bill(4)})
    put(made, "changes", customer(5))
    made.put("b", None, EITHER)
    made.flush()
    running.wait_record("/customers", "changes", customer(5))
    running.check_all("/customers", {"c": customer(1), "changes": customer(5)})
    running.check_all("/bills", {})
    assert running.status()["records"]["unrouted"] == 0


def test_a_post_of_a_branch_that_the_store_does_not_take(topic, config, service):
    made = topic()
    put(made, "c", customer(1))
    put(made, "b", bill(2))
    made.flush()
    settings = config(made.name)
    for route in settings["cache"]["routes"]:
        route["key_from_body"] = "accountId"
    running = service(settings).wait_ready()
    json = {"Content-Type": "application/json"}
    refused = running.api.request("POST", "/customers", bill(9), json)
    assert refused.status == 400 and "takes no records of type" in refused.json()["message"], refused
    added = running.api.request("POST", "/bills", bill(9), json)
    assert added.status == 201 and added.json() == bill(9), added
    assert running.api.request("POST", "/customers", customer(8), json).status == 201


@pytest.mark.parametrize("schemas", [["customer"], []], ids=["customers", "all"])
def test_branches_in_redis(topic, config, service, redis_server, schemas):
    made = filled(topic)
    running = service(config(made.name, cache=shared_store(redis_server(), schemas=schemas))).wait_ready()
    running.wait_record("/customers", "c", customer(1))
    assert sorted(running.keys("/customers")) == (["c"] if schemas else ["b", "c", "changes"])
