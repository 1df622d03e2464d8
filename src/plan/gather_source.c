/* One site's answer, unit by unit: a member beside the array, or an item of it.
 *
 *   BEGIN ──> MEMBERS <──> ITEMS        an object
 *     └─────> ITEMS                     the array itself
 *   MEMBERS, ITEMS ──> AFTER ──> DONE
 *   each of them ──> FAILED, LEFT_OUT
 *
 * The window `text` holds the present unit and what was pushed behind it. The scan's offsets count
 * from text.p + from; there is always a byte before that, which takes the comma between two items.
 */
#include "plan/gather.h"

#include "base/check.h"
#include "codec/uri.h"

#define FIRST_REST 512
#define NOT_JSON   "its list is not JSON, or not all of it"

static bool grow(const struct gather_conf *conf, struct gather_bytes *b, size_t cap)
{
    char *p = conf->resize(conf->context, b->p, cap);
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

bool gather_bytes_add(const struct gather_conf *conf, struct gather_bytes *b, struct str s)
{
    size_t cap = b->cap ? b->cap : FIRST_REST;
    while (cap - b->n < s.n)
        cap *= 2;
    if (cap > b->cap && !grow(conf, b, cap))
        return false;
    if (s.n)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    return true;
}

static int fail(struct gather_source *s, int code, const char *why)
{
    s->phase = GATHER_FAILED;
    s->has_item = false;
    s->code = code;
    s->why = why;
    return code;
}

static int broken(struct gather_source *s, const char *why)
{
    return fail(s, ERR_SERVICE_BROKEN, why);
}

static struct str window(const struct gather_source *s)
{
    return (struct str){s->text.p + s->from, s->text.n - s->from};
}

/* Forgets the first n bytes of the window, none of the present unit. */
static void drop(struct gather_source *s, size_t n)
{
    s->from += n;
    s->unit -= s->in_unit || s->has_item ? n : 0;
    s->value -= s->value ? n : 0;
    json_scan_drop(&s->scan, n);
}

/* ---- what a unit says */

/* The text of an identifier, decoded; too long or not one: n = 0. */
static size_t read_id(struct str id, char to[GATHER_ID_MAX])
{
    struct out o;
    out_init(&o, to, GATHER_ID_MAX);
    if (id.n && id.p[0] == '"') {
        if (json_unescape(id, &o) < 0 || o.overflowed)
            return 0;
        return o.n;
    }
    if (id.n && (id.p[0] == '-' || (id.p[0] >= '0' && id.p[0] <= '9')))
        out_str(&o, id);
    return o.n;
}

/* Where a pointer leads to; null when to nothing. */
static struct gather_value look(struct str item, struct str pointer)
{
    struct json_finder f;
    struct gather_value none = {JSON_NULL, 0, 0};
    if (!pointer.p)
        return none;
    json_finder_init(&f, pointer);
    if (json_finder_push(&f, item, true) != JSON_FOUND)
        return none;
    return (struct gather_value){f.kind, f.from, f.to - f.from};
}

static struct str value_text(const struct gather_source *s, const struct gather_value *v)
{
    return str_sub(window(s), s->unit + v->from, v->n);
}

static int take_item(const struct gather_conf *conf, struct gather_source *s, size_t to)
{
    struct str item = str_sub(window(s), s->unit, to - s->unit);
    s->in_unit = false;
    if (item.n > conf->unit_max)
        return broken(s, "an item of its list is longer than limits.list_item");
    if (s->is_drained)
        return 0;
    s->has_item = true;
    s->item_n = item.n;
    s->sort = look(item, conf->sort);
    s->id = look(item, conf->id);
    s->head_n = (uint8_t)read_id(value_text(s, &s->id), s->head);
    if (s->head_n == 0 && conf->next.p)
        return broken(s, "an item of its list has no identifier that could be a marker");
    return 0;
}

/* The site's own link to its next page. */
static int take_next(const struct gather_conf *conf, struct gather_source *s, struct str value)
{
    char memory[8192];
    struct str marker = STR_NULL;
    struct out o;
    s->is_null_next = s->value_kind == JSON_NULL;
    if (s->is_null_next)
        return 0;
    out_init(&o, memory, sizeof memory);
    if (s->value_kind == JSON_STRING && json_unescape(value, &o) == 0 && !o.overflowed &&
        uri_query_find(out_get(&o), conf->marker, &marker)) {
        struct out to;
        out_init(&to, s->next, sizeof s->next);
        if (uri_value_decode(marker, &to) == 0 && !to.overflowed && to.n) {
            s->next_n = (uint8_t)to.n;
            return 0;
        }
    }
    return broken(s, "its link to the next page has no marker that can be passed on");
}

static int take_member(const struct gather_conf *conf, struct gather_source *s, size_t to)
{
    struct str member = str_sub(window(s), s->unit, to - s->unit);
    s->in_unit = false;
    if (s->in_next_member) {
        s->in_next_member = false;
        return take_next(conf, s, str_from(member, s->value - s->unit));
    }
    if (s->in_array_member) { /* null, or a repeated one: the first counts */
        s->in_array_member = false;
        if (!s->array_seen && s->value_kind != JSON_NULL)
            return broken(s, "what should be the array of its list is none");
        s->array_seen = true;
        return 0;
    }
    if (s->rest.n + member.n >= conf->unit_max)
        return broken(s, "what its list has beside the array is longer than limits.list_item");
    if ((s->rest.n && !gather_bytes_add(conf, &s->rest, STR(","))) ||
        !gather_bytes_add(conf, &s->rest, member))
        return fail(s, ERR_NO_MEMORY, "no memory for its list");
    return 0;
}

/* ---- tokens */

static void begin_unit(struct gather_source *s, size_t from)
{
    s->in_unit = true;
    s->unit = from;
    s->value = 0;
}

static int first_token(const struct gather_conf *conf, struct gather_source *s,
                       const struct json_token *t)
{
    bool is_bare = conf->array.n == 0;
    if (t->kind != (is_bare ? JSON_ARRAY : JSON_OBJECT))
        return broken(s, is_bare ? "its list is no array" : "its list is no object");
    s->array_seen = is_bare;
    s->phase = is_bare ? GATHER_ITEMS : GATHER_MEMBERS;
    return 0;
}

static int member_token(const struct gather_conf *conf, struct gather_source *s,
                        const struct json_token *t)
{
    if (s->scan.depth == 0) {
        s->phase = GATHER_AFTER;
        return s->array_seen ? 0 : broken(s, "its list has no array");
    }
    if (!s->in_unit) {
        struct str name = str_sub(window(s), t->from, t->to - t->from);
        begin_unit(s, t->from);
        s->in_array_member = json_string_is(name, str_from(conf->array, 1));
        s->in_next_member = conf->next.p && json_string_is(name, conf->next);
        return 0;
    }
    if (!s->value) {
        s->value = t->from;
        s->value_kind = t->kind;
        if (s->in_array_member && !s->array_seen && t->kind == JSON_ARRAY) {
            s->array_seen = true;
            s->in_unit = s->in_array_member = false;
            s->phase = GATHER_ITEMS;
            return 0;
        }
    }
    return s->scan.depth > 1 ? 0 : take_member(conf, s, t->to);
}

static int item_token(const struct gather_conf *conf, struct gather_source *s,
                      const struct json_token *t)
{
    unsigned depth = conf->array.n ? 2 : 1;
    if (s->scan.depth < depth) {
        s->phase = conf->array.n ? GATHER_MEMBERS : GATHER_AFTER;
        return 0;
    }
    if (!s->in_unit)
        begin_unit(s, t->from);
    return s->scan.depth > depth ? 0 : take_item(conf, s, t->to);
}

static int take_token(const struct gather_conf *conf, struct gather_source *s,
                      const struct json_token *t)
{
    switch (s->phase) {
    case GATHER_BEGIN:
        return first_token(conf, s, t);
    case GATHER_MEMBERS:
        return member_token(conf, s, t);
    case GATHER_ITEMS:
        return item_token(conf, s, t);
    default:
        return broken(s, NOT_JSON);
    }
}

/* Looks at the window until an item is whole or more bytes are needed. */
static int scan(const struct gather_conf *conf, struct gather_source *s)
{
    struct json_token t;
    int rc = 0;
    while (rc == 0 && !s->has_item) {
        rc = json_next(&s->scan, window(s), s->ended, &t);
        if (rc == 0)
            rc = take_token(conf, s, &t);
        else if (rc == ERR_INVALID)
            rc = broken(s, NOT_JSON);
    }
    if (rc == ERR_CLOSED)
        s->phase = GATHER_DONE;
    else if (rc < 0 && rc != ERR_MORE)
        return rc;
    drop(s, s->in_unit || s->has_item ? s->unit : json_scan_kept(&s->scan));
    return 0;
}

/* ---- for the gatherer */

static bool is_over(const struct gather_source *s)
{
    return s->phase >= GATHER_DONE;
}

/* Whether there is, or can be made, room in the window. While it has an item bytes are moved only
 * when that frees half of it, and not at all while the item is being written. */
static bool has_room(const struct gather_source *s)
{
    return s->text.n < s->text.cap || !s->has_item || (!s->is_lent && s->from > s->text.cap / 2);
}

static int make_room(const struct gather_conf *conf, struct gather_source *s)
{
    size_t used = s->from ? s->from - 1 : 0, most = conf->unit_max + GATHER_WINDOW;
    if (s->text.n < s->text.cap)
        return 0;
    if (used) {
        s->text.n -= used;
        s->from -= used;
        memmove(s->text.p, s->text.p + used, s->text.n);
        return 0;
    }
    if (s->text.cap >= most)
        return broken(s, "an item of its list is longer than limits.list_item");
    size_t cap = s->text.cap ? s->text.cap * 2 : GATHER_WINDOW;
    if (!grow(conf, &s->text, cap < most ? cap : most))
        return fail(s, ERR_NO_MEMORY, "no memory for its list");
    if (s->text.n == 0)
        s->text.n = s->from = 1;
    return 0;
}

long gather_push(struct gather *g, size_t source, struct str data)
{
    struct gather_source *s = &g->sources[source];
    size_t taken = 0;
    CHECK(!s->ended);
    if (s->phase == GATHER_FAILED)
        return s->code;
    if (s->phase == GATHER_LEFT_OUT)
        return (long)data.n;
    while (taken < data.n && has_room(s)) {
        int rc = make_room(&g->conf, s);
        if (rc < 0)
            return rc;
        struct str some = str_sub(data, taken, s->text.cap - s->text.n);
        memcpy(s->text.p + s->text.n, some.p, some.n);
        s->text.n += some.n;
        taken += some.n;
        rc = s->has_item ? 0 : scan(&g->conf, s);
        if (rc < 0)
            return rc;
    }
    return (long)taken;
}

/* The body is over while an item waits: whether what is held behind it is the rest of a text. */
static int check_rest(struct gather_source *s)
{
    struct json_scan ahead = s->scan;
    struct json_token t;
    int rc;
    while ((rc = json_next(&ahead, window(s), true, &t)) == 0)
        ;
    return rc == ERR_CLOSED ? 0 : broken(s, NOT_JSON);
}

int gather_end(struct gather *g, size_t source)
{
    struct gather_source *s = &g->sources[source];
    s->ended = true;
    if (is_over(s))
        return 0;
    if (s->has_item)
        return check_rest(s);
    int rc = s->text.n ? 0 : make_room(&g->conf, s); /* an empty body is no list, either */
    return rc < 0 ? rc : scan(&g->conf, s);
}

bool gather_wants(const struct gather *g, size_t source)
{
    const struct gather_source *s = &g->sources[source];
    return !s->ended && !is_over(s) && has_room(s);
}

bool gather_is_ready(const struct gather *g, size_t source)
{
    const struct gather_source *s = &g->sources[source];
    return s->phase == GATHER_DONE || (s->has_item && (s->ended || !has_room(s)));
}

struct str gather_source_item(struct gather_source *s, bool with_comma)
{
    s->is_lent = true;
    if (!with_comma)
        return str_sub(window(s), s->unit, s->item_n);
    s->text.p[s->from + s->unit - 1] = ',';
    return (struct str){s->text.p + s->from + s->unit - 1, s->item_n + 1};
}

struct str gather_source_id(const struct gather_source *s)
{
    return value_text(s, &s->id);
}

void gather_source_pass_item(const struct gather_conf *conf, struct gather_source *s)
{
    memcpy(s->last, s->head, s->head_n);
    s->last_n = s->head_n;
    s->has_passed = true;
    s->has_item = s->is_lent = false;
    drop(s, json_scan_kept(&s->scan));
    (void)scan(conf, s); /* what is wrong is found in its code */
}

void gather_source_drain(const struct gather_conf *conf, struct gather_source *s)
{
    s->is_drained = true;
    if (!s->has_item)
        return;
    s->has_item = false;
    drop(s, json_scan_kept(&s->scan));
    (void)scan(conf, s);
}

/* ---- order */

/* The digits of a number before its point, without zeros in front, and those behind it. */
static void split_number(struct str n, struct str *whole, struct str *part)
{
    ptrdiff_t point = str_find(n, '.');
    *whole = point < 0 ? n : str_sub(n, 0, (size_t)point);
    *part = point < 0 ? STR_NULL : str_from(n, (size_t)point + 1);
}

/* Numbers by their value; those with an exponent by their text. */
static int number_cmp(struct str a, struct str b)
{
    struct str a_whole, a_part, b_whole, b_part;
    bool a_less = str_starts(a, STR("-")), b_less = str_starts(b, STR("-"));
    if (a_less != b_less)
        return a_less ? -1 : 1;
    if (a_less)
        return -number_cmp(str_from(a, 1), str_from(b, 1));
    split_number(a, &a_whole, &a_part);
    split_number(b, &b_whole, &b_part);
    if (a_whole.n != b_whole.n)
        return a_whole.n < b_whole.n ? -1 : 1;
    int order = str_cmp(a_whole, b_whole);
    return order ? order : str_cmp(a_part, b_part);
}

/* Nothing, then truth values, numbers, strings, and all else, which is equal. */
static int rank(enum json_kind kind)
{
    switch (kind) {
    case JSON_NULL:
        return 0;
    case JSON_FALSE:
        return 1;
    case JSON_TRUE:
        return 2;
    case JSON_NUMBER:
        return 3;
    case JSON_STRING:
        return 4;
    default:
        return 5;
    }
}

int gather_source_cmp(const struct gather_source *a, const struct gather_source *b)
{
    struct str x = value_text(a, &a->sort), y = value_text(b, &b->sort);
    if (a->sort.kind != b->sort.kind)
        return rank(a->sort.kind) - rank(b->sort.kind);
    if (a->sort.kind == JSON_NUMBER)
        return number_cmp(x, y);
    return a->sort.kind == JSON_STRING ? str_cmp(x, y) : 0;
}

struct gather_place gather_source_place(const struct gather_source *s)
{
    if (s->phase == GATHER_DONE && s->next_n)
        return (struct gather_place){GATHER_AT_MARKER, {s->next, s->next_n}};
    if (s->phase == GATHER_DONE)
        return (struct gather_place){GATHER_AT_END, STR_NULL};
    if (s->has_passed)
        return (struct gather_place){GATHER_AT_MARKER, {s->last, s->last_n}};
    return s->asked;
}
