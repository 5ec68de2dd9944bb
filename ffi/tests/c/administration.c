/* What is done to a table's keys, what it says of itself, locking by hand, metrics; XAES and nonces of other lengths. */

#include "program.h"

#include <stdlib.h>

/* What the default library does not have, the full one does as it is said here. */
#if defined(TABLECRYPT_TEST_FULL)
#define FULL(status) (status)
#else
#define FULL(status) TABLECRYPT_NOT_BUILT_IN
#endif

static const uint8_t text[] = "eleven minutes late";
enum { TEXT = sizeof text, RECORD = TEXT + TABLECRYPT_OVERHEAD };

static int seal(const tablecrypt_structure *base, uint8_t *record) {
    return tablecrypt_structure_seal(base, NULL, 0, text, TEXT, record, RECORD, NULL);
}

static int open(const tablecrypt_structure *base, const uint8_t *record) {
    uint8_t out[TEXT];
    return tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
}

static void test_description(const tablecrypt_service *service, const tablecrypt_table *table, const char *arn) {
    tablecrypt_description *description;
    int by;
    for (by = 0; by < 2; ++by) {
        CHECK_STATUS(TABLECRYPT_OK, by == 0 ? tablecrypt_service_describe_table(service, "kept", &description)
                                            : tablecrypt_table_describe(table, &description));
        CHECK(strcmp(tablecrypt_description_table(description), "kept") == 0);
        CHECK(strlen(tablecrypt_description_table_id(description)) == 32);
        CHECK(tablecrypt_description_created(description) > 1700000000000);
        CHECK(tablecrypt_description_status(description) == TABLECRYPT_KEY_STATUS_ENABLED);
        CHECK(tablecrypt_description_kms_key_count(description) == 1);
        CHECK(strcmp(tablecrypt_description_kms_key(description, 0), arn) == 0);
        CHECK(tablecrypt_description_kms_key(description, 1) == NULL);
        CHECK(tablecrypt_description_switching_to(description) == NULL);
        CHECK(tablecrypt_description_inaccessible_since(description) == 0);
        CHECK(tablecrypt_description_grace_since(description) == 0 && tablecrypt_description_is_locked(description) == 0);
        CHECK(tablecrypt_description_structure_count(description) == 2);
        CHECK(strcmp(tablecrypt_description_structure(description, 0), "base") == 0);
        CHECK(strcmp(tablecrypt_description_structure(description, 1), "local:a") == 0);
        CHECK(tablecrypt_description_structure(description, SIZE_MAX) == NULL);
        tablecrypt_description_free(description);
    }
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, tablecrypt_service_describe_table(service, "none", &description));
    CHECK(description == NULL);
}

static void test_locks(const tablecrypt_service *service, const tablecrypt_connection *connection,
                       const tablecrypt_table *table, const tablecrypt_structure *base) {
    uint8_t record[RECORD];
    tablecrypt_description *description;
    int by;
    CHECK_STATUS(TABLECRYPT_OK, seal(base, record));
    CHECK(tablecrypt_table_permitted_for(table) > 300000 && tablecrypt_table_permitted_for(table) <= 330000);
    for (by = 0; by < 3; ++by) {
        CHECK_STATUS(TABLECRYPT_OK, by == 0   ? tablecrypt_table_lock(table)
                                    : by == 1 ? tablecrypt_connection_lock(connection)
                                              : tablecrypt_service_lock(service));
        CHECK_STATUS(TABLECRYPT_LOCKED, open(base, record));
        CHECK_STATUS(TABLECRYPT_LOCKED, seal(base, record));
        CHECK(tablecrypt_table_permitted_for(table) == 0);
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_describe(table, &description));
        CHECK(tablecrypt_description_is_locked(description) == 1);
        tablecrypt_description_free(description);
        CHECK_STATUS(TABLECRYPT_OK, by == 0   ? tablecrypt_table_unlock(table)
                                    : by == 1 ? tablecrypt_connection_unlock(connection)
                                              : tablecrypt_service_unlock(service));
        CHECK_STATUS(TABLECRYPT_OK, open(base, record));
    }
}

