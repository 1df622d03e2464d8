/* tests/oracle/message.h: what a parser of HTTP/1.1 makes of some bytes, by our parser and by
 * llhttp (Node's), so that the two can be compared.
 *
 *     static struct message ours, theirs;
 *     message_read_h1(&ours, kind, bytes, piece);
 *     if (ours.state == MESSAGE_COMPLETE) {
 *         message_read_llhttp(&theirs, kind, out_get(&ours.framed));
 *         message_compare(&ours, &theirs, bytes);      ends the process where they differ
 *     }
 *
 * llhttp 8.1 refuses chunk extensions that RFC 9112 section 7.1.1 allows (`5;a=b;c`, `5; a`) and
 * reads trailers as though they framed; our parser drops both. It takes a tab at the end of a
 * value for a part of it. So llhttp is shown the message without them, which is also how it is
 * forwarded. A connection that only ours would close is no difference.
 */
#ifndef TESTS_ORACLE_MESSAGE_H
#define TESTS_ORACLE_MESSAGE_H

#include "base/check.h"
#include "codec/h1.h"

#define MESSAGE_BYTES  (256 * 1024)
#define MESSAGE_FIELDS 600

enum message_kind { MESSAGE_REQUEST, MESSAGE_ANSWER, MESSAGE_ANSWER_TO_HEAD };
enum message_state { MESSAGE_REFUSED, MESSAGE_INCOMPLETE, MESSAGE_COMPLETE };

struct message_field {
    struct str name, value;
};

struct message {
    enum message_state state;
    int code;        /* why our parser refused */
    const char *why; /* the same in words */
    size_t consumed; /* bytes of the whole message */
    struct str method, target;
    unsigned status, minor;
    bool keep_alive, has_upgrade;
    struct message_field fields[MESSAGE_FIELDS];
    size_t n_fields, n_head_fields; /* what follows n_head_fields are trailers */
    struct out body;
    struct out text;   /* where spans lie that a parser gives in pieces */
    struct out framed; /* ours: the message without chunk extensions and without those trailers
                        * that are not forwarded */
    char body_bytes[MESSAGE_BYTES], text_bytes[MESSAGE_BYTES], framed_bytes[MESSAGE_BYTES];
};

/* Reads one message at the start of `bytes` (at most MESSAGE_BYTES), which come in pieces of
 * `piece` bytes, as from a socket; 0: all at once. Checks on the way that the parser keeps what its
 * header promises. */
void message_read_h1(struct message *m, enum message_kind kind, struct str bytes, size_t piece);
/* The same by llhttp, all at once. */
void message_read_llhttp(struct message *m, enum message_kind kind, struct str bytes);
/* Ends the process, after printing the bytes, unless llhttp read the same message that our parser
 * has read whole. */
void message_compare(const struct message *ours, const struct message *theirs, struct str bytes);

/* Reads `bytes` whole and in pieces by our parser, which must agree; what it takes is compared with
 * llhttp. Returns the size of the message that was taken, 0 when there is none. */
size_t message_check(enum message_kind kind, struct str bytes, size_t piece);

#endif
