#include "patience.h"

#include <inttypes.h>
#include <stdbool.h>

#include "clock.h"
#include "messages.h"

enum { FIRST_PAUSE = 1, LONGEST_PAUSE = 250 };

static int forged(struct extension *extension, const char *keyid, WT_SESSION *session, const char *what,
                  tablecrypt_status status);

int patience_wait(struct patience *patience, struct extension *extension, struct table *table, const char *keyid,
                  WT_SESSION *session, const char *what, tablecrypt_status status) {
    enum meaning meaning = meaning_of(status);
    uint64_t now, limit, since;

    if (meaning != LATE && meaning != REFUSED)
        return forged(extension, keyid, session, what, status);
    if (patience->began == 0)
        patience->began = clock_now();
    patience_news(extension, table, session, status);
    now = clock_now();
    /* A drain is as long as the envelope's: since the no. */
    limit = meaning == LATE ? extension->config.give_up : extension->config.drain;
    since = meaning == LATE ? patience->began : atomic_load(&table->since);
    if (now < since) /* another thread has just heard the no again */
        since = now;
    if (now - since >= limit) {
        say(extension->api, session,
            "%s: a page or log record cannot be %s, and this gives up after %" PRIu64 " ms: %s. WiredTiger will call it "
            "corruption or panic; it is neither. Nothing that is stored is lost: open the database again when the key is back",
            keyid, what, now - since, tablecrypt_status_message(status));
        return error_of(status);
    }
    patience->pause = patience->pause == 0 ? FIRST_PAUSE : patience->pause * 2;
    if (patience->pause > LONGEST_PAUSE)
        patience->pause = LONGEST_PAUSE;
    clock_pause(patience->pause);
    return 0;
}

void patience_news(struct extension *extension, struct table *table, WT_SESSION *session, tablecrypt_status status) {
    const struct config *config = &extension->config;
    enum meaning news = meaning_of(status);
    uint64_t since, now;
    bool known;

    /* A record that is refused was looked at, so the keys are there. */
    if (news != LATE && news != REFUSED)
        news = DONE;
    if (atomic_load(&table->said) == (int)news)
        return;
    (void)pthread_mutex_lock(&extension->lock);
    known = atomic_load(&table->said) == (int)news;
    since = atomic_load(&table->since);
    now = clock_now();
    if (!known) {
        atomic_store(&table->since, now); /* first: who sees what was said sees since when */
        atomic_store(&table->said, (int)news);
    }
    (void)pthread_mutex_unlock(&extension->lock);
    if (known)
        return;
    if (news == DONE)
        tell(extension->api, session, "%s: the key is back after %" PRIu64 " ms", table->name, now - since);
    else if (news == LATE)
        say(extension->api, session, "%s: %s. Reading and writing wait for it, up to %" PRIu64 " ms each", table->name,
            tablecrypt_status_message(status), config->give_up);
    else
        say(extension->api, session,
            "%s: %s. Nothing can be read from now on. What WiredTiger has in its cache can be written for %" PRIu64
            " ms more: close the database now, or get the key back",
            table->name, tablecrypt_status_message(status), config->drain);
}

/* What was read is not what was sealed here, or the call cannot be: no waiting helps. */
static int forged(struct extension *extension, const char *keyid, WT_SESSION *session, const char *what,
                  tablecrypt_status status) {
    const char *why = "";

    if (status == TABLECRYPT_UNKNOWN_KEY)
        why = ". The key files are not those that this database was made with, or it comes from another table or index";
    else if (status == TABLECRYPT_UNAUTHENTIC)
        why = ". The key files are not those that this database was made with, or somebody changed the database";
    say(extension->api, session, "%s: what was to be %s is refused: %s%s", keyid, what, tablecrypt_status_message(status), why);
    return error_of(status);
}
