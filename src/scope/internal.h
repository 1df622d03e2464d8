/* scope/internal.h: what the files of this ring share; no other ring includes it.
 *
 * The text is cut into tokens (lex.c), read by recursive descent (parse.c), checked (check.c),
 * printed (print.c) and bound to a site (freeze.c). Tokens borrow the text.
 */
#ifndef SCOPE_INTERNAL_H
#define SCOPE_INTERNAL_H

#include "scope/scope.h"

/* A place in the text that the caller gave, in bytes. */
struct scope_span {
    size_t offset, length;
};

enum scope_token_kind {
    TOKEN_NONE, /* before the first token */
    TOKEN_END,
    TOKEN_TOO_LONG,   /* the text goes on behind SCOPE_MAX_BYTES */
    TOKEN_BAD_CHAR,   /* a character that begins no token */
    TOKEN_BAD_STRING, /* not a JSON string: `problem` says why */
    TOKEN_WORD,       /* a run of bytes that names have; also numbers, durations, keywords */
    TOKEN_STRING,     /* with its quotes, known to be a JSON string in UTF-8 */
    TOKEN_LBRACE,
    TOKEN_RBRACE,
    TOKEN_LPAREN,
    TOKEN_RPAREN,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_STAR,
    TOKEN_AND,       /* & */
    TOKEN_CROSS,     /* % */
    TOKEN_OTHERWISE, /* ; | || */
};

struct scope_token {
    enum scope_token_kind kind;
    struct str text; /* as it stands in the text */
    struct scope_span at;
    const char *problem, *hint; /* BAD_STRING */
};

struct scope_lexer {
    struct str text;
    bool is_cut;    /* there was more than SCOPE_MAX_BYTES */
    size_t at;      /* of the next byte to read */
    size_t visited; /* bytes looked at so far: what a parse costs */
};

void scope_lex_init(struct scope_lexer *l, struct str text);
/* Reads the next token; after the last one TOKEN_END, again and again. */
void scope_lex_next(struct scope_lexer *l, struct scope_token *t);
/* Whether the next token is the one character c. */
bool scope_lex_follows(struct scope_lexer *l, char c);
/* Writes what a TOKEN_STRING stands for to `to`, which has room for the token's length and may be
 * its second byte; returns the number of bytes. */
size_t scope_lex_decode(const struct scope_token *t, char *to);

/* Whether the grammar's `name` matches all of s. */
bool scope_is_name(struct str s);

enum scope_option {
    SCOPE_OPTION_PRIME,
    SCOPE_OPTION_WAIT,
    SCOPE_OPTION_CONSISTENCY,
    SCOPE_OPTION_TIMEOUT,
    SCOPE_OPTION_MISSING,
    SCOPE_OPTION_AROUND,
    SCOPE_OPTION_COUNT
};

/* The options in the order of the grammar. values[i] is the word for the option's enumerator i + 1;
 * the first one is NULL for options that take no fixed words. */
struct scope_option_row {
    const char *name;
    const char *values[4];
    const char *wanted; /* the same for a message */
};
extern const struct scope_option_row scope_options[SCOPE_OPTION_COUNT];

/* The option of that name, or SCOPE_OPTION_COUNT. */
enum scope_option scope_option_find(struct str name);

/* scope_parse, which also says how many bytes were looked at. */
int scope_parse_counted(struct str text, struct arena *arena, struct scope **out, struct diag *d,
                        size_t *visited) MUST_USE;

/* scope-mixed and scope-duplicate-site binding by binding, then scope-prime. */
int scope_check(const struct scope *s, struct diag *d) MUST_USE;
/* scope-duplicate-site in one location. */
int scope_check_duplicates(const struct scope_loc *loc, struct diag *d) MUST_USE;
/* Whether the canonical form is within SCOPE_MAX_BYTES, so that it can be read again. */
bool scope_fits(const struct scope *s);

/* A text of the client's for a message: in quotes, control characters as '?', shortened. */
struct scope_shown {
    char text[200];
};
struct scope_shown scope_show(struct str s);

#endif
