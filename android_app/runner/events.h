/* JSON events, one object a line, with a running count and digest of what was written. */
#ifndef BOKEHBENCH_EVENTS_H
#define BOKEHBENCH_EVENTS_H

#include "failure.h"
#include "sha256.h"

struct events {
    int fd;
    bool (*write)(int fd, const void *bytes, size_t length); /* all of them */
    bool broken; /* a write failed: nothing more is written */
    bool comma;  /* the next member or element needs one before it */
    uint64_t count;
    struct sha256 sha;
    size_t used;
    char buffer[4096];
};

void events_init(struct events *events, int fd);

void event_begin(struct events *events, const char *name);
/* An object whose first member is not "event". */
void object_begin(struct events *events, const char *key, const char *name);
void event_end(struct events *events);

/* A member of an object, or with key NULL an element of a list. */
void event_text(struct events *events, const char *key, const char *text); /* NULL: null */
void event_bytes(struct events *events, const char *key, const char *bytes, size_t length);
void event_unsigned(struct events *events, const char *key, uint64_t value);
void event_integer(struct events *events, const char *key, int64_t value);
void event_real(struct events *events, const char *key, double value); /* finite */
void event_bool(struct events *events, const char *key, bool value);
void event_null(struct events *events, const char *key);
void event_open(struct events *events, const char *key, char bracket); /* '[' or '{' */
void event_close(struct events *events, char bracket);                 /* ']' or '}' */

/* False when a write failed: the host is gone, and going on would only heat the phone. */
bool events_heard(const struct events *events, struct failure *failure);

/* The last line: `done` with the count and digest of all lines before it. */
void events_done(struct events *events);

#endif
