#include "home.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "check.h"

static int on_error(WT_EVENT_HANDLER *handler, WT_SESSION *session, int error, const char *message);
static int on_message(WT_EVENT_HANDLER *handler, WT_SESSION *session, const char *message);

const char *encrypted(const char *settings) {
    static char config[8192];

    (void)snprintf(config, sizeof config,
                   "extensions=[%s=(config=(kms=local,folder=%s/keys,create=true,%s))],"
                   "encryption=(name=tablecrypt,keyid=system)",
                   extension, folder, settings);
    return config;
}

int home_open(struct home *home, const char *name, const char *config) {
    char path[4096], all[16384];
    int error;

    *home = (struct home){.handler = {on_error, on_message, NULL, NULL}};
    (void)pthread_mutex_init(&home->lock, NULL);
    (void)pthread_cond_init(&home->said, NULL);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)mkdir(path, 0700);
    (void)snprintf(all, sizeof all, "create,%s", config);
    if ((error = wiredtiger_open(path, &home->handler, all, &home->connection)) == 0)
        error = home->connection->open_session(home->connection, NULL, NULL, &home->session);
    return error;
}

int home_close(struct home *home) {
    WT_CONNECTION *connection = home->connection;

    home->connection = NULL;
    return connection == NULL ? 0 : connection->close(connection, NULL);
}

static void add(struct home *home, const char *message) {
    size_t more = strlen(message) + 1;

    (void)pthread_mutex_lock(&home->lock);
    if ((home->messages = realloc(home->messages, home->length + more + 1)) == NULL)
        abort();
    (void)snprintf(home->messages + home->length, more + 1, "%s\n", message);
    home->length += more;
    (void)pthread_cond_broadcast(&home->said);
    (void)pthread_mutex_unlock(&home->lock);
}

static int on_error(WT_EVENT_HANDLER *handler, WT_SESSION *session, int error, const char *message) {
    (void)session;
    (void)error;
    add((struct home *)handler, message);
    return 0;
}

static int on_message(WT_EVENT_HANDLER *handler, WT_SESSION *session, const char *message) {
    return on_error(handler, session, 0, message);
}

static long said(const struct home *home, const char *words) {
    const char *place = home->messages == NULL ? NULL : strstr(home->messages, words);

    return place == NULL ? -1 : place - home->messages;
}

long home_said(struct home *home, const char *words) {
    long place;

    (void)pthread_mutex_lock(&home->lock);
    place = said(home, words);
    (void)pthread_mutex_unlock(&home->lock);
    return place;
}

bool home_wait(struct home *home, const char *words) {
    struct timespec until;
    bool there;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    (void)pthread_mutex_lock(&home->lock);
    while (!(there = said(home, words) >= 0) && pthread_cond_timedwait(&home->said, &home->lock, &until) != ETIMEDOUT)
        ;
    (void)pthread_mutex_unlock(&home->lock);
    return there;
}

void home_forget(struct home *home) {
    (void)pthread_mutex_lock(&home->lock);
    home->length = 0;
    if (home->messages != NULL)
        home->messages[0] = '\0';
    (void)pthread_mutex_unlock(&home->lock);
}

int home_create(struct home *home, const char *table, const char *keyid) {
    char uri[256], config[512] = "key_format=S,value_format=S";

    (void)snprintf(uri, sizeof uri, "table:%s", table);
    if (keyid != NULL && strcmp(keyid, "none") == 0)
        (void)snprintf(config, sizeof config, "key_format=S,value_format=S,encryption=(name=none)");
    else if (keyid != NULL)
        (void)snprintf(config, sizeof config, "key_format=S,value_format=S,encryption=(name=tablecrypt,keyid=\"%s\")", keyid);
    return home->session->create(home->session, uri, config);
}

void home_value(char *value, size_t capacity, int row) {
    (void)snprintf(value, capacity, "value-%d-PLAINTEXT-that-nobody-may-find-on-a-disk-%0128d", row, row);
}

int home_write(struct home *home, const char *table, int from, int to) {
    char uri[256], key[32], value[256];
    WT_SESSION *session;
    WT_CURSOR *cursor;
    int error;

    (void)snprintf(uri, sizeof uri, "table:%s", table);
    if ((error = home->connection->open_session(home->connection, NULL, NULL, &session)) != 0)
        return error;
    if ((error = session->open_cursor(session, uri, NULL, NULL, &cursor)) == 0)
        for (int row = from; row < to && error == 0; ++row) {
            (void)snprintf(key, sizeof key, "key%09d", row);
            home_value(value, sizeof value, row);
            cursor->set_key(cursor, key);
            cursor->set_value(cursor, value);
            error = cursor->insert(cursor);
        }
    (void)session->close(session, NULL);
    return error;
}

int home_read(struct home *home, const char *table) {
    char uri[256], expected[256];
    const char *key, *value;
    WT_SESSION *session;
    WT_CURSOR *cursor;
    int error, rows = 0;

    (void)snprintf(uri, sizeof uri, "table:%s", table);
    if ((error = home->connection->open_session(home->connection, NULL, NULL, &session)) != 0)
        return -error;
    if ((error = session->open_cursor(session, uri, NULL, NULL, &cursor)) == 0)
        while ((error = cursor->next(cursor)) == 0 && (error = cursor->get_key(cursor, &key)) == 0 &&
               (error = cursor->get_value(cursor, &value)) == 0) {
            home_value(expected, sizeof expected, atoi(key + 3));
            rows += strcmp(value, expected) == 0;
        }
    (void)session->close(session, NULL);
    return error == WT_NOTFOUND ? rows : -abs(error);
}

void home_copy(const char *from, const char *to) {
    char command[9000];

    (void)snprintf(command, sizeof command, "cp -r '%s/%s' '%s/%s'", folder, from, folder, to);
    if (system(command) != 0)
        abort();
}

void home_remove(const char *name) {
    char command[9000];

    (void)snprintf(command, sizeof command, "rm -rf '%s/%s'", folder, name);
    if (system(command) != 0)
        abort();
}
