/* Files of the app's own data folder, by the paths that requests name. */
#ifndef BOKEHBENCH_STORAGE_H
#define BOKEHBENCH_STORAGE_H

#include "libc_app.h"

/* Opens the data folder; errno says why not. */
bool storage_open(const char *folder);
const char *storage_folder(void);

/* 1 to 8 names joined by '/', each of 1 to 200 letters, digits, '.', '_', '-', not beginning with
 * a dot: no such path leads out of the data folder. */
bool storage_path(const char *path);

/* Empties and opens the file for a run's output; -1: errno says why not. */
int storage_log(void);

/* The answers to the requests of these names; each sends its closing line or an error. */
void storage_make(const char *path);
void storage_push(const char *path, uint64_t size, const char *sha256);
void storage_pull(const char *path);
void storage_remove(const char *path);

/* Reads raw bytes of a push that was refused. */
void storage_discard(uint64_t size);

#endif