/* A new generation opens before it seals; the former one is in use until every process has the new one. */
static void test_generations(const tablecrypt_service *service, const tablecrypt_structure *base) {
    tablecrypt_generations *list;
    tablecrypt_generation one;
    uint8_t record[RECORD];
    uint32_t number, first;
    size_t i;

    CHECK_STATUS(TABLECRYPT_OK, seal(base, record));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_generation_of_record(record, 8, &first));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_rotate(service, "kept", NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_rotate(service, "kept", "local:a"));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_service_rotate(service, "kept", "local:b"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_generations(service, "kept", &list));
    CHECK(tablecrypt_generations_count(list) == 5); /* two of the base, three of the index */
    for (i = 0; i < 5; ++i) {
        memset(&one, 0x55, sizeof one);
        one.size = sizeof one;
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_generations_at(list, i, &one));
        CHECK(strcmp(one.structure, i < 2 ? "base" : "local:a") == 0);
        CHECK(one.seals == (i == 0 || i == 2) && one.seals_from - one.created == (one.seals ? 0 : 390000));
        CHECK(i > 0 || one.number == first);
    }
    /* A struct of an older version gets what it has room for. */
    memset(&one, 0x55, sizeof one);
    one.size = sizeof(size_t) + sizeof(char *);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_generations_at(list, 0, &one));
    CHECK(strcmp(one.structure, "base") == 0 && one.number == 0x55555555);
    one.size = 7;
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_generations_at(list, 0, &one));
    one.size = sizeof one;
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_generations_at(list, 5, &one));
    tablecrypt_generations_free(list);

    CHECK_STATUS(TABLECRYPT_OK, seal(base, record));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_generation_of_record(record, RECORD, &number));
    CHECK(number == first);
    CHECK_STATUS(TABLECRYPT_GENERATION_IN_USE, tablecrypt_service_retire_generation(service, "kept", first));
    CHECK_STATUS(TABLECRYPT_UNKNOWN_KEY, tablecrypt_service_retire_generation(service, "kept", 99));
    CHECK_STATUS(TABLECRYPT_TRUNCATED, tablecrypt_generation_of_record(record, 7, &number));
    record[0] = 9;
    CHECK_STATUS(TABLECRYPT_UNKNOWN_VERSION, tablecrypt_generation_of_record(record, RECORD, &number));
}

static void test_structures(const tablecrypt_service *service, const tablecrypt_connection *connection) {
    tablecrypt_table *table;
    tablecrypt_structure *index;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_add_structure(service, "kept", "global:b"));
    CHECK_STATUS(TABLECRYPT_STRUCTURE_EXISTS, tablecrypt_service_add_structure(service, "kept", "global:b"));
    CHECK_STATUS(TABLECRYPT_STRUCTURE_EXISTS, tablecrypt_service_add_structure(service, "kept", "base"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "kept", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_global(table, "b", &index));
    tablecrypt_structure_free(index);
    tablecrypt_table_free(table);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_drop_structure(service, "kept", "global:b"));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_service_drop_structure(service, "kept", "global:b"));
    CHECK_STATUS(TABLECRYPT_INDISPENSABLE, tablecrypt_service_drop_structure(service, "kept", "base"));
}

static void test_kms_keys(const tablecrypt_service *service, const char *arn) {
    const char *const keys[] = {arn};
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_service_plan_rewrap(service, "kept", NULL, arn));
    CHECK_STATUS(FULL(TABLECRYPT_KEY_NOT_FOUND), tablecrypt_service_plan_rewrap(service, "kept", NULL, "alias/none"));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_service_rewrap(service, "kept", NULL, arn));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_service_rewrap(service, "kept", arn, "alias/tablecrypt/default"));
    CHECK_STATUS(FULL(TABLECRYPT_KEY_NOT_FOUND), tablecrypt_service_rewrap(service, "kept", "alias/none", arn));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_service_switch_key(service, "kept", keys, 1));
    CHECK_STATUS(FULL(TABLECRYPT_INDISPENSABLE), tablecrypt_service_switch_key(service, "kept", NULL, 0));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_service_add_kms_key(service, "kept", arn));
    CHECK_STATUS(FULL(TABLECRYPT_KEY_NOT_FOUND), tablecrypt_service_add_kms_key(service, "kept", "alias/none"));
    CHECK_STATUS(FULL(TABLECRYPT_INDISPENSABLE), tablecrypt_service_remove_kms_key(service, "kept", arn));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table_under(service, "two", NULL, 0, NULL, 0, keys, 1));
    CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND, tablecrypt_service_create_table(service, "three", NULL, 0, NULL, 0, "alias/none"));
}

