/* Whole trials with an engine made of a few arrays: mode logic, errors, events, digest. */
#include <sys/stat.h>

#include "../files.h"
#include "../runner.h"
#include "../sha256.h"
#include "check.h"

enum { ELEMENTS = 12 };

/* `model=` says what goes wrong. */
static struct {
    float input[ELEMENTS];
    float output[ELEMENTS];
    float fresh[ELEMENTS];
    const char *behaviour;
    unsigned runs;
    unsigned locked;
} fake;

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
    report->cache = "none";
    (void)!write(1, SAID, sizeof SAID - 1);
    describe(&report->input[0], "image");
    describe(&report->output[0], "bokeh");
    if (behaves("huge")) {
        report->input[0].elements = SIZE_MAX / 4;
    }
    if (behaves("overflow")) {
        report->output[0].elements = SIZE_MAX / 2;
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
    if (behaves("run") && fake.runs == 3) {
        return fail_status(failure, FAILURE_INVOKE_FAILED, 3, "fake run");
    }
    if (behaves("slow")) {
        struct timespec time = {0, 3000000};
        nanosleep(&time, NULL);
    }
    for (size_t i = 0; i < ELEMENTS; i++) {
        fake.output[i] = 1.0f - fake.input[i];
    }
    return true;
}

/* ASan would end the process on the malloc that must fail here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static const struct engine FAKE = {"fake",    fake_open,   fake_load, fake_prove,
                                   fake_lock, fake_unlock, fake_run};

static char folder[] = "/tmp/bokehbench-test-XXXXXX";
static char said[65536];

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool put_file(const char *name, const void *bytes, size_t length) {
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    bool good = fd >= 0 && write_all(fd, bytes, length);
    return close(fd) == 0 && good;
}

static ssize_t get_file(const char *name, void *bytes, size_t length) {
    int fd = open(path_of(name), O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, length);
    if (fd >= 0) {
        close(fd);
    }
    return got;
}

/* Runs a trial; the events are in `said`. `change` replaces the argument of the same key. */
static int run(const char *items, const char *const *change) {
    static const struct engine *const ENGINES[] = {&FAKE, NULL};
    char words[32][600], text[4096], sum[SHA256_TEXT];
    char *list[32];
    static const char *const BASE[] = {
        "runner", "1", "manifest=", "deadline_ms=600000", "engine=fake", "engine_library=l",
        "engine_folder=f", "model=good", "signature=0", "backend=xnnpack", "threads=1",
        "precision=default", "core_mask=0", "mode=time", "warmups=2", "runs=3", "min_runs=1",
        "max_ms=60000", "inputs=1", "outputs=1", "in0=1x2x2x3:float32:0:1:0:0",
        "image_output=0", "out=1x2x2x3:float32:0:1:0:0", "rounding=half_even",
        "output_format=u8"};
    int count = (int)(sizeof BASE / sizeof BASE[0]);
    snprintf(text, sizeof text, "bokehbench-manifest\t1\n%s", items);
    sha256_of(text, strlen(text), sum);
    snprintf(words[30], sizeof words[30], "%s.manifest", sum);
    CHECK(put_file(words[30], text, strlen(text)));
    for (int i = 0; i < count; i++) {
        const char *word = BASE[i];
        for (const char *const *new = change; new != NULL && *new != NULL; new++) {
            size_t key = (size_t)(strchr(*new, '=') - *new) + 1;
            word = strncmp(word, *new, key) == 0 ? *new : word;
        }
        snprintf(words[i], sizeof words[i], "%s", word);
        if (strcmp(word, "manifest=") == 0) {
            snprintf(words[i], sizeof words[i], "manifest=%s/%s.manifest", folder, sum);
        }
        list[i] = words[i];
    }
    int fd = open(path_of("events"), O_RDWR | O_CREAT | O_TRUNC, 0644);
    int code = runner_run(count, list, fd, ENGINES);
    close(fd);
    ssize_t got = get_file("events", said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    char whole[200];
    const char *done = strstr(said, "{\"event\":\"done\"");
    if (CHECK(done != NULL)) { /* always the last line, with the digest of the others */
        unsigned lines = 0;
        for (const char *at = said; at < done; at++) {
            lines += *at == '\n';
        }
        sha256_of(said, (size_t)(done - said), sum);
        snprintf(whole, sizeof whole, "{\"event\":\"done\",\"events\":%u,\"sha256\":\"%s\"}\n",
                 lines, sum);
        CHECK_TEXT(done, whole);
    }
    CHECK(get_file("engine.log", whole, 1) < 0);
    return code;
}

static bool says(const char *part) {
    return strstr(said, part) != NULL;
}

static unsigned numbers_in(const char *key) {
    const char *at = strstr(said, key);
    unsigned numbers = 0;
    for (at = at == NULL ? "" : at + strlen(key); *at != '\0' && *at != ']'; at++) {
        numbers += *at == ',' || *at == '[' ? 1 : 0;
        if (at[0] == '[' && at[1] == ']') {
            return 0;
        }
    }
    return numbers;
}

#define CHANGE(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_time(void) {
    static const uint8_t BYTES[ELEMENTS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 254, 255};
    uint8_t out[64];
    CHECK(put_file("a.raw", BYTES, sizeof BYTES));
    CHECK(run("item\t5\tfile:out.raw\tfile:a.raw\n", NULL) == 0);
    CHECK(says("\"event\":\"hello\"") && says("\"engine_abi\":\"fake-1\""));
    CHECK(says("\"log\":[\"INFO: fake delegate \\\"\\ufffd\\\"\"]"));
    CHECK(numbers_in("\"warmup_ns\":") == 2 && numbers_in("\"invoke_ns\":") == 3);
    CHECK(says("\"capped\":false") && says("\"path\":\"out.raw\"") && says("\"index\":5"));
    CHECK(says("\"shape\":[1,2,2,3],\"dtype\":\"u8\"") && says("\"nonfinite\":0,\"low\":0,\"high\":1"));
    CHECK(says("\"event\":\"memory\"") && fake.runs == 5);
    CHECK(get_file("out.raw", out, sizeof out) == ELEMENTS);
    for (size_t i = 0; i < ELEMENTS; i++) {
        CHECK(out[i] == 255 - BYTES[i]);
    }
    CHECK(run("item\t0\tfile:out.f32\tseed:9\n", CHANGE("output_format=f32")) == 0);
    CHECK(get_file("out.f32", out, sizeof out) == 4 * ELEMENTS);
    CHECK(run("item\t0\tnone\tseed:9\n", CHANGE("warmups=0", "runs=1")) == 0);
    CHECK(numbers_in("\"warmup_ns\":") == 0 && says("\"path\":null"));
    CHECK(run("item\t0\tnone\tseed:9\n",
              CHANGE("model=slow", "warmups=0", "runs=1000", "min_runs=2", "max_ms=1")) == 0);
    CHECK(numbers_in("\"invoke_ns\":") == 2 && says("\"capped\":true"));
    CHECK(run("item\t0\tnone\tseed:9\n",
              CHANGE("model=slow", "warmups=1000", "runs=3", "min_runs=3", "max_ms=1")) == 0);
    CHECK(numbers_in("\"invoke_ns\":") == 3 && numbers_in("\"warmup_ns\":") == 1);
    CHECK(says("\"capped\":true"));
}

