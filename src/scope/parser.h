/* scope/parser.h: the state of one parse and what the parser's files call of each other.
 *
 * The functions that parse leave p->token at the first token they did not take, and return 0 or an
 * error that has been put into p->diag.
 */
#ifndef SCOPE_PARSER_H
#define SCOPE_PARSER_H

#include "scope/internal.h"

struct scope_parser {
    struct scope_lexer lexer;
    struct scope_token token;    /* the next one, not yet taken */
    struct scope_token previous; /* the last one that was taken */
    bool is_braced;              /* the scope began with '{' */
    bool in_string;              /* a quoted location is being read … */
    struct scope_span quote;     /* … and this is its place, which every error in it has */
    size_t text_bytes;           /* of the whole text, also where it is too long */
    char *copy;                  /* what tokens and names point into */
    unsigned locations, nesting;
    unsigned options_seen; /* a bit for each enum scope_option */
    struct scope *scope;
    struct scope_binding **tail;
    struct arena *arena;
    struct diag *diag;
};

/* expect.c */
int scope_fail(struct scope_parser *p, int code, struct scope_span at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int scope_no_memory(struct scope_parser *p);
/* The next token is not what the grammar wants: "expected <wanted> after '&', found 'x'". hint may
 * be NULL: what the tables have. */
int scope_unexpected(struct scope_parser *p, const char *wanted, const char *hint);
/* Where a token stands in the text that the caller gave. */
struct scope_span scope_place(const struct scope_parser *p, const struct scope_token *t);
/* End of the last token taken, in that text. */
size_t scope_last_end(const struct scope_parser *p);
void scope_take(struct scope_parser *p);
/* What the next token, a STRING, stands for. It is written over the token, so that strings in
 * strings need no memory. */
struct str scope_unquote(struct scope_parser *p);
int scope_expect(struct scope_parser *p, enum scope_token_kind kind, const char *wanted,
                 const char *hint) MUST_USE;
bool scope_begins_location(enum scope_token_kind kind);
extern const char scope_join_hint[];

/* loc.c */
int scope_parse_name(struct scope_parser *p, const char *wanted, struct str *out) MUST_USE;
int scope_parse_duration(struct scope_parser *p, struct scope_duration *out) MUST_USE;
int scope_parse_around(struct scope_parser *p, struct scope_loc **out) MUST_USE;
int scope_parse_loc(struct scope_parser *p, struct scope_loc **out) MUST_USE;

#endif
