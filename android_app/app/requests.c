#include "requests.h"

#include "../runner/number.h"
#include "../runner/sha256.h"
#include "client.h"
#include "storage.h"

enum { MOST_FIELDS = 3, MOST_LIBRARIES = 64 };

struct shape {
    const char *name;
    size_t fields;
    struct {
        const char *key;
        enum json_kind kind;
    } field[MOST_FIELDS];
};

static const struct shape SHAPES[REQUESTS] = {
    [REQUEST_PING] = {"ping", 0, {{NULL, JSON_TEXT}}},
    [REQUEST_PROBE] = {"probe", 1, {{"libraries", JSON_LIST}}},
    [REQUEST_FOLDER] = {"folder", 1, {{"path", JSON_TEXT}}},
    [REQUEST_PUSH] = {"push", 3,
                      {{"path", JSON_TEXT}, {"size_bytes", JSON_NUMBER}, {"sha256", JSON_TEXT}}},
    [REQUEST_PULL] = {"pull", 1, {{"path", JSON_TEXT}}},
    [REQUEST_REMOVE] = {"remove", 1, {{"path", JSON_TEXT}}},
    [REQUEST_RUN] = {"run", 1, {{"argv", JSON_LIST}}},
    [REQUEST_STOP] = {"stop", 0, {{NULL, JSON_TEXT}}},
};

const char *request_name(enum request request) {
    return SHAPES[request].name;
}

static const char *text_of(const struct json_object *object, const char *key) {
    const struct json_field *field = json_find(object, key, JSON_TEXT);
    return field == NULL ? NULL : field->text;
}

void request_refuse(enum request request, const struct json_object *object, const char *code,
                    const char *message) {
    if (request == REQUEST_PUSH) {
        const struct json_field *size = json_find(object, "size_bytes", JSON_NUMBER);
        if (size == NULL) { /* nobody knows where the raw bytes end */
            answer_error("push", code, message);
            client_close();
            return;
        }
        storage_discard(size->number);
    }
    answer_error(request_name(request), code, message);
}

static bool find(const char *name, enum request *request) {
    for (int i = 0; i < REQUESTS; i++) {
        if (strcmp(SHAPES[i].name, name) == 0) {
            *request = (enum request)i;
            return true;
        }
    }
    return false;
}

/* What is wrong with the fields, or NULL. */
static const char *check(const struct shape *shape, const struct json_object *object) {
    for (size_t i = 0; i < shape->fields; i++) {
        if (json_find(object, shape->field[i].key, shape->field[i].kind) == NULL) {
            return "a field is missing or of another type";
        }
    }
    if (object->fields != shape->fields + 1) {
        return "an unknown field";
    }
    const char *path = text_of(object, "path");
    if (path != NULL && !storage_path(path)) {
        return "path: not 1 to 8 names of letters, digits, '.', '_' and '-', joined by '/'";
    }
    const char *sum = text_of(object, "sha256");
    if (sum != NULL && (strlen(sum) != SHA256_TEXT - 1 || !is_hexadecimal(sum, SHA256_TEXT - 1))) {
        return "sha256: not 64 small hexadecimal digits";
    }
    const struct json_field *libraries = json_find(object, "libraries", JSON_LIST);
    if (libraries != NULL && (libraries->count == 0 || libraries->count > MOST_LIBRARIES)) {
        return "libraries: 1 to 64 of them";
    }
    const struct json_field *argv = json_find(object, "argv", JSON_LIST);
    return argv != NULL && argv->count == 0 ? "argv: empty" : NULL;
}

bool request_read(char *line, size_t length, struct json_object *object, enum request *request) {
    const char *problem;
    if (!json_read(line, length, object, &problem)) {
        answer_error(NULL, "usage", problem);
        client_close(); /* raw bytes may follow, and nobody knows how many */
        return false;
    }
    const char *name = text_of(object, "request");
    if (name == NULL || !find(name, request)) {
        answer_error(name, "usage", "an unknown request");
        client_close();
        return false;
    }
    problem = check(&SHAPES[*request], object);
    if (problem != NULL) {
        request_refuse(*request, object, "usage", problem);
    }
    return problem == NULL;
}

void request_files(enum request request, const struct json_object *object) {
    const char *path = text_of(object, "path");
    if (request == REQUEST_FOLDER) {
        storage_make(path);
    } else if (request == REQUEST_PUSH) {
        storage_push(path, json_find(object, "size_bytes", JSON_NUMBER)->number,
                     text_of(object, "sha256"));
    } else if (request == REQUEST_PULL) {
        storage_pull(path);
    } else {
        storage_remove(path);
    }
}
