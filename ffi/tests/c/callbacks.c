/* A KMS of the caller's: what it is asked, what each of its answers does, and when it is released. It wraps with
   AES-256-GCM under one key, with the encryption context as AAD. */

#define _DEFAULT_SOURCE 1 /* fork */

#include "program.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char arn[] = "arn:test:kms:nowhere:1:key/5";
static const char alias[] = "alias/tablecrypt/default";
static const uint8_t text[] = "eleven minutes late";

enum { TEXT = sizeof text, RECORD = TEXT + TABLECRYPT_OVERHEAD, WRAPPED = 12 + 32 + 16 };

typedef enum { WELL, NO_LENGTH, SHORT_KEY, ZERO_KEY, LONG_WRAPPED, NO_WRAPPED, OPEN_ARN, NO_ARN, BAD_ARN, BAD_STATE } answering;

typedef struct {
    tablecrypt_gcm *gcm;
    atomic_int has_alias, released, calls, principals;
    atomic_int wrong;  /* how often it was asked what it must not be */
    atomic_int status; /* what every call answers, if not OK */
    answering how;     /* what is wrong with an answer that says OK */
    uint8_t wraps;     /* how many, for the nonces */
    char principal[32];
} own_kms;

/* A library's thread may ask, so it is counted here and not with the program's checks. */
#define EXPECT(condition) (kms->wrong += !(condition))

static size_t aad_of(const tablecrypt_kms_request *request, uint8_t *aad) {
    size_t i, length = 0;
    for (i = 0; i < request->context_count; ++i) {
        const char *const texts[] = {request->context[i].name, request->context[i].value};
        int j;
        for (j = 0; j < 2; ++j) {
            memcpy(aad + length, texts[j], strlen(texts[j]) + 1);
            length += strlen(texts[j]) + 1;
        }
    }
    return length;
}

static void spoil(const own_kms *kms, tablecrypt_kms_answer *answer) {
    switch (kms->how) {
        case WELL: break;
        case NO_LENGTH: answer->key_length = 0; break;
        case SHORT_KEY: answer->key_length = 31; break;
        case ZERO_KEY: if (answer->key != NULL) memset(answer->key, 0, 32); break;
        case LONG_WRAPPED: answer->wrapped_length = answer->wrapped_capacity + 1; break;
        case NO_WRAPPED: answer->wrapped_length = 0; break;
        case OPEN_ARN: memset(answer->arn, 'a', answer->arn_capacity); break;
        case NO_ARN: answer->arn[0] = 0; break;
        case BAD_ARN: memcpy(answer->arn, "arn\xff", 5); break;
        case BAD_STATE: answer->state = 3; break;
    }
}

/* What every call begins with. */
static int asked(own_kms *kms, const tablecrypt_kms_request *request, tablecrypt_kms_answer *answer) {
    ++kms->calls;
    if (request->principal != NULL) {
        ++kms->principals;
        strncpy(kms->principal, request->principal, sizeof kms->principal - 1);
    }
    memcpy(answer->request_id, "request-1", 10);
    EXPECT(answer->key_length == 0 && answer->wrapped_length == 0 && answer->request_id_capacity == 256);
    if (kms->status != TABLECRYPT_OK) {
        return kms->status;
    }
    return strcmp(request->key, arn) == 0 || (kms->has_alias && strcmp(request->key, alias) == 0)
               ? TABLECRYPT_OK
               : TABLECRYPT_KEY_NOT_FOUND;
}

static void wrap(own_kms *kms, const tablecrypt_kms_request *request, const uint8_t *key, tablecrypt_kms_answer *answer) {
    uint8_t aad[512];
    EXPECT(answer->wrapped_capacity == 6144 && answer->arn_capacity == 2048);
    memset(answer->wrapped, 0, 12);
    answer->wrapped[0] = ++kms->wraps;
    EXPECT(TABLECRYPT_OK == tablecrypt_gcm_seal(kms->gcm, answer->wrapped, aad, aad_of(request, aad), key, 32,
                                                    answer->wrapped + 12, answer->wrapped + 44));
    answer->wrapped_length = WRAPPED;
    memcpy(answer->arn, arn, sizeof arn);
}

