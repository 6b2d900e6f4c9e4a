#include "check.h"

unsigned checks_passed;
unsigned checks_failed;

bool check(bool good, const char *file, int line, const char *text) {
    if (good) {
        checks_passed++;
    } else {
        checks_failed++;
        printf("%s:%d: %s\n", file, line, text);
    }
    return good;
}

int main(void) {
    test_numbers();
    test_digest();
    test_events();
    test_tensors();
    test_arguments();
    test_manifest();
    test_delegation();
    test_convert();
    test_files();
    test_returned_structs();
    test_cache();
    test_trial();
    printf("%u passed, %u failed\n", checks_passed, checks_failed);
    return checks_failed == 0 && checks_passed > 0 ? 0 : 1;
}
