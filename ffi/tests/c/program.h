/* The parts of the C program. */

#ifndef PROGRAM_H
#define PROGRAM_H

#include "../check.h"

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