static tablecrypt_status unwrap(own_kms *kms, const tablecrypt_kms_request *request, uint8_t *key) {
    uint8_t aad[512];
    if (request->wrapped_length != WRAPPED) {
        return TABLECRYPT_KMS_REQUEST_INVALID;
    }
    return tablecrypt_gcm_open(kms->gcm, request->wrapped, aad, aad_of(request, aad), request->wrapped + 12, 32,
                               request->wrapped + 44, key) == TABLECRYPT_OK
               ? TABLECRYPT_OK
               : TABLECRYPT_WRONG_CONTEXT;
}

static tablecrypt_status generate_data_key(void *caller, const tablecrypt_kms_request *request,
                                           tablecrypt_kms_answer *answer) {
    own_kms *const kms = caller;
    const int status = asked(kms, request, answer);
    int i;
    EXPECT(answer->key != NULL && answer->wrapped != NULL && answer->arn != NULL && request->wrapped == NULL);
    EXPECT(request->to == NULL && request->description == NULL && request->context_count == 2);
    EXPECT(strcmp(request->context[0].name, "tablecrypt:subscriber") == 0);
    EXPECT(strcmp(request->context[1].name, "tablecrypt:table") == 0);
    if (status != TABLECRYPT_OK) {
        return status;
    }
    for (i = 0; i < 32; ++i) {
        answer->key[i] = (uint8_t)(rand() >> 7);
    }
    answer->key_length = 32;
    wrap(kms, request, answer->key, answer);
    spoil(kms, answer);
    return TABLECRYPT_OK;
}

static tablecrypt_status decrypt(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *answer) {
    own_kms *const kms = caller;
    int status = asked(kms, request, answer);
    EXPECT(answer->key != NULL && answer->wrapped == NULL && answer->arn == NULL && request->wrapped != NULL);
    if (status != TABLECRYPT_OK) {
        memset(answer->key, 0x77, 32); /* which nobody must take for a key */
        answer->key_length = 32;
        return status;
    }
    status = unwrap(kms, request, answer->key);
    answer->key_length = 32;
    spoil(kms, answer);
    return status;
}

static tablecrypt_status re_encrypt(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *answer) {
    own_kms *const kms = caller;
    int status = asked(kms, request, answer);
    uint8_t key[32];
    EXPECT(answer->key == NULL && answer->wrapped != NULL && request->to != NULL && request->wrapped != NULL);
    if (status == TABLECRYPT_OK && (status = unwrap(kms, request, key)) == TABLECRYPT_OK) {
        wrap(kms, request, key, answer);
        spoil(kms, answer);
    }
    return status;
}

static tablecrypt_status ensure_key(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *answer) {
    own_kms *const kms = caller;
    const int status = asked(kms, request, answer);
    EXPECT(request->description != NULL && request->context_count == 0 && answer->key == NULL && answer->arn != NULL);
    if (status != TABLECRYPT_OK && status != TABLECRYPT_KEY_NOT_FOUND) {
        return status;
    }
    kms->has_alias = 1;
    memcpy(answer->arn, arn, sizeof arn);
    spoil(kms, answer);
    return TABLECRYPT_OK;
}

static tablecrypt_status describe_key(void *caller, const tablecrypt_kms_request *request, tablecrypt_kms_answer *answer) {
    own_kms *const kms = caller;
    const int status = asked(kms, request, answer);
    EXPECT(request->description == NULL && answer->key == NULL && answer->arn != NULL);
    if (status == TABLECRYPT_OK) {
        memcpy(answer->arn, arn, sizeof arn);
        spoil(kms, answer);
    }
    return status;
}

static void release(void *caller) {
    ++((own_kms *)caller)->released;
}

static const tablecrypt_kms_callbacks functions = {
    sizeof functions, generate_data_key, decrypt, re_encrypt, ensure_key, describe_key, release};

/* A thread of the library's may be the last that used it; a minute is a hang. */
static void await(const atomic_int *count, int expected) {
    const time_t began = time(NULL);
    while (*count < expected && poll_again(began)) {
    }
    CHECK(*count == expected);
}

