/* One item of the manifest: inputs filled, the image output taken and delivered. */
#ifndef BOKEHBENCH_ITEM_H
#define BOKEHBENCH_ITEM_H

#include "trial.h"

/* Memory for one item, used again for the next one. */
struct work {
    const struct trial *trial;
    uint8_t *bytes; /* raw elements of the largest input */
    void *out;      /* the image output in the asked format */
    size_t out_size;
    uint64_t fingerprint[MAX_TENSORS]; /* of each input as it was filled */
};

/* What one item gave, besides the bytes in work->out. */
struct result {
    uint64_t input_ns;
    uint64_t invoke_ns;
    uint64_t output_ns;
    struct value_range range;
};

/* `work` can be freed after a failure too. */
bool work_init(const struct trial *trial, struct work *work, struct failure *failure);
void work_free(struct work *work);

/* `keep_fingerprint` for a check_inputs later. */
bool fill_inputs(struct work *work, const struct item *item, bool keep_fingerprint,
                 uint64_t *input_ns, struct failure *failure);
bool check_inputs(const struct work *work, struct failure *failure);
bool take_output(struct work *work, struct result *result, struct failure *failure);
/* The file, if one is asked for, and the `output` event. */
bool deliver(const struct work *work, const struct item *item, const struct result *result,
             struct failure *failure);

#endif
