#include "cfg/document.h"
#include "base/check.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

int yaml_error(const struct yaml *at, const char *file, struct diag *d, const char *format, ...)
{
    char message[sizeof d->message];
    va_list ap;
    va_start(ap, format);
    if (vsnprintf(message, sizeof message, format, ap) < 0)
        message[0] = 0;
    va_end(ap);
    bool is_first = d && !d->code;
    diag_at(d, ERR_CONFIG, at->offset, at->bytes, "%s", message);
    if (is_first) {
        snprintf(d->file, sizeof d->file, "%s", file);
        d->line = at->line;
        d->column = at->column;
    }
    return ERR_CONFIG;
}

const struct yaml *yaml_get(const struct yaml *map, struct str key)
{
    for (const struct yaml *k = map->first; k; k = k->next)
        if (str_eq(k->text, key))
            return k;
    return NULL;
}

bool yaml_is_nothing(const struct yaml *node)
{
    return node->kind == YAML_SCALAR && node->is_plain &&
           (node->text.n == 0 || str_eq(node->text, STR("~")) ||
            str_eq_nocase(node->text, STR("null")));
}

/* ---- places: libyaml counts characters, a diagnostic has bytes */

struct place {
    size_t character, byte;
};

struct builder {
    const char *file;
    struct str text; /* without the mark in front */
    size_t skipped;  /* bytes of that mark */
    struct arena *arena;
    struct diag *d;
    struct place at; /* of the last node; they come in the order of the text */
};

/* The byte at which a character stands, counted from a place before it. */
static size_t byte_of(struct str text, struct place from, size_t character)
{
    for (; from.character < character && from.byte < text.n; from.character++) {
        size_t n = utf8_length(str_from(text, from.byte));
        from.byte += n ? n : 1;
    }
    return from.byte;
}

static void set_place(struct builder *b, struct yaml *y, const yaml_mark_t *start,
                      const yaml_mark_t *end)
{
    y->line = (unsigned)start->line + 1;
    y->column = (unsigned)start->column + 1;
    if (start->index < b->at.character)
        b->at = (struct place){0, 0};
    b->at.byte = byte_of(b->text, b->at, start->index);
    b->at.character = start->index;
    y->offset = b->skipped + b->at.byte;
    if (end)
        y->bytes = byte_of(b->text, b->at, end->index) - b->at.byte;
}

/* Line and column of a byte, for what libyaml says of bytes. */
static void set_place_of_byte(struct builder *b, struct yaml *y, size_t byte)
{
    *y = (struct yaml){.line = 1, .column = 1, .offset = b->skipped + byte};
    for (size_t i = 0; i < byte && i < b->text.n;) {
        size_t n = utf8_length(str_from(b->text, i));
        y->column++;
        if (b->text.p[i] == '\n') {
            y->line++;
            y->column = 1;
        }
        i += n ? n : 1;
    }
}

/* ---- the tree */

/* A list or mapping that is open. */
struct frame {
    struct yaml *node, **tail;
    struct yaml *key; /* of a mapping: read, and its value not yet */
};

struct tree {
    struct builder *b;
    struct yaml *root;
    struct frame frames[YAML_MAX_DEPTH];
    size_t depth;
};

static int add_key(struct tree *t, struct frame *f, struct yaml *key)
{
    struct builder *b = t->b;
    const struct yaml *first;
    if (key->kind != YAML_SCALAR)
        return yaml_error(key, b->file, b->d, "a key must be a word, not %s",
                          key->kind == YAML_LIST ? "a list" : "a mapping");
    if (str_eq(key->text, STR("<<")))
        return yaml_error(key, b->file, b->d, "merge keys are not read here: write the keys out");
    first = yaml_get(f->node, key->text);
    if (first) {
        int rc = yaml_error(key, b->file, b->d, "the key '%.*s' stands twice", STR_ARG(key->text));
        diag_hint(b->d, "it stands at line %u, too: remove one of them", first->line);
        return rc;
    }
    f->key = key;
    return 0;
}

/* Puts a node where it belongs: at the top, into a list, as a key or as the value of one. */
static int add_node(struct tree *t, struct yaml *y)
{
    struct frame *f = t->depth ? &t->frames[t->depth - 1] : NULL;
    struct yaml *added = y;
    if (!f) {
        t->root = y;
        return 0;
    }
    CHECK(f->node);
    if (f->node->kind == YAML_MAP && !f->key)
        return add_key(t, f, y);
    if (f->node->kind == YAML_MAP) {
        added = f->key;
        added->value = y;
        f->key = NULL;
    }
    if (f->node->length == YAML_MAX_LENGTH)
        return yaml_error(added, t->b->file, t->b->d, "more than %d entries in one %s",
                          YAML_MAX_LENGTH, f->node->kind == YAML_MAP ? "mapping" : "list");
    *f->tail = added;
    f->tail = &added->next;
    f->node->length++;
    return 0;
}

