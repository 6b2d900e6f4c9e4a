#include "cache.h"

static bool used(const struct engine_setup *setup) {
    return setup->backend == BACKEND_GPU && setup->cache != CACHE_NONE;
}

/* Counts the folder's entries, or removes them all. */
static bool walk(const char *folder, bool empty, size_t *entries, struct failure *failure) {
    int fd = openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        fail(failure, FAILURE_IO_ERROR, "cache_dir %s: %s", folder, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    bool good = true;
    const struct dirent *entry;
    *entries = 0;
    while (good && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        ++*entries;
        if (empty && unlinkat(fd, entry->d_name, 0) != 0) {
            good = fail(failure, FAILURE_IO_ERROR, "cache_dir %s: %.200s: %s", folder,
                        entry->d_name, strerror(errno));
        }
    }
    closedir(listing);
    return good;
}

bool cache_begin(const struct engine_setup *setup, size_t *files, struct failure *failure) {
    *files = 0;
    if (!used(setup)) {
        return true;
    }
    if (setup->cache == CACHE_COLD && !walk(setup->cache_dir, true, files, failure)) {
        return false;
    }
    return walk(setup->cache_dir, false, files, failure);
}

bool cache_end(const struct engine_setup *setup, size_t files, const struct delegation *delegation,
               const char **word, struct failure *failure) {
    size_t after = 0;
    *word = "none";
    if (!used(setup)) {
        return true;
    }
    if (!walk(setup->cache_dir, false, &after, failure)) {
        return false;
    }
    if (files > 0 && delegation->from_cache != CACHE_LEFT) {
        *word = "warm";
    } else if (after > 0) {
        *word = "cold";
    }
    return true;
}
