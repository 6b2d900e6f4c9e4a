#include "manifest.h"

#include "files.h"
#include "number.h"

static bool name_allowed(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > MAX_FILE_NAME || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

static bool is_file(const char *field, const char **name) {
    *name = field + 5;
    return strncmp(field, "file:", 5) == 0 && name_allowed(*name);
}

/* Cuts the field at `*at` off and moves on; NULL after the last one. */
static char *next_field(char **at) {
    char *field = *at;
    if (field != NULL) {
        char *tab = strchr(field, '\t');
        *at = tab == NULL ? NULL : tab + 1;
        if (tab != NULL) {
            *tab = '\0';
        }
    }
    return field;
}

static bool parse_source(const char *field, struct source *source) {
    if (is_file(field, &source->file)) {
        return true;
    }
    source->file = NULL;
    return strncmp(field, "seed:", 5) == 0 &&
           parse_unsigned(field + 5, UINT64_MAX, &source->seed);
}

static bool parse_item(char *line, size_t inputs, struct item *item) {
    char *at = line;
    const char *field = next_field(&at);
    if (field == NULL || strcmp(field, "item") != 0) {
        return false;
    }
    field = next_field(&at);
    if (field == NULL || !parse_unsigned(field, UINT64_MAX, &item->index)) {
        return false;
    }
    field = next_field(&at);
    if (field == NULL) {
        return false;
    }
    if (strcmp(field, "none") == 0) {
        item->output = NULL;
    } else if (!is_file(field, &item->output)) {
        return false;
    }
    for (size_t i = 0; i < inputs; i++) {
        field = next_field(&at);
        if (field == NULL || !parse_source(field, &item->inputs[i])) {
            return false;
        }
    }
    return at == NULL;
}

/* An output that takes the place of an input or of another output would be lost silently. */
static bool check_clashes(const struct manifest *manifest, size_t inputs,
                          struct failure *failure) {
    for (size_t i = 0; i < manifest->count; i++) {
        const struct item *item = &manifest->items[i];
        for (size_t j = 0; j < manifest->count; j++) {
            const struct item *other = &manifest->items[j];
            if (i < j && item->index == other->index) {
                return fail(failure, FAILURE_MANIFEST_INVALID, "index %llu comes twice",
                            (unsigned long long)item->index);
            }
            bool clash = item->output != NULL && i < j && other->output != NULL &&
                         strcmp(item->output, other->output) == 0;
            for (size_t k = 0; k < inputs && item->output != NULL; k++) {
                clash = clash || (other->inputs[k].file != NULL &&
                                  strcmp(item->output, other->inputs[k].file) == 0);
            }
            if (clash) {
                return fail(failure, FAILURE_MANIFEST_INVALID, "output %s is in use twice",
                            item->output);
            }
        }
    }
    return true;
}

static bool parse_lines(struct manifest *manifest, size_t lines, size_t inputs,
                        struct failure *failure) {
    char *line = manifest->text;
    for (size_t number = 1; number <= lines; number++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        bool good;
        if (number == 1) {
            good = strcmp(line, "bokehbench-manifest\t1") == 0;
        } else {
            struct item *item = &manifest->items[number - 2];
            item->inputs = manifest->sources + (number - 2) * inputs;
            good = parse_item(line, inputs, item);
        }
        if (!good) {
            return fail(failure, FAILURE_MANIFEST_INVALID,
                        "line %u is not a line of a manifest of %u inputs", (unsigned)number,
                        (unsigned)inputs);
        }
        line = end + 1;
    }
    return check_clashes(manifest, inputs, failure);
}

bool manifest_parse(char *text, size_t length, size_t inputs, struct manifest *manifest,
                    struct failure *failure) {
    memset(manifest, 0, sizeof *manifest);
    manifest->text = text;
    sha256_of(text, length, manifest->sha256);
    size_t lines = 0;
    for (size_t i = 0; i < length; i++) {
        lines += text[i] == '\n';
    }
    if (lines < 2 || lines > MAX_ITEMS + 1 || text[length - 1] != '\n' ||
        strlen(text) != length) {
        return fail(failure, FAILURE_MANIFEST_INVALID,
                    "not whole lines: a first one and 1 to %u items", (unsigned)MAX_ITEMS);
    }
    manifest->count = lines - 1;
    manifest->items = calloc(manifest->count, sizeof *manifest->items);
    manifest->sources = calloc(manifest->count * inputs, sizeof *manifest->sources);
    if (manifest->items == NULL || manifest->sources == NULL) {
        return fail_memory(failure, manifest->count * sizeof *manifest->items, "the manifest");
    }
    return parse_lines(manifest, lines, inputs, failure);
}

bool manifest_load(const char *path, size_t inputs, struct manifest *manifest,
                   struct failure *failure) {
    char *text;
    size_t length;
    memset(manifest, 0, sizeof *manifest);
    if (!read_text(path, MAX_MANIFEST_BYTES, &text, &length, FAILURE_MANIFEST_INVALID,
                   failure) ||
        !manifest_parse(text, length, inputs, manifest, failure)) {
        return false;
    }
    const char *slash = path;
    for (const char *at = path; *at != '\0'; at++) {
        slash = *at == '/' ? at + 1 : slash;
    }
    if (strncmp(slash, manifest->sha256, SHA256_TEXT - 1) != 0 ||
        strcmp(slash + SHA256_TEXT - 1, ".manifest") != 0) {
        return fail(failure, FAILURE_MANIFEST_INVALID, "%.200s is not named by its sha256 %s",
                    slash, manifest->sha256);
    }
    return true;
}

void manifest_free(struct manifest *manifest) {
    free(manifest->items);
    free(manifest->sources);
    free(manifest->text);
    memset(manifest, 0, sizeof *manifest);
}