static void test_metrics(const tablecrypt_service *service, const tablecrypt_structure *base) {
    struct { tablecrypt_metrics known; uint64_t later[2]; } metrics;
    tablecrypt_key_memory_use memory;
    uint64_t sealed;
    uint8_t record[RECORD];

    memset(&metrics, 0x55, sizeof metrics);
    metrics.known.size = sizeof metrics;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_metrics(service, &metrics.known));
    CHECK(metrics.later[0] == 0 && metrics.later[1] == 0 && metrics.known.size == sizeof metrics);
    CHECK(metrics.known.permissions == 1 && metrics.known.generations == 5 && metrics.known.audit_lost == 0);
    CHECK(metrics.known.decrypt.calls > 0 && metrics.known.decrypt.failures == 0);
    CHECK(metrics.known.generate_data_key.calls > metrics.known.generate_data_key.failures);
    sealed = metrics.known.sealed;
    CHECK_STATUS(TABLECRYPT_OK, seal(base, record));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_metrics(service, &metrics.known));
    CHECK(metrics.known.sealed == sealed + 1 && metrics.known.sealed_bytes == (sealed + 1) * TEXT);
    metrics.known.size = 4097;
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_service_metrics(service, &metrics.known));
    memory.size = sizeof memory;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_key_memory(&memory));
    CHECK(memory.secret + memory.locked + memory.unlocked > 0);
}

/* A message of XAES is one of GCM under the derived key; with a nonce of any length, 12 bytes are plain GCM's. */
static void test_ciphers(void) {
    static const uint8_t key[32] = {1, 2, 3}, nonce[24] = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    tablecrypt_xaes *xaes;
    tablecrypt_gcm *gcm;
    uint8_t out[TEXT], other[TEXT], tag[16], other_tag[16];
    size_t length;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_xaes_expand(key, &xaes));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_xaes_derive(xaes, nonce, &gcm));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_xaes_seal(xaes, nonce, key, 7, text, TEXT, out, tag));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(gcm, nonce + 12, key, 7, text, TEXT, other, other_tag));
    CHECK(memcmp(out, other, TEXT) == 0 && memcmp(tag, other_tag, 16) == 0 && memcmp(out, text, TEXT) != 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_xaes_open(xaes, nonce, key, 7, out, TEXT, tag, out));
    CHECK(memcmp(out, text, TEXT) == 0);
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, tablecrypt_xaes_open(xaes, nonce, key, 8, other, TEXT, tag, out));
    CHECK(all_are(out, TEXT, 0));
    CHECK_STATUS(TABLECRYPT_OVERLAP, tablecrypt_xaes_seal(xaes, nonce, key, 7, out, TEXT - 1, out + 1, tag));
    tablecrypt_xaes_free(xaes);

    for (length = 1; length <= sizeof nonce; ++length) {
        memcpy(out, text, TEXT);
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_hazmat_seal(gcm, nonce, length, key, 7, out, TEXT, tag));
        if (length == 12) {
            CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_open(gcm, nonce, key, 7, out, TEXT, tag, other));
            CHECK(memcmp(other, text, TEXT) == 0);
        }
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_hazmat_open(gcm, nonce, length, key, 7, out, TEXT, tag));
        CHECK(memcmp(out, text, TEXT) == 0);
        CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, tablecrypt_gcm_hazmat_open(gcm, nonce, length, key, 7, out, TEXT, tag));
        CHECK(all_are(out, TEXT, 0));
    }
    CHECK_STATUS(TABLECRYPT_TOO_LONG, tablecrypt_gcm_hazmat_seal(gcm, nonce, 0, key, 7, out, TEXT, tag));
    CHECK_STATUS(TABLECRYPT_OVERLAP, tablecrypt_gcm_hazmat_seal(gcm, out, 12, key, 7, out, TEXT, tag));
    CHECK_STATUS(TABLECRYPT_OVERLAP, tablecrypt_gcm_hazmat_open(gcm, nonce, 12, key, 7, out, TEXT, out));
    tablecrypt_gcm_free(gcm);
}

