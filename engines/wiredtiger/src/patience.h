/* Waiting for keys in a callback. WiredTiger panics when a page cannot be read, and loses what it acknowledged when one
 * cannot be written; so a callback goes on trying while a key is only late, up to `give_up`, and after a definite no up to
 * `drain`, in which WiredTiger can still write and shut down. What happens is said once a table. */

#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdint.h>

#include "extension.h"

struct patience {
    uint64_t began, pause;
};

/* After a call gave `status`, which is not OK: 0 if it is to be tried again now, after a pause; else the errno to give up
 * with. `what` is "read" or "write". */
int patience_wait(struct patience *patience, struct extension *extension, struct table *table, const char *keyid,
                  WT_SESSION *session, const char *what, tablecrypt_status status);

/* Says what `status` means for the table's key, if it is news. */
void patience_news(struct extension *extension, struct table *table, WT_SESSION *session, tablecrypt_status status);

#endif
