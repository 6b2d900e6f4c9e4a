#include "delegation.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Where `part` (lower case) is in the text, any case; NULL: nowhere. */
static const char *find(const char *text, size_t length, const char *part) {
    size_t size = strlen(part);
    for (size_t i = 0; i + size <= length; i++) {
        size_t same = 0;
        while (same < size && lower(text[i + same]) == part[same]) {
            same++;
        }
        if (same == size) {
            return text + i;
        }
    }
    return NULL;
}

static bool has(struct log_line line, const char *part) {
    return find(line.text, line.length, part) != NULL;
}

static bool has_any(struct log_line line, const char *const *parts) {
    for (; *parts != NULL; parts++) {
        if (has(line, *parts)) {
            return true;
        }
    }
    return false;
}

/* The decimal number right after `before`; false: there is none. */
static bool number_after(struct log_line line, const char *before, uint64_t *number) {
    const char *at = find(line.text, line.length, before);
    const char *end = line.text + line.length;
    if (at == NULL) {
        return false;
    }
    at += strlen(before);
    *number = 0;
    const char *first = at;
    for (; at < end && *at >= '0' && *at <= '9' && at - first < 18; at++) {
        *number = *number * 10 + (uint64_t)(*at - '0');
    }
    return at > first;
}

/* The decimal number right before `after`. */
static bool number_before(struct log_line line, const char *after, uint64_t *number) {
    const char *end = find(line.text, line.length, after);
    const char *at = end;
    if (end == NULL) {
        return false;
    }
    while (at > line.text && at[-1] >= '0' && at[-1] <= '9' && end - at < 18) {
        at--;
    }
    *number = 0;
    for (const char *digit = at; digit < end; digit++) {
        *number = *number * 10 + (uint64_t)(*digit - '0');
    }
    return at < end;
}

static void copy(const char *from, const char *end, char *to, size_t size) {
    size_t length = (size_t)(end - from) < size - 1 ? (size_t)(end - from) : size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

static void read_replacement(struct log_line line, struct delegation *delegation) {
    struct replacement found;
    uint64_t subgraph;
    memset(&found, 0, sizeof found);
    const char *name = find(line.text, line.length, "with delegate (");
    if (name == NULL || !number_after(line, "replacing ", &found.replaced) ||
        !number_after(line, " out of ", &found.total)) {
        return;
    }
    name += strlen("with delegate (");
    const char *end = name;
    while (end < line.text + line.length && *end != ')') {
        end++;
    }
    copy(name, end, found.delegate, sizeof found.delegate);
    number_after(line, "yielding ", &found.partitions);
    found.subgraph = number_after(line, "for subgraph ", &subgraph) ? (int64_t)subgraph : -1;
    size_t place = 0; /* shapes that change make the engine say it again */
    while (place < delegation->replacements &&
           (delegation->replacement[place].subgraph != found.subgraph ||
            strcmp(delegation->replacement[place].delegate, found.delegate) != 0)) {
        place++;
    }
    if (place < MAX_REPLACEMENTS) {
        delegation->replacement[place] = found;
        delegation->replacements += place == delegation->replacements;
    }
}

static void read_split(struct log_line line, struct delegation *delegation) {
    uint64_t gpu, cpu;
    if (has(line, "no operations will run on the gpu")) {
        delegation->split = true;
        delegation->gpu_nodes = 0;
        number_after(line, "and all ", &delegation->cpu_nodes);
    } else if (number_before(line, " operations will run on the gpu", &gpu)) {
        delegation->split = true;
        delegation->gpu_nodes = gpu;
        delegation->cpu_nodes = number_after(line, "the remaining ", &cpu) ? cpu : 0;
    }
}

/* "Selected adapter: llvmpipe (LLVM 15.0.6, 256 bits), arch=software, vendor=mesa, ..." of the
 * WebGPU accelerator. */
static void read_adapter(struct log_line line, struct delegation *delegation) {
    static const char BEFORE[] = "selected adapter: ";
    const char *name = find(line.text, line.length, BEFORE);
    if (name != NULL) {
        copy(name + sizeof BEFORE - 1, line.text + line.length, delegation->adapter,
             sizeof delegation->adapter);
    }
}

static void read_line(struct log_line line, struct delegation *delegation) {
    static const char *const TELLING[] = {"delegate", "operations will run", "adapter",
                                          "accelerator", "falling back", "not supported",
                                          "unsupported", "opencl", "opengl", "webgpu",
                                          "vulkan", "unresolved", "error", NULL};
    static const char *const NO_ACCELERATOR[] = {
        "no adapters found", "failed to get adapter", "no adapter", "no gpu accelerator",
        "could not load gpu", "failed to load gpu", "no usable accelerator",
        "can not open opencl library", "gpu accelerator could not be", NULL};
    static const char *const UNSUPPORTED[] = {"not supported", "unsupported", NULL};
    static const char *const UNRESOLVED[] = {"unresolved custom op", "didn't find op for builtin",
                                             NULL};
    if (has(line, NEXT_ATTEMPT)) {
        delegation->replacements = 0;
        delegation->split = false;
        return;
    }
    delegation->talks = delegation->talks || has(line, "info:");
    delegation->xnnpack = delegation->xnnpack || has(line, "created tensorflow lite xnnpack");
    delegation->no_accelerator = delegation->no_accelerator || has_any(line, NO_ACCELERATOR);
    delegation->unsupported = delegation->unsupported || has_any(line, UNSUPPORTED);
    delegation->unresolved = delegation->unresolved || has_any(line, UNRESOLVED);
    read_replacement(line, delegation);
    read_split(line, delegation);
    read_adapter(line, delegation);
    if (delegation->lines < MAX_LOG_LINES && has_any(line, TELLING) &&
        !has(line, "tensor buffer handler")) {
        struct log_line *kept = &delegation->line[delegation->lines++];
        kept->text = line.text;
        kept->length = line.length < MAX_LOG_LINE ? line.length : MAX_LOG_LINE;
    }
}

void delegation_read(const char *text, size_t length, struct delegation *delegation) {
    memset(delegation, 0, sizeof *delegation);
    for (size_t start = 0; start < length;) {
        size_t end = start;
        while (end < length && text[end] != '\n' && text[end] != '\r') {
            end++;
        }
        if (end > start) {
            read_line((struct log_line){text + start, end - start}, delegation);
        }
        start = end + 1;
    }
}

bool delegation_nodes(const struct delegation *delegation, const char *part, bool holds,
                      struct replacement *sum) {
    bool any = false;
    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < delegation->replacements; i++) {
        const struct replacement *one = &delegation->replacement[i];
        if ((find(one->delegate, strlen(one->delegate), part) != NULL) == holds) {
            memcpy(sum->delegate, one->delegate, sizeof sum->delegate);
            sum->replaced += one->replaced;
            sum->total += one->total;
            sum->partitions += one->partitions;
            any = true;
        }
    }
    return any;
}
