/* How a database is encrypted: what stands in the extension's config=(...), and what the environment adds. */

#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <wiredtiger_ext.h>

#include "keyid.h"

/* How many indexes the setting can name. */
enum { MOST_INDEXES = 64 };

struct config {
    char *kms;       /* "local" or "program" */
    char *folder;    /* local: where the KMS is, in folder/kms, and key files, in folder/tables */
    char *key_files; /* local: where key files are instead */
    char *service;   /* program: the name that the program gave its service */
    char *key;       /* the KMS key of tables that are created; NULL is the default key */
    bool create;     /* whether a table that has no keys is given some */
    char *indexes;   /* keyids of the indexes that it has then; NULL for none but the one that is asked for */
    /* Milliseconds. */
    uint64_t refresh, within, outage_grace, drain; /* as tablecrypt_settings_... say */
    uint64_t open_within;                          /* how long opening may wait for the KMS */
    uint64_t give_up;                              /* how long a page waits for a key that is late */
    bool is_for_local; /* whether one of those was set that kms=program has in its service */
};

/* Takes the values that nothing sets, then the environment's, then those of `argument`. Answers an errno, and has said why. */
int config_read(struct config *config, WT_EXTENSION_API *api, WT_CONFIG_ARG *argument);

void config_free(struct config *config);

/* The keyid of this number, from 0, among the indexes: 1; 0 behind the last one; -1 where it is none of an index. */
int config_index(const struct config *config, size_t number, struct keyid *keyid);

#endif
