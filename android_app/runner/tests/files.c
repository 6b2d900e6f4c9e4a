#include "../files.h"
#include "../library.h"

#include "../engine_log.h"
#include "check.h"

/* A limit on the size of files stands for the full disk. */
static void test_full_disk(int folder) {
    struct rlimit old, none = {0, 0};
    struct engine_log log;
    struct failure failure = {0};
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    none.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    bool begun = engine_log_begin(folder, &log, &failure);
    (void)!write(1, "INFO: proof\n", 12);
    bool ended = engine_log_end(&log, &failure);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    signal(SIGXFSZ, SIG_DFL);
    CHECK(begun && !ended && failure.code == FAILURE_IO_ERROR);
    CHECK(strstr(failure.message, "engine.log") != NULL);
    engine_log_free(&log);
}

/* A name that only the linker can find, and a path that tells by itself. */
static void test_libraries(void) {
    static const char *const MISSING[] = {"libnone.so", "/none/libnone.so",
                                          "/none/base.apk!/lib/x86_64/libnone.so"};
    struct failure failure = {0};
    void *library = NULL;
    for (size_t i = 0; i < 3; i++) {
        CHECK(!library_open(MISSING[i], &library, &failure));
        CHECK(failure.code == FAILURE_ENGINE_MISSING && strstr(failure.message, MISSING[i]));
    }
    CHECK(!library_open("/proc/self/status", &library, &failure));
    CHECK(failure.code == FAILURE_ENGINE_UNSUPPORTED && library == NULL);
    CHECK(library_open("libc.so.6", &library, &failure));
}

void test_files(void) {
    char folder[] = "/tmp/bokehbench-files-XXXXXX";
    char path[64], long_name[251];
    struct failure failure = {0};
    char *text;
    size_t length;
    int work;
    if (!CHECK(mkdtemp(folder) != NULL)) {
        return;
    }
    snprintf(path, sizeof path, "%s/t", folder);
    CHECK(open_folder_of(path, &work, &failure) && write_whole(work, "t", "abc", 3, &failure));
    CHECK(read_text(path, 3, &text, &length, FAILURE_IO_ERROR, &failure) && length == 3);
    CHECK_TEXT(text, "abc");
    free(text);
    CHECK(!read_text(path, 2, &text, &length, FAILURE_IO_ERROR, &failure));
    CHECK(!read_text(folder, 9999, &text, &length, FAILURE_IO_ERROR, &failure));
    CHECK(write_whole(work, "u", "xyz", 3, &failure));
    char bytes[4];
    CHECK(read_exact(work, "u", bytes, 3, &failure) && memcmp(bytes, "xyz", 3) == 0);
    CHECK(!read_exact(work, "u", bytes, 2, &failure) && !read_exact(work, "u", bytes, 4, &failure));
    memset(long_name, 'a', 250);
    long_name[250] = '\0';
    CHECK(!write_whole(work, long_name, "xyz", 3, &failure));
    test_full_disk(work);
    unlinkat(work, "t", 0);
    unlinkat(work, "u", 0);
    close(work);
    CHECK(rmdir(folder) == 0); /* nothing else is left */
    CHECK(open_folder_of("here", &work, &failure));
    close(work);
    test_libraries();
}
