#include "probe.h"

#include "client.h"
#include "self.h"

enum { MAX_MAPPED = 64 };

/* A path of a line of /proc/self/maps, which begins at its first slash. */
struct path {
    const char *text;
    size_t length;
};

/* The next file of `*maps`, which moves behind its line; false: there is none. */
static bool next_file(const char **maps, struct path *path) {
    while (**maps != '\0') {
        const char *end = strchr(*maps, '\n');
        const char *line = *maps;
        end = end == NULL ? line + strlen(line) : end;
        *maps = *end == '\0' ? end : end + 1;
        for (const char *at = line; at < end; at++) {
            if (*at == '/') {
                path->text = at;
                path->length = (size_t)(end - at);
                return true;
            }
        }
    }
    return false;
}

static bool equal(const struct path *a, const struct path *b) {
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static bool holds(const char *maps, const struct path *path) {
    struct path other;
    while (next_file(&maps, &other)) {
        if (equal(&other, path)) {
            return true;
        }
    }
    return false;
}

/* The files of `maps` that `before` lacks and `wanted` takes, each once. */
static size_t files_of(const char *maps, const char *before,
                       bool (*wanted)(const struct path *path), struct path found[MAX_MAPPED]) {
    size_t count = 0;
    struct path path;
    while (count < MAX_MAPPED && next_file(&maps, &path)) {
        bool fresh = wanted(&path);
        for (size_t i = 0; fresh && i < count; i++) {
            fresh = !equal(&found[i], &path);
        }
        if (fresh && !holds(before, &path)) {
            found[count++] = path;
        }
    }
    return count;
}

static bool any(const struct path *path) {
    return path->length > 5 && memcmp(path->text, "/dev/", 5) != 0;
}

static bool of_opencl(const struct path *path) {
    static const char PART[] = "OpenCL";
    for (size_t i = 0; i + sizeof PART - 1 <= path->length; i++) {
        if (memcmp(path->text + i, PART, sizeof PART - 1) == 0) {
            return true;
        }
    }
    return false;
}

static void put_paths(struct events *answer, const char *key, const struct path *paths,
                      size_t count) {
    event_open(answer, key, '[');
    for (size_t i = 0; i < count; i++) {
        event_bytes(answer, NULL, paths[i].text, paths[i].length);
    }
    event_close(answer, ']');
}

/* The last name of the path is `name`, or that with a version behind it. */
static bool named(const struct path *path, const char *name, size_t length) {
    size_t last = path->length;
    while (last > 0 && path->text[last - 1] != '/') {
        last--;
    }
    size_t left = path->length - last;
    return left >= length && memcmp(path->text + last, name, length) == 0 &&
           (left == length || path->text[last + length] == '.');
}

static void put_path(struct events *answer, const char *maps, const char *name) {
    struct path path;
    const char *last = name;
    for (const char *at = name; *at != '\0'; at++) {
        last = *at == '/' ? at + 1 : last;
    }
    size_t length = strlen(last);
    while (length > 0 && next_file(&maps, &path)) {
        if (named(&path, last, length)) {
            event_bytes(answer, "path", path.text, path.length);
            return;
        }
    }
    event_null(answer, "path");
}

static bool probe_one(const char *name) {
    struct path found[MAX_MAPPED];
    struct events answer;
    char *before = self_read("/proc/self/maps");
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL); /* stays: a driver may not bear its end */
    const char *reason = library == NULL ? dlerror() : NULL;
    char *after = self_read("/proc/self/maps");
    bool good = before != NULL && after != NULL;
    if (good) {
        answer_begin(&answer, "library");
        event_text(&answer, "name", name);
        event_bool(&answer, "loaded", library != NULL);
        event_text(&answer, "error", library != NULL ? NULL : reason == NULL ? "dlopen failed" : reason);
        put_path(&answer, library == NULL ? "" : after, name);
        put_paths(&answer, "mapped", found, files_of(after, before, any, found));
        event_end(&answer);
    }
    free(before);
    free(after);
    return good;
}

void probe(char *const *names, size_t count) {
    struct path found[MAX_MAPPED];
    struct events answer;
    char *maps = NULL;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        good = probe_one(names[i]);
    }
    if (!good || (maps = self_read("/proc/self/maps")) == NULL) {
        answer_error("probe", "io_error", "/proc/self/maps can't be read");
        return;
    }
    answer_begin(&answer, "probed");
    event_unsigned(&answer, "libraries", count);
    put_paths(&answer, "opencl", found, files_of(maps, "", of_opencl, found));
    event_end(&answer);
    free(maps);
}
