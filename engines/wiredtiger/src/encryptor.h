/* The callbacks that WiredTiger calls, of the encryptor that it registers and of each keyid's own. */

#ifndef ENCRYPTOR_H
#define ENCRYPTOR_H

#include <wiredtiger_ext.h>

void encryptor_base(WT_ENCRYPTOR *encryptor);

#endif
