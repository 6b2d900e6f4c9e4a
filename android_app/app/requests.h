/* The requests of docs/app-protocol.md: their names, their fields and who answers them. */
#ifndef BOKEHBENCH_REQUESTS_H
#define BOKEHBENCH_REQUESTS_H

#include "json.h"

enum request {
    REQUEST_PING,
    REQUEST_PROBE,
    REQUEST_FOLDER,
    REQUEST_PUSH,
    REQUEST_PULL,
    REQUEST_REMOVE,
    REQUEST_RUN,
    REQUEST_STOP,
    REQUESTS
};

const char *request_name(enum request request);

/* The request of a line, its fields checked. False: the client was told why not, and what follows
 * the line, if anything does, was read; or the connection was closed. */
bool request_read(char *line, size_t length, struct json_object *object, enum request *request);

/* Answers a request that is about files. */
void request_files(enum request request, const struct json_object *object);

/* Refuses a request that was read. */
void request_refuse(enum request request, const struct json_object *object, const char *code,
                    const char *message);

#endif
