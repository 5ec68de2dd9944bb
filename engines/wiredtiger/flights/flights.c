/* The main job on WiredTiger: flights CSV HOME CONFIG. Writes a year of flights to a base table, a local and a global secondary
 * index, opens the database again, asks what examples/flights asks, and prints the answers as that example's JSON. CONFIG goes
 * to wiredtiger_open; where it encrypts, each table has a keyid of its own. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wiredtiger.h>

#include "flights.h"

static const struct table {
    const char *uri, *keyid;
    bool (*entry)(const struct flight *, struct bytes *, struct bytes *);
} tables[] = {
    {"table:flights", "flights/base", entry_base},
    {"table:flights-by-delay", "flights/lsi:by-delay", entry_by_delay},
    {"table:flights-by-tail", "flights/gsi:by-tail", entry_by_tail},
};

enum { BASE, BY_DELAY, BY_TAIL, TABLES, MOST_DELAYED = 10 };

static const char *csv, *home, *config;
static WT_CONNECTION *connection;
static WT_CURSOR *cursors[TABLES];

/* There is nobody to go on for: says what failed, and ends. */
static void must(int error, const char *what) {
    if (error == 0)
        return;
    fprintf(stderr, "flights: %s: %s\n", what, wiredtiger_strerror(error));
    exit(1);
}

static void open_home(void) {
    bool encrypts = strstr(config, "tablecrypt") != NULL;
    char text[1024], all[16384];
    WT_SESSION *session;

    (void)mkdir(home, 0700);
    (void)snprintf(all, sizeof all, "create,cache_size=256MB,%s", config);
    must(wiredtiger_open(home, NULL, all, &connection), home);
    must(connection->open_session(connection, NULL, NULL, &session), "session");
    for (int i = 0; i < TABLES; ++i) {
        (void)snprintf(text, sizeof text, "key_format=u,value_format=u");
        if (encrypts)
            (void)snprintf(text, sizeof text, "key_format=u,value_format=u,encryption=(name=tablecrypt,keyid=\"%s\")",
                           tables[i].keyid);
        must(session->create(session, tables[i].uri, text), tables[i].uri);
        must(session->open_cursor(session, tables[i].uri, NULL, NULL, &cursors[i]), tables[i].uri);
    }
}

static char *must_read(void) {
    char *text = text_of(csv);

    if (text == NULL) {
        fprintf(stderr, "flights: %s cannot be read: admin/setup data fetches it\n", csv);
        exit(1);
    }
    return text;
}

static WT_ITEM item(const struct bytes *bytes) {
    WT_ITEM given = {.data = bytes->at, .size = bytes->length};

    return given;
}

static void write_all(void) {
    char *text = must_read();
    struct flight flight;

    for (char *row = flights_first(text); row != NULL && (row = flights_next(row, &flight)) != NULL;)
        for (int i = 0; i < TABLES; ++i) {
            struct bytes key, value;
            WT_ITEM key_item, value_item;

            if (!tables[i].entry(&flight, &key, &value))
                continue;
            key_item = item(&key);
            value_item = item(&value);
            cursors[i]->set_key(cursors[i], &key_item);
            cursors[i]->set_value(cursors[i], &value_item);
            must(cursors[i]->insert(cursors[i]), tables[i].uri);
        }
    free(text);
}

/* Looks every flight up in each table, and counts what is as in the CSV; then scans, and counts what is there. */
static void compare_all(int *items, int found[TABLES], int there[TABLES]) {
    char *text = must_read();
    struct flight flight;

    *items = 0;
    for (char *row = flights_first(text); row != NULL && (row = flights_next(row, &flight)) != NULL; ++*items)
        for (int i = 0; i < TABLES; ++i) {
            struct bytes key, value;
            WT_ITEM key_item, value_item;

            if (!tables[i].entry(&flight, &key, &value))
                continue;
            key_item = item(&key);
            cursors[i]->set_key(cursors[i], &key_item);
            must(cursors[i]->search(cursors[i]), tables[i].uri);
            must(cursors[i]->get_value(cursors[i], &value_item), tables[i].uri);
            found[i] += value_item.size == value.length && memcmp(value_item.data, value.at, value.length) == 0;
        }
    free(text);
    for (int i = 0; i < TABLES; ++i) {
        must(cursors[i]->reset(cursors[i]), tables[i].uri);
        while (cursors[i]->next(cursors[i]) == 0)
            ++there[i];
    }
}

