/* A keyid names a structure of a table:
 *
 *     TABLE  TABLE/base            the base table
 *     TABLE/lsi:NAME  TABLE/local:NAME      a local secondary index
 *     TABLE/gsi:NAME  TABLE/global:NAME     a global secondary index
 *
 * Two keyids of one structure are two encryptors under one data key. */

#ifndef KEYID_H
#define KEYID_H

#include <stdbool.h>
#include <stddef.h>

/* Names are at most 255 bytes. */
struct keyid {
    char table[256];
    char structure[264]; /* as tablecrypt_table_structure takes it: "base", "local:NAME", "global:NAME" */
};

bool keyid_parse(struct keyid *keyid, const char *text, size_t length);

#endif
