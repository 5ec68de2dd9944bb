/* Threads that write and read a table while something happens. */

#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "home.h"

enum { WRITERS = 3, READERS = 2, STRIDE = 10000000 };

struct load {
    struct home *home;
    const char *table;
    atomic_bool stopped;
    atomic_int error;                /* the first one */
    atomic_int acknowledged[WRITERS]; /* rows of each writer, from its number * STRIDE on */
    atomic_int read;
    pthread_t threads[WRITERS + READERS + 1];
};

/* Starts them, and one that makes a checkpoint again and again. Each ends at its first error. Writers go on behind the rows
 * that are acknowledged: none, in a new struct, which is all zero. */
void load_start(struct load *load, struct home *home, const char *table);
/* Ends them; gives the first error, 0 if there was none. */
int load_stop(struct load *load);
/* Whether one of them met an error, waited for a minute at most; they are left as they are. */
bool load_failed(struct load *load);
/* Rows that were acknowledged so far. */
int load_acknowledged(struct load *load);
/* Waits, a minute at most, until so many are. */
int load_wait(struct load *load, int rows);
/* How many acknowledged rows the table does not have. */
int load_lost(struct load *load, struct home *home);

#endif
