/* Lines that tell how the app is doing. */
#ifndef BOKEHBENCH_REPORT_H
#define BOKEHBENCH_REPORT_H

#include "client.h"
#include "state.h"

void report_greeting(int api_level, bool used);
void report_pong(bool running);
void report_started(void);
void report_change(const struct moment *moment);
void report_heartbeat(void);
void report_end(int exit_code, const char *reason);
void report_stopping(bool running);

#endif
