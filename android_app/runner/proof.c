#include "proof.h"

static bool holds(const struct log_line *line, const char *part) {
    size_t size = strlen(part);
    for (size_t i = 0; i + size <= line->length; i++) {
        if (memcmp(line->text + i, part, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_error(const struct log_line *line) {
    /* Of a cache that is empty yet, and of what follows from an error before. */
    return line->length > 5 && memcmp(line->text, "ERROR", 5) == 0 &&
           !holds(line, "couldn't be opened for reading") &&
           !holds(line, "Restored original execution plan");
}

static void append(const struct log_line *line, struct failure *failure) {
    size_t used = strlen(failure->message);
    snprintf(failure->message + used, sizeof failure->message - used, "; %.*s",
             (int)line->length, line->text);
}

void proof_explain(const struct delegation *delegation, struct failure *failure) {
    size_t first = 0;
    while (first < delegation->lines && !is_error(&delegation->line[first])) {
        first++;
    }
    if (first == delegation->lines) {
        return;
    }
    append(&delegation->line[first], failure);
    if (delegation->line[first].text[delegation->line[first].length - 1] == ':' &&
        first + 1 < delegation->lines) {
        first++; /* "Following operations are not supported by GPU delegate:" */
        append(&delegation->line[first], failure);
    }
    for (size_t i = first + 1; i < delegation->lines; i++) {
        if (is_error(&delegation->line[i]) && holds(&delegation->line[i], "Delegate Init: ")) {
            append(&delegation->line[i], failure); /* why it could not be made, after all */
            return;
        }
    }
}

bool proof_refine(const struct engine_setup *setup, const struct delegation *delegation,
                  struct failure *failure) {
    bool gpu = setup->backend == BACKEND_GPU;
    if (delegation->unresolved) {
        failure->code = FAILURE_OP_UNSUPPORTED;
    } else if (failure->code == FAILURE_DELEGATE_FAILED) {
        /* A GPU interface that was forced and is not there is the delegate's failure: another
         * one may be there. */
        if (gpu && delegation->no_accelerator) {
            failure->code = setup->gpu_api == GPU_API_AUTO ? FAILURE_BACKEND_UNAVAILABLE
                                                           : FAILURE_DELEGATE_FAILED;
        } else if (delegation->unsupported) {
            failure->code = FAILURE_OP_UNSUPPORTED;
        }
    }
    proof_explain(delegation, failure);
    return false;
}

void proof_shares(const struct delegation *delegation, struct engine_report *report) {
    report->shares = 0;
    for (size_t i = 0; i < delegation->replacements; i++) {
        const struct replacement *found = &delegation->replacement[i];
        size_t place = 0;
        while (place < report->shares &&
               strcmp(report->share[place].name, found->delegate) != 0) {
            place++;
        }
        if (place == MAX_SHARES) {
            continue;
        }
        struct delegate_share *share = &report->share[place];
        if (place == report->shares) {
            memset(share, 0, sizeof *share);
            memcpy(share->name, found->delegate, sizeof share->name);
            share->has_total = share->has_partitions = true;
            report->shares++;
        }
        share->delegated += found->replaced;
        share->total += found->total;
        share->has_total = share->has_total && found->has_total;
        share->partitions += found->partitions;
        share->has_partitions = share->has_partitions && found->has_partitions;
    }
}

bool proof_gpu_api(const struct engine_setup *setup, const struct delegation *delegation,
                   struct failure *failure) {
    static const char *const NAMES[] = {NULL, "OpenCL", "OpenGL", "WebGPU"}; /* enum gpu_api */
    const char *wanted = NAMES[setup->gpu_api];
    const char *have = delegation_gpu_api(delegation);
    if (wanted == NULL || have == NULL || strcmp(wanted, have) == 0) {
        return true;
    }
    return fail(failure, FAILURE_DELEGATE_FAILED, "%s was asked for and %s was set up", wanted,
                have);
}
