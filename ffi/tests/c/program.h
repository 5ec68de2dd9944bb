/* The parts of the C program. */

#ifndef PROGRAM_H
#define PROGRAM_H

#include <time.h>

#include "../check.h"

/* Once around a loop that polls: waits a millisecond, and says if its minute, of which more is a hang, is not over. */
int poll_again(time_t began);

void test_gcm(const char *vectors);
void test_tables(const char *folder);
void test_callbacks(const char *folder);
void test_log(const char *folder);
void test_batches(const char *folder);
void test_forgery(const char *folder);
void test_overlaps(const char *folder);
void test_bad_arguments(const char *folder);
void test_administration(const char *folder);
void test_misuse(const char *folder);
void test_bad_storage(const char *folder);

#endif