/* A service over it, and a folder of its own. */
static tablecrypt_service *open_over(own_kms *kms, const tablecrypt_settings *settings, const char *folder, const char *name) {
    tablecrypt_kms *handle;
    tablecrypt_service *service;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_from_callbacks(&functions, kms, &handle));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(handle, path, settings, &service));
    tablecrypt_kms_free(handle);
    return service;
}

static int create(const tablecrypt_service *service, const char *table) {
    return tablecrypt_service_create_table(service, table, NULL, 0, NULL, 0, NULL);
}

/* Opens a table over a new connection. */
static int open_table(const tablecrypt_service *service, const char *name) {
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    int status;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    status = tablecrypt_connection_open_table(connection, name, &table);
    CHECK((table == NULL) == (status != TABLECRYPT_OK));
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    return status;
}

static tablecrypt_structure *base_of(const tablecrypt_connection *connection, const char *name) {
    tablecrypt_table *table;
    tablecrypt_structure *base;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, name, &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(table, &base));
    tablecrypt_table_free(table);
    return base;
}

static void test_statuses(own_kms *kms, const tablecrypt_service *service) {
    /* Of a key file, and of a table that has none yet. */
    static const int definite[][3] = {
        {TABLECRYPT_ACCESS_DENIED, TABLECRYPT_ACCESS_DENIED, TABLECRYPT_ACCESS_DENIED},
        {TABLECRYPT_KEY_DISABLED, TABLECRYPT_KEY_DISABLED, TABLECRYPT_KEY_DISABLED},
        {TABLECRYPT_KEY_NOT_FOUND, TABLECRYPT_KEY_NOT_FOUND, TABLECRYPT_KEY_NOT_FOUND},
        {TABLECRYPT_KEY_PENDING_DELETION, TABLECRYPT_KEY_PENDING_DELETION, TABLECRYPT_KEY_PENDING_DELETION},
        {TABLECRYPT_KMS_REQUEST_INVALID, TABLECRYPT_KEY_FILE_CORRUPT, TABLECRYPT_KMS_REQUEST_INVALID},
        {TABLECRYPT_WRONG_CONTEXT, TABLECRYPT_WRONG_CONTEXT, TABLECRYPT_KMS_REQUEST_INVALID},
    };
    static const int failures[] = {TABLECRYPT_KEY_UNAVAILABLE, TABLECRYPT_IO, TABLECRYPT_PANIC, 1, -1, 999, INT32_MIN};
    static const answering bad_keys[] = {NO_LENGTH, SHORT_KEY, ZERO_KEY, BAD_STATE};
    static const answering bad_made[] = {NO_LENGTH, SHORT_KEY, ZERO_KEY, LONG_WRAPPED, NO_WRAPPED, OPEN_ARN, NO_ARN, BAD_ARN};
    size_t i;

    for (i = 0; i < sizeof definite / sizeof definite[0]; ++i) {
        kms->status = definite[i][0];
        CHECK_STATUS(definite[i][1], open_table(service, "flights"));
        CHECK_STATUS(definite[i][2], create(service, "planes"));
    }
    for (i = 0; i < sizeof failures / sizeof failures[0]; ++i) {
        kms->status = failures[i];
        CHECK_STATUS(TABLECRYPT_KEY_UNAVAILABLE, open_table(service, "flights"));
    }
    kms->status = TABLECRYPT_OK;
    for (i = 0; i < sizeof bad_keys / sizeof bad_keys[0]; ++i) {
        kms->how = bad_keys[i];
        CHECK_STATUS(TABLECRYPT_KEY_UNAVAILABLE, open_table(service, "flights"));
    }
    for (i = 0; i < sizeof bad_made / sizeof bad_made[0]; ++i) {
        kms->how = bad_made[i];
        CHECK_STATUS(TABLECRYPT_KEY_UNAVAILABLE, create(service, "planes"));
    }
    kms->how = WELL;
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, open_table(service, "planes"));
    CHECK_STATUS(TABLECRYPT_OK, open_table(service, "flights"));
}