static int open_node(struct tree *t, struct yaml *y, enum yaml_kind kind)
{
    y->kind = kind;
    int rc = add_node(t, y);
    if (rc == 0 && t->depth == YAML_MAX_DEPTH)
        rc = yaml_error(y, t->b->file, t->b->d, "nested more than %d deep", YAML_MAX_DEPTH);
    if (rc == 0)
        t->frames[t->depth++] = (struct frame){y, &y->first, NULL};
    return rc;
}

static int add_scalar(struct tree *t, struct yaml *y, const yaml_event_t *e)
{
    struct builder *b = t->b;
    struct str text = {(const char *)e->data.scalar.value, e->data.scalar.length};
    y->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    y->text = arena_str(b->arena, text);
    if (text.n && memchr(text.p, 0, text.n))
        return yaml_error(y, b->file, b->d, "a NUL byte in a text");
    return add_node(t, y);
}

static bool is_marked(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor || e->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor || e->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor || e->data.mapping_start.tag;
    default:
        return false;
    }
}

static int take_event(struct tree *t, const yaml_event_t *e)
{
    struct builder *b = t->b;
    struct yaml *y = arena_new(b->arena, struct yaml);
    if (arena_overflowed(b->arena))
        return diag_set(b->d, ERR_NO_MEMORY, "%s is too large", b->file);
    set_place(b, y, &e->start_mark, e->type == YAML_SCALAR_EVENT ? &e->end_mark : NULL);
    if (is_marked(e))
        return yaml_error(y, b->file, b->d,
                          "anchors, aliases and tags are not read here: write it out");
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return t->root ? yaml_error(y, b->file, b->d, "a second document: the file holds one") : 0;
    case YAML_SCALAR_EVENT:
        return add_scalar(t, y, e);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(t, y, YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return open_node(t, y, YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        t->depth--;
        return 0;
    default:
        return 0;
    }
}

/* What libyaml could not read. */
static int report_syntax(struct builder *b, const yaml_parser_t *p)
{
    struct yaml at = {0};
    const char *problem = p->problem ? p->problem : "unreadable";
    int rc;
    if (p->error == YAML_MEMORY_ERROR)
        return diag_set(b->d, ERR_NO_MEMORY, "no memory to read %s", b->file);
    if (p->error == YAML_READER_ERROR) {
        set_place_of_byte(b, &at, p->problem_offset);
        return yaml_error(&at, b->file, b->d, "not YAML in UTF-8: %s", problem);
    }
    set_place(b, &at, &p->problem_mark, NULL);
    if (p->context && p->context_mark.line != p->problem_mark.line)
        rc = yaml_error(&at, b->file, b->d, "not YAML: %s %s that begins at line %zu", problem,
                        p->context, p->context_mark.line + 1);
    else
        rc = yaml_error(&at, b->file, b->d, "not YAML: %s%s%s", problem, p->context ? " " : "",
                        p->context ? p->context : "");
    char here = b->at.byte < b->text.n ? b->text.p[b->at.byte] : 0;
    char before = b->at.byte ? b->text.p[b->at.byte - 1] : 0;
    if (here == '\t')
        diag_hint(b->d, "indent with blanks: YAML takes no tabs");
    else if (here == '{' || here == '[' || before == '}' || before == ']')
        diag_hint(b->d, "put a text with '{' or '[' into quotes");
    return rc;
}

static int build(struct builder *b, yaml_parser_t *p, struct yaml **out)
{
    struct tree t = {.b = b};
    int rc = 0;
    for (bool end = false; rc == 0 && !end;) {
        yaml_event_t e;
        if (!yaml_parser_parse(p, &e))
            return report_syntax(b, p);
        rc = take_event(&t, &e);
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    struct yaml top = {.line = 1, .column = 1};
    if (rc == 0 && !t.root)
        rc = yaml_error(&top, b->file, b->d, "the file is empty");
    *out = t.root;
    return rc;
}

int yaml_parse(struct str text, const char *file, struct arena *a, struct yaml **out,
               struct diag *d)
{
    static const struct str mark = {"\xef\xbb\xbf", 3}; /* some editors begin UTF-8 with it */
    struct builder b = {.file = file, .text = text, .arena = a, .d = d};
    yaml_parser_t p;
    if (!yaml_parser_initialize(&p))
        return diag_set(d, ERR_NO_MEMORY, "no memory to read %s", file);
    if (str_starts(text, mark)) {
        b.skipped = mark.n;
        b.text = str_from(text, mark.n);
    }
    yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p, (const unsigned char *)(b.text.n ? b.text.p : ""), b.text.n);
    int rc = build(&b, &p, out);
    yaml_parser_delete(&p);
    return rc;
}
