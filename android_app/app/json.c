#include "json.h"

struct reader {
    char *at;
    char *end; /* a NUL is there */
    const char *problem;
};

static bool wrong(struct reader *reader, const char *problem) {
    reader->problem = problem;
    return false;
}

static void skip_space(struct reader *reader) {
    while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r') {
        reader->at++;
    }
}

static bool take(struct reader *reader, char byte) {
    skip_space(reader);
    if (*reader->at != byte || reader->at == reader->end) {
        return false;
    }
    reader->at++;
    return true;
}

static int digit(char byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

static bool four_digits(struct reader *reader, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        int value = digit(*reader->at);
        if (value < 0) {
            return wrong(reader, "\\u without four hexadecimal digits");
        }
        *code = *code * 16 + (uint32_t)value;
    }
    return true;
}

/* UTF-8 (RFC 3629) is never longer than the escape that it stands for. */
static char *put_code(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

static bool take_code(struct reader *reader, char **to) {
    uint32_t code, low;
    if (!four_digits(reader, &code)) {
        return false;
    }
    if (code == 0) {
        return wrong(reader, "a text with a NUL");
    }
    if (code >= 0xd800 && code < 0xe000) {
        bool pair = code < 0xdc00 && reader->at[0] == '\\' && reader->at[1] == 'u';
        reader->at += pair ? 2 : 0;
        if (!pair || !four_digits(reader, &low) || low < 0xdc00 || low > 0xdfff) {
            return wrong(reader, "half a surrogate pair");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_code(*to, code);
    return true;
}

static bool take_escape(struct reader *reader, char **to) {
    static const char NAMES[] = "\"\\/bfnrt";
    static const char BYTES[] = "\"\\/\b\f\n\r\t";
    char name = *reader->at;
    if (name == 'u') {
        reader->at++;
        return take_code(reader, to);
    }
    for (size_t i = 0; NAMES[i] != '\0'; i++) {
        if (name == NAMES[i]) {
            reader->at++;
            *(*to)++ = BYTES[i];
            return true;
        }
    }
    return wrong(reader, "an unknown escape");
}

static bool take_text(struct reader *reader, char **text) {
    if (!take(reader, '"')) {
        return wrong(reader, "a text is missing");
    }
    char *to = *text = reader->at;
    while (*reader->at != '"') {
        unsigned char byte = (unsigned char)*reader->at;
        if (byte < 0x20) { /* the NUL at the end is one */
            return wrong(reader, reader->at == reader->end ? "a text without an end"
                                                           : "a control byte in a text");
        }
        reader->at++;
        if (byte != '\\') {
            *to++ = (char)byte;
        } else if (!take_escape(reader, &to)) {
            return false;
        }
    }
    reader->at++;
    *to = '\0'; /* not behind the closing quote */
    return true;
}

static bool take_number(struct reader *reader, uint64_t *number) {
    char *start = reader->at;
    *number = 0;
    for (; *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        uint64_t value = (uint64_t)(*reader->at - '0');
        if (*number > (INT64_MAX - value) / 10) {
            return wrong(reader, "a number that is too large");
        }
        *number = *number * 10 + value;
    }
    size_t digits = (size_t)(reader->at - start);
    return (digits > 0 && (digits == 1 || *start != '0')) ||
           wrong(reader, "a value that is no text, no list of texts and no whole number");
}

static bool take_list(struct reader *reader, struct json_object *object,
                      struct json_field *field) {
    field->words = &object->word[object->words];
    if (take(reader, ']')) {
        return true;
    }
    do {
        if (object->words == JSON_WORDS) {
            return wrong(reader, "more than 256 texts in lists");
        }
        if (!take_text(reader, &object->word[object->words])) {
            return false;
        }
        object->words++;
        field->count++;
    } while (take(reader, ','));
    return take(reader, ']') || wrong(reader, "a list without an end");
}

static bool take_field(struct reader *reader, struct json_object *object) {
    char *text;
    if (object->fields == JSON_FIELDS) {
        return wrong(reader, "too many fields");
    }
    struct json_field *field = &object->field[object->fields];
    if (!take_text(reader, &text)) {
        return false;
    }
    for (size_t i = 0; i < object->fields; i++) {
        if (strcmp(object->field[i].key, text) == 0) {
            return wrong(reader, "a field that is there twice");
        }
    }
    field->key = text;
    if (!take(reader, ':')) {
        return wrong(reader, "a field without a colon");
    }
    object->fields++;
    skip_space(reader);
    if (*reader->at == '"') {
        field->kind = JSON_TEXT;
        bool good = take_text(reader, &text);
        field->text = text;
        return good;
    }
    if (take(reader, '[')) {
        field->kind = JSON_LIST;
        return take_list(reader, object, field);
    }
    field->kind = JSON_NUMBER;
    return take_number(reader, &field->number);
}

bool json_read(char *line, size_t length, struct json_object *object, const char **problem) {
    struct reader reader = {line, line + length, NULL};
    memset(object, 0, sizeof *object);
    bool good = take(&reader, '{') || wrong(&reader, "a line that is no object");
    if (good && !take(&reader, '}')) {
        do {
            good = take_field(&reader, object);
        } while (good && take(&reader, ','));
        good = good && (take(&reader, '}') || wrong(&reader, "an object without an end"));
    }
    if (good) {
        skip_space(&reader);
        good = reader.at == reader.end || wrong(&reader, "something behind the object");
    }
    *problem = reader.problem;
    return good;
}

const struct json_field *json_find(const struct json_object *object, const char *key,
                                   enum json_kind kind) {
    for (size_t i = 0; i < object->fields; i++) {
        if (object->field[i].kind == kind && strcmp(object->field[i].key, key) == 0) {
            return &object->field[i];
        }
    }
    return NULL;
}