static void test_images(void) {
    uint8_t out[64];
    const char *const *images =
        CHANGE("mode=images", "warmups=0", "runs=0", "min_runs=0", "max_ms=0");
    CHECK(run("item\t0\tfile:o0\tseed:1\nitem\t1\tfile:o1\tfile:a.raw\nitem\t2\tnone\tseed:1\n",
              images) == 0);
    CHECK(fake.runs == 3 && !says("\"event\":\"samples\"") && says("\"index\":2"));
    CHECK(get_file("o0", out, sizeof out) == ELEMENTS);
    CHECK(run("item\t0\tfile:p0\tseed:1\nitem\t1\tfile:p1\tfile:gone.raw\n", images) == 65);
    CHECK(says("input_missing") && says("gone.raw") && says("\"path\":\"p0\""));
    CHECK(get_file("p0", out, sizeof out) == ELEMENTS && get_file("p1", out, 1) < 0);
    CHECK(put_file("short.raw", "abc", 3) && put_file("long.raw", "0123456789abc", 13));
    CHECK(run("item\t0\tfile:q\tfile:short.raw\n", images) == 65 && says("input_mismatch"));
    CHECK(run("item\t0\tfile:q\tfile:long.raw\n", images) == 65 && says("input_mismatch"));
    CHECK(mkdir(path_of("taken"), 0755) == 0); /* a folder can't be replaced by a file */
    CHECK(run("item\t0\tfile:taken\tseed:1\n", images) == 74);
    CHECK(says("io_error") && says("taken") && get_file(".taken.part", out, 1) < 0);
    rmdir(path_of("taken"));
}

