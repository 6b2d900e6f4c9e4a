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
    if (name == NULL || !number_after(line, "replacing ", &found.replaced)) {
        return;
    }
    found.has_total = number_after(line, " out of ", &found.total);
    name += strlen("with delegate (");
    const char *end = name;
    while (end < line.text + line.length && *end != ')') {
        end++;
    }
    copy(name, end, found.delegate, sizeof found.delegate);
    found.has_partitions = number_after(line, "yielding ", &found.partitions);
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

/* Which interface a GPU delegate set up: TFLite's "Initialized OpenCL-based API from serialized
 * data.", LiteRT's "Initializing WebGPU-based API from graph." and its delegates' names. */
static void read_gpu_api(struct log_line line, struct delegation *delegation) {
    static const char *const OPENCL[] = {"initialized opencl-based api",
                                         "initializing opencl-based api", "(litert_cl)", NULL};
    static const char *const OPENGL[] = {"initialized opengl-based api",
                                         "initializing opengl-based api", "(litert_opengl)", NULL};
    static const char *const WEBGPU[] = {"initializing webgpu-based api",
                                         "initialized webgpu-based api", "(litert_webgpu)", NULL};
    delegation->opencl = delegation->opencl || has_any(line, OPENCL);
    delegation->opengl = delegation->opengl || has_any(line, OPENGL);
    delegation->webgpu = delegation->webgpu || has_any(line, WEBGPU);
    if (has(line, "opencl-based api from serialized data")) {
        delegation->from_cache = CACHE_TAKEN;
    } else if (has(line, "initialized opencl-based api")) {
        delegation->from_cache = CACHE_LEFT;
    }
}

static bool lines_equal(struct log_line a, struct log_line b) {
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static void trim(struct log_line *line) {
    while (line->length > 0 && line->text[0] == ' ') {
        line->text++;
        line->length--;
    }
    while (line->length > 0 && line->text[line->length - 1] == ' ') {
        line->length--;
    }
}

/* One line of the list of refused operations; false: the list is over. */
static bool read_unsupported(struct log_line line, struct delegation *delegation) {
    static const char *const OTHER[] = {"operations will run on", "info: ", "error: ",
                                        "warning: ", "verbose: ", NULL};
    struct unsupported_op found = {line, {line.text + line.length, 0}};
    size_t colon = 0;
    while (colon < line.length && line.text[colon] != ':') {
        colon++;
    }
    if (has_any(line, OTHER)) {
        return false;
    }
    if (colon < line.length) {
        found.op.length = colon;
        found.reason = (struct log_line){line.text + colon + 1, line.length - colon - 1};
    }
    trim(&found.op);
    trim(&found.reason);
    size_t place = 0; /* a second attempt says it again */
    while (place < delegation->unsupported_ops &&
           !(lines_equal(delegation->unsupported_op[place].op, found.op) &&
             lines_equal(delegation->unsupported_op[place].reason, found.reason))) {
        place++;
    }
    if (found.op.length > 0 && place == delegation->unsupported_ops && place < MAX_UNSUPPORTED) {
        delegation->unsupported_op[delegation->unsupported_ops++] = found;
    }
    return true;
}

static void read_troubles(struct log_line line, struct delegation *delegation) {
    static const char *const NO_ACCELERATOR[] = {
        "no adapters found", "failed to get adapter", "no adapter", "no gpu accelerator",
        "could not load gpu", "failed to load gpu", "no usable accelerator",
        "can not open opencl library", "gpu accelerator could not be", NULL};
    static const char *const UNSUPPORTED[] = {"not supported", "unsupported", NULL};
    static const char *const UNRESOLVED[] = {"unresolved custom op", "didn't find op for builtin",
                                             NULL};
    delegation->no_accelerator = delegation->no_accelerator || has_any(line, NO_ACCELERATOR);
    delegation->unsupported = delegation->unsupported || has_any(line, UNSUPPORTED);
    delegation->unresolved = delegation->unresolved || has_any(line, UNRESOLVED);
}

static void keep_line(struct log_line line, struct delegation *delegation) {
    static const char *const TELLING[] = {"delegate", "operations will run", "adapter",
                                          "accelerator", "falling back", "not supported",
                                          "unsupported", "opencl", "opengl", "webgpu",
                                          "vulkan", "unresolved", "error", "serialized data",
                                          NULL};
    if (delegation->lines < MAX_LOG_LINES && has_any(line, TELLING) &&
        !has(line, "tensor buffer handler")) {
        struct log_line *kept = &delegation->line[delegation->lines++];
        kept->text = line.text;
        kept->length = line.length < MAX_LOG_LINE ? line.length : MAX_LOG_LINE;
    }
}

static void read_line(struct log_line line, struct delegation *delegation) {
    delegation->talks = delegation->talks || has(line, "info:");
    delegation->xnnpack = delegation->xnnpack || has(line, "created tensorflow lite xnnpack");
    read_troubles(line, delegation);
    read_gpu_api(line, delegation);
    read_replacement(line, delegation);
    read_split(line, delegation);
    read_adapter(line, delegation);
    keep_line(line, delegation);
}

void delegation_read(const char *text, size_t length, struct delegation *delegation) {
    bool listing = false; /* refused operations */
    memset(delegation, 0, sizeof *delegation);
    for (size_t start = 0; start < length;) {
        size_t end = start;
        while (end < length && text[end] != '\n' && text[end] != '\r') {
            end++;
        }
        struct log_line line = {text + start, end - start};
        if (has(line, NEXT_ATTEMPT)) {
            delegation->replacements = 0;
            delegation->split = false;
        } else if (line.length > 0) {
            listing = listing && read_unsupported(line, delegation);
            listing = listing || has(line, "operations are not supported by");
            read_line(line, delegation);
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
            sum->has_total = one->has_total && (sum->has_total || !any);
            sum->total += one->total;
            sum->has_partitions = one->has_partitions && (sum->has_partitions || !any);
            sum->partitions += one->partitions;
            any = true;
        }
    }
    return any;
}

const char *delegation_gpu_api(const struct delegation *delegation) {
    return delegation->opengl   ? "OpenGL"
           : delegation->opencl ? "OpenCL"
           : delegation->webgpu ? "WebGPU"
                                : NULL;
}
