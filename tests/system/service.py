"""A small HTTP service of the tests' own: what it does is asked for in the path's query."""
import http.server
import json
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        self.server.seen.append({"method": self.command, "path": self.path, "body": body,
                                 "headers": [(k.lower(), v) for k, v in self.headers.items()]})
        status = int(asked.get("status", 200))
        things = [] if asked.get("name") and asked["name"] != self.server.site else [self.server.site]
        text = json.dumps({"things": things, "size": len(body)}).encode()
        if "bytes" in asked:
            text = b"x" * int(asked["bytes"])
        self.send_response(status)
        if "chunked" in asked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(text), 1000):
                piece = text[at:at + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\nX-Sum: 7\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = answer

    def log_message(self, *_):
        pass


class Service:
    def __init__(self, site):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.site, self.server.seen = site, []
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def seen(self):
        return self.server.seen

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
