/* One line of JSON in: a flat object of texts, whole numbers and lists of texts. */
#ifndef BOKEHBENCH_JSON_H
#define BOKEHBENCH_JSON_H

#include "libc_app.h"

enum { JSON_FIELDS = 8, JSON_WORDS = 256 };

enum json_kind { JSON_TEXT, JSON_NUMBER, JSON_LIST };

struct json_field {
    const char *key;
    enum json_kind kind;
    const char *text;
    uint64_t number;
    char **words; /* in json_object.words */
    size_t count;
};

/* Points into the line that it was read from. */
struct json_object {
    size_t fields;
    struct json_field field[JSON_FIELDS];
    size_t words;
    char *word[JSON_WORDS + 1];
};

/* Rewrites `line` (a NUL follows its `length` bytes) as its texts are decoded. False: `*problem`
 * says what is wrong with it. */
bool json_read(char *line, size_t length, struct json_object *object, const char **problem);

/* NULL: there is none of that name and kind. */
const struct json_field *json_find(const struct json_object *object, const char *key,
                                   enum json_kind kind);

#endif
