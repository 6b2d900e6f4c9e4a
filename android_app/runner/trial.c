#include "trial.h"

#include "item.h"
#include "os.h"

static bool check_quantisation(const char *key, const struct tensor_info *info,
                               const struct tensor_spec *spec, struct failure *failure) {
    /* Engines keep the scale as float32. */
    if (!info->has_quantisation || spec->type == TYPE_FLOAT32 ||
        ((float)info->scale == (float)spec->scale && info->zero == spec->zero)) {
        return true;
    }
    return fail(failure, FAILURE_INPUT_MISMATCH,
                "%s has scale %.9g and zero point %d, %s says %.9g and %d", info->name,
                info->scale, (int)info->zero, key, spec->scale, (int)spec->zero);
}

bool trial_check(const struct trial *trial, struct failure *failure) {
    for (size_t i = 0; i < trial->arguments->setup.inputs; i++) {
        char key[16];
        snprintf(key, sizeof key, "in%u", (unsigned)i);
        if (!check_quantisation(key, &trial->report->input[i],
                                &trial->arguments->setup.input[i], failure)) {
            return false;
        }
    }
    const struct tensor_spec *spec = &trial->arguments->out;
    const struct tensor_info *info = &trial->report->output[trial->arguments->image_output];
    if (info->type != spec->type) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "output %s is %s, out says %s", info->name,
                    info->dtype, type_name(spec->type));
    }
    if (!spec->any_shape && !shapes_equal(&spec->shape, &info->shape)) {
        char shape[SHAPE_TEXT], wanted[SHAPE_TEXT];
        shape_text(&info->shape, shape);
        shape_text(&spec->shape, wanted);
        return fail(failure, FAILURE_INPUT_MISMATCH, "output %s is %s, out says %s", info->name,
                    shape, wanted);
    }
    return check_quantisation("out", info, spec, failure);
}

static void put_samples(struct events *events, const char *key, const uint64_t *samples,
                        size_t count) {
    event_open(events, key, '[');
    for (size_t i = 0; i < count; i++) {
        event_unsigned(events, NULL, samples[i]);
    }
    event_close(events, ']');
}

struct loop {
    uint64_t *samples; /* warm-ups, then timed runs */
    size_t warmups;    /* really done */
    size_t runs;
};

static bool loop_init(const struct arguments *arguments, struct loop *loop,
                      struct failure *failure) {
    size_t count = arguments->warmups + arguments->runs;
    loop->samples = malloc(count * sizeof *loop->samples);
    if (loop->samples == NULL) {
        return fail_memory(failure, count * sizeof *loop->samples, "samples");
    }
    for (size_t i = 0; i < count; i++) {
        loop->samples[i] = UINT64_MAX; /* a first write in the loop would be a page fault there */
    }
    return true;
}

static bool stopped(const struct trial *trial, struct failure *failure) {
    if (trial->stop == NULL || !atomic_load_explicit(trial->stop, memory_order_relaxed)) {
        return false;
    }
    fail(failure, FAILURE_STOPPED, "stopped by the host");
    return true;
}

/* The timed region. The end of one invocation is also the clock reading of the caller's cap. */
static bool invoke(const struct trial *trial, uint64_t *invoke_ns, uint64_t *end,
                   struct failure *failure) {
    const struct engine *engine = trial->engine;
    void *session = trial->session;
    size_t inputs = trial->arguments->setup.inputs;
    size_t outputs = trial->arguments->setup.outputs;
    void *address;
    if (stopped(trial, failure)) {
        return false;
    }
    uint64_t start = now_ns();
    for (size_t i = 0; i < inputs; i++) {
        if (!engine->lock(session, INPUT, i, ACCESS_WRITE, &address, failure) ||
            !engine->unlock(session, INPUT, i, failure)) {
            return false;
        }
    }
    if (!engine->run(session, failure)) {
        return false;
    }
    for (size_t i = 0; i < outputs; i++) {
        if (!engine->lock(session, OUTPUT, i, ACCESS_READ, &address, failure) ||
            !engine->unlock(session, OUTPUT, i, failure)) {
            return false;
        }
    }
    *end = now_ns();
    *invoke_ns = *end - start;
    return true;
}

static bool loop_runs(const struct trial *trial, struct loop *loop, struct failure *failure) {
    const struct arguments *arguments = trial->arguments;
    uint64_t end = now_ns();
    uint64_t cap = end + arguments->max_ms * 1000000u;
    while (loop->warmups < arguments->warmups && end < cap) {
        if (!invoke(trial, &loop->samples[loop->warmups], &end, failure)) {
            return false;
        }
        loop->warmups++;
    }
    uint64_t *timed = loop->samples + loop->warmups;
    while (loop->runs < arguments->runs && (end < cap || loop->runs < arguments->min_runs)) {
        if (!invoke(trial, &timed[loop->runs], &end, failure)) {
            return false;
        }
        loop->runs++;
    }
    return true;
}

static bool run_time(struct work *work, struct loop *loop, struct failure *failure) {
    const struct trial *trial = work->trial;
    const struct arguments *arguments = trial->arguments;
    const struct item *item = &trial->manifest->items[0];
    struct result result;
    if (!fill_inputs(work, item, true, &result.input_ns, failure) ||
        !loop_runs(trial, loop, failure) || !check_inputs(work, failure) ||
        !take_output(work, &result, failure)) {
        return false;
    }
    const uint64_t *timed = loop->samples + loop->warmups;
    result.invoke_ns = timed[loop->runs - 1];
    struct events *events = trial->events;
    event_begin(events, "samples");
    event_text(events, "region", trial->engine->region);
    put_samples(events, "warmup_ns", loop->samples, loop->warmups);
    put_samples(events, "invoke_ns", timed, loop->runs);
    event_unsigned(events, "input_ns", result.input_ns);
    event_unsigned(events, "output_ns", result.output_ns);
    event_bool(events, "capped",
               loop->warmups < arguments->warmups || loop->runs < arguments->runs);
    event_end(events);
    return deliver(work, item, &result, failure);
}

static bool run_images(struct work *work, struct failure *failure) {
    const struct trial *trial = work->trial;
    for (size_t i = 0; i < trial->manifest->count; i++) {
        const struct item *item = &trial->manifest->items[i];
        struct result result;
        uint64_t end;
        if (!fill_inputs(work, item, false, &result.input_ns, failure) ||
            !invoke(trial, &result.invoke_ns, &end, failure) ||
            !take_output(work, &result, failure) || !deliver(work, item, &result, failure)) {
            return false;
        }
    }
    return true;
}

bool trial_run(const struct trial *trial, struct failure *failure) {
    struct work work;
    struct loop loop = {NULL, 0, 0};
    bool good = work_init(trial, &work, failure);
    if (good && trial->arguments->mode == MODE_TIME) {
        good = loop_init(trial->arguments, &loop, failure) && run_time(&work, &loop, failure);
    } else if (good) {
        good = run_images(&work, failure);
    }
    free(loop.samples);
    work_free(&work);
    return good;
}
