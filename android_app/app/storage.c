#include "storage.h"

#include "../runner/files.h"
#include "../runner/sha256.h"
#include "client.h"

enum { MAX_NAMES = 8, MAX_NAME = 200, MAX_DEPTH = 16, CHUNK = 65536 };

static const char LOG[] = "log";

static struct {
    int fd;
    char folder[512];
} storage = {.fd = -1};

static char chunk[CHUNK];

bool storage_open(const char *folder) {
    if (strlen(folder) >= sizeof storage.folder) {
        return false;
    }
    storage.fd = openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memcpy(storage.folder, folder, strlen(folder) + 1);
    return storage.fd >= 0;
}

const char *storage_folder(void) {
    return storage.folder;
}

int storage_log(void) {
    return openat(storage.fd, LOG, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
}

static bool of_a_name(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

bool storage_path(const char *path) {
    size_t names = 0;
    for (const char *at = path;; at++) {
        size_t length = 0;
        bool dot = *at == '.';
        for (; of_a_name(*at); at++) {
            length++;
        }
        if (dot || length == 0 || length > MAX_NAME || ++names > MAX_NAMES) {
            return false;
        }
        if (*at == '\0') {
            return true;
        }
        if (*at != '/') {
            return false;
        }
    }
}

static void refuse(const char *request, const char *path, int error) {
    char message[2048];
    snprintf(message, sizeof message, "%s: %s", path, strerror(error));
    answer_error(request, error == ENOENT || error == ENOTDIR ? "missing" : "io_error", message);
}

/* The folder that holds the path's last name, which `name` gets; -1: errno says why not. */
static int parent_of(const char *path, bool make, const char **name) {
    int folder = openat(storage.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (folder >= 0) {
        const char *slash = strchr(path, '/');
        if (slash == NULL) {
            *name = path;
            return folder;
        }
        char part[MAX_NAME + 1];
        size_t length = (size_t)(slash - path);
        memcpy(part, path, length);
        part[length] = '\0';
        path = slash + 1;
        int error = 0;
        if (make && mkdirat(folder, part, 0700) != 0 && errno != EEXIST) {
            error = errno;
        }
        int next = error != 0 ? -1
                              : openat(folder, part,
                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        error = next < 0 && error == 0 ? errno : error;
        close(folder);
        errno = error;
        folder = next;
    }
    return -1;
}

static void put_path(struct events *answer, const char *path) {
    char whole[sizeof storage.folder + 2048];
    snprintf(whole, sizeof whole, "%s/%s", storage.folder, path);
    event_text(answer, "path", whole);
}

void storage_make(const char *path) {
    const char *name;
    int folder = parent_of(path, true, &name);
    bool made = folder >= 0 && (mkdirat(folder, name, 0700) == 0 || errno == EEXIST);
    int inside = made ? openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    int error = errno;
    if (folder >= 0) {
        close(folder);
    }
    if (inside < 0) {
        refuse("folder", path, error);
        return;
    }
    close(inside);
    struct events answer;
    answer_begin(&answer, "folder");
    put_path(&answer, path);
    event_end(&answer);
}

void storage_discard(uint64_t size) {
    while (size > 0) {
        size_t got = client_read(chunk, size < CHUNK ? (size_t)size : CHUNK);
        if (got == 0) {
            return;
        }
        size -= got;
    }
}

/* 0: all of them are in `fd` and `sum` is theirs. Always reads to their end. */
static int receive(int fd, uint64_t size, char sum[SHA256_TEXT]) {
    struct sha256 sha;
    sha256_init(&sha);
    while (size > 0) {
        size_t got = client_read(chunk, size < CHUNK ? (size_t)size : CHUNK);
        if (got == 0) {
            return EINTR; /* nobody is there to be told */
        }
        size -= got;
        if (!write_all(fd, chunk, got)) {
            int error = errno;
            storage_discard(size);
            return error;
        }
        sha256_update(&sha, chunk, got);
    }
    sha256_text(&sha, sum);
    return 0;
}

static void pushed(const char *path, uint64_t size, const char *sum) {
    struct events answer;
    answer_begin(&answer, "pushed");
    put_path(&answer, path);
    event_unsigned(&answer, "size_bytes", size);
    event_text(&answer, "sha256", sum);
    event_end(&answer);
}

void storage_push(const char *path, uint64_t size, const char *sha256) {
    const char *name = NULL;
    char partial[MAX_NAME + 8], sum[SHA256_TEXT] = "";
    int folder = parent_of(path, true, &name);
    int fd = -1;
    int error = errno;
    if (folder >= 0) {
        snprintf(partial, sizeof partial, ".%s.part", name); /* no request can name it */
        fd = openat(folder, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        error = errno;
    }
    if (fd < 0) {
        storage_discard(size);
        refuse("push", path, error);
    } else {
        error = receive(fd, size, sum);
        error = close(fd) != 0 && error == 0 ? errno : error;
        bool altered = error == 0 && strcmp(sum, sha256) != 0;
        if (error == 0 && !altered && renameat(folder, partial, folder, name) != 0) {
            error = errno;
        }
        if (error != 0 || altered) {
            unlinkat(folder, partial, 0);
        }
        if (altered) {
            answer_error("push", "altered", "the bytes that came have another sha256");
        } else if (error != 0) {
            refuse("push", path, error);
        } else {
            pushed(path, size, sum);
        }
    }
    if (folder >= 0) {
        close(folder);
    }
}

/* False: fewer than that many bytes came out of the file. */
static bool send_file(int fd, uint64_t size, char sum[SHA256_TEXT]) {
    struct sha256 sha;
    sha256_init(&sha);
    while (size > 0) {
        ssize_t got = read(fd, chunk, size < CHUNK ? (size_t)size : CHUNK);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0 || !client_send(chunk, (size_t)got)) {
            return false;
        }
        sha256_update(&sha, chunk, (size_t)got);
        size -= (uint64_t)got;
    }
    sha256_text(&sha, sum);
    return true;
}

void storage_pull(const char *path) {
    const char *name;
    char sum[SHA256_TEXT];
    int folder = parent_of(path, false, &name);
    int fd = folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    /* A folder can be opened and not read. */
    bool good = size >= 0 && lseek(fd, 0, SEEK_SET) == 0 && read(fd, chunk, 0) == 0;
    int error = errno;
    if (folder >= 0) {
        close(folder);
    }
    if (good) {
        struct events answer;
        answer_begin(&answer, "file");
        event_text(&answer, "path", path);
        event_unsigned(&answer, "size_bytes", (uint64_t)size);
        event_end(&answer);
        if (send_file(fd, (uint64_t)size, sum)) {
            answer_begin(&answer, "pulled");
            event_text(&answer, "path", path);
            event_text(&answer, "sha256", sum);
            event_end(&answer);
        } else {
            client_close(); /* in the middle of raw bytes there is no other way to say so */
        }
    } else {
        refuse("pull", path, error);
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* A file, or a folder with all that is in it; links are removed and not followed. */
static bool remove_all(int folder, const char *name, int depth, uint64_t *entries) {
    if (unlinkat(folder, name, 0) == 0) {
        ++*entries;
        return true;
    }
    if (errno != EISDIR || depth == MAX_DEPTH) {
        return false;
    }
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    bool good = true;
    const struct dirent *entry;
    while (good && (entry = readdir(listing)) != NULL) {
        good = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
               remove_all(fd, entry->d_name, depth + 1, entries);
    }
    int error = errno;
    closedir(listing);
    errno = error;
    if (!good || unlinkat(folder, name, AT_REMOVEDIR) != 0) {
        return false;
    }
    ++*entries;
    return true;
}

void storage_remove(const char *path) {
    const char *name;
    uint64_t entries = 0;
    int folder = parent_of(path, false, &name);
    bool good = folder >= 0 && remove_all(folder, name, 0, &entries);
    int error = errno;
    if (folder >= 0) {
        close(folder);
    }
    if (!good) {
        refuse("remove", path, error);
        return;
    }
    struct events answer;
    answer_begin(&answer, "removed");
    event_text(&answer, "path", path);
    event_unsigned(&answer, "entries", entries);
    event_end(&answer);
}