/* Places the cursor at the first key with this prefix. */
static bool first_of(WT_CURSOR *cursor, const struct bytes *prefix) {
    WT_ITEM key = item(prefix);
    int where;

    cursor->set_key(cursor, &key);
    if (cursor->search_near(cursor, &where) != 0)
        return false;
    return where >= 0 || cursor->next(cursor) == 0;
}

/* The key behind the prefix, if it has it, and the value. */
static bool rest_of(WT_CURSOR *cursor, const struct bytes *prefix, const uint8_t **rest, size_t *length, WT_ITEM *value) {
    WT_ITEM key;

    must(cursor->get_key(cursor, &key), "key");
    must(cursor->get_value(cursor, value), "value");
    *rest = (const uint8_t *)key.data + prefix->length;
    *length = key.size - prefix->length;
    return key.size >= prefix->length && memcmp(key.data, prefix->at, prefix->length) == 0;
}

/* The index gives base keys; the base table gives the items. */
static void ask_of_tail(void) {
    struct bytes prefix = {.length = 0};
    WT_ITEM value, key, found;
    const uint8_t *rest;
    size_t length;
    bool more;

    put_text(&prefix, "N14228");
    printf("\"of_tail\": [");
    more = first_of(cursors[BY_TAIL], &prefix);
    for (const char *comma = ""; more && rest_of(cursors[BY_TAIL], &prefix, &rest, &length, &value); comma = ", ") {
        key = (WT_ITEM){.data = rest, .size = length};
        cursors[BASE]->set_key(cursors[BASE], &key);
        must(cursors[BASE]->search(cursors[BASE]), "the item of an index");
        must(cursors[BASE]->get_value(cursors[BASE], &found), "the item of an index");
        printf("%s{\"projected\": \"%.*s\", \"item\": \"%.*s\"}", comma, (int)value.size, (const char *)value.data,
               (int)found.size, (const char *)found.data);
        more = cursors[BY_TAIL]->next(cursors[BY_TAIL]) == 0;
    }
    printf("], ");
}

/* The index alone answers. */
static void ask_most_delayed(void) {
    struct bytes prefix = {.length = 0};
    WT_ITEM value;
    const uint8_t *rest;
    size_t length;
    bool more;
    int count = 0;

    put_text(&prefix, "2013-01-01");
    printf("\"most_delayed\": [");
    more = first_of(cursors[BY_DELAY], &prefix);
    for (; more && count < MOST_DELAYED && rest_of(cursors[BY_DELAY], &prefix, &rest, &length, &value); ++count) {
        const char *carrier = (const char *)rest + 4;
        const uint8_t *flight = rest + 4 + strlen(carrier) + 1;

        printf("%s{\"minutes\": %d, \"carrier\": \"%s\", \"flight\": %u, \"origin\": \"%s\", \"projected\": \"%.*s\"}",
               count == 0 ? "" : ", ", take_descending(rest), carrier, take_number(flight), (const char *)flight + 4,
               (int)value.size, (const char *)value.data);
        more = cursors[BY_DELAY]->next(cursors[BY_DELAY]) == 0;
    }
    printf("], ");
}

/* One item by its key. */
static void ask_one(void) {
    struct bytes key = {.length = 0};
    WT_ITEM key_item, value;

    put_text(&key, "2013-01-01");
    put_text(&key, "UA");
    put_number(&key, 1545);
    put_text(&key, "EWR");
    key_item = item(&key);
    cursors[BASE]->set_key(cursors[BASE], &key_item);
    must(cursors[BASE]->search(cursors[BASE]), "one");
    must(cursors[BASE]->get_value(cursors[BASE], &value), "one");
    printf("\"one\": \"%.*s\"", (int)value.size, (const char *)value.data);
}

int main(int argc, char **argv) {
    int items, found[TABLES] = {0}, there[TABLES] = {0};

    if (argc != 4) {
        fprintf(stderr, "usage: flights CSV HOME CONFIG\n");
        return 2;
    }
    csv = argv[1];
    home = argv[2];
    config = argv[3];
    open_home();
    write_all();
    must(connection->close(connection, NULL), "close");
    open_home();
    printf("{\"answers\": {");
    ask_of_tail();
    ask_most_delayed();
    ask_one();
    compare_all(&items, found, there);
    printf("}, \"items\": %d, \"entries\": {\"base\": %d, \"local:by-delay\": %d, \"global:by-tail\": %d}, "
           "\"every_item_equal\": %s}\n",
           items, there[BASE], there[BY_DELAY], there[BY_TAIL],
           found[BASE] == items && memcmp(found, there, sizeof found) == 0 ? "true" : "false");
    must(connection->close(connection, NULL), "close");
    return 0;
}
