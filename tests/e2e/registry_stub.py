"""A registry whose answers the test writes by hand."""
import http.server
import json
import threading


class RegistryStub:
    """Answers what `answers` has for a path: (status, JSON), or a function that gives it. Other paths are 404 with
    Confluent's code for a schema that is not there. While `down`, everything is 503."""

    def __init__(self):
        self.answers = {"/schemas/types": (200, ["AVRO"]), "/subjects": (200, [])}
        self.asked = []  # paths, in their order
        self.down = False
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # head and body in one piece

            def do_GET(self):  # noqa: N802: the base class's name
                path = self.path.split("?")[0]
                stub.asked.append(path)
                status, body = stub.answer(path)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path):
        if self.down:
            return 503, {"error_code": 50301, "message": "down"}
        found = self.answers.get(path, (404, {"error_code": 40403, "message": "Schema not found"}))
        return found() if callable(found) else found

    def add(self, schema_id, schema):
        """`schema`: what json.dumps makes a schema's text, or the text itself."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        self.answers[f"/schemas/ids/{schema_id}"] = (200, {"schema": text})

    def asked_for(self, schema_id):
        return self.asked.count(f"/schemas/ids/{schema_id}")

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
