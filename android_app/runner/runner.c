#include "runner.h"

#include "arguments.h"
#include "cache.h"
#include "engine_log.h"
#include "events.h"
#include "files.h"
#include "os.h"
#include "trial.h"

#ifndef BOKEHBENCH_BUILD
#error "BOKEHBENCH_BUILD is the sha256 of the runner's sources, given by the build"
#endif

/* As `uname -m` names it. */
#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#elif defined(__arm__)
#define MACHINE "arm"
#elif defined(__i386__)
#define MACHINE "i686"
#else
#define MACHINE "unknown"
#endif

struct runner {
    struct events events;
    struct arguments arguments;
    struct manifest manifest;
    struct engine_report report;
    struct delegation delegation;
    struct engine_log log;
    const char *cache; /* cold, warm or none */
    int folder;
    uint64_t deadline_ns;
    const struct surroundings *surroundings;
};

static void put_hello(struct runner *runner, const char *engine_abi) {
    struct events *events = &runner->events;
    event_begin(events, "hello");
    event_unsigned(events, "protocol", RUNNER_PROTOCOL);
    event_text(events, "build", BOKEHBENCH_BUILD);
    event_text(events, "engine", runner->arguments.engine);
    event_text(events, "engine_abi", engine_abi);
    event_text(events, "abi", MACHINE);
    event_integer(events, "pid", getpid());
    event_text(events, "manifest_sha256", runner->manifest.sha256);
    event_end(events);
}

static void put_tensors(struct events *events, const char *key, const struct tensor_info *tensors,
                        size_t count) {
    event_open(events, key, '[');
    for (size_t i = 0; i < count; i++) {
        event_open(events, NULL, '{');
        event_text(events, "name", tensors[i].name);
        event_open(events, "shape", '[');
        for (size_t j = 0; j < tensors[i].shape.rank; j++) {
            event_unsigned(events, NULL, tensors[i].shape.dims[j]);
        }
        event_close(events, ']');
        event_text(events, "dtype", tensors[i].dtype);
        event_close(events, '}');
    }
    event_close(events, ']');
}

static void put_known(struct events *events, const char *key, bool known, uint64_t value) {
    if (known) {
        event_unsigned(events, key, value);
    } else {
        event_null(events, key);
    }
}

static void put_shares(struct events *events, const struct engine_report *report) {
    event_open(events, "delegates", '[');
    for (size_t i = 0; i < report->shares; i++) {
        const struct delegate_share *share = &report->share[i];
        event_open(events, NULL, '{');
        event_text(events, "name", share->name);
        event_unsigned(events, "delegated_nodes", share->delegated);
        put_known(events, "total_nodes", share->has_total, share->total);
        put_known(events, "partitions", share->has_partitions, share->partitions);
        put_known(events, "kernels", share->has_kernels, share->kernels);
        event_close(events, '}');
    }
    event_close(events, ']');
}

static void put_line(struct events *events, const char *key, struct log_line line) {
    event_bytes(events, key, line.text, line.length < MAX_LOG_LINE ? line.length : MAX_LOG_LINE);
}

static void put_unsupported(struct events *events, const struct delegation *delegation) {
    event_open(events, "unsupported", '[');
    for (size_t i = 0; i < delegation->unsupported_ops; i++) {
        event_open(events, NULL, '{');
        put_line(events, "op", delegation->unsupported_op[i].op);
        put_line(events, "reason", delegation->unsupported_op[i].reason);
        event_close(events, '}');
    }
    event_close(events, ']');
}

static void put_backend(struct runner *runner, uint64_t load_ns) {
    struct events *events = &runner->events;
    const struct engine_setup *setup = &runner->arguments.setup;
    const struct engine_report *report = &runner->report;
    const struct delegation *delegation = &runner->delegation;
    event_begin(events, "backend");
    event_text(events, "name", setup->backend_name);
    event_text(events, "delegate", report->delegate[0] == '\0' ? NULL : report->delegate);
    event_unsigned(events, "load_ns", load_ns);
    event_text(events, "cache", runner->cache);
    if (report->fully_accelerated == UNKNOWN) {
        event_null(events, "fully_accelerated");
    } else {
        event_bool(events, "fully_accelerated", report->fully_accelerated == YES);
    }
    put_known(events, "delegated_nodes", report->has_nodes, report->delegated_nodes);
    put_known(events, "total_nodes", report->has_nodes, report->total_nodes);
    put_known(events, "partitions", report->has_partitions, report->partitions);
    event_text(events, "gpu_api",
               setup->backend == BACKEND_GPU ? delegation_gpu_api(delegation) : NULL);
    event_text(events, "adapter", delegation->adapter[0] == '\0' ? NULL : delegation->adapter);
    put_shares(events, report);
    put_unsupported(events, delegation);
    event_open(events, "log", '[');
    for (size_t i = 0; i < delegation->lines; i++) {
        put_line(events, NULL, delegation->line[i]);
    }
    event_close(events, ']');
    event_unsigned(events, "threads", setup->threads);
    put_tensors(events, "inputs", report->input, setup->inputs);
    put_tensors(events, "outputs", report->output, setup->outputs);
    event_end(events);
}

