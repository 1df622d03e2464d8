"""Asks a running relay, over its control socket."""
import json
import socket

from ..errors import LabError

ANSWER_S = 30


def ask(path, do, links=(), **arguments):
    """One request; gives the answer's object. LabError with what the relay said."""
    request = {"do": do, "links": [list(pair) for pair in links], **arguments}
    try:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(ANSWER_S)
            control.connect(path)
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b'{"ok": false, "error": "it closed"}')
    except (OSError, ValueError) as why:
        raise LabError(f"the relay does not answer at {path}: {why}") from why
    if not answer["ok"]:
        raise LabError(f"the relay refused to {do}: {answer['error']}")
    return answer


def is_ready(path):
    try:
        return bool(ask(path, "status"))
    except LabError:
        return False
