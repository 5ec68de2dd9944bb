/* Uses the whole C interface: program VECTORS FOLDER. Prints "N passed, 0 failed". */

#define _DEFAULT_SOURCE 1 /* nanosleep */

#include "program.h"

int passed;
int failed;

int poll_again(time_t began) {
    const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    return time(NULL) - began < 60;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s VECTORS FOLDER\n", argv[0]);
        return 2;
    }
    CHECK(tablecrypt_abi() == TABLECRYPT_ABI);
    CHECK(strcmp(tablecrypt_version(), TABLECRYPT_TEST_VERSION) == 0);
    CHECK(tablecrypt_last_error(NULL, 0) == 0);
    test_gcm(argv[1]);
    test_tables(argv[2]);
    test_callbacks(argv[2]);
    test_log(argv[2]);
    test_batches(argv[2]);
    test_forgery(argv[2]);
    test_overlaps(argv[2]);
    test_bad_arguments(argv[2]);
    test_administration(argv[2]);
    test_misuse(argv[2]);
    test_bad_storage(argv[2]);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
