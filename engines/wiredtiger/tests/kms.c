#include "kms.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "check.h"
#include "tablecrypt_wiredtiger.h"

enum { NONCE = 12, KEY = 32, TAG = 16 };

static const char arn[] = "arn:tests:kms:key/1";
static atomic_int answer, calls;
static tablecrypt_gcm *gcm;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static int hangs;

/* Counts the call, hangs if it is to, and gives what is to be answered. */
static int begin(void) {
    (void)atomic_fetch_add(&calls, 1);
    (void)pthread_mutex_lock(&lock);
    while (hangs)
        (void)pthread_cond_wait(&released, &lock);
    (void)pthread_mutex_unlock(&lock);
    return atomic_load(&answer);
}

/* The encryption context, for the wrapped key's AAD. */
static size_t context_of(const tablecrypt_kms_request *request, char *text, size_t capacity) {
    size_t length = 0;

    for (size_t i = 0; i < request->context_count; ++i)
        length += (size_t)snprintf(text + length, capacity - length, "%s=%s;", request->context[i].name, request->context[i].value);
    return length;
}

static int32_t generate_data_key(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *given) {
    char context[1024];
    size_t length = context_of(request, context, sizeof context);
    int status = begin();

    (void)caller;
    if (status != TABLECRYPT_OK)
        return status;
    if (getrandom(given->key, KEY, 0) != KEY || getrandom(given->wrapped, NONCE, 0) != NONCE)
        return TABLECRYPT_KEY_UNAVAILABLE;
    given->key_length = KEY;
    given->wrapped_length = NONCE + KEY + TAG;
    (void)snprintf(given->arn, given->arn_capacity, "%s", arn);
    return tablecrypt_gcm_seal(gcm, given->wrapped, (const uint8_t *)context, length, given->key, KEY, given->wrapped + NONCE,
                               given->wrapped + NONCE + KEY);
}

static int32_t decrypt(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *given) {
    char context[1024];
    size_t length = context_of(request, context, sizeof context);
    int status = begin();

    (void)caller;
    if (status != TABLECRYPT_OK)
        return status;
    if (request->wrapped_length != NONCE + KEY + TAG)
        return TABLECRYPT_KMS_REQUEST_INVALID;
    given->key_length = KEY;
    return tablecrypt_gcm_open(gcm, request->wrapped, (const uint8_t *)context, length, request->wrapped + NONCE, KEY,
                               request->wrapped + NONCE + KEY, given->key) == TABLECRYPT_OK
               ? TABLECRYPT_OK
               : TABLECRYPT_WRONG_CONTEXT;
}

static int32_t the_key(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *given) {
    (void)caller;
    (void)request;
    (void)snprintf(given->arn, given->arn_capacity, "%s", arn);
    return begin();
}

void kms_start(uint64_t refresh, uint64_t within, uint64_t drain) {
    const tablecrypt_kms_callbacks callbacks = {
        .size = sizeof callbacks,
        .generate_data_key = generate_data_key,
        .decrypt = decrypt,
        .ensure_key = the_key,
        .describe_key = the_key,
    };
    uint8_t key[KEY];
    char key_files[4096];
    tablecrypt_settings *settings;
    tablecrypt_service *service;
    tablecrypt_kms *kms;

    (void)snprintf(key_files, sizeof key_files, "%s/keys", folder);
    if (getrandom(key, sizeof key, 0) != sizeof key || tablecrypt_gcm_expand(key, &gcm) != TABLECRYPT_OK ||
        tablecrypt_settings_new(&settings) != TABLECRYPT_OK ||
        tablecrypt_settings_refresh(settings, refresh, within) != TABLECRYPT_OK ||
        tablecrypt_settings_drain(settings, drain) != TABLECRYPT_OK ||
        tablecrypt_kms_from_callbacks(&callbacks, NULL, &kms) != TABLECRYPT_OK ||
        tablecrypt_service_open(kms, key_files, settings, &service) != TABLECRYPT_OK ||
        tablecrypt_wiredtiger_service("tests", service) != 0)
        abort();
    tablecrypt_kms_free(kms);
    tablecrypt_settings_free(settings);
}

void kms_answer(tablecrypt_status status) {
    atomic_store(&answer, (int)status);
}

void kms_hang(int whether) {
    (void)pthread_mutex_lock(&lock);
    hangs = whether;
    (void)pthread_cond_broadcast(&released);
    (void)pthread_mutex_unlock(&lock);
}

int kms_calls(void) {
    return atomic_load(&calls);
}

const char *kms_encrypted(const char *settings) {
    static char config[8192];

    (void)snprintf(config, sizeof config,
                   "extensions=[%s=(config=(kms=program,service=tests,create=true,%s))],encryption=(name=tablecrypt,keyid=system)",
                   extension, settings);
    return config;
}
