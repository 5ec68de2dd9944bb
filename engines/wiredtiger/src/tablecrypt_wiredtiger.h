/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Tablecrypt for WiredTiger: libtablecrypt_wiredtiger.so, an extension that encrypts what WiredTiger stores.
 *
 * A program needs this header only if its KMS is its own: then it makes a tablecrypt_service, and gives it a name here
 * before it opens the database with
 *
 *     extensions=[/usr/lib/libtablecrypt_wiredtiger.so=(config=(kms=program,service=NAME))]
 *
 * Everything else is configuration; README.md has it. */

#ifndef TABLECRYPT_WIREDTIGER_H
#define TABLECRYPT_WIREDTIGER_H

#include <tablecrypt.h>
#include <wiredtiger_ext.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TABLECRYPT_WIREDTIGER_EXPORT __attribute__((visibility("default")))

/* What WiredTiger calls when it loads the extension. */
TABLECRYPT_WIREDTIGER_EXPORT int wiredtiger_extension_init(WT_CONNECTION *connection, WT_CONFIG_ARG *config);

/* Gives a service a name, under which databases of this process are opened with kms=program. NULL takes the name back;
 * databases that are open go on. The service stays the caller's, who frees it after those databases are closed.
 *
 * Answers 0; EINVAL for a name that is NULL or empty, ENOMEM. Any thread may call it. In a child of fork() the names are
 * as they were. */
TABLECRYPT_WIREDTIGER_EXPORT int tablecrypt_wiredtiger_service(const char *name, const tablecrypt_service *service);

#ifdef __cplusplus
}
#endif

#endif
