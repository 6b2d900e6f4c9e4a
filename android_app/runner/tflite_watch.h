/* A delegate of ours around a real one: it lets that one work and counts what it took.
 *
 * TFLite shows its execution plan to a delegate while the delegate prepares the graph, and to
 * nobody else. The plan is the graph as it will run, so its counts need no log, which release
 * builds cut and other systems route elsewhere.
 */
#ifndef BOKEHBENCH_TFLITE_WATCH_H
#define BOKEHBENCH_TFLITE_WATCH_H

#include "engine.h"
#include "tflite_abi.h"

enum { MAX_SUBGRAPHS = 32, MAX_KERNELS = 4 };

struct plan {
    uint64_t nodes;
    uint64_t kernels; /* nodes that a delegate runs */
    size_t names;
    struct {
        char name[DELEGATE_NAME];
        uint64_t kernels;
    } named[MAX_KERNELS]; /* of one delegate each */
};

struct tflite_watch {
    union {
        struct tflite_delegate delegate; /* what TFLite is given */
        char room[256];                  /* zeros for fields of later versions */
    } own;
    struct tflite_delegate *real; /* NULL: none */
    bool refuses;                 /* fails on purpose, which takes all delegates back */
    bool blind;                   /* a plan could not be read */
    size_t subgraphs;
    struct {
        struct tflite_context *context;
        struct plan before;
        struct plan after;
    } subgraph[MAX_SUBGRAPHS];
};

/* `real` may be NULL: then it only looks, and goes with every graph. False: `real` is of the
 * opaque kind, which can't be wrapped. */
bool tflite_watch_init(struct tflite_watch *watch, struct tflite_delegate *real);

/* What the real delegate took of all subgraphs. False: unknown. */
bool tflite_watch_share(const struct tflite_watch *watch, struct delegate_share *share);

/* The plan as it was left, over all subgraphs. False: unknown. */
bool tflite_watch_plan(const struct tflite_watch *watch, struct plan *plan);
uint64_t plan_kernels(const struct plan *plan, const char *name);

#endif
