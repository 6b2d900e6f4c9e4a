/* The one host that is connected: lines and raw bytes in and out, and the door that others find
 * closed. All of it is for the control thread alone. */
#ifndef BOKEHBENCH_CLIENT_H
#define BOKEHBENCH_CLIENT_H

#include "libc_app.h"

#include "../runner/events.h"

#define APP_PROTOCOL 1

enum { MAX_REQUEST = 262144 };

/* Listens on the abstract socket of that name; errno says why not. */
bool door_open(const char *name);
int door_fd(void);

/* Takes the caller at the door if there is no client and it may come in, else tells it why not. */
bool door_answer(void);

bool client_connected(void);
int client_fd(void); /* -1: there is none */
void client_close(void);

/* One more read; false: the client is gone. */
bool client_receive(void);
enum line { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG };
/* The next line that was received, a NUL in place of its end; it stays until the next call. */
enum line client_line(char **line, size_t *length);

/* Up to `length` raw bytes that follow a line; 0: the client is gone. */
size_t client_read(void *bytes, size_t length);

/* Until when the client may keep us waiting, by now_ns(); 0: for ever. Past it, it is gone. */
void client_patience(uint64_t until_ns);
/* False: the client is gone. */
bool client_send(const void *bytes, size_t length);

/* A line to the client: begin, members by event_text and the like, event_end. */
void answer_begin(struct events *answer, const char *name);
void answer_error(const char *request, const char *code, const char *message);

#endif
