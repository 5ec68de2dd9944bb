/* Opening a structure: what asks the KMS. It is done by a thread of its own, so that whoever asks, under a lock of
 * WiredTiger's, waits no longer than `open_within`. */

#ifndef OPENING_H
#define OPENING_H

#include "extension.h"
#include "keyid.h"

/* Gives the structure. Answers an errno, and has said why. */
int opening_wait(struct extension *extension, const struct keyid *names, WT_SESSION *session, const char *keyid,
                 tablecrypt_structure **structure);

#endif
