/* A KMS of the tests' own, behind the C interface's callbacks, that fails as it is told. */

#ifndef KMS_H
#define KMS_H

#include <stdint.h>

#include <tablecrypt.h>

/* Opens a service over it, key files in `folder`/keys, and gives it the name "tests" at the extension. Times in milliseconds. */
void kms_start(uint64_t refresh, uint64_t within, uint64_t drain);

/* What it answers from now on: TABLECRYPT_OK, or a refusal or failure. */
void kms_answer(tablecrypt_status status);

/* From now on its calls return only when this is false again. */
void kms_hang(int hangs);

/* How often it was called. */
int kms_calls(void);

/* What encrypts: this KMS, with the settings behind it ("" for none). */
const char *kms_encrypted(const char *settings);

#endif
