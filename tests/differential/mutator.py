"""Byte streams of the known smuggling families, made from a seed.

A case is what one client connection sends: pieces that are written one after the other. Every request
in it names the case in its target, so that a recorder behind a proxy knows what belongs to it; the
last one is a probe that shows whether the connection still is in step. The same number makes the same
case, always.
"""
import dataclasses
import random

CRLF = b"\r\n"
SIZES = [0, 1, 5, 11, 30, 200, 5000]


@dataclasses.dataclass
class Case:
    number: int
    family: str
    pieces: list

    @property
    def data(self):
        return b"".join(self.pieces)


def draw(random_, *choices):
    """One of several; those that are functions are called."""
    chosen = random_.choice(choices)
    return chosen() if callable(chosen) else chosen


class Writer:
    """The requests of one case."""

    def __init__(self, number, random_):
        self.number, self.random, self.asked = number, random_, 0

    def target(self, word="r"):
        self.asked += 1
        return b"/a/things/%d-%s%d" % (self.number, word.encode(), self.asked)

    def body(self, size=None):
        size = self.random.choice(SIZES) if size is None else size
        return bytes(self.random.choice(b"abcdefghij0123456789 \r\n:") for _ in range(min(size, 64))).ljust(size, b"x")

    def fields(self):
        """Some that mean nothing."""
        known = [b"Accept: */*", b"X-One: 1", b"User-Agent: d/1", b"Cookie: a=b; c=d", b"X-Empty:", b"X-One: 2"]
        return self.random.sample(known, self.random.randrange(4))

    def head(self, method=b"POST", *fields, target=None, host=b"Host: door", version=b"HTTP/1.1", shuffle=True):
        lines = [host, *self.fields(), *fields] if host else [*self.fields(), *fields]
        if shuffle:
            self.random.shuffle(lines)
        return CRLF.join([b" ".join([method, target or self.target(), version]), *lines]) + CRLF * 2

    def get(self, *fields, **named):
        return self.head(b"GET", *fields, **named)

    def with_length(self, body, *fields):
        return self.head(b"POST", b"Content-Length: %d" % len(body), *fields) + body

    def hidden(self):
        """A request that only a proxy that is out of step would see as one."""
        return self.get(target=self.target("hidden"))

    def chunk(self, data, extension=b"", end=CRLF):
        return b"%x%s%s%s%s" % (len(data), extension, CRLF, data, end)

    def chunked(self, body, trailers=b"", last=b"0"):
        cut = self.random.randrange(len(body) + 1)
        parts = [p for p in (body[:cut], body[cut:]) if p]
        return b"".join(self.chunk(p) for p in parts) + last + CRLF + trailers + CRLF


# -- the families: each gives the bytes before the probe --------------------------------------------

CHUNKED = b"Transfer-Encoding: chunked"


def plain(w):
    """Nothing is wrong with it."""
    return draw(w.random, lambda: w.get(), lambda: w.with_length(w.body()),
                lambda: w.head(b"PUT", CHUNKED) + w.chunked(w.body()),
                lambda: w.head(b"DELETE"))


def cl_te(w):
    body = w.chunked(w.body())
    length = draw(w.random, len(body), 0, len(body) + 5, max(0, len(body) - 3))
    return w.head(b"POST", b"Content-Length: %d" % length, CHUNKED) + body + draw(w.random, b"", w.hidden)


def te_cl(w):
    inner = w.hidden()
    body = w.chunk(inner) + b"0\r\n\r\n"
    first = body.index(CRLF) + 2
    return w.head(b"POST", CHUNKED, b"Content-Length: %d" % draw(w.random, first, 4, len(body)), shuffle=False) + body


def te_te(w):
    field = draw(
        w.random, b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: ChUnKeD",
        b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"transfer-encoding:chunked",
        b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: \x00chunked",
        b"Transfer-Encoding: chunked\x00", b"Transfer_Encoding: chunked", b" Transfer-Encoding: chunked",
        b"X: y\r\n Transfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding\r\n: chunked",
        b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked,", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding:", b"TE: chunked")
    length = draw(w.random, [], [b"Content-Length: 5"], [b"Content-Length: 0"])
    return w.head(b"POST", *length, field) + w.chunked(w.body()) + draw(w.random, b"", w.hidden)


