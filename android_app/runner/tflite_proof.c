#include "proof.h"
#include "tflite_session.h"

static struct delegate_share *find_share(struct engine_report *report, const char *name) {
    for (size_t i = 0; i < report->shares; i++) {
        if (strcmp(report->share[i].name, name) == 0) {
            return &report->share[i];
        }
    }
    return NULL;
}

/* The plan's counts in place of the log's; the number of partitions stays, which the log alone
 * knows. A delegate that the log does not name goes to `place`. */
static void put_share(struct engine_report *report, const struct delegate_share *counted,
                      size_t place) {
    struct delegate_share *share = find_share(report, counted->name);
    if (share != NULL) {
        share->delegated = counted->delegated;
        share->total = counted->total;
        share->kernels = counted->kernels;
        share->has_total = share->has_kernels = true;
    } else if (report->shares < MAX_SHARES) {
        place = place < report->shares ? place : report->shares;
        for (size_t i = report->shares; i > place; i--) {
            report->share[i] = report->share[i - 1];
        }
        report->share[place] = *counted;
        report->shares++;
    }
}

/* What the delegates took that TFLite applied by itself to what ours had left. */
static void put_rest(struct engine_report *report, const struct delegate_share *own,
                     const struct plan *last) {
    uint64_t left = own->total - own->delegated;
    uint64_t plain = last->nodes - last->kernels;
    for (size_t i = 0; i < last->names && last->names == 2; i++) {
        if (strcmp(last->named[i].name, own->name) != 0 && plain <= left) {
            struct delegate_share rest = {.delegated = left - plain,
                                          .has_total = true,
                                          .total = left + own->kernels,
                                          .has_kernels = true,
                                          .kernels = last->named[i].kernels};
            memcpy(rest.name, last->named[i].name, sizeof rest.name);
            put_share(report, &rest, MAX_SHARES);
        }
    }
}

/* With XNNPACK asked for, what it took by default of the rest counts as well. */
static void add_default(struct delegate_share *own, const struct plan *last) {
    for (size_t i = 0; i < last->names; i++) {
        if (strstr(last->named[i].name, "XNNPack") != NULL) {
            memcpy(own->name, last->named[i].name, sizeof own->name);
            own->kernels = last->named[i].kernels;
            own->delegated = own->total - (last->nodes - last->kernels);
        }
    }
}

static bool prove_plain(const struct tflite_session *session,
                        const struct delegation *delegation, struct engine_report *report,
                        struct failure *failure) {
    struct plan plan;
    report->shares = 0; /* what the log tells of was taken back */
    report->fully_accelerated = NO;
    if (!tflite_watch_plan(&session->last, &plan)) {
        return (delegation->talks && !delegation->xnnpack && delegation->replacements == 0) ||
               fail(failure, FAILURE_BACKEND_UNAVAILABLE, "nothing proves that no delegate ran");
    }
    if (plan.kernels > 0) {
        return fail(failure, FAILURE_BACKEND_UNAVAILABLE,
                    "this library runs %s whatever is asked for", plan.named[0].name);
    }
    report->has_nodes = true;
    report->delegated_nodes = 0;
    report->total_nodes = plan.nodes;
    return true;
}

static bool took_none(const struct engine_setup *setup, const struct delegation *delegation,
                      uint64_t operations, struct failure *failure) {
    fail(failure,
         setup->backend != BACKEND_GPU ? FAILURE_BACKEND_UNAVAILABLE
         : delegation->unsupported     ? FAILURE_OP_UNSUPPORTED
                                       : FAILURE_DELEGATE_FAILED,
         "the delegate took none of the graph's %llu operations", (unsigned long long)operations);
    proof_explain(delegation, failure);
    return false;
}

/* What stands at the top of the report: the delegate that was asked for. */
static void put_summary(struct engine_report *report, bool gpu) {
    for (size_t i = 0; i < report->shares; i++) {
        const struct delegate_share *share = &report->share[i];
        bool xnnpack = strstr(share->name, "XNNPack") != NULL;
        if (xnnpack == gpu) {
            continue;
        }
        memcpy(report->delegate, share->name, sizeof report->delegate);
        report->has_nodes = share->has_total;
        report->delegated_nodes = share->delegated;
        report->total_nodes = share->total;
        report->has_partitions = share->has_partitions;
        report->partitions = share->partitions;
        if (share->has_total) {
            report->fully_accelerated = share->delegated == share->total ? YES : NO;
        }
        return;
    }
}

bool tflite_prove(struct tflite_session *session, const struct engine_setup *setup,
                  const struct delegation *delegation, struct engine_report *report,
                  struct failure *failure) {
    bool gpu = setup->backend == BACKEND_GPU;
    struct delegate_share own;
    struct plan last;
    proof_shares(delegation, report);
    if (setup->backend == BACKEND_CPU) {
        return prove_plain(session, delegation, report, failure);
    }
    bool counted = session->watched && tflite_watch_share(&session->watch, &own);
    bool seen = tflite_watch_plan(&session->last, &last);
    if (counted && seen && !gpu) {
        add_default(&own, &last);
    }
    if (counted && own.delegated == 0) {
        return took_none(setup, delegation, own.total, failure);
    }
    if (counted && seen && plan_kernels(&last, own.name) != own.kernels) {
        fail(failure, FAILURE_DELEGATE_FAILED, "%s was applied and taken back", own.name);
        proof_explain(delegation, failure);
        return false;
    }
    if (gpu && !proof_gpu_api(setup, delegation, failure)) {
        return false;
    }
    if (counted) {
        put_share(report, &own, 0);
    }
    if (counted && seen) {
        put_rest(report, &own, &last);
    }
    put_summary(report, gpu);
    /* A GPU without counts is reported as it is: the host believes no GPU that is not proven. */
    return gpu || report->has_nodes ||
           fail(failure, FAILURE_BACKEND_UNAVAILABLE, "nothing proves that XNNPACK runs");
}
