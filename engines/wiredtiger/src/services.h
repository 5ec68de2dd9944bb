/* Where a database's service comes from: the program, by a name that it gave, or a local KMS in a folder. */

#ifndef SERVICES_H
#define SERVICES_H

#include <tablecrypt.h>

#include "config.h"

/* A service; `owned` is to be freed with it, and NULL where the service is the program's. Answers an errno, and has said why. */
int service_open(const struct config *config, WT_EXTENSION_API *api, const tablecrypt_service **service,
                 tablecrypt_service **owned);

#endif
