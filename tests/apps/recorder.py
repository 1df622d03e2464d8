"""A server that plays the Keystone and the Glance of clients' tests, and records what it is asked."""
import http.server
import json
import threading

TOKEN = "token-of-the-recorder"


class Recorder:
    """Listens on an ephemeral port of 127.0.0.1 until it is closed. `requests`: what came, in order."""

    def __init__(self):
        self.requests = []
        self.instead = {}  # answers that replace those below: {(method, path): (status, fields, body)}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.recorder = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def scopes(self):
        """What each request said of its scope: {(method, path): {value of Scope or None}}."""
        said = {}
        for request in self.requests:
            said.setdefault((request["method"], request["path"]), set()).add(request["fields"].get("scope"))
        return said

    def token_request(self):
        """The body of the one request for a token."""
        asked = [r["body"] for r in self.requests if (r["method"], r["path"]) == ("POST", "/v3/auth/tokens")]
        assert len(asked) == 1, self.requests
        return json.loads(asked[0])

    # -- what it answers: status, fields, body ----------------------------------------------------

    def answer(self, method, path):
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": self.url + "/v3/"}]}
        images = {"id": "v2.9", "status": "CURRENT", "links": [{"rel": "self", "href": self.url + "/image/v2/"}]}
        project = {"id": "p", "name": "p", "domain": {"id": "default", "name": "Default"}}
        token = {"methods": ["password"], "expires_at": "2099-01-01T00:00:00.000000Z", "project": project,
                 "issued_at": "2020-01-01T00:00:00.000000Z", "roles": [], "audit_ids": ["a"],
                 "user": {"id": "u", "name": "u", "domain": project["domain"]}, "catalog": self.catalogue()}
        unscoped = {key: token[key] for key in token if key not in ("project", "catalog")}
        answers = {
            ("GET", "/"): (300, {}, {"versions": {"values": [version]}}),
            ("GET", "/v3"): (200, {}, {"version": version}),
            ("POST", "/v3/auth/tokens"): (201, {"X-Subject-Token": TOKEN}, {"token": token}),
            ("POST", "/oidc/token"): (200, {}, {"access_token": "a"}),
            ("POST", "/v3/OS-FEDERATION/identity_providers/idp/protocols/oidc/auth"):
                (201, {"X-Subject-Token": TOKEN}, {"token": unscoped}),
            ("GET", "/image"): (300, {}, {"versions": [images]}),
            ("GET", "/image/v2/images"): (200, {}, {"images": []}),
        }
        answers.update(self.instead)
        return answers.get((method, path.rstrip("/") or "/"), (404, {}, {"error": {"message": "none", "code": 404}}))

    def catalogue(self):
        return [{"type": kind, "name": kind, "id": kind, "endpoints": [
            {"id": kind, "interface": "public", "region": "Nantes", "region_id": "Nantes", "url": self.url + path}]}
            for kind, path in (("identity", "/v3"), ("image", "/image"))]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.recorder.requests.append({"method": self.command, "path": path, "body": body.decode(),
                                              "fields": {k.lower(): v for k, v in self.headers.items()}})
        status, fields, answer = self.server.recorder.answer(self.command, path)
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **fields}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = handle_request