/* What cannot be a KMS is refused, and nothing is released that was not taken. */
static void test_structs(own_kms *kms) {
    struct { tablecrypt_kms_callbacks known; size_t later; } longer;
    tablecrypt_kms_callbacks some = functions;
    tablecrypt_kms *handle = NULL;
    tablecrypt_service *service;
    static const size_t sizes[] = {0, 1, sizeof(size_t), sizeof functions - 1, SIZE_MAX};
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        some.size = sizes[i];
        CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_kms_from_callbacks(&some, kms, &handle));
        CHECK(handle == NULL);
    }
    some = functions;
    some.decrypt = NULL;
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_kms_from_callbacks(&some, kms, &handle));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_kms_from_callbacks(NULL, kms, &handle));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_kms_from_callbacks(&functions, kms, NULL));
    memset(&longer, 0, sizeof longer);
    longer.known = functions;
    longer.known.size = sizeof longer;
    longer.later = 1; /* a function that this library would not call */
    CHECK_STATUS(TABLECRYPT_NOT_BUILT_IN, tablecrypt_kms_from_callbacks(&longer.known, kms, &handle));
    CHECK(kms->released == 0);
    longer.later = 0;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_from_callbacks(&longer.known, kms, &handle));
    tablecrypt_kms_free(handle);
    CHECK(kms->released == 1);
    kms->released = 0;

    /* One that can decrypt only. */
    memset(&some, 0, sizeof some);
    some.size = sizeof some;
    some.decrypt = decrypt;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_from_callbacks(&some, NULL, &handle));
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_service_open(handle, "", NULL, &service));
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_service_open(handle, "/proc/no-such-folder", NULL, &service));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(handle, "/tmp", NULL, &service));
    tablecrypt_kms_free(handle);
    CHECK_STATUS(TABLECRYPT_ACCESS_DENIED, create(service, "never-there"));
    tablecrypt_service_free(service);
}

static void test_settings(void) {
    tablecrypt_settings *settings;
    char said[200];
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_refresh(settings, 0, 1));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_refresh(settings, 1, 0));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_refresh(settings, 86400001, 1));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_refresh(settings, 1, UINT64_MAX));
    CHECK(tablecrypt_last_error(said, sizeof said) > 0 && strstr(said, "refresh") != NULL);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_refresh(settings, 86400000, 86400000));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_refresh(settings, 1, 1));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_outage_grace(settings, 43200001));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_outage_grace(settings, UINT64_MAX));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_outage_grace(settings, 43200000));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_drain(settings, 3600001));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_drain(settings, 3600000));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_jitter(settings, UINT64_MAX));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_scope(settings, (tablecrypt_scope)3));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_settings_scope(settings, (tablecrypt_scope)-1));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_scope(settings, TABLECRYPT_SCOPE_PROCESS));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_settings_subscriber(settings, "\xff"));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_settings_default_key(settings, "\xff"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_names_in_log(settings, 1));
    tablecrypt_settings_free(settings);
}

/* Another subscriber's tables, the default key that must be there, a scope in which two connections make one call. */
static void test_applied(own_kms *kms, const char *folder) {
    tablecrypt_settings *settings;
    tablecrypt_service *service;
    tablecrypt_connection *connections[3];
    tablecrypt_structure *bases[3];
    int calls, i;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_subscriber(settings, "another"));
    service = open_over(kms, settings, folder, "own");
    CHECK_STATUS(TABLECRYPT_WRONG_CONTEXT, open_table(service, "flights"));
    tablecrypt_service_free(service);

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_default_key(settings, "alias/of-nothing"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_require_default_key(settings, 1));
    service = open_over(kms, settings, folder, "other");
    CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND, create(service, "flights"));
    tablecrypt_service_free(service);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_default_key(settings, alias));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_scope(settings, TABLECRYPT_SCOPE_PRINCIPAL));
    service = open_over(kms, settings, folder, "other");
    CHECK_STATUS(TABLECRYPT_OK, create(service, "flights"));
    calls = kms->calls;
    for (i = 0; i < 3; ++i) {
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect_as(service, i < 2 ? "ann" : "bob", &connections[i]));
        bases[i] = base_of(connections[i], "flights");
        CHECK(strcmp(kms->principal, i < 2 ? "ann" : "bob") == 0);
    }
    CHECK(kms->calls == calls + 2 && kms->principals == 2); /* one for both of ann's */
    for (i = 0; i < 3; ++i) {
        tablecrypt_structure_free(bases[i]);
        tablecrypt_connection_free(connections[i]);
    }
    tablecrypt_settings_free(settings);
    tablecrypt_service_free(service);
}

