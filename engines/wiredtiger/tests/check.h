/* What the tests share: checks that count, and a test that is its sentence. */

#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>

struct test {
    const char *sentence;
    void (*run)(void);
};

/* The tests of a file, ended by one without a sentence. */
extern const struct test opening_tests[], outage_tests[], forgery_tests[];

/* Checks that failed, in this process. */
extern int failed;

/* The extension, and a folder of this test's own. */
extern const char *extension;
extern const char *folder;

#define CHECK(condition) \
    ((condition) ? (void)0 : (void)(++failed, printf("    %s:%d: not so: %s\n", __FILE__, __LINE__, #condition)))

/* Checks an error of WiredTiger's, and says both where they differ. */
#define CHECK_ERROR(expected, call) check_error((expected), (call), #call, __FILE__, __LINE__)

void check_error(int expected, int found, const char *call, const char *file, int line);

#endif
