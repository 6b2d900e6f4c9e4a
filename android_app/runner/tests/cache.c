/* A folder of compiled kernels: emptied, kept, counted, and what is said of it. */
#include "../cache.h"

#include <sys/stat.h>

#include "../files.h"
#include "check.h"

static char folder[] = "/tmp/bokehbench-cache-XXXXXX";

static void put(const char *name) {
    int work = openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
    struct failure failure = {0};
    CHECK(write_whole(work, name, "k", 1, &failure));
    close(work);
}

static void check_word(enum cache_use use, size_t before, int from_cache, const char *want) {
    struct engine_setup setup = {.backend = BACKEND_GPU, .cache = use, .cache_dir = folder};
    struct delegation delegation;
    struct failure failure = {0};
    const char *word = NULL;
    memset(&delegation, 0, sizeof delegation);
    delegation.from_cache = from_cache;
    CHECK(cache_end(&setup, before, &delegation, &word, &failure));
    CHECK_TEXT(word, want);
}

void test_cache(void) {
    struct engine_setup setup = {.backend = BACKEND_GPU, .cache = CACHE_WARM, .cache_dir = folder};
    struct failure failure = {0};
    size_t files = 9;
    char inside[64];
    if (!CHECK(mkdtemp(folder) != NULL)) {
        return;
    }
    CHECK(cache_begin(&setup, &files, &failure) && files == 0);
    check_word(CACHE_WARM, 0, CACHE_UNKNOWN, "none");
    put("a.bin");
    put(".hidden");
    check_word(CACHE_WARM, 0, CACHE_UNKNOWN, "cold");
    check_word(CACHE_COLD, 0, CACHE_LEFT, "cold");
    check_word(CACHE_WARM, 2, CACHE_UNKNOWN, "warm");
    check_word(CACHE_WARM, 2, CACHE_TAKEN, "warm");
    check_word(CACHE_WARM, 2, CACHE_LEFT, "cold");
    check_word(CACHE_NONE, 2, CACHE_UNKNOWN, "none");
    CHECK(cache_begin(&setup, &files, &failure) && files == 2);
    setup.backend = BACKEND_CPU;
    setup.cache = CACHE_COLD;
    CHECK(cache_begin(&setup, &files, &failure) && files == 0);
    setup.backend = BACKEND_GPU;
    CHECK(cache_begin(&setup, &files, &failure) && files == 0);
    snprintf(inside, sizeof inside, "%s/sub", folder);
    CHECK(mkdir(inside, 0755) == 0);
    CHECK(!cache_begin(&setup, &files, &failure) && failure.code == FAILURE_IO_ERROR);
    CHECK(strstr(failure.message, "sub") != NULL);
    CHECK(rmdir(inside) == 0 && rmdir(folder) == 0);
    CHECK(!cache_begin(&setup, &files, &failure) && failure.code == FAILURE_IO_ERROR);
}