static void test_settings(const char *folder) {
    static const uint8_t key[32] = {1};
    tablecrypt_settings *settings;
    char path[512];
    snprintf(path, sizeof path, "%s/audit.log", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_settings_audit_log(settings, path, key, "the test", 0));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_settings_audit_log(settings, path, NULL, NULL, 1));
    CHECK_STATUS(FULL(TABLECRYPT_NULL_ARGUMENT), tablecrypt_settings_audit_log(settings, NULL, NULL, NULL, 0));
    CHECK_STATUS(FULL(TABLECRYPT_OK), tablecrypt_settings_rotate_after(settings, 86400000, 0, UINT64_MAX));
#if defined(TABLECRYPT_TEST_FULL)
    {
        tablecrypt_kms *kms;
        tablecrypt_service *service;
        FILE *log;
        char line[512], files[512];
        snprintf(files, sizeof files, "%s/audited", folder);
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_local(files, &kms));
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(kms, files, settings, &service));
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "seen", NULL, 0, NULL, 0, NULL));
        tablecrypt_service_free(service);
        tablecrypt_kms_free(kms);
        log = fopen(path, "r");
        CHECK(log != NULL && fgets(line, sizeof line, log) != NULL && strstr(line, "\"seen\"") != NULL);
        if (log != NULL) {
            fclose(log);
        }
    }
#endif
    tablecrypt_settings_free(settings);
}

/* What the KMS does not take is the request: no key file is damaged, and the sentence does not say so. */
static void test_default_key_that_is_no_alias(const char *folder) {
    tablecrypt_kms *kms;
    tablecrypt_settings *settings;
    tablecrypt_service *service;
    char path[512], arn[2049], said[300];

    snprintf(path, sizeof path, "%s/no-alias", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_local(path, &kms));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_default_key(settings, "flights"));
    snprintf(path, sizeof path, "%s/no-alias-tables", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(kms, path, settings, &service));
    CHECK_STATUS(TABLECRYPT_KMS_REQUEST_INVALID, tablecrypt_service_default_key(service, arn, sizeof arn, NULL));
    CHECK(tablecrypt_last_error(said, sizeof said) == strlen(said) && strstr(said, "the default key by an alias") != NULL);
    CHECK_STATUS(TABLECRYPT_KMS_REQUEST_INVALID, tablecrypt_service_create_table(service, "t", NULL, 0, NULL, 0, NULL));
    tablecrypt_service_free(service);
    tablecrypt_settings_free(settings);
    tablecrypt_kms_free(kms);
}

void test_administration(const char *folder) {
    static const char *const locals[] = {"a"};
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    tablecrypt_structure *base;
    tablecrypt_names *names;
    uint8_t record[RECORD];
    char path[512], arn[2049];
    size_t length = 0;

    test_ciphers();
    test_settings(folder);
    test_default_key_that_is_no_alias(folder);
    snprintf(path, sizeof path, "%s/administered", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(path, &service));
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, tablecrypt_service_default_key(service, NULL, 0, &length));
    CHECK(length > 20 && length < 2048);
    memset(arn, 0x55, sizeof arn);
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, tablecrypt_service_default_key(service, arn, length, NULL));
    CHECK(all_are((const uint8_t *)arn, sizeof arn, 0x55));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_default_key(service, arn, length + 1, NULL));
    CHECK(strlen(arn) == length && arn[length + 1] == 0x55);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "kept", locals, 1, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "kept", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(table, &base));
    test_description(service, table, arn);
    test_generations(service, base);
    test_structures(service, connection);
    test_metrics(service, base);
    test_locks(service, connection, table, base);
    test_kms_keys(service, arn);

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_tables(service, &names));
    CHECK(tablecrypt_names_count(names) == 2 && strcmp(tablecrypt_names_at(names, 0), "kept") == 0);
    CHECK(strcmp(tablecrypt_names_at(names, 1), "two") == 0 && tablecrypt_names_at(names, 2) == NULL);
    tablecrypt_names_free(names);
    CHECK_STATUS(TABLECRYPT_OK, seal(base, record));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_delete_table(service, "kept"));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, open(base, record));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, tablecrypt_service_delete_table(service, "kept"));

    tablecrypt_structure_free(base);
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
}
