/* store/writer.h: what the store's own files see of a writer. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "store/internal.h"

#include <openssl/evp.h>

struct store_writer {
    struct stream stream;
    _Atomic int state; /* enum store_writer_state; the files' thread changes it, the loop's only to
                        * FAILED and, of a small body, to WHOLE */
    _Atomic int error;
    uint64_t want_bytes;
    bool wants_digest;
    bool is_small;         /* so far nothing was given to the files' thread */
    _Atomic bool is_ended; /* no more is put */
    uint64_t n_put;        /* the loop's thread's, from n_kept on */
    uint64_t reserved;     /* bytes of space promised to it; the loop's thread's until it closes */
    _Atomic uint64_t n_kept; /* bytes in the file when it was opened; or of one that was there */
    /* the files' thread's */
    int fd;
    EVP_MD_CTX *hash;
    uint64_t n_hashed, n_written, n_pushed;
    uint64_t part;            /* number in the name of its part, when the digest is not known */
    bool is_opened, is_moved; /* its file is under its digest: nothing to give back */
    bool was_there;           /* a whole one was found, or another one was faster */
    bool is_suspect;          /* it could not be synced */
    /* under the lock of struct blobs */
    struct list held;
    bool has_digest;
    uint8_t digest[STORE_DIGEST_BYTES];
};

#endif
