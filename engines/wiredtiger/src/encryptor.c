/* A page or a log record, as WiredTiger gives it, is one sealed record (docs/FORMAT.md), 48 bytes longer. WiredTiger says
 * nothing of its place: so its context is the same for all, and only tells it from records that a program of the same
 * table seals itself. What binds it to its table or index is the data key.
 *
 * Any number of threads call at once. A callback that has its keys takes no lock and allocates nothing. */

#include "encryptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "extension.h"
#include "keyid.h"
#include "messages.h"
#include "opening.h"
#include "patience.h"

struct keyed {
    WT_ENCRYPTOR encryptor; /* first: WiredTiger knows it by this */
    struct extension *extension;
    struct table *table;
    tablecrypt_structure *structure;
    /* A record of nothing: opening it tells why there are no keys. */
    uint8_t probe[TABLECRYPT_OVERHEAD];
    char keyid[520];
};

static const uint8_t context[] = "wiredtiger";

/* Milliseconds. */
enum { LOOK = 10 };

static int encrypt(WT_ENCRYPTOR *, WT_SESSION *, uint8_t *, size_t, uint8_t *, size_t, size_t *);
static int decrypt(WT_ENCRYPTOR *, WT_SESSION *, uint8_t *, size_t, uint8_t *, size_t, size_t *);
static int sizing(WT_ENCRYPTOR *, WT_SESSION *, size_t *);
static int customize(WT_ENCRYPTOR *, WT_SESSION *, WT_CONFIG_ARG *, WT_ENCRYPTOR **);
static int terminate(WT_ENCRYPTOR *, WT_SESSION *);
static int terminate_base(WT_ENCRYPTOR *, WT_SESSION *);
static void look(struct keyed *keyed, WT_SESSION *session);
static int probe_seal(struct keyed *keyed, WT_SESSION *session);
static tablecrypt_status probe_open(const struct keyed *keyed);
static void keyed_free(struct keyed *keyed);

void encryptor_base(WT_ENCRYPTOR *encryptor) {
    *encryptor = (WT_ENCRYPTOR){encrypt, decrypt, sizing, customize, terminate_base};
}

static int encrypt(WT_ENCRYPTOR *encryptor, WT_SESSION *session, uint8_t *text, size_t text_length, uint8_t *record,
                   size_t record_capacity, size_t *record_length) {
    struct keyed *keyed = (struct keyed *)encryptor;
    struct patience patience = {0, 0};
    tablecrypt_status status;
    int error;

    for (;;) {
        status = tablecrypt_structure_seal(keyed->structure, context, sizeof context, text, text_length, record,
                                           record_capacity, record_length);
        if (status == TABLECRYPT_OK)
            break;
        if ((error = patience_wait(&patience, keyed->extension, keyed->table, keyed->keyid, session, "written", status)) != 0)
            return error;
    }
    look(keyed, session);
    return 0;
}

static int decrypt(WT_ENCRYPTOR *encryptor, WT_SESSION *session, uint8_t *record, size_t record_length, uint8_t *text,
                   size_t text_capacity, size_t *text_length) {
    struct keyed *keyed = (struct keyed *)encryptor;
    struct patience patience = {0, 0};
    tablecrypt_status status;
    int error;

    /* WiredTiger takes the length from the page, where anybody may have written it, and subtracts: one that was made too
     * short comes here as nearly SIZE_MAX. It holds a page's length in 32 bits. */
    if (record_length > UINT32_MAX)
        return patience_wait(&patience, keyed->extension, keyed->table, keyed->keyid, session, "read", TABLECRYPT_TRUNCATED);
    for (;;) {
        status = tablecrypt_structure_open(keyed->structure, context, sizeof context, record, record_length, text,
                                           text_capacity, text_length);
        if (status == TABLECRYPT_OK)
            break;
        if ((error = patience_wait(&patience, keyed->extension, keyed->table, keyed->keyid, session, "read", status)) != 0)
            return error;
    }
    if (atomic_load(&keyed->table->said) != DONE)
        patience_news(keyed->extension, keyed->table, session, TABLECRYPT_OK);
    return 0;
}

