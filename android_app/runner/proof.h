/* What the engine's log adds to a report or to a failure; the same for all engines. */
#ifndef BOKEHBENCH_PROOF_H
#define BOKEHBENCH_PROOF_H

#include "engine.h"

/* Appends the log's first error, and why a delegate could not be made, to the message, which is
 * read without the log. */
void proof_explain(const struct delegation *delegation, struct failure *failure);

/* A better code and better words for a load that failed. False, so that a caller can return it. */
bool proof_refine(const struct engine_setup *setup, const struct delegation *delegation,
                  struct failure *failure);

/* Fills report->share from the log: one entry a delegate, summed over subgraphs. */
void proof_shares(const struct delegation *delegation, struct engine_report *report);

/* Fails when the log says that another interface to the GPU was set up than the one forced. */
bool proof_gpu_api(const struct engine_setup *setup, const struct delegation *delegation,
                   struct failure *failure);

#endif
