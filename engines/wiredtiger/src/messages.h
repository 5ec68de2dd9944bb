/* What is said through WiredTiger's event handler, in our words, and the errno that WiredTiger gets. */

#ifndef MESSAGES_H
#define MESSAGES_H

#include <tablecrypt.h>
#include <wiredtiger_ext.h>

/* What a status means for somebody who has to go on. */
enum meaning {
    DONE,    /* it is done */
    LATE,    /* it may pass by itself: wait */
    REFUSED, /* a definite no: somebody has to change something */
    FORGED,  /* it is not what was sealed here */
    WRONG,   /* a bug, or a call that cannot be */
};

enum meaning meaning_of(tablecrypt_status status);

/* The errno for WiredTiger. None of those that it takes for something else: no ENOENT, EBUSY or EAGAIN. */
int error_of(tablecrypt_status status);

/* To the event handler's handle_error, after "tablecrypt: ". `session` may be NULL. */
__attribute__((format(printf, 3, 4))) void say(WT_EXTENSION_API *api, WT_SESSION *session, const char *format, ...);

/* To its handle_message: what is no error. */
__attribute__((format(printf, 3, 4))) void tell(WT_EXTENSION_API *api, WT_SESSION *session, const char *format, ...);

#endif
