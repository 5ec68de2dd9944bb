#include "opening.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "messages.h"

enum { PAUSE = 50 };

/* Shared by who waits and the thread that asks; the last of the two frees it. A KMS that hangs is waited for by the thread
 * alone: so this library is linked never to be unloaded. */
struct opening {
    struct extension *extension;
    struct keyid names;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    atomic_int holders;
    atomic_bool abandoned;
    bool done; /* under `lock` */
    /* Once it is done: */
    tablecrypt_status status;
    char details[512];
    tablecrypt_structure *structure;
};

static struct opening *opening_new(struct extension *extension, const struct keyid *names);
static void let_go(struct opening *opening);
static int start(struct opening *opening);
static void *run(void *argument);
static tablecrypt_status ask(struct opening *opening);
static tablecrypt_status open_table(struct opening *opening, tablecrypt_table **table);
static tablecrypt_status create_table(struct opening *opening);
static void explain(struct opening *opening, WT_SESSION *session, const char *keyid);

int opening_wait(struct extension *extension, const struct keyid *names, WT_SESSION *session, const char *keyid,
                 tablecrypt_structure **structure) {
    struct opening *opening = opening_new(extension, names);
    uint64_t limit = extension->config.open_within;
    struct timespec until;
    int error = 0;

    if (opening == NULL)
        return ENOMEM;
    if ((error = start(opening)) != 0) {
        say(extension->api, session, "%s: the system gives no thread to ask the KMS", keyid);
        let_go(opening);
        return error;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(limit / 1000);
    until.tv_nsec += (long)(limit % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&opening->lock);
    while (!opening->done && error == 0)
        error = pthread_cond_timedwait(&opening->ended, &opening->lock, &until);
    error = 0;
    if (!opening->done) {
        say(extension->api, session, "%s: the KMS has not answered within %" PRIu64 " ms (open_within); try again", keyid,
            limit);
        error = ETIMEDOUT;
    } else if (opening->status != TABLECRYPT_OK) {
        explain(opening, session, keyid);
        error = error_of(opening->status);
    } else {
        *structure = opening->structure;
        opening->structure = NULL;
    }
    (void)pthread_mutex_unlock(&opening->lock);
    atomic_store(&opening->abandoned, true);
    let_go(opening);
    return error;
}

static struct opening *opening_new(struct extension *extension, const struct keyid *names) {
    struct opening *opening = calloc(1, sizeof *opening);
    pthread_condattr_t monotonic;

    if (opening == NULL)
        return NULL;
    extension_hold(extension);
    opening->extension = extension;
    opening->names = *names;
    atomic_init(&opening->holders, 1);
    (void)pthread_mutex_init(&opening->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&opening->ended, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return opening;
}

static void let_go(struct opening *opening) {
    struct extension *extension = opening->extension;

    if (atomic_fetch_sub(&opening->holders, 1) != 1)
        return;
    tablecrypt_structure_free(opening->structure);
    (void)pthread_cond_destroy(&opening->ended);
    (void)pthread_mutex_destroy(&opening->lock);
    free(opening);
    extension_let_go(extension);
}

/* The program's signals are not for this thread. */
static int start(struct opening *opening) {
    sigset_t all, before;
    pthread_t thread;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)atomic_fetch_add(&opening->holders, 1);
    if ((error = pthread_create(&thread, NULL, run, opening)) == 0)
        (void)pthread_detach(thread);
    else
        (void)atomic_fetch_sub(&opening->holders, 1);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void *run(void *argument) {
    struct opening *opening = argument;
    uint64_t began = clock_now();
    tablecrypt_status status = ask(opening);

    while (meaning_of(status) == LATE && clock_now() - began < opening->extension->config.open_within &&
           !atomic_load(&opening->abandoned)) {
        clock_pause(PAUSE);
        status = ask(opening);
    }
    (void)pthread_mutex_lock(&opening->lock);
    opening->status = status;
    opening->done = true;
    (void)pthread_cond_signal(&opening->ended);
    (void)pthread_mutex_unlock(&opening->lock);
    let_go(opening);
    return NULL;
}

/* Opens the table and gives the structure. With `create`, what is missing is made before it is missed: a connection that was
 * told that there is no table says so for a second. Where it is there already, that asks no KMS. */
static tablecrypt_status ask(struct opening *opening) {
    const struct extension *extension = opening->extension;
    const char *structure = opening->names.structure;
    tablecrypt_table *table = NULL;
    tablecrypt_status status = extension->config.create ? create_table(opening) : TABLECRYPT_OK;

    if (status == TABLECRYPT_OK || status == TABLECRYPT_TABLE_EXISTS)
        status = open_table(opening, &table);
    if (status == TABLECRYPT_OK)
        status = tablecrypt_table_structure(table, structure, &opening->structure);
    if (status != TABLECRYPT_OK)
        (void)tablecrypt_last_error(opening->details, sizeof opening->details);
    tablecrypt_table_free(table);
    return status;
}

static tablecrypt_status open_table(struct opening *opening, tablecrypt_table **table) {
    return tablecrypt_connection_open_table(opening->extension->connection, opening->names.table, table);
}

/* With the indexes that the settings name, and the one that is asked for. */
static tablecrypt_status create_table(struct opening *opening) {
    const struct extension *extension = opening->extension;
    struct keyid *indexes = calloc(MOST_INDEXES + 1, sizeof *indexes);
    const char *locals[MOST_INDEXES + 1], *globals[MOST_INDEXES + 1];
    size_t local_count = 0, global_count = 0;
    tablecrypt_status status;

    if (indexes == NULL)
        return TABLECRYPT_IO;
    indexes[0] = opening->names;
    for (size_t i = 0; i <= MOST_INDEXES; ++i) {
        struct keyid *index = &indexes[i];
        const char *name;

        if (i > 0 && config_index(&extension->config, i - 1, index) == 0)
            break;
        name = strchr(index->structure, ':');
        if (name == NULL || strcmp(index->table, opening->names.table) != 0 ||
            (i > 0 && strcmp(index->structure, opening->names.structure) == 0))
            continue;
        if (strncmp(index->structure, "local:", 6) == 0)
            locals[local_count++] = name + 1;
        else
            globals[global_count++] = name + 1;
    }
    status = tablecrypt_service_create_table(extension->service, opening->names.table, locals, local_count, globals,
                                             global_count, extension->config.key);
    free(indexes);
    return status;
}

static void explain(struct opening *opening, WT_SESSION *session, const char *keyid) {
    WT_EXTENSION_API *api = opening->extension->api;
    const char *missing = "";

    if (opening->status == TABLECRYPT_NO_SUCH_TABLE)
        missing = ". If it is new, create=true makes it; if it is not, its key file is missing: restore it";
    else if (opening->status == TABLECRYPT_NO_SUCH_STRUCTURE)
        missing = ". Name it in indexes=[...] when the table is created; to a table that is there it is added by Tablecrypt's own calls";
    say(api, session, "%s: %s (%s)%s", keyid, tablecrypt_status_message(opening->status), opening->details, missing);
}
