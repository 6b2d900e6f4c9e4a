#include "events.h"

#include "files.h"

void events_init(struct events *events, int fd) {
    events->fd = fd;
    events->write = write_all;
    events->broken = false;
    events->comma = false;
    events->count = 0;
    events->used = 0;
    sha256_init(&events->sha);
}

static void flush(struct events *events) {
    sha256_update(&events->sha, events->buffer, events->used);
    if (!events->broken && !events->write(events->fd, events->buffer, events->used)) {
        events->broken = true;
    }
    events->used = 0;
}

static void put(struct events *events, char byte) {
    if (events->used == sizeof events->buffer) {
        flush(events);
    }
    events->buffer[events->used++] = byte;
}

static void put_text(struct events *events, const char *text) {
    for (; *text != '\0'; text++) {
        put(events, *text);
    }
}

/* Length of the UTF-8 sequence at `bytes`, or 0 when it is none (RFC 3629: no overlong forms,
 * no surrogates, nothing above U+10FFFF). */
static size_t sequence(const unsigned char *bytes, size_t length) {
    unsigned char first = bytes[0];
    if (first < 0x80) {
        return 1;
    }
    size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length < need) {
        return 0;
    }
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < low || bytes[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < need; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return need;
}

static void put_string(struct events *events, const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    put(events, '"');
    for (size_t i = 0; i < length;) {
        size_t size = sequence(bytes + i, length - i);
        if (size == 0) {
            put_text(events, "\\ufffd");
            i++;
        } else if (bytes[i] < 0x20 || bytes[i] == 0x7f) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)bytes[i]);
            put_text(events, escape);
            i++;
        } else {
            if (bytes[i] == '"' || bytes[i] == '\\') {
                put(events, '\\');
            }
            for (; size > 0; size--) {
                put(events, (char)bytes[i++]);
            }
        }
    }
    put(events, '"');
}

static void start(struct events *events, const char *key) {
    if (events->comma) {
        put(events, ',');
    }
    events->comma = true;
    if (key != NULL) {
        put_string(events, key, strlen(key));
        put(events, ':');
    }
}

void object_begin(struct events *events, const char *key, const char *name) {
    put(events, '{');
    events->comma = false;
    event_text(events, key, name);
}

void event_begin(struct events *events, const char *name) {
    object_begin(events, "event", name);
}

void event_end(struct events *events) {
    put_text(events, "}\n");
    flush(events);
    events->count++;
}

void event_bytes(struct events *events, const char *key, const char *bytes, size_t length) {
    start(events, key);
    put_string(events, bytes, length);
}

void event_text(struct events *events, const char *key, const char *text) {
    if (text == NULL) {
        event_null(events, key);
    } else {
        event_bytes(events, key, text, strlen(text));
    }
}

void event_unsigned(struct events *events, const char *key, uint64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    start(events, key);
    put_text(events, digits);
}

void event_integer(struct events *events, const char *key, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    start(events, key);
    put_text(events, digits);
}

void event_real(struct events *events, const char *key, double value) {
    char digits[40];
    snprintf(digits, sizeof digits, "%.17g", value);
    start(events, key);
    put_text(events, digits);
}

void event_bool(struct events *events, const char *key, bool value) {
    start(events, key);
    put_text(events, value ? "true" : "false");
}

void event_null(struct events *events, const char *key) {
    start(events, key);
    put_text(events, "null");
}

void event_open(struct events *events, const char *key, char bracket) {
    start(events, key);
    put(events, bracket);
    events->comma = false;
}

void event_close(struct events *events, char bracket) {
    put(events, bracket);
    events->comma = true;
}

bool events_heard(const struct events *events, struct failure *failure) {
    return !events->broken || fail(failure, FAILURE_IO_ERROR, "nobody takes the events");
}

void events_done(struct events *events) {
    char digest[SHA256_TEXT];
    sha256_text(&events->sha, digest);
    uint64_t before = events->count;
    event_begin(events, "done");
    event_unsigned(events, "events", before);
    event_text(events, "sha256", digest);
    event_end(events);
}