def cl_0(w):
    """A body where some expect none."""
    inner = w.hidden()
    method = draw(w.random, b"GET", b"DELETE", b"OPTIONS", b"POST")
    return w.head(method, b"Content-Length: %d" % len(inner)) + inner


def odd_length(w):
    body = w.body(5)
    value = draw(w.random, b"+5", b"-5", b"5 ", b" 5", b"\t5", b"0x5", b"05", b"5,5", b"5, 5", b"5,6", b"5;", b"5.0", b"",
                 b"five", b"5 5", b"18446744073709551621", b"99999999999999999999", b"5\x00", b"\x0b5", b"5e0",
                 b"5\r\nContent-Length: 5", b"5\r\nContent-Length: 6", b"6\r\nContent-Length: 5", b"5\r\nContent-Length:",
                 b"\xb5", b"5_0", b"000000000000000000000000000005", b"0005")
    return w.head(b"POST", b"Content-Length:" + draw(w.random, b" ", b"") + value) + body + draw(w.random, b"", w.hidden)


def folding(w):
    field = draw(w.random, b"X-Fold: a\r\n b", b"X-Fold: a\r\n\tb", b"X-Fold:\r\n a", b"X-Fold: a\r\n \r\n b",
                 b"X-Fold: a\r\n Content-Length: 5", b"X-Fold: a\n b", b"X-Fold: a\r\n b: c",
                 b"Content-Length:\r\n 5", b"Content-Length: 5\r\n 0")
    return w.head(b"POST", field) + draw(w.random, b"", b"hello", w.hidden)


def fold_first(w):
    """White space before the first field."""
    line = b"GET " + w.target() + b" HTTP/1.1"
    return line + draw(w.random, b"\r\n Host: door\r\n\r\n", b"\r\n\tX: y\r\nHost: door\r\n\r\n",
                       b"\r\n \r\nHost: door\r\n\r\n")


def chunk_form(w):
    data = w.body(draw(w.random, 1, 5, 11, 26))
    size = b"%x" % len(data)
    line = draw(w.random, size + b";a=b", size + b";a", size + b" ;a=b", size + b"; a=\"b;c\"", size + b";a=\"\r\n\"",
                size + b";\n", size + b";a\rb", size + b";a\nb", size + b" ", b" " + size, b"0" + size, b"000000000000000" + size,
                b"0x" + size, b"+" + size, b"-" + size, size + b"\x00", b"", b"g", size + b"g", size.upper(), b"\t" + size,
                b"fffffffffffffffff", b"ffffffffffffffff", b"8000000000000000", size + b";" + b"x" * 3000,
                size + b";a=\x00", size + b";\xff", size + b"\t", size + b",5")
    line_end = draw(w.random, CRLF, CRLF, CRLF, b"\n", b"\r", b"\r\r\n")
    data_end = draw(w.random, CRLF, CRLF, CRLF, b"\n", b"", b"\r", b"xx", b"\n\r", b"\r\n\r\n")
    last = draw(w.random, b"0\r\n\r\n", b"0\r\n\r\n", b"0\n\n", b"0\r\n", b"00\r\n\r\n", b"0;x\r\n\r\n", b"0\r\n\n", b"")
    return w.head(b"POST", CHUNKED) + line + line_end + data + data_end + last + draw(w.random, b"", w.hidden)


