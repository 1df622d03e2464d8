/* store/schema.h: the format of the database, and the way from an older one to it. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#define STORE_SCHEMA_VERSION 1
/* "Cheo": what file(1) and this program know a store by. */
#define STORE_APPLICATION_ID 0x4368656f

/* SQL that brings a database of version i to version i + 1; [0] makes a new one. */
extern const char *const store_schema_steps[STORE_SCHEMA_VERSION];

#endif
