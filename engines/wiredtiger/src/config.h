/* How a database is encrypted: what stands in the extension's config=(...), and what the environment adds. */

#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <wiredtiger_ext.h>

struct config {
    char *kms;       /* "local" or "program" */
    char *folder;    /* local: where the KMS is, in folder/kms, and key files, in folder/tables */
    char *key_files; /* local: where key files are instead */
    char *service;   /* program: the name that the program gave its service */
    char *key;       /* the KMS key of tables that are created; NULL is the default key */
    bool create;     /* whether tables and structures that have no key are given one */
    /* Milliseconds. */
    uint64_t refresh, within, outage_grace, drain; /* as tablecrypt_settings_... say */
    uint64_t open_within;                          /* how long opening may wait for the KMS */
    uint64_t give_up;                              /* how long a page waits for a key that is late */
};

/* Takes the values that nothing sets, then the environment's, then those of `argument`. Answers an errno, and has said why. */
int config_read(struct config *config, WT_EXTENSION_API *api, WT_CONFIG_ARG *argument);

void config_free(struct config *config);

#endif