static void test_failures(void) {
    static const char ITEM[] = "item\t0\tnone\tseed:1\n";
    CHECK(run(ITEM, CHANGE("engine_library=absent")) == 69 && says("\"engine_abi\":\"none\""));
    CHECK(says("engine_missing") && !says("\"event\":\"backend\""));
    CHECK(run(ITEM, CHANGE("engine=tflite")) == 69 && says("engine_unsupported"));
    CHECK(run(ITEM, CHANGE("model=load")) == 69 && says("op_unsupported") && says(":504}"));
    CHECK(run(ITEM, CHANGE("model=run")) == 70 && says("invoke_failed") && says("fake run"));
    CHECK(!says("\"event\":\"samples\"") && says("\"event\":\"backend\""));
    CHECK(run(ITEM, CHANGE("model=lock")) == 70 && says("fake lock"));
    CHECK(run(ITEM, CHANGE("model=fresh")) == 70 && says("changed during the runs"));
    CHECK(run(ITEM, CHANGE("model=huge")) == 71 && says("out_of_memory"));
    CHECK(run(ITEM, CHANGE("model=overflow", "output_format=f32")) == 65 && says("too large"));
    CHECK(run(ITEM, CHANGE("out=1x2x2x4:float32:0:1:0:0")) == 65 && says("input_mismatch"));
    CHECK(run(ITEM, CHANGE("out=-:uint8:0:1:0:0")) == 65 && says("input_mismatch"));
    CHECK(run(ITEM, CHANGE("threads=0")) == 64 && says("usage") && !says("hello"));
    CHECK(run(ITEM, CHANGE("core_mask=8000000000000000")) == 64 && says("core_mask"));
    CHECK(run(ITEM, CHANGE("manifest=/nonexistent/x")) == 65 && says("manifest_invalid"));
    CHECK(run("item\t0\tnone\tseed:1\nitem\t1\tnone\tseed:1\n", NULL) == 65);
    CHECK(says("mode time takes one item"));
    CHECK(put_file("wrong.manifest", "bokehbench-manifest\t1\nitem\t0\tnone\tseed:1\n", 41));
    char named[600];
    snprintf(named, sizeof named, "manifest=%s", path_of("wrong.manifest"));
    CHECK(run(ITEM, CHANGE(named)) == 65 && says("not named by its sha256"));
}

void test_files(void) {
    struct failure failure = {0};
    char *text;
    size_t length;
    int work;
    if (!CHECK(mkdtemp(folder) != NULL)) {
        return;
    }
    CHECK(put_file("t", "abc", 3));
    CHECK(read_text(path_of("t"), 3, &text, &length, FAILURE_IO_ERROR, &failure) && length == 3);
    CHECK_TEXT(text, "abc");
    free(text);
    CHECK(!read_text(path_of("t"), 2, &text, &length, FAILURE_IO_ERROR, &failure));
    CHECK(!read_text(folder, 9999, &text, &length, FAILURE_IO_ERROR, &failure));
    CHECK(open_folder_of(path_of("t"), &work, &failure));
    CHECK(write_whole(work, "u", "xyz", 3, &failure));
    char bytes[4];
    CHECK(read_exact(work, "u", bytes, 3, &failure) && memcmp(bytes, "xyz", 3) == 0);
    CHECK(!read_exact(work, "u", bytes, 2, &failure) && !read_exact(work, "u", bytes, 4, &failure));
    memset(said, 'a', 250);
    said[250] = '\0';
    CHECK(!write_whole(work, said, "xyz", 3, &failure));
    close(work);
    CHECK(open_folder_of("here", &work, &failure));
    close(work);
}

void test_trial(void) {
    int errors = dup(2);
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 2); /* what the fake engine prints */
    test_time();
    test_images();
    test_failures();
    dup2(errors, 2);
    close(errors);
    close(nowhere);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
}
