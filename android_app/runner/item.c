#include "item.h"

#include "files.h"
#include "number.h"
#include "os.h"
#include "rng.h"

bool work_init(const struct trial *trial, struct work *work, struct failure *failure) {
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

void work_free(struct work *work) {
    free(work->bytes);
    free(work->out);
}

/* Tells an input that changed from one that did not, at memory speed; every step can be undone,
 * so no single change is lost. */
static uint64_t fingerprint(const void *bytes, size_t length) {
    uint64_t sum = length;
    for (size_t i = 0; i < length; i += sizeof sum) {
        uint64_t word = 0;
        memcpy(&word, (const uint8_t *)bytes + i, length - i < 8 ? length - i : sizeof word);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return sum;
}

static bool fill_input(struct work *work, const struct source *source, size_t index,
                       bool keep_fingerprint, uint64_t *input_ns, struct failure *failure) {
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
    if (keep_fingerprint) {
        work->fingerprint[index] = fingerprint(tensor, info->size_bytes);
    }
    start = now_ns();
    bool unlocked = trial->engine->unlock(trial->session, INPUT, index, failure);
    *input_ns += now_ns() - start;
    return unlocked;
}

bool fill_inputs(struct work *work, const struct item *item, bool keep_fingerprint,
                 uint64_t *input_ns, struct failure *failure) {
    *input_ns = 0;
    for (size_t i = 0; i < work->trial->arguments->setup.inputs; i++) {
        if (!fill_input(work, &item->inputs[i], i, keep_fingerprint, input_ns, failure)) {
            return false;
        }
    }
    return true;
}

/* Locking for writing without a copy must leave the input as it was filled; an engine that
 * hands out fresh memory instead would be timed on noise. */
bool check_inputs(const struct work *work, struct failure *failure) {
    const struct trial *trial = work->trial;
    for (size_t i = 0; i < trial->arguments->setup.inputs; i++) {
        const struct tensor_info *info = &trial->report->input[i];
        void *tensor = NULL;
        if (!trial->engine->lock(trial->session, INPUT, i, ACCESS_READ, &tensor, failure)) {
            return false;
        }
        bool same = fingerprint(tensor, info->size_bytes) == work->fingerprint[i];
        if (!trial->engine->unlock(trial->session, INPUT, i, failure)) {
            return false;
        }
        if (!same) {
            return fail(failure, FAILURE_INTERNAL, "input %s changed during the runs",
                        info->name);
        }
    }
    return true;
}

bool take_output(struct work *work, struct result *result, struct failure *failure) {
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

bool deliver(const struct work *work, const struct item *item, const struct result *result,
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
    return events_heard(events, failure);
}
