#include "control.h"

#include "../runner/failure.h"
#include "../runner/os.h"
#include "client.h"
#include "forward.h"
#include "ndk.h"
#include "probe.h"
#include "report.h"
#include "requests.h"
#include "run.h"
#include "self.h"
#include "state.h"
#include "storage.h"

static const uint64_t BEAT_NS = 1000000000u;
static const uint64_t MS = 1000000u;

/* A host that died would leave the screen lit, and the phone warm for whoever measures next. */
#if !defined(ALONE_SECONDS)
#define ALONE_SECONDS 60u
#endif

/* While the app that was here before it ends, the name of the socket is taken. */
enum { DOOR_ATTEMPTS = 100, DOOR_WAIT_MS = 100 };

/* Who is to be told of the run that goes on. */
enum audience { NOBODY, CLIENT, TOLD_ALREADY };

static struct {
    int wake_out;
    int wake_in;
    int api_level;
    bool used;
    bool alone;
    enum audience audience;
    uint64_t beat_ns;
    struct json_object object;
} control = {.wake_out = -1, .wake_in = -1};

static void tell(int priority, const char *text) {
    __android_log_write(priority, "bokehbench", text);
}

/* A run that whoever began it still waits for, or that nobody is left to hear of. */
static bool is_busy(void) {
    return run_going() && control.audience != TOLD_ALREADY;
}

static void tell_changes(void) {
    struct moment moment;
    while (control.audience == CLIENT && forward_between_lines() && state_next(&moment)) {
        report_change(&moment);
    }
}

static void end_run(int exit_code, const char *reason) {
    if (control.audience == CLIENT) {
        if (!forward_between_lines()) {
            (void)client_send("\n", 1);
            forward_begin(false);
        }
        tell_changes();
        report_end(exit_code, reason);
    }
    control.audience = TOLD_ALREADY;
}

static bool times_runs(const struct json_field *argv) {
    for (size_t i = 0; i < argv->count; i++) {
        if (strcmp(argv->words[i], "mode=time") == 0) {
            return true;
        }
    }
    return false;
}

static void begin_run(const struct json_field *argv) {
    int log = storage_log();
    forward_begin(times_runs(argv));
    state_watch();
    if (log < 0 || !run_begin(argv->words, argv->count, log, control.wake_in)) {
        answer_error("run", "io_error", strerror(errno));
        state_unwatch();
    } else {
        control.used = true;
        control.audience = CLIENT;
        control.beat_ns = now_ns() + BEAT_NS;
        report_started();
    }
    if (log >= 0) {
        close(log);
    }
}

static void answer(enum request request) {
    const struct json_object *object = &control.object;
    if (request == REQUEST_PING) {
        report_pong(run_going());
    } else if (request == REQUEST_STOP) {
        bool running = run_going();
        if (running) {
            run_stop();
        }
        report_stopping(running);
    } else if (is_busy()) {
        request_refuse(request, object, "busy", "a run goes on");
    } else if (request == REQUEST_RUN && control.used) {
        request_refuse(request, object, "used",
                       "this process has had its trial or loaded libraries: start the app again");
    } else if (request == REQUEST_RUN) {
        begin_run(json_find(object, "argv", JSON_LIST));
    } else if (request == REQUEST_PROBE) {
        const struct json_field *names = json_find(object, "libraries", JSON_LIST);
        control.used = true;
        probe(names->words, names->count);
    } else {
        request_files(request, object);
    }
}

static void answer_lines(void) {
    char *line;
    size_t length;
    enum request request;
    enum line kind = LINE_NONE;
    while (client_connected() && (kind = client_line(&line, &length)) == LINE_WHOLE) {
        if (request_read(line, length, &control.object, &request)) {
            answer(request);
        }
    }
    if (client_connected() && kind == LINE_TOO_LONG) {
        answer_error(NULL, "usage", "a line of more than 262144 bytes");
        client_close();
    }
}

