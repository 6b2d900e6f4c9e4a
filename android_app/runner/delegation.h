/* What an engine's log says about who runs the model: pure text to facts. */
#ifndef BOKEHBENCH_DELEGATION_H
#define BOKEHBENCH_DELEGATION_H

#include "libc.h"

enum {
    DELEGATE_NAME = 64,
    ADAPTER_NAME = 200,
    MAX_REPLACEMENTS = 16,
    MAX_LOG_LINES = 32,
    MAX_LOG_LINE = 400,
    MAX_UNSUPPORTED = 64,
};

/* A runner that tries again prints this line, and what was said before it is void. */
#define NEXT_ATTEMPT "bokehbench: next attempt"

/* "Replacing X out of Y node(s) with delegate (NAME) node, yielding Z partitions ..."; TFLite
 * before 2.10 leaves " out of Y" away. */
struct replacement {
    char delegate[DELEGATE_NAME];
    int64_t subgraph; /* -1: not said */
    uint64_t replaced;
    bool has_total;
    uint64_t total;
    bool has_partitions;
    uint64_t partitions;
};

struct log_line {
    const char *text;
    size_t length;
};

/* A line "OP: reason" below "Following operations are not supported by GPU delegate:". */
struct unsupported_op {
    struct log_line op;
    struct log_line reason;
};

struct delegation {
    bool talks;   /* INFO lines are printed, so an INFO line that is absent means something */
    bool xnnpack; /* an XNNPACK delegate was made; on Linux the line above is not printed */
    size_t replacements;
    struct replacement replacement[MAX_REPLACEMENTS];
    bool split; /* "N operations will run on the GPU, and the remaining M ... on the CPU." */
    uint64_t gpu_nodes;
    uint64_t cpu_nodes;
    bool no_accelerator;      /* no GPU, driver or accelerator library was found */
    bool unsupported;         /* a delegate refused an operation */
    bool unresolved;          /* the engine has no kernel for an operation */
    bool opencl;              /* the interface to the GPU that was initialised */
    bool opengl;
    bool webgpu;
    enum { CACHE_UNKNOWN, CACHE_LEFT, CACHE_TAKEN } from_cache; /* said of compiled kernels */
    char adapter[ADAPTER_NAME];
    size_t unsupported_ops;
    struct unsupported_op unsupported_op[MAX_UNSUPPORTED];
    size_t lines; /* the log's lines that tell of delegates and adapters */
    struct log_line line[MAX_LOG_LINES];
};

/* `line` and `unsupported_op` point into `text`. */
void delegation_read(const char *text, size_t length, struct delegation *delegation);

/* Sums over the subgraphs that delegates took whose name holds `part` (any case), or does not
 * hold it when `holds` is false. False: there is none. */
bool delegation_nodes(const struct delegation *delegation, const char *part, bool holds,
                      struct replacement *sum);

/* OpenCL, OpenGL or WebGPU; NULL when the log does not say. An engine that fell back says both:
 * what it fell back to counts. */
const char *delegation_gpu_api(const struct delegation *delegation);

#endif