static int sizing(WT_ENCRYPTOR *encryptor, WT_SESSION *session, size_t *more) {
    (void)encryptor;
    (void)session;
    *more = TABLECRYPT_OVERHEAD;
    return 0;
}

/* WiredTiger calls this once a keyid, under a lock, when it opens the database or the first file with that keyid. */
static int customize(WT_ENCRYPTOR *encryptor, WT_SESSION *session, WT_CONFIG_ARG *argument, WT_ENCRYPTOR **customized) {
    struct extension *extension = (struct extension *)encryptor;
    WT_EXTENSION_API *api = extension->api;
    struct keyid names;
    struct keyed *keyed;
    WT_CONFIG_ITEM item;
    int error;

    if (api->config_get(api, session, argument, "secretkey", &item) == 0 && item.len != 0) {
        say(api, session, "a secretkey is not taken: keys come from the KMS");
        return EINVAL;
    }
    if ((error = api->config_get(api, session, argument, "keyid", &item)) != 0 && error != WT_NOTFOUND)
        return error;
    if (error != 0 || !keyid_parse(&names, item.str, item.len)) {
        say(api, session, "encryption=(name=tablecrypt,keyid=...) must name a table, or one of its indexes: \"TABLE\", "
                          "\"TABLE/base\", \"TABLE/lsi:NAME\" or \"TABLE/gsi:NAME\"");
        return EINVAL;
    }
    if ((keyed = calloc(1, sizeof *keyed)) == NULL)
        return ENOMEM;
    *keyed = (struct keyed){.encryptor = {encrypt, decrypt, sizing, NULL, terminate}, .extension = extension};
    memcpy(keyed->keyid, item.str, item.len < sizeof keyed->keyid ? item.len : sizeof keyed->keyid - 1);
    if ((keyed->table = extension_table(extension, names.table)) == NULL)
        error = ENOMEM;
    else if ((error = opening_wait(extension, &names, session, keyed->keyid, &keyed->structure)) == 0)
        error = probe_seal(keyed, session);
    if (error != 0) {
        keyed_free(keyed);
        return error;
    }
    extension_hold(extension);
    *customized = &keyed->encryptor;
    return 0;
}

static int terminate(WT_ENCRYPTOR *encryptor, WT_SESSION *session) {
    struct keyed *keyed = (struct keyed *)encryptor;
    struct extension *extension = keyed->extension;

    (void)session;
    keyed_free(keyed);
    extension_let_go(extension);
    return 0;
}

static int terminate_base(WT_ENCRYPTOR *encryptor, WT_SESSION *session) {
    (void)session;
    extension_let_go((struct extension *)encryptor);
    return 0;
}

/* A table that drains still seals: that it drains must be said all the same, soon. */
static void look(struct keyed *keyed, WT_SESSION *session) {
    uint64_t now = clock_coarse();

    if (now - atomic_load_explicit(&keyed->table->looked, memory_order_relaxed) < LOOK)
        return;
    atomic_store_explicit(&keyed->table->looked, now, memory_order_relaxed);
    patience_news(keyed->extension, keyed->table, session, probe_open(keyed));
}

static int probe_seal(struct keyed *keyed, WT_SESSION *session) {
    tablecrypt_status status = tablecrypt_structure_seal(keyed->structure, context, sizeof context, NULL, 0, keyed->probe,
                                                         sizeof keyed->probe, NULL);

    if (status != TABLECRYPT_OK)
        say(keyed->extension->api, session, "%s: %s", keyed->keyid, tablecrypt_status_message(status));
    return error_of(status);
}

static tablecrypt_status probe_open(const struct keyed *keyed) {
    return tablecrypt_structure_open(keyed->structure, context, sizeof context, keyed->probe, sizeof keyed->probe, NULL, 0,
                                     NULL);
}

static void keyed_free(struct keyed *keyed) {
    tablecrypt_structure_free(keyed->structure);
    free(keyed);
}
