/* A database of a test, with what WiredTiger and the extension said in it. */

#ifndef HOME_H
#define HOME_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <wiredtiger.h>

struct home {
    WT_EVENT_HANDLER handler; /* first: WiredTiger knows it by this */
    WT_CONNECTION *connection;
    WT_SESSION *session;
    pthread_mutex_t lock;
    pthread_cond_t said;
    char *messages; /* under `lock`, each on a line */
    size_t length;
};

/* What encrypts: a local KMS in `folder`/keys that makes what is missing, with the settings behind it ("" for none). */
const char *encrypted(const char *settings);

/* Opens the database in `folder`/`name`, made if it is not there; `config` is what goes to wiredtiger_open further. */
int home_open(struct home *home, const char *name, const char *config);
int home_close(struct home *home);

/* Whether the words were said, and where: for the order of two. -1 if not. */
long home_said(struct home *home, const char *words);
/* Waits until they are said, a minute at most. */
bool home_wait(struct home *home, const char *words);
/* Forgets what was said. */
void home_forget(struct home *home);

/* A table with keys and values of strings, under this keyid; NULL is the database's own key, "none" none. */
int home_create(struct home *home, const char *table, const char *keyid);

/* Writes rows `from` to `to`, each in a transaction of its own: key000000012 -> value-12-PLAINTEXT... Gives the error. */
int home_write(struct home *home, const char *table, int from, int to);

/* Reads the table; gives how many rows are as home_write wrote them, or minus the error. */
int home_read(struct home *home, const char *table);

/* What the value of a row is. */
void home_value(char *value, size_t capacity, int row);

/* Copies a database of the test's, or removes one. */
void home_copy(const char *from, const char *to);
void home_remove(const char *name);

#endif
