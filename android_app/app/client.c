#include "client.h"

#include "../runner/os.h"

enum { ROOT = 0, SHELL = 2000 };

static struct {
    int door;
    int fd;
    bool gone;
    uint64_t until_ns;
    size_t taken; /* of `received`, by client_line */
    size_t used;
} client = {.door = -1, .fd = -1};

/* Apart, so that it takes no room in the file. */
static char received[MAX_REQUEST + 1];

bool door_open(const char *name) {
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    size_t length = strlen(name);
    if (length + 1 > sizeof address.sun_path) {
        return false;
    }
    memcpy(address.sun_path + 1, name, length); /* the NUL before it makes the name abstract */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    if (bind(fd, (const struct sockaddr *)(const void *)&address, size) != 0 ||
        listen(fd, 4) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    client.door = fd;
    return true;
}

int door_fd(void) {
    return client.door;
}

static bool may_enter(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && size == sizeof peer &&
           (peer.uid == ROOT || peer.uid == SHELL || peer.uid == getuid());
}

static bool send_now(int fd, const void *bytes, size_t length) {
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void turn_away(int fd, const char *code, const char *message) {
    struct events answer;
    events_init(&answer, fd);
    answer.write = send_now; /* a new connection has room for a line */
    object_begin(&answer, "app", "error");
    event_null(&answer, "request");
    event_text(&answer, "code", code);
    event_text(&answer, "message", message);
    event_end(&answer);
    close(fd);
}

bool door_answer(void) {
    int fd = accept4(client.door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    if (!may_enter(fd)) {
        turn_away(fd, "stranger", "callers are root, the shell or the app itself");
        return false;
    }
    if (client.fd >= 0 && !client.gone) {
        turn_away(fd, "busy", "another client is connected");
        return false;
    }
    client_close();
    client.fd = fd;
    return true;
}

bool client_connected(void) {
    return client.fd >= 0 && !client.gone;
}

int client_fd(void) {
    return client.fd;
}

void client_close(void) {
    if (client.fd >= 0) {
        close(client.fd);
    }
    client.fd = -1;
    client.gone = false;
    client.taken = client.used = 0;
    client.until_ns = 0;
}

void client_patience(uint64_t until_ns) {
    client.until_ns = until_ns;
}

static bool lose(void) {
    client.gone = true;
    return false;
}

/* Waits until the client can be read from or written to, and answers the door meanwhile. */
static bool wait_for(short events) {
    while (!client.gone) {
        uint64_t now = now_ns();
        if (client.until_ns != 0 && now >= client.until_ns) {
            return lose();
        }
        uint64_t left_ms = (client.until_ns - now) / 1000000 + 1;
        int timeout = client.until_ns == 0 ? -1 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
        struct pollfd fds[2] = {{client.fd, events, 0}, {client.door, POLLIN, 0}};
        int ready = poll(fds, 2, timeout);
        if (ready < 0 && errno != EINTR) {
            return lose();
        }
        if (ready > 0 && fds[1].revents != 0) {
            (void)door_answer(); /* the client is there, so it lets nobody in */
        }
        if (ready > 0 && fds[0].revents != 0) {
            return true;
        }
    }
    return false;
}

bool client_send(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0 && client_connected()) {
        ssize_t sent = send(client.fd, at, length, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN) {
            wait_for(POLLOUT);
        } else if (errno != EINTR) {
            lose();
        }
    }
    return client_connected();
}

/* -1: gone. 0: nothing there yet. */
static ssize_t read_some(void *bytes, size_t length) {
    ssize_t got = read(client.fd, bytes, length);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (got <= 0) {
        lose();
        return -1;
    }
    return got;
}

static void drop_taken(void) {
    memmove(received, received + client.taken, client.used - client.taken);
    client.used -= client.taken;
    client.taken = 0;
}

bool client_receive(void) {
    drop_taken();
    if (!client_connected() || client.used == MAX_REQUEST) {
        return client_connected();
    }
    ssize_t got = read_some(received + client.used, MAX_REQUEST - client.used);
    client.used += got > 0 ? (size_t)got : 0;
    return got >= 0;
}

enum line client_line(char **line, size_t *length) {
    drop_taken();
    for (size_t i = 0; i < client.used; i++) {
        if (received[i] == '\n') {
            received[i] = '\0';
            *line = received;
            *length = i;
            client.taken = i + 1;
            return LINE_WHOLE;
        }
    }
    return client.used == MAX_REQUEST ? LINE_TOO_LONG : LINE_NONE;
}

size_t client_read(void *bytes, size_t length) {
    size_t buffered = client.used - client.taken;
    if (buffered > 0) {
        size_t size = buffered < length ? buffered : length;
        memcpy(bytes, received + client.taken, size);
        client.taken += size;
        return size;
    }
    while (wait_for(POLLIN)) {
        ssize_t got = read_some(bytes, length);
        if (got != 0) {
            return got > 0 ? (size_t)got : 0;
        }
    }
    return 0;
}

static bool send_line(int fd, const void *bytes, size_t length) {
    (void)fd; /* the client's */
    return client_send(bytes, length);
}

void answer_begin(struct events *answer, const char *name) {
    events_init(answer, client.fd);
    answer->write = send_line;
    object_begin(answer, "app", name);
}

void answer_error(const char *request, const char *code, const char *message) {
    struct events answer;
    answer_begin(&answer, "error");
    event_text(&answer, "request", request);
    event_text(&answer, "code", code);
    event_text(&answer, "message", message);
    event_end(&answer);
}
