/* What the runner needs of an inference engine: one table of functions an engine. */
#ifndef BOKEHBENCH_ENGINE_H
#define BOKEHBENCH_ENGINE_H

#include "delegation.h"
#include "tensor.h"

enum backend { BACKEND_XNNPACK, BACKEND_CPU, BACKEND_GPU };
enum precision { PRECISION_DEFAULT, PRECISION_FP16, PRECISION_FP32 };
enum direction { INPUT, OUTPUT };
enum access { ACCESS_READ, ACCESS_WRITE };

/* What the GPU delegate is told, beside the precision. */
enum gpu_api { GPU_API_AUTO, GPU_API_OPENCL, GPU_API_OPENGL, GPU_API_WEBGPU };
enum gpu_preference { GPU_FAST_SINGLE_ANSWER, GPU_SUSTAINED_SPEED };
enum cache_use { CACHE_NONE, CACHE_COLD, CACHE_WARM };

enum { MAX_SHARES = 8 };

struct engine_setup {
    const char *folder; /* of the accelerator libraries */
    const char *model;
    size_t signature;
    enum backend backend;
    const char *backend_name;
    size_t threads;
    enum precision precision;
    enum gpu_api gpu_api;
    enum gpu_preference gpu_preference;
    size_t max_partitions;
    enum cache_use cache;
    const char *cache_dir;   /* of compiled kernels; with CACHE_NONE neither is used */
    const char *cache_token; /* hexadecimal, names the model in there */
    size_t inputs;
    size_t outputs;
    struct tensor_spec input[MAX_TENSORS];
};

enum tristate { UNKNOWN, NO, YES };

/* What one delegate took of the graph. */
struct delegate_share {
    char name[DELEGATE_NAME];
    uint64_t delegated; /* operations */
    bool has_total;
    uint64_t total; /* operations that were there to be taken */
    bool has_partitions;
    uint64_t partitions; /* parts that the graph was cut into, those of the CPU too */
    bool has_kernels;
    uint64_t kernels; /* parts that the delegate runs */
};

struct engine_report {
    char delegate[DELEGATE_NAME]; /* empty: none */
    enum tristate fully_accelerated;
    bool has_nodes; /* the three below hold something */
    uint64_t delegated_nodes;
    uint64_t total_nodes;
    bool has_partitions;
    uint64_t partitions;
    size_t shares;
    struct delegate_share share[MAX_SHARES]; /* in the order in which they took it */
    struct tensor_info input[MAX_TENSORS];
    struct tensor_info output[MAX_TENSORS];
};

struct engine {
    const char *name;
    const char *region; /* what the timed region holds, as the `samples` event names it */
    /* Opens the library and finds out which generation of its interface it has. */
    bool (*open)(const char *library, void **session, const char **abi,
                 struct failure *failure);
    /* Model, backend, shapes and buffers, until the first run can start. */
    bool (*load)(void *session, const struct engine_setup *setup, struct engine_report *report,
                 struct failure *failure);
    /* Which backend really got the model, judged by what the engine printed and answers.
     * After a load that failed (`failure` is set) it may only find a better code. */
    bool (*prove)(void *session, const struct engine_setup *setup,
                  const struct delegation *delegation, struct engine_report *report,
                  struct failure *failure);
    bool (*lock)(void *session, enum direction direction, size_t index, enum access access,
                 void **address, struct failure *failure);
    bool (*unlock)(void *session, enum direction direction, size_t index,
                   struct failure *failure);
    bool (*run)(void *session, struct failure *failure);
};

extern const struct engine ENGINE_LITERT;
extern const struct engine ENGINE_TFLITE;

#endif
