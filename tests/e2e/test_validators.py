"""ETags, the requests that depend on them, and what a path that nothing serves gets."""
from e2e.producing import customer


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
