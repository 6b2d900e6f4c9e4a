#include "files.h"

bool write_all(int fd, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        at += written;
        length -= (size_t)written;
    }
    return true;
}

/* Up to `length` bytes; fewer only at the end of the file. -1: errno says why. */
static ssize_t read_up_to(int fd, void *bytes, size_t length) {
    size_t have = 0;
    while (have < length) {
        ssize_t got = read(fd, (char *)bytes + have, length - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    return (ssize_t)have;
}

bool read_text(const char *path, size_t max, char **text, size_t *length,
               enum failure_code missing, struct failure *failure) {
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(failure, missing, "%s: %s", path, strerror(errno));
    }
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0 || (uint64_t)end > max || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return fail(failure, missing, "%s: not a file of at most %llu bytes", path,
                    (unsigned long long)max);
    }
    size_t size = (size_t)end;
    char *bytes = malloc(size + 1);
    if (bytes == NULL) {
        close(fd);
        return fail_memory(failure, size + 1, path);
    }
    ssize_t got = read_up_to(fd, bytes, size);
    int error = errno;
    close(fd);
    if (got < 0 || (size_t)got != size) {
        free(bytes);
        return fail(failure, FAILURE_IO_ERROR, "%s: %s", path,
                    got < 0 ? strerror(error) : "shrank while it was read");
    }
    bytes[size] = '\0';
    *text = bytes;
    *length = size;
    return true;
}

bool open_folder_of(const char *path, int *folder, struct failure *failure) {
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] != '/') {
        length--;
    }
    char *name = malloc(length + 2);
    if (name == NULL) {
        return fail_memory(failure, length + 2, "the work folder's name");
    }
    memcpy(name, path, length);
    memcpy(name + length, length == 0 ? "." : "", length == 0 ? 2 : 1);
    *folder = openat(AT_FDCWD, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0) {
        fail(failure, FAILURE_IO_ERROR, "%s: %s", name, strerror(errno));
    }
    free(name);
    return *folder >= 0;
}

bool read_exact(int folder, const char *name, void *bytes, size_t length,
                struct failure *failure) {
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(failure, errno == ENOENT ? FAILURE_INPUT_MISSING : FAILURE_IO_ERROR,
                    "input %s: %s", name, strerror(errno));
    }
    char extra;
    ssize_t got = read_up_to(fd, bytes, length);
    ssize_t more = got == (ssize_t)length ? read_up_to(fd, &extra, 1) : 0;
    int error = errno;
    close(fd);
    if (got < 0 || more < 0) {
        return fail(failure, FAILURE_IO_ERROR, "input %s: %s", name, strerror(error));
    }
    if (got != (ssize_t)length || more != 0) {
        return fail(failure, FAILURE_INPUT_MISMATCH,
                    "input %s: has %s than the %llu bytes of its tensor", name,
                    more != 0 ? "more" : "fewer", (unsigned long long)length);
    }
    return true;
}

bool write_whole(int folder, const char *name, const void *bytes, size_t length,
                 struct failure *failure) {
    char partial[256]; /* a leading dot can't meet another name of the manifest */
    int size = snprintf(partial, sizeof partial, ".%s.part", name);
    if (size < 0 || (size_t)size >= sizeof partial) {
        return fail(failure, FAILURE_MANIFEST_INVALID, "output %s: name too long", name);
    }
    int fd = openat(folder, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return fail(failure, FAILURE_IO_ERROR, "output %s: %s", name, strerror(errno));
    }
    bool written = write_all(fd, bytes, length);
    int error = errno;
    if (close(fd) != 0 && written) {
        written = false;
        error = errno;
    }
    if (written && renameat(folder, partial, folder, name) != 0) {
        written = false;
        error = errno;
    }
    if (!written) {
        unlinkat(folder, partial, 0);
        return fail(failure, FAILURE_IO_ERROR, "output %s: %s", name, strerror(error));
    }
    return true;
}
