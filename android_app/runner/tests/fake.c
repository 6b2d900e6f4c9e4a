#include "fake.h"

#include "check.h"

struct fake fake;
atomic_bool stop;

static bool behaves(const char *word) {
    return strcmp(fake.behaviour, word) == 0;
}

static bool fake_open(const char *library, void **session, const char **abi,
                      struct failure *failure) {
    if (strcmp(library, "absent") == 0) {
        return fail(failure, FAILURE_ENGINE_MISSING, "no library");
    }
    memset(&fake, 0, sizeof fake);
    *session = &fake;
    *abi = "fake-1";
    return true;
}

static void describe(struct tensor_info *info, const char *name) {
    static const struct shape SHAPE = {4, {1, 2, 2, 3}};
    snprintf(info->name, sizeof info->name, "%s", name);
    info->shape = SHAPE;
    info->type = TYPE_FLOAT32;
    info->dtype = "float32";
    info->elements = ELEMENTS;
    info->size_bytes = sizeof fake.input;
}

static bool fake_load(void *session, const struct engine_setup *setup,
                      struct engine_report *report, struct failure *failure) {
    (void)session;
    static const char SAID[] = "INFO: fake delegate \"\xff\"\n";
    fake.behaviour = setup->model;
    (void)!write(1, SAID, sizeof SAID - 1);
    describe(&report->input[0], "image");
    describe(&report->output[0], "bokeh");
    if (behaves("huge")) {
        report->input[0].elements = SIZE_MAX / 4;
    }
    if (behaves("overflow")) {
        report->output[0].elements = SIZE_MAX / 2;
    }
    if (behaves("hang")) { /* in a library that takes the deadline's signal for itself */
        signal(SIGALRM, SIG_IGN);
    }
    return !behaves("load") || fail_status(failure, FAILURE_DELEGATE_FAILED, 504, "fake");
}

static bool fake_prove(void *session, const struct engine_setup *setup,
                       const struct delegation *delegation, struct engine_report *report,
                       struct failure *failure) {
    (void)session;
    (void)setup;
    if (failure->code != FAILURE_NONE) {
        failure->code = FAILURE_OP_UNSUPPORTED;
        return false;
    }
    CHECK(delegation->lines == 1);
    report->fully_accelerated = YES;
    return true;
}

static bool fake_lock(void *session, enum direction direction, size_t index, enum access access,
                      void **address, struct failure *failure) {
    (void)session;
    CHECK(index == 0 && fake.locked == 0);
    fake.locked++;
    if (behaves("lock") && direction == OUTPUT) {
        return fail(failure, FAILURE_INVOKE_FAILED, "fake lock");
    }
    *address = direction == OUTPUT ? fake.output : fake.input;
    if (behaves("fresh") && direction == INPUT && access == ACCESS_READ) {
        *address = fake.fresh;
    }
    return true;
}

static bool fake_unlock(void *session, enum direction direction, size_t index,
                        struct failure *failure) {
    (void)session;
    (void)direction;
    (void)index;
    (void)failure;
    fake.locked--;
    return true;
}

static bool fake_run(void *session, struct failure *failure) {
    (void)session;
    fake.runs++;
    if (behaves("mute")) {
        return false;
    }
    while (behaves("hang")) {
        struct timespec time = {1, 0};
        nanosleep(&time, NULL);
    }
    if (behaves("run") && fake.runs == 3) {
        return fail_status(failure, FAILURE_INVOKE_FAILED, 3, "fake run");
    }
    if (behaves("slow")) {
        struct timespec time = {0, 3000000};
        nanosleep(&time, NULL);
    }
    if (behaves("stop") && fake.runs == 2) {
        stop = true;
    }
    for (size_t i = 0; i < ELEMENTS; i++) {
        fake.output[i] = 1.0f - fake.input[i];
    }
    return true;
}

const struct engine FAKE = {"fake",     "run",     fake_open,   fake_load,
                            fake_prove, fake_lock, fake_unlock, fake_run};