static void look_after_run(void) {
    int exit_code;
    if (!run_going()) {
        return;
    }
    tell_changes();
    if (run_over(&exit_code)) {
        struct pollfd rest = {run_events(), POLLIN, 0};
        while (rest.fd >= 0 && poll(&rest, 1, 0) > 0 && forward(rest.fd)) {
        }
        end_run(exit_code, "returned");
        run_close_events();
        state_unwatch();
        return;
    }
    uint64_t now = now_ns();
    if (is_busy() && run_deadline() != 0 && now >= run_deadline()) {
        run_stop();
        end_run(EXIT_DEADLINE, "deadline");
        run_close_events();
    } else if (control.audience == CLIENT && forward_between_lines() && !forward_timing() &&
               now >= control.beat_ns) {
        report_heartbeat();
        control.beat_ns = now + BEAT_NS;
    }
}

/* Its run has nobody left to run for. */
static void look_after_client(void) {
    if (client_connected()) {
        return;
    }
    client_close();
    if (is_busy() && control.audience == CLIENT) {
        control.audience = NOBODY;
        run_stop();
        run_close_events();
    }
}

/* Without a client and a run the process ends after a while. */
static void look_after_itself(void) {
    bool alone = !client_connected() && !run_going();
    if (alone != control.alone) {
        control.alone = alone;
        run_end_process(alone ? ALONE_SECONDS * 1000 * MS : 0);
    }
}

static int wait_ms(void) {
    uint64_t now = now_ns();
    uint64_t until = is_busy() ? run_deadline() : 0;
    if (is_busy() && control.audience == CLIENT && !forward_timing() &&
        (until == 0 || control.beat_ns < until)) {
        until = control.beat_ns;
    }
    uint64_t left_ms = until > now ? (until - now) / MS + 1 : 0;
    return until == 0 ? -1 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

static void turn(void) {
    char woken[64];
    struct pollfd fds[4] = {{door_fd(), POLLIN, 0},
                            {control.wake_out, POLLIN, 0},
                            {client_fd(), POLLIN, 0},
                            {run_events(), POLLIN, 0}};
    client_patience(is_busy() ? run_deadline() : 0);
    look_after_itself();
    if (poll(fds, 4, wait_ms()) < 0) {
        return; /* a signal */
    }
    if (fds[1].revents != 0) {
        (void)!read(control.wake_out, woken, sizeof woken);
    }
    if (fds[3].revents != 0 && !forward(fds[3].fd)) {
        run_close_events();
    }
    look_after_run();
    if (fds[2].revents != 0 && client_receive()) {
        answer_lines();
    }
    look_after_client();
    if (fds[0].revents != 0 && door_answer()) {
        report_greeting(control.api_level, control.used);
    }
}

static void *control_thread(void *unused) {
    (void)unused;
    /* A thread has the priority of the one that made it, and the system raises that of an activity
     * in front. The trial's thread comes from this one; in the shell a runner has 0. */
    (void)setpriority(PRIO_PROCESS, 0, 0);
    static const char PREFIX[] = "bokehbench.";
    char name[sizeof PREFIX + MAX_PROCESS_NAME], process[MAX_PROCESS_NAME], message[256];
    if (!self_name(process)) {
        tell(ANDROID_LOG_ERROR, "the process has no name to listen under");
        return NULL;
    }
    snprintf(name, sizeof name, "%s%s", PREFIX, process);
    for (int i = 0; !door_open(name); i++) {
        if (errno != EADDRINUSE || i == DOOR_ATTEMPTS) {
            snprintf(message, sizeof message, "no socket @%s: %s", name, strerror(errno));
            tell(ANDROID_LOG_ERROR, message);
            return NULL;
        }
        const struct timespec wait = {0, DOOR_WAIT_MS * (long)MS};
        nanosleep(&wait, NULL);
    }
    snprintf(message, sizeof message, "listening on @%s", name);
    tell(ANDROID_LOG_INFO, message);
    for (;;) {
        turn();
    }
}

void control_start(const char *folder, int api_level) {
    int ends[2];
    pthread_t thread;
    if (control.wake_in >= 0) {
        return;
    }
    control.api_level = api_level;
    /* A client that is gone must not end the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (folder == NULL || !storage_open(folder)) {
        tell(ANDROID_LOG_ERROR, "the app's own data folder can't be opened");
        return;
    }
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        tell(ANDROID_LOG_ERROR, "no pipe for the control thread");
        return;
    }
    control.wake_out = ends[0];
    control.wake_in = ends[1];
    if (pthread_create(&thread, NULL, control_thread, NULL) != 0) {
        tell(ANDROID_LOG_ERROR, "no control thread");
    }
}

int control_wake(void) {
    return control.wake_in;
}
