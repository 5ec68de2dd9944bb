/* What the C and C++ programs share: checks that count. */

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include "tablecrypt.h"

extern int passed;
extern int failed;

#define CHECK(condition) \
    ((condition) ? (void)++passed : (void)(++failed, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition)))

/* Checks a call's status, and says both where they differ. */
#define CHECK_STATUS(expected, call) check_status((expected), (call), #call, __FILE__, __LINE__)

static inline void check_status(int expected, int found, const char *call, const char *file, int line) {
    if (expected == found) {
        ++passed;
    } else {
        ++failed;
        printf("%s:%d: %s\n    gave %d (%s), not %d (%s)\n", file, line, call, found, tablecrypt_status_message(found),
               expected, tablecrypt_status_message(expected));
    }
}

static inline int all_are(const unsigned char *bytes, size_t length, unsigned char byte) {
    size_t i;
    for (i = 0; i < length; ++i) {
        if (bytes[i] != byte) {
            return 0;
        }
    }
    return 1;
}

#endif
