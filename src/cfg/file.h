/* cfg/file.h: reading configuration files. Internal to cfg. */
#ifndef CFG_FILE_H
#define CFG_FILE_H

#include "cfg/cfg.h"

#define CFG_FILE_MAX (4u << 20)

/* The whole of a regular file of at most CFG_FILE_MAX bytes, in the arena. ERR_CONFIG. */
int cfg_file_read(const char *path, struct arena *a, struct str *out, struct diag *d) MUST_USE;
/* `path` as seen from the folder of the file `from`; absolute paths stay. */
struct str cfg_file_relative(struct arena *a, const char *from, struct str path);
/* First 8 bytes of SHA-256. */
uint64_t cfg_digest(struct str text);

#endif
