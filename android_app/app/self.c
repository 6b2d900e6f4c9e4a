#include "self.h"

enum { FIRST = 16 * 1024, MOST = 16 * 1024 * 1024 };

char *self_read(const char *path) {
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    size_t room = FIRST, used = 0;
    char *text = fd < 0 ? NULL : malloc(room);
    ssize_t got = 1;
    while (text != NULL && got > 0) {
        got = read(fd, text + used, room - used - 1);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        used += got > 0 ? (size_t)got : 0;
        if (room - used == 1) {
            char *more = room < MOST ? realloc(text, room * 2) : NULL;
            room *= 2;
            if (more == NULL) {
                got = -1;
                break;
            }
            text = more;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (text != NULL && got < 0) {
        free(text);
        return NULL;
    }
    if (text != NULL) {
        text[used] = '\0';
    }
    return text;
}

bool self_name(char name[MAX_PROCESS_NAME]) {
    char *line = self_read("/proc/self/cmdline"); /* its words end with NULs */
    size_t length = line == NULL ? 0 : strlen(line);
    bool good = length > 0 && length < MAX_PROCESS_NAME;
    if (good) {
        memcpy(name, line, length + 1);
    }
    free(line);
    return good;
}

const char *self_library(void) {
    Dl_info info;
    memset(&info, 0, sizeof info);
    void *here;
    const char *(*function)(void) = self_library;
    memcpy(&here, &function, sizeof here); /* ISO C has no cast between the two kinds */
    return dladdr(here, &info) != 0 ? info.dli_fname : NULL;
}
