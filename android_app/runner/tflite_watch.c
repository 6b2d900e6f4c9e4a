#include "tflite_watch.h"

static void count_kernels(struct plan *plan, const char *name, uint64_t kernels) {
    size_t place = 0;
    while (place < plan->names &&
           strncmp(plan->named[place].name, name, DELEGATE_NAME - 1) != 0) {
        place++;
    }
    plan->kernels += kernels;
    if (place == MAX_KERNELS) {
        return;
    }
    if (place == plan->names) {
        snprintf(plan->named[place].name, DELEGATE_NAME, "%s", name);
        plan->named[place].kernels = 0;
        plan->names++;
    }
    plan->named[place].kernels += kernels;
}

static bool read_plan(struct tflite_context *context, struct plan *plan) {
    struct tflite_int_array *nodes = NULL;
    memset(plan, 0, sizeof *plan);
    if (context->GetExecutionPlan(context, &nodes) != TFLITE_OK || nodes == NULL ||
        nodes->size < 0) {
        return false;
    }
    plan->nodes = (uint64_t)nodes->size;
    for (int i = 0; i < nodes->size; i++) {
        struct tflite_registration *kernel = NULL;
        void *node = NULL;
        if (context->GetNodeAndRegistration(context, nodes->data[i], &node, &kernel) !=
                TFLITE_OK ||
            kernel == NULL) {
            return false;
        }
        if (kernel->builtin_code == TFLITE_BUILTIN_DELEGATE) {
            count_kernels(plan, kernel->custom_name == NULL ? "unnamed" : kernel->custom_name, 1);
        }
    }
    return true;
}

/* Called once a subgraph, and again after a resize that undid all delegates. */
static int prepare(struct tflite_context *context, struct tflite_delegate *delegate) {
    struct tflite_watch *watch = delegate->data;
    size_t place = 0;
    if (watch->refuses) {
        return TFLITE_DELEGATE_ERROR;
    }
    while (place < watch->subgraphs && watch->subgraph[place].context != context) {
        place++;
    }
    if (place == MAX_SUBGRAPHS) {
        watch->blind = true;
        return watch->real == NULL ? TFLITE_OK : watch->real->Prepare(context, watch->real);
    }
    watch->subgraphs += place == watch->subgraphs;
    watch->subgraph[place].context = context;
    watch->blind = !read_plan(context, &watch->subgraph[place].before) || watch->blind;
    int status = watch->real == NULL ? TFLITE_OK : watch->real->Prepare(context, watch->real);
    watch->blind = !read_plan(context, &watch->subgraph[place].after) || watch->blind;
    return status;
}

bool tflite_watch_init(struct tflite_watch *watch, struct tflite_delegate *real) {
    memset(watch, 0, sizeof *watch);
    if (real != NULL && real->Prepare == NULL) {
        return false;
    }
    watch->real = real;
    watch->own.delegate.data = watch;
    watch->own.delegate.Prepare = prepare;
    watch->own.delegate.flags = real == NULL ? TFLITE_ALLOW_DYNAMIC_TENSORS : real->flags;
    return true;
}

bool tflite_watch_share(const struct tflite_watch *watch, struct delegate_share *share) {
    memset(share, 0, sizeof *share);
    if (watch->blind || watch->subgraphs == 0) {
        return false;
    }
    share->has_total = share->has_kernels = true;
    for (size_t i = 0; i < watch->subgraphs; i++) {
        const struct plan *before = &watch->subgraph[i].before;
        const struct plan *after = &watch->subgraph[i].after;
        share->total += before->nodes;
        share->kernels += after->kernels - before->kernels;
        share->delegated += (before->nodes - before->kernels) - (after->nodes - after->kernels);
        if (share->name[0] == '\0' && after->names > 0) {
            memcpy(share->name, after->named[0].name, sizeof share->name);
        }
    }
    return true;
}

bool tflite_watch_plan(const struct tflite_watch *watch, struct plan *plan) {
    memset(plan, 0, sizeof *plan);
    if (watch->blind || watch->subgraphs == 0) {
        return false;
    }
    for (size_t i = 0; i < watch->subgraphs; i++) {
        const struct plan *one = &watch->subgraph[i].after;
        plan->nodes += one->nodes;
        for (size_t j = 0; j < one->names; j++) {
            count_kernels(plan, one->named[j].name, one->named[j].kernels);
        }
    }
    return true;
}

uint64_t plan_kernels(const struct plan *plan, const char *name) {
    for (size_t i = 0; i < plan->names; i++) {
        if (strcmp(plan->named[i].name, name) == 0) {
            return plan->named[i].kernels;
        }
    }
    return 0;
}
