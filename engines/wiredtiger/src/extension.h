/* What one WT_CONNECTION has of us: its settings, its client connection, its tables. It is the encryptor that WiredTiger
 * registers; each keyid gets one of its own (encryptor.c).
 *
 * It goes when WiredTiger has terminated it and no opening (opening.c) is under way any more. */

#ifndef EXTENSION_H
#define EXTENSION_H

#include <pthread.h>
#include <stdatomic.h>

#include <tablecrypt.h>
#include <wiredtiger_ext.h>

#include "config.h"

/* A table of this database, as far as its keys are known here. All keyids of a table share it, so that what happens to its
 * key is said once. */
struct table {
    struct table *next;
    /* What was last said of its key, an enum meaning: DONE, LATE or REFUSED; and when that began. */
    atomic_int said;
    atomic_uint_fast64_t since;
    /* When it was last looked whether its keys are there. */
    atomic_uint_fast64_t looked;
    char name[256];
};

struct extension {
    WT_ENCRYPTOR encryptor; /* first: WiredTiger knows it by this */
    WT_EXTENSION_API *api;
    struct config config;
    const tablecrypt_service *service;
    tablecrypt_service *owned;
    tablecrypt_connection *connection;
    pthread_mutex_t lock;
    struct table *tables; /* under `lock`; none is taken out before the end */
    atomic_int holders;
};

/* One holder more, or less; the last one frees it. */
void extension_hold(struct extension *extension);
void extension_let_go(struct extension *extension);

/* The table of this name, new if there is none. NULL where there is no memory. */
struct table *extension_table(struct extension *extension, const char *name);

#endif
