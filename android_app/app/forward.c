#include "forward.h"

#include "client.h"

static const char BACKEND[] = "{\"event\":\"backend\"";

enum { HEAD = sizeof BACKEND - 1 };

static struct {
    bool timed;
    bool timing;
    bool between;
    size_t used;
    char head[HEAD]; /* how the line begins */
} state;

static char chunk[65536];

void forward_begin(bool timed) {
    memset(&state, 0, sizeof state);
    state.timed = timed;
    state.between = true;
}

static void look(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (state.between) {
            state.used = 0;
            state.timing = false; /* another event: the runs are over, or have not begun */
        }
        state.between = bytes[i] == '\n';
        if (state.used < HEAD) {
            state.head[state.used++] = bytes[i];
        }
        if (state.between) {
            state.timing = state.timed && state.used == HEAD && memcmp(state.head, BACKEND, HEAD) == 0;
        }
    }
}

bool forward(int fd) {
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got < 0) {
        return errno == EINTR;
    }
    look(chunk, (size_t)got);
    (void)client_send(chunk, (size_t)got);
    return got > 0;
}

bool forward_between_lines(void) {
    return state.between;
}

bool forward_timing(void) {
    return state.timing;
}