def bare(w):
    """CR and LF where only both may stand."""
    data = bytearray(draw(w.random, lambda: w.get(b"X-B: a"), lambda: w.with_length(w.body(5), b"X-B: a")))
    places = [i for i in range(len(data) - 1) if data[i:i + 2] == CRLF]
    at = w.random.choice(places)
    data[at:at + 2] = draw(w.random, b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\r\n\r", b"\x00\r\n", b"\x0c\r\n")
    return bytes(data) + draw(w.random, b"", w.hidden)


def between(w):
    """What stands between two requests."""
    junk = draw(w.random, CRLF, CRLF * 2, b"\n", b"\r", b" ", b"\x00", CRLF * 8, b"\t\r\n")
    return draw(w.random, w.get, lambda: w.with_length(w.body())) + junk


def trailers(w):
    lines = draw(w.random, b"X-T: 1\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other\r\n",
                 b"X-T : 1\r\n", b"X-T: a\r\n b\r\n", b"X-T\r\n", b": x\r\n", b"X-T: 1\n", b"X-T: \x00\r\n", b"GET / HTTP/1.1\r\n",
                 b"Scope: {a: Paris}\r\n", b"X-T: " + b"y" * 6000 + CRLF, b"Connection: close\r\n", b"X-T: \rz\r\n")
    return w.head(b"POST", CHUNKED, b"Trailer: X-T") + w.chunked(w.body(), lines) + draw(w.random, b"", w.hidden)


def pipelined(w):
    makers = [w.get, lambda: w.with_length(w.body()), lambda: w.head(b"PUT", CHUNKED) + w.chunked(w.body())]
    odd = w.random.choice([odd_length, te_te, bare, chunk_form, request_line, plain])
    return b"".join(w.random.choice(makers)() for _ in range(w.random.randrange(1, 4))) + odd(w)


def early(w):
    """The service answers before the body has come."""
    body = w.body(draw(w.random, 5, 200, 5000))
    target = w.target("early")
    if w.random.randrange(2):
        return w.head(b"POST", b"Content-Length: %d" % len(body), target=target) + body
    return w.head(b"POST", CHUNKED, target=target) + w.chunked(body)


def unfinished(w):
    """The body stays short, or the head does."""
    body = w.body(200)
    return draw(w.random, lambda: w.with_length(body)[:-50], lambda: w.head(b"POST", CHUNKED) + w.chunk(body)[:-30],
                lambda: w.get()[:-3], lambda: w.head(b"POST", CHUNKED) + w.chunk(body),
                lambda: w.head(b"POST", CHUNKED) + w.chunk(body) + b"0\r\n")


def expect(w):
    body = w.body(draw(w.random, 0, 5, 200))
    value = draw(w.random, b"100-continue", b"100-Continue", b"100-continue, x", b"x", b"", b"100", b" 100-continue ",
                 b"100-continue\r\nExpect: 100-continue")
    method = draw(w.random, b"POST", b"PUT", b"GET")
    length = draw(w.random, [b"Content-Length: %d" % len(body)], [CHUNKED], [])
    sent = w.chunked(body) if length == [CHUNKED] else body
    return w.head(method, b"Expect: " + value, *length) + (sent if length else b"")


def request_line(w):
    target = w.target()
    host, end = b"Host: door", CRLF
    line = draw(w.random, b"GET  %s HTTP/1.1", b"GET %s  HTTP/1.1", b"GET %s HTTP/1.1 ", b" GET %s HTTP/1.1", b"get %s HTTP/1.1",
                b"GET\t%s\tHTTP/1.1", b"GET %s HTTP/1.0", b"GET %s HTTP/1.2", b"GET %s HTTP/2.0", b"GET %s HTTP/1", b"GET %s http/1.1",
                b"GET %s", b"GET %s HTTP/1.1\x0b", b"G\x00T %s HTTP/1.1", b"G(T %s HTTP/1.1", b"GET %s#f HTTP/1.1",
                b"GET %s\x00 HTTP/1.1", b"GET %s\xe9 HTTP/1.1", b"GET %s? HTTP/1.1", b"GET %s?a=b c HTTP/1.1", b"GET %s%%zz HTTP/1.1",
                b"GET %s%%00 HTTP/1.1", b"GET %s/../x HTTP/1.1", b"GET /%s HTTP/1.1", b"GET http://door%s HTTP/1.1",
                b"GET http://other%s HTTP/1.1", b"GET http://u@door%s HTTP/1.1", b"GET http://%s HTTP/1.1", b"GET ftp://door%s HTTP/1.1",
                b"GET HTTP://DOOR%s HTTP/1.1", b"GET *%s HTTP/1.1", b"CONNECT door:80%s HTTP/1.1", b"GET %s HTTP/1.10", b"GET %s HTTP/01.1",
                b"GET %s HTTP/-1.1", b"PRI %s HTTP/2.0", b"GET %s\" HTTP/1.1", b"GET %s<> HTTP/1.1", b"GET %s{} HTTP/1.1", b"GET %s\x7f HTTP/1.1")
    return line.replace(b"%%", b"%").replace(b"%s", target) + end + host + end * 2


def hosts(w):
    host = draw(w.random, b"", b"Host:", b"Host: a\r\nHost: b", b"Host: door\r\nHost: door", b"Host: a b", b"Host: a,b", b"Host : door",
                b"Host: door:80", b"Host: door:x", b"Host: door/path", b"Host: u@door", b"Host: [::1]", b"Host: [::1", b"Host: \x00",
                b"Host: d\xe9", b"Host: door:80:90", b"Host: a\"b", b"host: DOOR", b"Host: door:99999999", b"Host: %64oor")
    return w.get(host=host)


def hop_by_hop(w):
    body = w.body(5)
    connection = draw(w.random, b"Connection: Content-Length", b"Connection: Transfer-Encoding", b"Connection: Host", b"Connection: close",
                      b"Connection: X-One", b"Connection: keep-alive, X-One, close", b"Connection: ,, x", b"Keep-Alive: timeout=5",
                      b"Proxy-Connection: keep-alive", b"Connection: upgrade\r\nUpgrade: x", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA",
                      b"Connection: \"close\"", b"TE: trailers\r\nConnection: TE", b"Connection: Cookie", b"Connection: Scope",
                      b"Connection: Expect\r\nExpect: 100-continue", b"Connection: x y")
    return w.with_length(body, b"X-One: mine", connection)


def field_form(w):
    field = draw(w.random, b": x", b"X Y: z", b"X\x00: y", b"X\xe9: y", b"X: \x00", b"X: \x01", b"X: \x7f", b"X: \xff", b"X", b"X;y: z",
                 b"\"X\": y", b"X(: y", b"X:" + b" " * 2000, b"X: " + b"y" * 7000, b"X" * 4000 + b": y", b"=: y", b"X\x0b: y", b"X: y\x0b",
                 b"\x00", b"X:y:z", b"X_Y: z", b"X\t: y", b"X: a\x08b", b"Content-Length : 0", b"Content-Length\t: 0", b"Content_Length: 5")
    return w.head(b"POST", field) + draw(w.random, b"", w.hidden)


def many_fields(w):
    return w.get(*[b"X-%d: y" % i for i in range(draw(w.random, 50, 95, 120, 300))])


def version_1_0(w):
    body = w.body(5)
    return draw(w.random, lambda: w.get(version=b"HTTP/1.0"),
                lambda: w.head(b"POST", CHUNKED, version=b"HTTP/1.0") + w.chunked(body),
                lambda: w.head(b"POST", b"Content-Length: 5", b"Connection: keep-alive", version=b"HTTP/1.0") + body,
                lambda: w.get(version=b"HTTP/1.0", host=b""))


FAMILIES = [plain, cl_te, te_cl, te_te, cl_0, odd_length, folding, fold_first, chunk_form, bare, between, trailers, pipelined,
            early, unfinished, expect, request_line, hosts, hop_by_hop, field_form, many_fields, version_1_0]


def mutate(data, random_):
    """One byte changed, removed, doubled or put in."""
    at, odd = random_.randrange(len(data)), random_.choice(b"\r\n\t\x00 :;,\x0b\xff0aA/")
    kind = random_.randrange(4)
    if kind == 0:
        return data[:at] + bytes([odd]) + data[at + 1:]
    if kind == 1:
        return data[:at] + data[at + 1:]
    if kind == 2:
        return data[:at] + data[at:at + 1] + data[at:]
    return data[:at] + bytes([odd]) + data[at:]


def cut(data, random_):
    """The pieces that it is written in."""
    if random_.randrange(2):
        return [data]
    places = sorted({random_.randrange(1, len(data)) for _ in range(random_.randrange(1, 5))})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)])]


def make(number):
    """The case of a number."""
    random_ = random.Random(number)
    writer = Writer(number, random_)
    family = random_.choice(FAMILIES)
    data = family(writer)
    name = family.__name__
    if random_.randrange(6) == 0:
        data, name = mutate(data, random_), name + "+byte"
    probe = writer.get(target=writer.target("probe"))
    return Case(number, name, cut(data + probe, random_))