/* With a short clock: while the KMS refuses, a table that drains seals and opens nothing; permitted again, it opens. */
static void test_drain(own_kms *kms, const char *folder, uint64_t drain) {
    const int sealing = drain > 0 ? TABLECRYPT_OK : TABLECRYPT_KEY_DISABLED;
    const time_t began = time(NULL);
    tablecrypt_settings *settings;
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_structure *base;
    uint8_t record[RECORD], out[TEXT];
    int found;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_refresh(settings, 1, 86400000));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_jitter(settings, 0));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_drain(settings, drain));
    service = open_over(kms, settings, folder, "own");
    tablecrypt_settings_free(settings);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    base = base_of(connection, "flights");
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(base, NULL, 0, text, TEXT, record, RECORD, NULL));
    kms->status = TABLECRYPT_KEY_DISABLED;
    /* Until the next refresh has heard it; a minute is a hang. */
    do {
        found = tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
    } while (found == TABLECRYPT_OK && poll_again(began));
    CHECK_STATUS(TABLECRYPT_KEY_DISABLED, found);
    CHECK_STATUS(sealing, tablecrypt_structure_seal(base, NULL, 0, text, TEXT, record, RECORD, NULL));
    kms->status = TABLECRYPT_OK;
    do {
        found = tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
    } while (found == TABLECRYPT_KEY_DISABLED && poll_again(began));
    CHECK_STATUS(TABLECRYPT_OK, found);
    CHECK(memcmp(out, text, TEXT) == 0);
    tablecrypt_structure_free(base);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
}

/* A child asks for itself, with the same caller. */
static void test_fork(own_kms *kms, const tablecrypt_structure *base) {
    uint8_t record[RECORD], out[TEXT];
    int status = -1, ends[2], told[2] = {-1, -1};
    pid_t child;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(base, NULL, 0, text, TEXT, record, RECORD, NULL));
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        const int before = kms->calls;
        told[0] = tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
        told[1] = kms->calls - before;
        _exit(write(ends[1], told, sizeof told) == sizeof told ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    close(ends[1]);
    CHECK(read(ends[0], told, sizeof told) == sizeof told);
    close(ends[0]);
    CHECK_STATUS(TABLECRYPT_OK, told[0]);
    CHECK(told[1] == 1);
}

void test_callbacks(const char *folder) {
    static const uint8_t master[32] = {1, 2, 3};
    own_kms kms;
    tablecrypt_kms *local;
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_structure *base;
    char path[512];

    memset(&kms, 0, sizeof kms);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand(master, &kms.gcm));
    test_structs(&kms);
    test_settings();

    kms.calls = 0;
    service = open_over(&kms, NULL, folder, "own");
    CHECK(kms.calls == 0);
    CHECK_STATUS(TABLECRYPT_OK, create(service, "flights"));
    CHECK(kms.calls == 3 && kms.has_alias == 1); /* no such key; it is made; generate */
    test_statuses(&kms, service);
    test_applied(&kms, folder);
    await(&kms.released, 3);
    test_drain(&kms, folder, 3600000);
    test_drain(&kms, folder, 0);
    await(&kms.released, 5);
    kms.released = 0;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    base = base_of(connection, "flights");
    test_fork(&kms, base);
    tablecrypt_service_free(service);
    tablecrypt_connection_free(connection);
    CHECK(kms.released == 0);
    tablecrypt_structure_free(base);
    await(&kms.released, 1);
    CHECK(kms.wrong == 0);
    tablecrypt_gcm_free(kms.gcm);

    /* The same road over a local KMS, whose folder tablecrypt_service_open_local shares. */
    snprintf(path, sizeof path, "%s/kms", folder);
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_kms_open_local("", &local));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_local(path, &local));
    snprintf(path, sizeof path, "%s/tables", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(local, path, NULL, &service));
    tablecrypt_kms_free(local);
    CHECK_STATUS(TABLECRYPT_OK, open_table(service, "flights"));
    tablecrypt_service_free(service);
}
