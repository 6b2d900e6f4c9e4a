#include "trial.h"

#include "files.h"
#include "number.h"
#include "os.h"
#include "rng.h"

/* Memory for one item, used again for the next one. */
struct work {
    const struct trial *trial;
    uint8_t *bytes; /* raw elements of the largest input */
    void *out;      /* the image output in the asked format */
    size_t out_size;
    char sum[MAX_TENSORS][SHA256_TEXT]; /* of each filled input */
};

bool trial_check(const struct trial *trial, struct failure *failure) {
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
    return true;
}

static bool work_init(const struct trial *trial, struct work *work, struct failure *failure) {
    size_t largest = 1;
    const struct tensor_info *out = &trial->report->output[trial->arguments->image_output];
    memset(work, 0, sizeof *work);
    work->trial = trial;
    for (size_t i = 0; i < trial->arguments->setup.inputs; i++) {
        size_t elements = trial->report->input[i].elements;
        largest = elements > largest ? elements : largest;
    }
    if (!size_multiply(out->elements, format_size(trial->arguments->output_format),
                       &work->out_size)) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "output %s is too large", out->name);
    }
    work->bytes = malloc(largest);
    work->out = malloc(work->out_size > 0 ? work->out_size : 1);
    if (work->bytes == NULL || work->out == NULL) {
        return fail_memory(failure, largest + work->out_size, "images");
    }
    return true;
}

static bool fill_input(struct work *work, const struct source *source, size_t index,
                       bool keep_sum, uint64_t *input_ns, struct failure *failure) {
    const struct trial *trial = work->trial;
    const struct tensor_info *info = &trial->report->input[index];
    void *tensor = NULL;
    if (source->file == NULL) {
        random_bytes(source->seed, index, work->bytes, info->elements);
    } else if (!read_exact(trial->folder, source->file, work->bytes, info->elements, failure)) {
        return false;
    }
    uint64_t start = now_ns();
    if (!trial->engine->lock(trial->session, INPUT, index, ACCESS_WRITE, &tensor, failure)) {
        return false;
    }
    bytes_to_tensor(&trial->arguments->setup.input[index], work->bytes, info->elements, tensor);
    *input_ns += now_ns() - start;
    if (keep_sum) {
        sha256_of(tensor, info->size_bytes, work->sum[index]);
    }
    start = now_ns();
    bool unlocked = trial->engine->unlock(trial->session, INPUT, index, failure);
    *input_ns += now_ns() - start;
    return unlocked;
}

static bool fill_inputs(struct work *work, const struct item *item, bool keep_sum,
                        uint64_t *input_ns, struct failure *failure) {
    *input_ns = 0;
    for (size_t i = 0; i < work->trial->arguments->setup.inputs; i++) {
        if (!fill_input(work, &item->inputs[i], i, keep_sum, input_ns, failure)) {
            return false;
        }
    }
    return true;
}

/* TIMED_REGION. The end of one invocation is also the clock reading of the caller's cap. */
static bool invoke(const struct trial *trial, uint64_t *invoke_ns, uint64_t *end,
                   struct failure *failure) {
    const struct engine *engine = trial->engine;
    void *session = trial->session;
    size_t inputs = trial->arguments->setup.inputs;
    size_t outputs = trial->arguments->setup.outputs;
    void *address;
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

static void put_range(struct events *events, const struct value_range *range) {
    event_unsigned(events, "nonfinite", range->nonfinite);
    if (range->any) {
        event_real(events, "low", range->low);
        event_real(events, "high", range->high);
    } else {
        event_null(events, "low");
        event_null(events, "high");
    }
}

/* What one item gave, besides the bytes in work->out. */
struct result {
    uint64_t input_ns;
    uint64_t invoke_ns;
    uint64_t output_ns;
    struct value_range range;
};

static bool take_output(struct work *work, struct result *result, struct failure *failure) {
    const struct trial *trial = work->trial;
    const struct arguments *arguments = trial->arguments;
    size_t index = arguments->image_output;
    void *tensor = NULL;
    uint64_t start = now_ns();
    if (!trial->engine->lock(trial->session, OUTPUT, index, ACCESS_READ, &tensor, failure)) {
        return false;
    }
    tensor_to_output(&arguments->out, tensor, trial->report->output[index].elements,
                     arguments->rounding, arguments->output_format, work->out, &result->range);
    bool unlocked = trial->engine->unlock(trial->session, OUTPUT, index, failure);
    result->output_ns = now_ns() - start;
    return unlocked;
}

static bool deliver(struct work *work, const struct item *item, const struct result *result,
                    struct failure *failure) {
    const struct trial *trial = work->trial;
    const struct arguments *arguments = trial->arguments;
    const struct shape *shape = &trial->report->output[arguments->image_output].shape;
    char sum[SHA256_TEXT];
    sha256_of(work->out, work->out_size, sum);
    if (item->output != NULL &&
        !write_whole(trial->folder, item->output, work->out, work->out_size, failure)) {
        return false;
    }
    struct events *events = trial->events;
    event_begin(events, "output");
    event_unsigned(events, "index", item->index);
    event_text(events, "path", item->output);
    event_text(events, "sha256", sum);
    event_unsigned(events, "size_bytes", work->out_size);
    event_open(events, "shape", '[');
    for (size_t i = 0; i < shape->rank; i++) {
        event_unsigned(events, NULL, shape->dims[i]);
    }
    event_close(events, ']');
    event_text(events, "dtype", format_name(arguments->output_format));
    event_unsigned(events, "input_ns", result->input_ns);
    event_unsigned(events, "invoke_ns", result->invoke_ns);
    event_unsigned(events, "output_ns", result->output_ns);
    put_range(events, &result->range);
    event_end(events);
    return true;
}

/* Locking for writing without a copy must leave the input as it was filled; an engine that
 * hands out fresh memory instead would be timed on noise. */
static bool check_inputs(struct work *work, struct failure *failure) {
    const struct trial *trial = work->trial;
    for (size_t i = 0; i < trial->arguments->setup.inputs; i++) {
        const struct tensor_info *info = &trial->report->input[i];
        char sum[SHA256_TEXT];
        void *tensor = NULL;
        if (!trial->engine->lock(trial->session, INPUT, i, ACCESS_READ, &tensor, failure)) {
            return false;
        }
        sha256_of(tensor, info->size_bytes, sum);
        if (!trial->engine->unlock(trial->session, INPUT, i, failure)) {
            return false;
        }
        if (strcmp(sum, work->sum[i]) != 0) {
            return fail(failure, FAILURE_INTERNAL, "input %s changed during the runs",
                        info->name);
        }
    }
    return true;
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
    event_text(events, "region", TIMED_REGION);
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
        size_t count = trial->arguments->warmups + trial->arguments->runs;
        loop.samples = calloc(count, sizeof *loop.samples);
        good = loop.samples != NULL ? run_time(&work, &loop, failure)
                                    : fail_memory(failure, count * sizeof *loop.samples,
                                                  "samples");
    } else if (good) {
        good = run_images(&work, failure);
    }
    free(loop.samples);
    free(work.bytes);
    free(work.out);
    return good;
}
