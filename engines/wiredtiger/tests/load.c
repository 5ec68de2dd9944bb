#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

struct place {
    struct load *load;
    int number;
};

static void *run(void *argument);
static int write_row(struct load *load, WT_CURSOR *cursor, int writer);
static int read_row(struct load *load, WT_CURSOR *cursor, unsigned *seed);

void load_start(struct load *load, struct home *home, const char *table) {
    load->home = home;
    load->table = table;
    atomic_store(&load->stopped, false);
    atomic_store(&load->error, 0);
    for (int i = 0; i < WRITERS + READERS + 1; ++i) {
        struct place *place = malloc(sizeof *place);

        *place = (struct place){load, i};
        if (pthread_create(&load->threads[i], NULL, run, place) != 0)
            abort();
    }
}

int load_stop(struct load *load) {
    atomic_store(&load->stopped, true);
    for (int i = 0; i < WRITERS + READERS + 1; ++i)
        (void)pthread_join(load->threads[i], NULL);
    return atomic_load(&load->error);
}

bool load_failed(struct load *load) {
    for (int time = 0; time < 6000 && atomic_load(&load->error) == 0; ++time)
        (void)usleep(10 * 1000);
    return atomic_load(&load->error) != 0;
}

int load_acknowledged(struct load *load) {
    int rows = 0;

    for (int i = 0; i < WRITERS; ++i)
        rows += atomic_load(&load->acknowledged[i]);
    return rows;
}

int load_wait(struct load *load, int rows) {
    for (int time = 0; time < 6000 && load_acknowledged(load) < rows && atomic_load(&load->error) == 0; ++time)
        (void)usleep(10 * 1000);
    return load_acknowledged(load);
}

int load_lost(struct load *load, struct home *home) {
    char uri[256], key[32];
    WT_CURSOR *cursor;
    int lost = 0;

    (void)snprintf(uri, sizeof uri, "table:%s", load->table);
    if (home->session->open_cursor(home->session, uri, NULL, NULL, &cursor) != 0)
        return load_acknowledged(load);
    for (int writer = 0; writer < WRITERS; ++writer)
        for (int row = 0; row < atomic_load(&load->acknowledged[writer]); ++row) {
            (void)snprintf(key, sizeof key, "key%09d", writer * STRIDE + row);
            cursor->set_key(cursor, key);
            lost += cursor->search(cursor) != 0;
        }
    return lost;
}

static void *run(void *argument) {
    struct place place = *(struct place *)argument;
    struct load *load = place.load;
    unsigned seed = (unsigned)place.number;
    char uri[256];
    WT_SESSION *session;
    WT_CURSOR *cursor = NULL;
    int error, none = 0;

    free(argument);
    (void)snprintf(uri, sizeof uri, "table:%s", load->table);
    if ((error = load->home->connection->open_session(load->home->connection, NULL, NULL, &session)) == 0)
        error = session->open_cursor(session, uri, NULL, NULL, &cursor);
    while (error == 0 && !atomic_load(&load->stopped))
        if (place.number < WRITERS)
            error = write_row(load, cursor, place.number);
        else if (place.number < WRITERS + READERS)
            error = read_row(load, cursor, &seed);
        else {
            error = session->checkpoint(session, NULL);
            (void)usleep(10 * 1000);
        }
    if (error != 0)
        (void)atomic_compare_exchange_strong(&load->error, &none, error);
    if (session != NULL)
        (void)session->close(session, NULL);
    return NULL;
}

static int write_row(struct load *load, WT_CURSOR *cursor, int writer) {
    int row = writer * STRIDE + atomic_load(&load->acknowledged[writer]), error;
    char key[32], value[256];

    (void)snprintf(key, sizeof key, "key%09d", row);
    home_value(value, sizeof value, row);
    cursor->set_key(cursor, key);
    cursor->set_value(cursor, value);
    do
        error = cursor->insert(cursor);
    while (error == WT_ROLLBACK);
    if (error == 0)
        (void)atomic_fetch_add(&load->acknowledged[writer], 1);
    return error;
}

static int read_row(struct load *load, WT_CURSOR *cursor, unsigned *seed) {
    int writer = (int)((unsigned)rand_r(seed) % WRITERS), rows = atomic_load(&load->acknowledged[writer]), error;
    char key[32], expected[256];
    const char *value;

    if (rows == 0)
        return 0;
    rows = writer * STRIDE + (int)((unsigned)rand_r(seed) % (unsigned)rows);
    (void)snprintf(key, sizeof key, "key%09d", rows);
    cursor->set_key(cursor, key);
    if ((error = cursor->search(cursor)) == WT_ROLLBACK)
        return 0;
    if (error == 0 && (error = cursor->get_value(cursor, &value)) == 0) {
        home_value(expected, sizeof expected, rows);
        CHECK(strcmp(value, expected) == 0);
        (void)atomic_fetch_add(&load->read, 1);
    }
    (void)cursor->reset(cursor);
    return error;
}
