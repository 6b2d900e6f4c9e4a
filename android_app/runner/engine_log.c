#include "engine_log.h"

#include "files.h"

static const char NAME[] = "engine.log";

bool engine_log_begin(int folder, struct engine_log *log, struct failure *failure) {
    memset(log, 0, sizeof *log);
    log->folder = folder;
    log->file = openat(folder, NAME, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    log->saved_stdout = dup(1);
    log->saved_stderr = dup(2);
    if (log->file < 0 || log->saved_stdout < 0 || log->saved_stderr < 0 ||
        dup2(log->file, 1) < 0 || dup2(log->file, 2) < 0) {
        return fail(failure, FAILURE_IO_ERROR, "%s: %s", NAME, strerror(errno));
    }
    return true;
}

static bool read_back(struct engine_log *log, off_t *end, struct failure *failure) {
    /* Lines that a full disk swallowed would look like lines that were never printed, and the
     * proof of the backend rests on them: one more byte tells. */
    if (!write_all(log->file, "\n", 1)) {
        return fail(failure, FAILURE_IO_ERROR, "%s: %s", NAME, strerror(errno));
    }
    *end = lseek(log->file, 0, SEEK_END);
    if (*end < 0 || lseek(log->file, 0, SEEK_SET) != 0) {
        return fail(failure, FAILURE_IO_ERROR, "%s: %s", NAME, strerror(errno));
    }
    size_t size = *end > MAX_ENGINE_LOG ? MAX_ENGINE_LOG : (size_t)*end;
    log->text = malloc(size + 1);
    if (log->text == NULL) {
        return fail_memory(failure, size + 1, NAME);
    }
    while (log->length < size) {
        ssize_t got = read(log->file, log->text + log->length, size - log->length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        log->length += (size_t)got;
    }
    log->text[log->length] = '\0';
    return true;
}

bool engine_log_end(struct engine_log *log, struct failure *failure) {
    bool restored = dup2(log->saved_stdout, 1) >= 0 && dup2(log->saved_stderr, 2) >= 0;
    int error = errno;
    close(log->saved_stdout);
    close(log->saved_stderr);
    off_t end = 0;
    bool good = read_back(log, &end, failure);
    close(log->file);
    unlinkat(log->folder, NAME, 0);
    if (!restored) {
        return fail(failure, FAILURE_IO_ERROR, "standard error: %s", strerror(error));
    }
    if (good) {
        /* A standard error that nobody takes is no reason to lose the trial. */
        (void)write_all(2, log->text, log->length);
        if (end > MAX_ENGINE_LOG) {
            static const char CUT[] = "\nbokehbench: the rest of engine.log is left out\n";
            (void)write_all(2, CUT, sizeof CUT - 1);
        }
    }
    return good;
}

void engine_log_free(struct engine_log *log) {
    free(log->text);
    log->text = NULL;
}
