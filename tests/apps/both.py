"""The same request to a site without Cheops and to one with it; what comes back must be the same.

What legitimately differs is taken out first, and nothing else:

    the site's address                         it has another one
    identifiers (UUIDs, with - or without)     made at random; numbered as they appear, so that each must
                                               stand where the same one stands on the other side
    times, request and audit identifiers       made anew for each request
    tokens                                     Fernet tokens hold a time and are encrypted
    the order of roles and of the catalogue    Keystone has none: it is that of a set, and of identifiers
    Connection, Keep-Alive, Transfer-Encoding  of the connection, not of the answer (RFC 9110, 7.6.1)
    Date                                       Cheops adds it where the service sends none
    Content-Length of a 204                    Glance sends 0, which a 204 must not (RFC 9110, 8.6)
    Via                                        Cheops adds itself, as a proxy must
"""
import concurrent.futures
import json
import re

NOT_OF_THE_ANSWER = {"connection", "keep-alive", "transfer-encoding", "date", "via"}
PATTERNS = [
    (re.compile(r"req-[0-9a-f]{8}-[0-9a-f-]{27}"), "<request id>"),
    (re.compile(r"gAAAA[A-Za-z0-9_=-]{100,}"), "<token>"),
    (re.compile(r'("audit_ids": )\[[^]]*\]'), r"\1<audit ids>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+0000)"), "<time>"),
]
IDENTIFIER = re.compile(r"\b([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})\b")


class Side:
    def __init__(self, site):
        self.site = site
        self.kept = {}      # what earlier answers gave: name -> value
        self.numbers = {}   # identifier -> its number

    def normal(self, text):
        text = text.replace(self.site.application.site.address, "<address>")
        for pattern, instead in PATTERNS:
            text = pattern.sub(instead, text)
        return IDENTIFIER.sub(lambda m: f"<id {self.numbers.setdefault(m[0], len(self.numbers))}>", text)

    def fill(self, value):
        """Puts what was kept into the places {name} of a path, a field, a body or a command."""
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda m: self.kept.get(m[1], m[0]), value)
        if isinstance(value, dict):
            return {self.fill(k): self.fill(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill(v) for v in value]
        return value

    def keep(self, keep, answer):
        for name, pointer in keep.items():
            found = json.loads(answer)
            for step in pointer.strip("/").split("/"):
                found = found[step]
            self.kept[name] = found


UNORDERED = {"catalog": "type", "endpoints": "interface", "roles": "name"}  # lists of Keystone, and what sorts them


def in_order(value):
    if isinstance(value, list):
        return [in_order(row) for row in value]
    if isinstance(value, dict):
        return {name: sorted(in_order(rows), key=lambda row: row[UNORDERED[name]])
                if name in UNORDERED and isinstance(rows, list) else in_order(rows) for name, rows in value.items()}
    return value


def printable(body):
    """Text of a body: as it is, or, if it has a list without an order, as JSON in which that has one."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return repr(body)
    if any(f'"{name}": [' in text for name in UNORDERED):
        return json.dumps(in_order(json.loads(text)))
    return text


def assert_same(seen, what):
    without, with_cheops = seen
    for part in without:
        assert with_cheops[part] == without[part], f"{what}: the {part} of the answer, and without Cheops"


class Both:
    def __init__(self, without, with_cheops):
        self.sides = [Side(without), Side(with_cheops)]

    def on_both(self, ask):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(ask, self.sides))

    def curl(self, status, method, service, path, keep=(), fields=None, body=None, **more):
        """One request to each; the status is the one that is expected. Gives what the side with Cheops got."""
        answers = self.on_both(lambda side: side.site.curl(
            method, service, side.fill(path), side.fill(fields), side.fill(body), **more))
        seen = [self.normal(side, answer) for side, answer in zip(self.sides, answers)]
        assert_same(seen, f"{method} {path}")
        assert answers[0].status == status, answers[0]
        via = answers[1].fields.get("via")
        assert via == [f"1.1 cheops-{self.sides[1].site.name}"], f"this did not go through Cheops: {answers[1]}"
        for side, answer in zip(self.sides, answers):
            side.keep(dict(keep), answer.body)
        return answers[1]

    @staticmethod
    def normal(side, answer):
        without = NOT_OF_THE_ANSWER | ({"content-length"} if answer.status == 204 else set())
        fields = {name: [side.normal(v) for v in sorted(values)] for name, values in sorted(answer.fields.items())
                  if name not in without}
        return {"status": answer.status, "fields": fields, "body": side.normal(printable(answer.body))}

    def openstack(self, status, *words, keep=()):
        """One command to each. Gives what the side with Cheops printed."""
        said = self.on_both(lambda side: side.site.openstack(*side.fill(words)))
        seen = [{"status": one.status, "output": side.normal(printable(one.output.encode()))}
                for side, one in zip(self.sides, said)]
        assert_same(seen, words)
        assert said[0].status == status, said[0].output
        for side, one in zip(self.sides, said):
            side.keep(dict(keep), one.output)
        return said[1].output
