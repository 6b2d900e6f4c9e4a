#include "report.h"

#include "../runner/arguments.h"
#include "../runner/number.h"
#include "../runner/os.h"
#include "self.h"
#include "storage.h"

#if !defined(BOKEHBENCH_BUILD) || !defined(BOKEHBENCH_APP_BUILD)
#error "the sha256 of the runner's and of the app's sources are given by the build"
#endif

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#error "the app is for arm64-v8a and x86_64"
#endif

static void put_file(struct events *line, const char *key, const char *path) {
    char *text = self_read(path);
    event_text(line, key, text);
    free(text);
}

/* "-1000\n" */
static void put_number(struct events *line, const char *key, const char *path) {
    char *text = self_read(path);
    size_t length = text == NULL ? 0 : strlen(text);
    int64_t number = 0;
    if (length > 0 && text[length - 1] == '\n') {
        text[length - 1] = '\0';
    }
    if (text != NULL && parse_integer(text, INT32_MIN, INT32_MAX, &number)) {
        event_integer(line, key, number);
    } else {
        event_null(line, key);
    }
    free(text);
}

static void put_library(struct events *line) {
    const char *path = self_library();
    size_t length = path == NULL ? 0 : strlen(path);
    while (length > 0 && path[length - 1] != '/') {
        length--;
    }
    event_text(line, "library", path);
    if (length > 1) {
        event_bytes(line, "library_folder", path, length - 1);
    } else {
        event_null(line, "library_folder");
    }
}

static void put_state(struct events *line) {
    struct moment now;
    state_now(&now);
    event_text(line, "state", now.state);
    event_bool(line, "focused", now.focused);
}

void report_greeting(int api_level, bool used) {
    struct events line;
    answer_begin(&line, "greeting");
    event_integer(&line, "protocol", APP_PROTOCOL);
    event_integer(&line, "runner_protocol", RUNNER_PROTOCOL);
    event_text(&line, "build", BOKEHBENCH_APP_BUILD);
    event_text(&line, "runner_build", BOKEHBENCH_BUILD);
    event_text(&line, "abi", MACHINE);
    event_integer(&line, "api_level", api_level);
    event_integer(&line, "pid", getpid());
    event_unsigned(&line, "uid", getuid());
    event_integer(&line, "nice", getpriority(PRIO_PROCESS, 0));
    put_file(&line, "cgroup", "/proc/self/cgroup");
    put_number(&line, "oom_score_adj", "/proc/self/oom_score_adj");
    event_text(&line, "data_folder", storage_folder());
    put_library(&line);
    put_state(&line);
    event_bool(&line, "used", used);
    event_unsigned(&line, "monotonic_ns", now_ns());
    event_end(&line);
}

void report_pong(bool running) {
    struct events line;
    answer_begin(&line, "pong");
    event_bool(&line, "running", running);
    put_state(&line);
    event_unsigned(&line, "monotonic_ns", now_ns());
    event_end(&line);
}

void report_started(void) {
    struct events line;
    answer_begin(&line, "started");
    event_integer(&line, "pid", getpid());
    put_state(&line);
    event_unsigned(&line, "monotonic_ns", now_ns());
    event_end(&line);
}

void report_change(const struct moment *moment) {
    struct events line;
    answer_begin(&line, "activity");
    event_text(&line, "change", moment->change);
    event_text(&line, "state", moment->state);
    event_bool(&line, "focused", moment->focused);
    event_unsigned(&line, "monotonic_ns", moment->at_ns);
    event_end(&line);
}

void report_heartbeat(void) {
    struct events line;
    answer_begin(&line, "heartbeat");
    event_unsigned(&line, "monotonic_ns", now_ns());
    event_end(&line);
}

void report_end(int exit_code, const char *reason) {
    struct events line;
    answer_begin(&line, "end");
    event_integer(&line, "exit_code", exit_code);
    event_text(&line, "reason", reason);
    event_bool(&line, "in_front", state_in_front());
    event_unsigned(&line, "monotonic_ns", now_ns());
    event_end(&line);
}

void report_stopping(bool running) {
    struct events line;
    answer_begin(&line, "stopping");
    event_bool(&line, "running", running);
    event_end(&line);
}
