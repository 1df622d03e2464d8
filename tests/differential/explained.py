"""Where Cheops lets through what nginx or HAProxy refuses, and why it may.

Each row: the proxy that refuses; the part of the first request that it refuses where the pattern is
looked for (method, target, or the bytes of the whole case); the pattern; why Cheops does not refuse.
A row counts only when what the service behind that proxy saw is the beginning of what the one behind
Cheops saw: a difference of any other kind is never explained.
"""
import re

ROWS = [
    ("nginx", "method", rb"[^A-Z_-]", "a method is any token (RFC 9110, 9.1); nginx takes A to Z, - and _ only"),
    ("nginx", "target", rb"%(?![0-9A-Fa-f]{2})|%00", "a target is passed on as it came; what is not known is not decoded"),
    ("nginx", "target", rb"/\.\.(/|$)", "a target is passed on as it came; nginx refuses what leads above the root"),
    ("nginx", "target", rb"-early", "nginx stops reading a request's body when its answer comes early, and closes"),
    ("nginx", "bytes", rb"\r\n[^\r\n:]+:[ \t]*\t", "a tab may stand before a value (RFC 9110, 5.5)"),
    ("nginx", "bytes", rb"(?i)\r\nConnection:[^\r\n]*\"close\"", "a quoted string is no option (RFC 9110, 7.6.1)"),
    ("nginx", "bytes", rb" HTTP/1\.0\r\n(?!(?:[^\r\n]+\r\n)*Host:)",
     "HTTP/1.0 needs no Host (RFC 9112, 3.2); nginx, as it is configured here, makes an empty one"),
    ("haproxy", "bytes", rb"\r\n[^\r\n:]{256,}:", "a name may be longer than 255 bytes, within the limit of the head"),
    ("haproxy", "bytes", rb"(?i)[A-Z]+ http://[^/ ]+", "an authority in the target replaces Host (RFC 9112, 3.2.2)"),
    ("haproxy", "bytes", rb"(?i)\r\n0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*(?:Content-Length|Transfer-Encoding|Host|Connection|Scope):",
     "what frames or routes is left out of trailers; HAProxy passes it on or refuses it (RFC 9110, 6.5.1)"),
]
ROWS = [(proxy, part, re.compile(pattern), why) for proxy, part, pattern, why in ROWS]


def explain(proxy, refused, data):
    """Why a proxy refuses a request (method, target, body) of a case; None: there is no reason."""
    parts = {"method": refused[0], "target": refused[1], "bytes": data}
    return next((why for name, part, pattern, why in ROWS if name == proxy and pattern.search(parts[part])), None)
