/* Whole trials with an engine made of a few arrays: mode logic, errors, events, digest. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "../events.h"
#include "../files.h"
#include "../process.h"
#include "../runner.h"
#include "../sha256.h"
#include "check.h"
#include "fake.h"

/* ASan would end the process on the malloc that must fail here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static char folder[] = "/tmp/bokehbench-test-XXXXXX";
static char said[65536];
static bool deaf; /* the events go to a descriptor that takes none */

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
    char words[40][600], text[4096], sum[SHA256_TEXT];
    char *list[40];
    static const char *const BASE[] = {
        "runner", "2", "manifest=", "deadline_ms=600000", "engine=fake", "engine_library=l",
        "engine_folder=f", "model=good", "signature=0", "backend=xnnpack", "threads=1",
        "precision=default", "core_mask=0", "mode=time", "warmups=2", "runs=3", "min_runs=1",
        "max_ms=60000", "inputs=1", "outputs=1", "in0=1x2x2x3:float32:0:1:0:0",
        "image_output=0", "out=1x2x2x3:float32:0:1:0:0", "rounding=half_even",
        "output_format=u8", "gpu_backend=auto", "gpu_preference=fast_single_answer",
        "max_partitions=1", "cache=none", "cache_dir=-", "cache_token=-"};
    int count = (int)(sizeof BASE / sizeof BASE[0]);
    snprintf(text, sizeof text, "bokehbench-manifest\t1\n%s", items);
    sha256_of(text, strlen(text), sum);
    snprintf(words[39], sizeof words[39], "%s.manifest", sum);
    CHECK(put_file(words[39], text, strlen(text)));
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
    int fd = open(path_of("events"), (deaf ? O_RDONLY : O_RDWR) | O_CREAT | O_TRUNC, 0644);
    const struct surroundings surroundings = {fd, arm_deadline, &stop};
    int code = runner_run(count, list, &surroundings, ENGINES);
    close(fd);
    ssize_t got = get_file("events", said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    char whole[200];
    const char *done = strstr(said, "{\"event\":\"done\"");
    if (!deaf && CHECK(done != NULL)) { /* always the last line, with the digest of the others */
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
    CHECK(says("\"shape\":[1,2,2,3],\"dtype\":\"u8\""));
    CHECK(says("\"nonfinite\":0,\"low\":0,\"high\":1"));
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
    CHECK(run(ITEM, CHANGE("engine=onnx")) == 69 && says("engine_unsupported"));
    CHECK(run(ITEM, CHANGE("model=load")) == 69 && says("op_unsupported") && says("\"status\":504,\"unsupported\":[]"));
    CHECK(run(ITEM, CHANGE("model=run")) == 70 && says("invoke_failed") && says("fake run"));
    CHECK(!says("\"event\":\"samples\"") && says("\"event\":\"backend\""));
    CHECK(run(ITEM, CHANGE("model=mute")) == 70 && says("internal"));
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

/* The alarm is blocked by the parent, and the engine takes it over while it loads. */
/* Stopped between two invocations; and another trial of the same process knows nothing of it. */
static void test_stop(void) {
    static const char THREE[] = "item\t0\tnone\tseed:1\nitem\t1\tnone\tseed:2\nitem\t2\tnone\tseed:3\n";
    CHECK(run("item\t0\tnone\tseed:1\n", CHANGE("model=stop")) == 75 && fake.runs == 2);
    CHECK(says("\"stopped\"") && !says("\"event\":\"samples\"") && fake.locked == 0);
    stop = false;
    CHECK(run(THREE, CHANGE("model=stop", "mode=images")) == 75 && fake.runs == 2);
    CHECK(says("\"index\":1") && !says("\"index\":2") && says("\"stopped\""));
    stop = false;
    CHECK(run(THREE, CHANGE("mode=images")) == 0 && fake.runs == 3);
}

static void test_deadline(void) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        _exit(run("item\t0\tnone\tseed:1\n", CHANGE("model=hang", "deadline_ms=100")));
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DEADLINE);
}

static void test_nobody_reads(void) {
    struct failure failure = {0};
    struct events events;
    events_init(&events, -1);
    CHECK(events_heard(&events, &failure));
    event_begin(&events, "x");
    event_end(&events);
    CHECK(!events_heard(&events, &failure) && failure.code == FAILURE_IO_ERROR);
    deaf = true; /* ends after the load, before a run */
    CHECK(run("item\t0\tnone\tseed:1\n", NULL) == 74 && said[0] == '\0' && fake.runs == 0);
    deaf = false;
}

void test_trial(void) {
    if (!CHECK(mkdtemp(folder) != NULL)) {
        return;
    }
    int errors = dup(2);
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 2); /* what the fake engine prints */
    test_time();
    test_images();
    test_failures();
    test_stop();
    test_deadline();
    test_nobody_reads();
    dup2(errors, 2);
    close(errors);
    close(nowhere);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
}
