/* Messages that are good, and what a seeded mutator makes of them, read by our parser and by
 * llhttp: whatever ours takes, llhttp takes, as the same message. CHEOPS_SEED and CHEOPS_ROUNDS
 * choose others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "message.h"

struct example {
    enum message_kind kind;
    const char *text;
};

static const struct example examples[] = {
    {MESSAGE_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {MESSAGE_REQUEST, "GET /v2/images?limit=2&marker=a%20b HTTP/1.1\r\nHost: image.example:9292\r\n"
                      "User-Agent: curl/8\r\nAccept: */*\r\nX-Auth-Token: abc~SCOPE~e30\r\n\r\n"},
    {MESSAGE_REQUEST, "POST /v2/images HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n"
                      "Content-Type: application/json\r\n\r\n{\"name\": 1}"},
    {MESSAGE_REQUEST,
     "PUT /v2/images/1/file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
     "Expect: 100-continue\r\n\r\n4\r\nabcd\r\n0a;x=\"y z\"\r\n0123456789\r\n0\r\n\r\n"},
    {MESSAGE_REQUEST,
     "PATCH /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\nTrailer: sum\r\n"
     "\r\nA\r\n0123456789\r\n0000\r\nSum: 12\r\nB:\r\n\r\n"},
    {MESSAGE_REQUEST, "GET http://other.example:80/path?q HTTP/1.1\r\nHost: a\r\n\r\n"},
    {MESSAGE_REQUEST, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
    {MESSAGE_REQUEST, "HEAD /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
    {MESSAGE_REQUEST, "GET /x HTTP/1.0\r\n\r\n"},
    {MESSAGE_REQUEST, "DELETE /x HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close, X-Own\r\n"
                      "X-Own: 1\r\n\r\n"},
    {MESSAGE_REQUEST, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                      "Upgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"},
    {MESSAGE_REQUEST, "REPORT /x HTTP/1.1\r\nHost: a\r\nScope: {image: Nantes & Paris}\r\n"
                      "Content-Length: 0\r\n\r\n"},
    {MESSAGE_REQUEST, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {MESSAGE_REQUEST,
     "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n"
     "Host: a\r\n\r\n"},
    {MESSAGE_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: now\r\n\r\nhello"},
    {MESSAGE_ANSWER, "HTTP/1.1 201\r\nLocation: /v2/images/1\r\nContent-Length: 0\r\n\r\n"},
    {MESSAGE_ANSWER,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c\r\nhello\r\n0\r\n"
     "X-Sum: 1\r\n\r\n"},
    {MESSAGE_ANSWER, "HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n"},
    {MESSAGE_ANSWER, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n"},
    {MESSAGE_ANSWER, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {MESSAGE_ANSWER,
     "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"},
    {MESSAGE_ANSWER, "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end"},
    {MESSAGE_ANSWER, "HTTP/1.1 503 \xe9\tBusy\r\nConnection: close\r\nRetry-After: 1\r\n\r\nx"},
    {MESSAGE_ANSWER_TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
    {MESSAGE_ANSWER_TO_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
};

/* What is put in by a mutation, beside single bytes: the words of smuggling. */
static const char *const words[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\r\n ",
    "\t",
    " ",
    ":",
    " :",
    ",",
    ";",
    "0",
    "0\r\n\r\n",
    "\r\n0\r\n\r\n",
    "ffffffffffffffff",
    "10000000000000000",
    "0x5",
    "+5",
    "-1",
    "1e1",
    "\x0b",
    "\x7f",
    "\x80",
    "chunked",
    "identity",
    "close",
    "keep-alive",
    "upgrade",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "Content-Length: 5\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length:\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding:\013chunked\r\n",
    "Connection: close\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: h2c\r\n",
    "Host: b\r\n",
    "Expect: 100-continue\r\n",
    "A:b\r\n",
    "PRI",
    "CONNECT",
    "QUERY",
};

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static size_t below(uint64_t *seed, size_t n)
{
    return (size_t)((next(seed) >> 11) % n);
}

#define MAX_MUTANT 4096

/* Exchanges bytes[at, at + n) for `by`, if that fits. */
static void exchange(char *bytes, size_t *size, size_t at, size_t n, struct str by)
{
    if (*size - n + by.n > MAX_MUTANT)
        return;
    memmove(bytes + at + by.n, bytes + at + n, *size - at - n);
    if (by.n)
        memcpy(bytes + at, by.p, by.n);
    *size += by.n - n;
}

static void mutate(char *bytes, size_t *size, uint64_t *seed)
{
    static char piece[MAX_MUTANT];
    size_t at = below(seed, *size + 1), n = below(seed, 8);
    if (n > *size - at)
        n = *size - at;
    char byte = (char)next(seed);
    const struct example *other = &examples[below(seed, COUNT_OF(examples))];
    struct str text = str_of(other->text);
    switch (below(seed, 6)) {
    case 0:
        exchange(bytes, size, at, n > 0, (struct str){&byte, 1});
        break;
    case 1:
        exchange(bytes, size, at, 0, (struct str){&byte, 1});
        break;
    case 2:
        exchange(bytes, size, at, n, STR_NULL);
        break;
    case 3:
        memcpy(piece, bytes + at, n);
        exchange(bytes, size, below(seed, *size + 1), 0, (struct str){piece, n});
        break;
    case 4:
        exchange(bytes, size, at, below(seed, 2) ? n : 0,
                 str_of(words[below(seed, COUNT_OF(words))]));
        break;
    default:
        text = str_sub(text, below(seed, text.n), below(seed, 40));
        exchange(bytes, size, at, 0, text);
    }
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    uint64_t value = otherwise;
    if (text && str_digits(str_of(text), INT64_MAX, &value) < 0)
        fail_msg("%s is not a number", variable);
    return value;
}

/* Each example is taken as it is, in pieces of every size. */
static void test_examples(void **state)
{
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct str text = str_of(examples[i].text);
        for (size_t piece = 0; piece <= text.n; piece++)
            if (!message_check(examples[i].kind, text, piece))
                fail_msg("not taken, in pieces of %zu: %s", piece, examples[i].text);
    }
}

static void test_mutants(void **state)
{
    uint64_t seed = number_from("CHEOPS_SEED", 20261124) | 1;
    uint64_t rounds = number_from("CHEOPS_ROUNDS", 60000), taken = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        /* In memory of exactly its size, so that AddressSanitizer sees a read past its end. */
        static char work[MAX_MUTANT];
        const struct example *e = &examples[below(&seed, COUNT_OF(examples))];
        size_t size = strlen(e->text);
        memcpy(work, e->text, size);
        for (size_t k = 1 + below(&seed, 3); k > 0; k--)
            mutate(work, &size, &seed);
        char *bytes = malloc(size + !size);
        assert_non_null(bytes);
        memcpy(bytes, work, size);
        taken += message_check(e->kind, (struct str){bytes, size}, 1 + below(&seed, 20)) > 0;
        free(bytes);
    }
    print_message("%llu of %llu mutants were taken\n", (unsigned long long)taken,
                  (unsigned long long)rounds);
    /* Neither of the two may be so rare that nothing is compared. */
    assert_in_range(taken, rounds / 10, rounds * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
