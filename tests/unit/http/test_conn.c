/* One end of a connection: bodies that are read and written, however they are framed. */
#include "http/conn.h"
#include "http_test.h"

static struct rt_loop *loop;
static struct far far;
static struct rt_task nobody;
static struct http_conn conn;

static void nobody_run(struct rt_task *t)
{
}

static void open_conn(size_t capacity)
{
    conn = (struct http_conn){0};
    far_pipe(&far, loop, &conn.stream, capacity);
    nobody.run = nobody_run;
    conn.stream.task = &nobody;
}

static int begin(void **state)
{
    struct diag d = {0};
    int rc = rt_loop_create(&loop, &d);
    if (rc == 0)
        open_conn(65536);
    return rc;
}

static int end(void **state)
{
    http_conn_close(&conn);
    far_close(&far, loop);
    rt_cancel(loop, &nobody);
    rt_loop_turn(loop, 0);
    bool is_clean = rt_buffers_in_use(loop) == 0;
    rt_loop_destroy(&loop);
    return is_clean ? 0 : -1;
}

static void comes(const char *bytes)
{
    far_send(&far, str_of(bytes));
    rt_loop_turn(loop, 0);
}

/* Reads the body as far as it is there; what ended the reading. */
static int read_all(char *to, size_t size)
{
    struct out o;
    struct str data;
    int rc;
    out_init(&o, to, size - 1);
    while ((rc = http_body_peek(&conn, &data)) > 0) {
        out_str(&o, data);
        http_body_consume(&conn, data.n);
    }
    to[o.n] = 0;
    return rc;
}

static void assert_reads(int want_rc, const char *want)
{
    char got[1000];
    assert_int_equal(read_all(got, sizeof got), want_rc);
    assert_string_equal(got, want);
}

/* ---- reading */

static void test_a_length_ends_where_it_says(void **state)
{
    comes("hel");
    http_read_begin(&conn, H1_LENGTH, 5, 0);
    assert_reads(ERR_AGAIN, "hel");
    assert_false(conn.in_done);
    comes("loGET /");
    assert_reads(0, "lo");
    assert_true(conn.in_done);
    http_read_end(&conn);
    assert_true(str_eq(http_unread(&conn), STR("GET /")));
}

static void test_chunks_with_trailers(void **state)
{
    http_read_begin(&conn, H1_CHUNKED, 0, 100);
    comes("5;ext=1\r\nhel");
    assert_reads(ERR_AGAIN, "hel");
    comes("lo\r\n1\r\n!\r\n0\r\nA: b\r\n");
    assert_reads(ERR_AGAIN, "lo!");
    comes("\r\nGET /");
    assert_reads(0, "");
    assert_true(str_eq(conn.trailers, STR("A: b\r\n")));
    http_read_end(&conn);
    assert_null(conn.trailers.p);
    assert_true(str_eq(http_unread(&conn), STR("GET /")));
}

static void test_trailers_are_limited(void **state)
{
    http_read_begin(&conn, H1_CHUNKED, 0, 8);
    comes("0\r\nA: b\r\nC: d\r\n\r\n");
    assert_reads(ERR_HEAD_TOO_LARGE, "");
}

static void test_bad_chunks_are_refused(void **state)
{
    http_read_begin(&conn, H1_CHUNKED, 0, 100);
    comes("5\r\nhelloX");
    assert_reads(ERR_BAD_REQUEST, "hello");
}

static void test_until_close(void **state)
{
    http_read_begin(&conn, H1_UNTIL_CLOSE, 0, 0);
    comes("hello");
    assert_reads(ERR_AGAIN, "hello");
    assert_int_equal(rt_stream_shutdown(&far.stream), 0);
    assert_reads(0, "");
    assert_true(conn.in_done && conn.in_eof);
}

static void test_an_early_end_is_no_end(void **state)
{
    comes("hel");
    assert_int_equal(rt_stream_shutdown(&far.stream), 0);
    http_read_begin(&conn, H1_LENGTH, 5, 0);
    assert_reads(ERR_CLOSED, "hel");
    http_read_begin(&conn, H1_CHUNKED, 0, 0);
    assert_reads(ERR_CLOSED, "");
    assert_false(conn.in_done);
}

static void test_no_body(void **state)
{
    comes("GET /");
    http_read_begin(&conn, H1_NO_BODY, 0, 0);
    assert_reads(0, "");
    http_read_begin(&conn, H1_LENGTH, 0, 0);
    assert_reads(0, "");
}

static void test_discard_takes_what_is_here(void **state)
{
    comes("helloGET /");
    http_read_begin(&conn, H1_LENGTH, 5, 0);
    assert_true(http_body_discard(&conn, 1000));
    assert_int_equal(http_fill(&conn), ERR_AGAIN);
    assert_true(str_eq(http_unread(&conn), STR("GET /")));
}

static void test_discard_does_not_wait(void **state)
{
    comes("hel");
    http_read_begin(&conn, H1_LENGTH, 5, 0);
    assert_false(http_body_discard(&conn, 1000));
}

static void test_a_full_buffer_is_told(void **state)
{
    static char bytes[RT_BUFFER_BYTES + 1];
    memset(bytes, 'x', sizeof bytes);
    far_send(&far, (struct str){bytes, sizeof bytes});
    rt_loop_turn(loop, 0);
    assert_int_equal(http_fill(&conn), RT_BUFFER_BYTES);
    assert_int_equal(http_fill(&conn), ERR_LIMIT);
    http_consume(&conn, 1);
    assert_int_equal(http_fill(&conn), 1);
}

/* ---- writing */

