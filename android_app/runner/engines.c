/* The engines that are built in. */
#include "runner.h"

const struct engine *const RUNNER_ENGINES[] = {&ENGINE_LITERT, &ENGINE_TFLITE, NULL};
