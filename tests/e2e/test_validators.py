"""ETags, the requests that depend on them, and what a path that nothing serves gets."""
import threading
import time

import pytest

from e2e.producing import BILL, TICKET, customer, sample


def test_a_path_that_no_route_serves(service, topic, config):
    made = topic()
    made.put_all({"a": customer(1)})
    running = service(config(made.name)).wait_ready()
    absent = running.api.get("/customers/nobody")
    assert absent.status == 404 and absent.json()["code"] == "not_found" and "Link" not in absent.headers
    prefix = running.api.prefix
    for method, path in (("GET", "/nowhere"), ("POST", "/nowhere/x"), ("GET", "/openapi.json/x")):
        answer = running.api.request(method, path)
        assert answer.status == 404 and answer.json()["code"] == "not_found", (path, answer)
        assert answer.json()["message"] == "no route serves this path" != absent.json()["message"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Link"] == f'<{prefix}/openapi.json>; rel="service-desc"'
    assert running.api.get("/openapi.json").status == 200
    answer = running.health.get("/nowhere")
    assert answer.status == 404 and answer.headers["Cache-Control"] == "no-store" and "Link" not in answer.headers


@pytest.fixture(params=["memory", "redis"])
def store(request, redis_server):
    if request.param == "memory":
        return {"name": "all", "type": "in_memory"}
    return {"name": "all", "prefix": "v", "timeout": "5s", **redis_server().store()}


def cache_of(store, **route):
    return {"stores": [store], "routes": [{"path": "/all", "store": "all", **route}]}


def tag_of(running, key):
    answer = running.api.record("/all", key)
    assert answer.status == 200, answer
    return answer.headers["ETag"]


def status_if_none(running, key, tag):
    return running.api.get(f"/all/{key}", {"If-None-Match": tag}).status


def test_a_recreated_topic_has_other_tags(kafka, topic, config, service, store):
    """The new topic's record has the partition, offset and timestamp of the old one, and another content."""
    old = topic()
    at = int(time.time() * 1000) - 60_000
    old.put("a", sample("bill", 1), BILL, timestamp=at)
    old.flush()
    settings = config(old.name, cache=cache_of(store))
    running = service(settings).wait_ready()
    former = tag_of(running, "a")
    assert former.endswith('.0-0"') and status_if_none(running, "a", former) == 304
    old.delete()
    new = kafka.create(old.name, 1)
    new.put("a", sample("bill", 2), BILL, timestamp=at)
    new.flush()
    running.wait_record("/all", "a", sample("bill", 2))
    running.wait_ready()
    assert status_if_none(running, "a", former) == 200
    now = tag_of(running, "a")
    assert now != former and now.endswith('.0-0"') and status_if_none(running, "a", now) == 304
    assert running.api.request("DELETE", "/all/a", headers={"If-Match": former}).status == 412
    # Another replica, and the same one after a restart.
    other = service(config(old.name, cache=cache_of(store))).wait_ready()
    other.wait_record("/all", "a", sample("bill", 2))
    assert tag_of(other, "a") == now and status_if_none(other, "a", former) == 200
    assert running.stop() == 0
    again = service(settings).wait_ready()
    assert tag_of(again, "a") == now


def test_a_topic_recreated_while_nobody_looks(kafka, topic, config, service, tmp_path):
    """A snapshot of the old topic gives its records no tags of the new one."""
    old = topic()
    at = int(time.time() * 1000) - 60_000
    old.put("a", sample("bill", 1), BILL, timestamp=at)
    old.flush()
    settings = config(old.name, cache=cache_of({"name": "all", "type": "in_memory"}),
                      snapshot={"dir": str(tmp_path / "snapshot")})
    running = service(settings).wait_ready()
    former = tag_of(running, "a")
    assert running.stop() == 0
    again = service(settings).wait_ready()
    assert tag_of(again, "a") == former, "a restart from the snapshot"
    assert again.stop() == 0
    old.delete()
    new = kafka.create(old.name, 1)
    new.put("a", sample("bill", 2), BILL, timestamp=at)
    new.flush()
    last = service(settings).wait_ready()
    last.wait_record("/all", "a", sample("bill", 2))
    assert status_if_none(last, "a", former) == 200


def test_replicas_with_topics_in_another_order_have_the_same_tags(topic, config, service):
    bills, tickets = topic(), topic()
    bills.put_all({"a": sample("bill", 1)}, BILL)
    tickets.put_all({"b": sample("ticket", 1)}, TICKET)
    cache = cache_of({"name": "all", "type": "in_memory"})
    one = service(config([bills.name, tickets.name], cache=cache)).wait_ready()
    other = service(config([tickets.name, bills.name], cache=cache)).wait_ready()
    for key in ("a", "b"):
        assert tag_of(one, key) == tag_of(other, key)
    assert tag_of(one, "a") != tag_of(one, "b")


def test_a_redis_store_has_the_tags_of_one_in_memory(topic, config, service, redis_server):
    made = topic(cleanup_policy="compact")
    made.put_all({"a": sample("bill", 1)}, BILL)
    stores = [{"name": "all", "type": "in_memory"},
              {"name": "redis", "prefix": "v", "timeout": "5s", "schemas": ["bill"], **redis_server().store()}]
    routes = [{"path": "/all", "store": "all"}, {"path": "/redis", "store": "redis"}]
    running = service(config(made.name, cache={"stores": stores, "routes": routes})).wait_ready()
    running.wait_record("/redis", "a", sample("bill", 1))
    assert tag_of(running, "a") == running.api.record("/redis", "a").headers["ETag"]


def test_tags_by_position_tell_values_of_one_updated_at_apart(topic, config, service, store):
    first, second = topic(), topic()
    first.put_all({"a": customer(1)})
    settings = config([first.name, second.name], cache=cache_of(store, etag="position"))
    running = service(settings).wait_ready()
    tags = [tag_of(running, "a")]
    for into, number in ((first, 2), (second, 3)):
        changed = customer(number, updatedAt=customer(1)["updatedAt"])
        into.put_all({"a": changed})
        running.wait_record("/all", "a", changed)
        assert [status_if_none(running, "a", tag) for tag in tags] == [200] * len(tags)
        tags.append(tag_of(running, "a"))
        assert status_if_none(running, "a", tags[-1]) == 304
    # The default goes by updatedAt alone, which is said to be its limit.
    default = service(config([first.name, second.name], cache=cache_of({"name": "all", "type": "in_memory"})))
    default.wait_ready().wait_record("/all", "a", changed)
    assert tag_of(default, "a") == f'"{customer(1)["updatedAt"]}"'


def test_empty_members_of_lists(topic, config, service):
    made = topic()
    made.put_all({"a": customer(1)})
    running = service(config(made.name, cache=cache_of({"name": "all", "type": "in_memory"}))).wait_ready()
    tag = tag_of(running, "a")
    for value in (f", {tag}", f'"no",, {tag}', f"{tag},", f',\t,W/{tag}, "x"', f'"a,b",{tag}'):
        assert status_if_none(running, "a", value) == 304, value
    for value in ('"no",,', ",", "no", f'"{tag}"'):
        assert status_if_none(running, "a", value) == 200, value


def test_writes_honour_conditions(topic, config, service, store):
    made = topic()
    made.put_all({"a": customer(1, accountId="a")})
    running = service(config(made.name, cache=cache_of(store, key_from_body="accountId"))).wait_ready()
    tag = tag_of(running, "a")
    before = "Thu, 01 Jan 2015 00:00:00 GMT"

    def ask(method, path, body=None, **conditions):
        headers = {name.replace("_", "-"): value for name, value in conditions.items()}
        answer = running.api.request(method, path, body, headers)
        if answer.status == 412:
            assert answer.json()["code"] == "precondition_failed"
            assert answer.headers["Cache-Control"] == "no-store"
        return answer.status

    for conditions in ({"If_Match": '"other"'}, {"If_Match": f"W/{tag}"}, {"If_None_Match": f'"x",, {tag}'},
                       {"If_None_Match": "*"}, {"If_Unmodified_Since": before},
                       {"If_Unmodified_Since": "Thursday, 01-Jan-15 00:00:00 GMT"},
                       {"If_Unmodified_Since": "Thu Jan  1 00:00:00 2015"}):
        assert ask("DELETE", "/all/a", **conditions) == 412, conditions
        assert tag_of(running, "a") == tag, conditions
    assert ask("GET", "/all/a", If_Match='"other"') == 412
    assert ask("GET", "/all/a", If_Unmodified_Since=before) == 412
    assert ask("POST", "/all", customer(2, accountId="a"), If_None_Match="*") == 412
    assert ask("POST", "/all", customer(2, accountId="a"), If_Match=tag) == 409
    assert ask("POST", "/all", customer(2, accountId="a"), If_Match='"other"') == 412
    assert ask("POST", "/all", customer(2, accountId="b"), If_Match="*") == 412
    assert running.api.record("/all", "b").status == 404
    assert ask("POST", "/all", customer(2, accountId="b"), If_None_Match="*") == 201
    assert ask("DELETE", "/all/absent", If_Match="*") == 412
    assert ask("DELETE", "/all/absent", If_None_Match='"x"') == 404
    assert ask("DELETE", "/all/b", If_Match=tag_of(running, "b")) == 200
    assert ask("DELETE", "/all/a", If_Match=f'"other", {tag}', If_Unmodified_Since=before) == 200
    assert running.api.record("/all", "a").status == 404


def test_a_delete_removes_no_record_that_came_after_the_one_it_names(topic, config, service, store):
    """Deletes with the tag of a former value while the topic brings the next ones: each removes that value or
    nothing."""
    made = topic()
    made.put_all({"a": customer(0)})
    running = service(config(made.name, cache=cache_of(store, etag="position"))).wait_ready()
    stop = threading.Event()
    last = [0]

    def write():
        producer = made.kafka.new_producer()
        while not stop.is_set():
            last[0] += 1
            made.put("a", customer(last[0]), producer=producer)
            made.flush(producer)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        removed = 0
        for _ in range(300):
            seen = running.api.record("/all", "a")
            if seen.status == 404:
                continue
            answer = running.api.request("DELETE", "/all/a", headers={"If-Match": seen.headers["ETag"]})
            assert answer.status in (200, 412, 404), answer
            if answer.status == 200:
                removed += 1
                assert answer.json() == seen.json()
    finally:
        stop.set()
        writer.join()
    assert removed > 0
