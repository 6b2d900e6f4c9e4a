/* The smallest test frame: CHECK counts, a failed one prints where. */
#ifndef BOKEHBENCH_CHECK_H
#define BOKEHBENCH_CHECK_H

#include "../failure.h"

extern unsigned checks_passed;
extern unsigned checks_failed;

bool check(bool good, const char *file, int line, const char *text);

#define CHECK(condition) check((condition), __FILE__, __LINE__, #condition)
#define CHECK_TEXT(have, want) check(strcmp((have), (want)) == 0, __FILE__, __LINE__, (have))

void test_numbers(void);
void test_digest(void);
void test_events(void);
void test_tensors(void);
void test_arguments(void);
void test_manifest(void);
void test_delegation(void);
void test_convert(void);
void test_files(void);
void test_returned_structs(void);
void test_cache(void);
void test_trial(void);

#endif