static void put_memory(struct runner *runner) {
    const char *source;
    uint64_t peak = peak_memory(&source);
    event_begin(&runner->events, "memory");
    event_unsigned(&runner->events, "peak_bytes", peak);
    event_text(&runner->events, "source", source);
    event_end(&runner->events);
}

/* With the engine's own output going to engine.log. */
static bool open_and_load(struct runner *runner, const struct engine *engine, void **session,
                          struct failure *failure) {
    const char *engine_abi = "none";
    bool opened = engine->open(runner->arguments.engine_library, session, &engine_abi, failure);
    put_hello(runner, engine_abi);
    return opened && engine->load(*session, &runner->arguments.setup, &runner->report, failure);
}

static bool start_engine(struct runner *runner, const struct engine *engine, void **session,
                         struct failure *failure) {
    struct failure unlogged = {0};
    const struct engine_setup *setup = &runner->arguments.setup;
    size_t cached = 0;
    if (!cache_begin(setup, &cached, failure)) {
        return false;
    }
    uint64_t start = now_ns();
    if (!engine_log_begin(runner->folder, &runner->log, failure)) {
        return false;
    }
    bool loaded = open_and_load(runner, engine, session, failure);
    uint64_t load_ns = now_ns() - start;
    if (!engine_log_end(&runner->log, &unlogged)) {
        *failure = loaded ? unlogged : *failure;
        return false;
    }
    delegation_read(runner->log.text, runner->log.length, &runner->delegation);
    if (*session == NULL ||
        !engine->prove(*session, setup, &runner->delegation, &runner->report, failure) ||
        !cache_end(setup, cached, &runner->delegation, &runner->cache, failure)) {
        return false;
    }
    put_backend(runner, load_ns);
    return events_heard(&runner->events, failure) &&
           runner->surroundings->arm_deadline(runner->deadline_ns, failure);
}

static bool find_engine(const char *name, const struct engine *const *engines,
                        const struct engine **engine, struct failure *failure) {
    for (; *engines != NULL; engines++) {
        if (strcmp((*engines)->name, name) == 0) {
            *engine = *engines;
            return true;
        }
    }
    return fail(failure, FAILURE_ENGINE_UNSUPPORTED, "engine %.40s is not built into this runner",
                name);
}

static bool run_trial(struct runner *runner, int count, char **words,
                      const struct engine *const *engines, struct failure *failure) {
    struct arguments *arguments = &runner->arguments;
    const struct engine *engine = NULL;
    void *session = NULL;
    if (!arguments_parse(count, words, arguments, failure)) {
        return false;
    }
    runner->deadline_ns += arguments->deadline_ms * 1000000u;
    if (!runner->surroundings->arm_deadline(runner->deadline_ns, failure) ||
        !find_engine(arguments->engine, engines, &engine, failure) ||
        !manifest_load(arguments->manifest, arguments->setup.inputs, &runner->manifest,
                       failure)) {
        return false;
    }
    if (arguments->mode == MODE_TIME && runner->manifest.count != 1) {
        return fail(failure, FAILURE_MANIFEST_INVALID, "mode time takes one item, this has %u",
                    (unsigned)runner->manifest.count);
    }
    if (!open_folder_of(arguments->manifest, &runner->folder, failure) ||
        !set_cores(arguments->core_mask, failure) ||
        !start_engine(runner, engine, &session, failure)) {
        return false;
    }
    struct trial trial = {engine,           session,        arguments,       &runner->manifest,
                          &runner->report, runner->folder, &runner->events, runner->surroundings->stop};
    if (!trial_check(&trial, failure) || !trial_run(&trial, failure)) {
        return false;
    }
    put_memory(runner);
    return true;
}

static void put_error(struct runner *runner, const struct failure *failure) {
    struct events *events = &runner->events;
    event_begin(events, "error");
    event_text(events, "code", failure_name(failure->code));
    event_text(events, "message", failure->message);
    if (failure->has_status) {
        event_integer(events, "status", failure->status);
    } else {
        event_null(events, "status");
    }
    put_unsupported(events, &runner->delegation);
    event_end(events);
}

int runner_run(int count, char **words, const struct surroundings *surroundings,
               const struct engine *const *engines) {
    struct failure failure = {0};
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        return failure_exit(FAILURE_OUT_OF_MEMORY);
    }
    events_init(&runner->events, surroundings->events_fd);
    runner->surroundings = surroundings;
    runner->folder = -1;
    runner->deadline_ns = now_ns(); /* and what the arguments grant */
    if (!run_trial(runner, count, words, engines, &failure)) {
        if (failure.code == FAILURE_NONE) { /* its exit code would be that of a good trial */
            fail(&failure, FAILURE_INTERNAL, "failed without a reason");
        }
        put_error(runner, &failure);
    }
    events_done(&runner->events);
    bool broken = runner->events.broken;
    if (runner->folder >= 0) {
        close(runner->folder);
    }
    engine_log_free(&runner->log);
    manifest_free(&runner->manifest);
    free(runner);
    return failure_exit(failure.code == FAILURE_NONE && broken ? FAILURE_IO_ERROR : failure.code);
}