static void begin_message(enum h1_framing framing, uint64_t length)
{
    struct out o;
    assert_int_equal(http_head_begin(&conn, &o), 0);
    OUT(&o, "head\r\n\r\n");
    assert_int_equal(http_head_commit(&conn, &o, framing, length), 0);
}

static void flush(void)
{
    assert_int_equal(http_flush(&conn), 0);
    assert_false(http_has_output(&conn));
    rt_loop_turn(loop, 0);
}

static void test_a_length_is_kept_to(void **state)
{
    begin_message(H1_LENGTH, 5);
    assert_int_equal(http_body_write(&conn, STR("hel")), 3);
    assert_int_equal(http_body_write(&conn, STR("lo!")), ERR_INVALID);
    assert_int_equal(http_body_write_end(&conn, STR_NULL), ERR_INVALID);
    assert_int_equal(http_body_write(&conn, STR("lo")), 2);
    assert_int_equal(http_body_write_end(&conn, STR_NULL), 0);
    assert_int_equal(http_body_write(&conn, STR("!")), ERR_INVALID);
    flush();
    assert_got(&far, "head\r\n\r\nhello");
}

static void test_chunks_are_written(void **state)
{
    begin_message(H1_CHUNKED, 0);
    assert_int_equal(http_body_write(&conn, STR("hello")), 5);
    assert_int_equal(http_body_write(&conn, STR_NULL), 0); /* an empty chunk would end it */
    assert_int_equal(http_body_write(&conn, STR("!")), 1);
    assert_int_equal(http_body_write_end(&conn, STR("A: b\r\nContent-Length: 5\r\nC: d\r\n")), 0);
    flush();
    assert_got(&far, "head\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\nC: d\r\n\r\n");
}

static void test_malformed_trailers_are_not_written(void **state)
{
    begin_message(H1_CHUNKED, 0);
    assert_int_equal(http_body_write_end(&conn, STR("A b\r\n")), ERR_BAD_REQUEST);
    assert_false(conn.out_done);
    begin_message(H1_LENGTH, 0); /* nor dropped unseen */
    assert_int_equal(http_body_write_end(&conn, STR("A b\r\n")), ERR_BAD_REQUEST);
    conn.out->start = conn.out->end = 0;
    rt_buffer_put(loop, &conn.out);
}

/* Writes a large body through a stream that takes little at once; the far end reads in between. */
static void write_slowly(enum h1_framing framing, struct str body)
{
    http_conn_close(&conn);
    far_close(&far, loop);
    open_conn(1000);
    begin_message(framing, body.n);
    size_t n_full = 0;
    while (body.n) {
        long n = http_body_write(&conn, body);
        assert_true(n >= 0);
        body = str_from(body, (size_t)n);
        n_full += n == 0;
        if (n == 0)
            rt_loop_turn(loop, 0);
    }
    assert_true(n_full > 0);
    UNTIL(loop, http_body_write_end(&conn, STR_NULL) == 0);
    UNTIL(loop, http_flush(&conn) == 0);
    rt_loop_turn(loop, 0);
}

static void test_a_slow_reader_gets_all(void **state)
{
    static char bytes[50000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i % 23);
    struct str body = {bytes, sizeof bytes};
    write_slowly(H1_LENGTH, body);
    assert_true(str_eq(str_from(out_get(&far.got), 8), body));

    struct h1_chunked c = {0};
    struct str data, trailers, rest;
    size_t at = 0;
    write_slowly(H1_CHUNKED, body);
    for (rest = str_from(out_get(&far.got), 8); c.state != H1_CHUNK_DONE;) {
        long n = h1_chunked_next(&c, rest, 0, &data, &trailers);
        assert_true(n >= 0 && (data.n || c.state == H1_CHUNK_DONE));
        assert_true(str_eq(data, str_sub(body, at, data.n)));
        at += data.n;
        rest = str_from(rest, (size_t)n + data.n);
        if (data.n)
            h1_chunked_consume(&c, data.n);
    }
    assert_int_equal(at, body.n);
    assert_int_equal(rest.n, 0);
}

static void test_a_head_that_does_not_fit(void **state)
{
    static char long_value[RT_BUFFER_BYTES];
    struct out o;
    assert_int_equal(http_head_begin(&conn, &o), 0);
    memset(long_value, 'x', sizeof long_value);
    OUT(&o, "head: ");
    out_str(&o, (struct str){long_value, sizeof long_value});
    assert_int_equal(http_head_commit(&conn, &o, H1_NO_BODY, 0), ERR_HEAD_TOO_LARGE);
    assert_false(http_has_output(&conn));
}

static void test_writing_to_who_has_gone(void **state)
{
    begin_message(H1_LENGTH, 5);
    far_close(&far, loop);
    assert_int_equal(http_body_write(&conn, STR("hello")), 5); /* kept so far */
    assert_int_equal(http_flush(&conn), ERR_RESET);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_a_length_ends_where_it_says),
        CASE(test_chunks_with_trailers),
        CASE(test_trailers_are_limited),
        CASE(test_bad_chunks_are_refused),
        CASE(test_until_close),
        CASE(test_an_early_end_is_no_end),
        CASE(test_no_body),
        CASE(test_discard_takes_what_is_here),
        CASE(test_discard_does_not_wait),
        CASE(test_a_full_buffer_is_told),
        CASE(test_a_length_is_kept_to),
        CASE(test_chunks_are_written),
        CASE(test_malformed_trailers_are_not_written),
        CASE(test_a_slow_reader_gets_all),
        CASE(test_a_head_that_does_not_fit),
        CASE(test_writing_to_who_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
