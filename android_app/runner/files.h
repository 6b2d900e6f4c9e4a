/* Whole files: read to the exact size, written under another name and then renamed. */
#ifndef BOKEHBENCH_FILES_H
#define BOKEHBENCH_FILES_H

#include "failure.h"

bool write_all(int fd, const void *bytes, size_t length);

/* The whole of `path` with a NUL after it, in memory that the caller frees. */
bool read_text(const char *path, size_t max, char **text, size_t *length,
               enum failure_code missing, struct failure *failure);

/* Folder of `path`, opened: the work folder when `path` is the manifest. */
bool open_folder_of(const char *path, int *folder, struct failure *failure);

/* Exactly `length` bytes of folder/name, no fewer and no more. */
bool read_exact(int folder, const char *name, void *bytes, size_t length,
                struct failure *failure);

/* folder/name appears whole or not at all. */
bool write_whole(int folder, const char *name, const void *bytes, size_t length,
                 struct failure *failure);

#endif
