#include "check.h"

#include <wiredtiger.h>

int failed;
const char *extension;
const char *folder;

void check_error(int expected, int found, const char *call, const char *file, int line) {
    if (expected == found)
        return;
    ++failed;
    printf("    %s:%d: %s\n        gave %d (%s), not %d (%s)\n", file, line, call, found, wiredtiger_strerror(found), expected,
           wiredtiger_strerror(expected));
}
