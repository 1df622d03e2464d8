"""The service that a site has unless a test brings its own: what it answers is asked for in the query.

    status=N       the status                  bytes=N    the size of the body
    chunked=1      in chunks, with a trailer   name=X     an empty list, unless X is the site
"""
import json
import urllib.parse

from .origin import Origin, render, serve


def things(site):
    """A script that answers as the service of this site."""
    def answer(request):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(request.target).query))
        status = int(asked.get("status", 200))
        found = [] if asked.get("name") and asked["name"] != site else [site]
        body = json.dumps({"things": found, "size": len(request.body)}).encode()
        if "bytes" in asked:
            body = b"x" * int(asked["bytes"])
        if "chunked" not in asked:
            length = f"Content-Length: {len(body)}"
            return render(status, b"" if request.method == "HEAD" else body, *([] if status == 204 else [length]))
        pieces = [body[at:at + 1000] for at in range(0, len(body), 1000)]
        return (render(status, b"", "Transfer-Encoding: chunked")
                + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Sum: 7\r\n\r\n")
    return serve(answer)


def start_things(site):
    return Origin(things(site))
