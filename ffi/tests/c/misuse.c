/* Calls that nobody means: NULL for each pointer, handles of what failed, frees and closes of nothing and of twice, strings that
   are no UTF-8, counts that no array has. Each answers a status, and nothing is written. */

#include "program.h"

#define REFUSED(call) CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, call)

static void test_nothing(void) {
    tablecrypt_settings_free(NULL);
    tablecrypt_kms_free(NULL);
    tablecrypt_description_free(NULL);
    tablecrypt_generations_free(NULL);
    tablecrypt_names_free(NULL);
    tablecrypt_xaes_free(NULL);
    CHECK(tablecrypt_description_table(NULL) == NULL && tablecrypt_description_table_id(NULL) == NULL);
    CHECK(tablecrypt_description_kms_key(NULL, 0) == NULL && tablecrypt_description_switching_to(NULL) == NULL);
    CHECK(tablecrypt_description_structure(NULL, SIZE_MAX) == NULL && tablecrypt_names_at(NULL, SIZE_MAX) == NULL);
    CHECK(tablecrypt_description_created(NULL) == 0 && tablecrypt_description_status(NULL) == 0);
    CHECK(tablecrypt_description_kms_key_count(NULL) == 0 && tablecrypt_description_structure_count(NULL) == 0);
    CHECK(tablecrypt_description_inaccessible_since(NULL) == 0 && tablecrypt_description_grace_since(NULL) == 0);
    CHECK(tablecrypt_description_is_locked(NULL) == 0 && tablecrypt_generations_count(NULL) == 0);
    CHECK(tablecrypt_names_count(NULL) == 0 && tablecrypt_table_permitted_for(NULL) == 0);
    REFUSED(tablecrypt_connection_lock(NULL));
    REFUSED(tablecrypt_connection_unlock(NULL));
    REFUSED(tablecrypt_table_lock(NULL));
    REFUSED(tablecrypt_table_unlock(NULL));
    REFUSED(tablecrypt_service_lock(NULL));
    REFUSED(tablecrypt_service_unlock(NULL));
    REFUSED(tablecrypt_key_memory(NULL));
    REFUSED(tablecrypt_settings_new(NULL));
    REFUSED(tablecrypt_settings_refresh(NULL, 1, 1));
    REFUSED(tablecrypt_settings_jitter(NULL, 1));
    REFUSED(tablecrypt_settings_outage_grace(NULL, 1));
    REFUSED(tablecrypt_settings_drain(NULL, 1));
    REFUSED(tablecrypt_settings_scope(NULL, TABLECRYPT_SCOPE_PROCESS));
    REFUSED(tablecrypt_settings_subscriber(NULL, "a"));
    REFUSED(tablecrypt_settings_default_key(NULL, "a"));
    REFUSED(tablecrypt_settings_require_default_key(NULL, 1));
    REFUSED(tablecrypt_settings_names_in_log(NULL, 1));
    REFUSED(tablecrypt_settings_audit_log(NULL, "a", NULL, NULL, 0));
    REFUSED(tablecrypt_settings_rotate_after(NULL, 1, 1, 1));
}

static void test_service(const char *folder) {
    static const char *const bad[] = {"a", "\xff"};
    tablecrypt_service *service = (tablecrypt_service *)(void *)&service;
    tablecrypt_kms *kms = NULL;
    tablecrypt_settings *settings;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    tablecrypt_description *description = (tablecrypt_description *)(void *)&service;
    tablecrypt_generations *generations;
    tablecrypt_names *names;
    tablecrypt_metrics metrics;
    tablecrypt_generation generation;
    char said[16];

    REFUSED(tablecrypt_kms_open_local(NULL, &kms));
    REFUSED(tablecrypt_kms_open_local(folder, NULL));
    /* ../aws.c is for the library that has it. */
    kms = (tablecrypt_kms *)(void *)&service;
    CHECK_STATUS(TABLECRYPT_NOT_BUILT_IN, tablecrypt_kms_open_aws("eu-west-1", NULL, NULL, 0, 0, &kms));
    CHECK(kms == NULL);
    REFUSED(tablecrypt_kms_open_aws(NULL, NULL, NULL, 0, 0, NULL));
    REFUSED(tablecrypt_service_open(NULL, folder, NULL, &service));
    CHECK(service == NULL);
    /* The handle of what failed is NULL, and every call takes it for that. */
    REFUSED(tablecrypt_service_connect_as(service, "a", &connection));
    REFUSED(tablecrypt_service_tables(service, &names));
    REFUSED(tablecrypt_service_describe_table(service, "a", &description));
    CHECK(description == NULL && names == NULL && connection == NULL);
    REFUSED(tablecrypt_service_generations(service, "a", &generations));
    REFUSED(tablecrypt_service_default_key(service, said, sizeof said, NULL));
    REFUSED(tablecrypt_service_create_table_under(service, "a", NULL, 0, NULL, 0, NULL, 0));
    REFUSED(tablecrypt_service_delete_table(service, "a"));
    REFUSED(tablecrypt_service_add_structure(service, "a", "local:b"));
    REFUSED(tablecrypt_service_drop_structure(service, "a", "local:b"));
    REFUSED(tablecrypt_service_rotate(service, "a", NULL));
    REFUSED(tablecrypt_service_retire_generation(service, "a", 1));
    REFUSED(tablecrypt_service_rewrap(service, "a", NULL, "b"));
    REFUSED(tablecrypt_service_plan_rewrap(service, "a", NULL, "b"));
    REFUSED(tablecrypt_service_switch_key(service, "a", NULL, 0));
    REFUSED(tablecrypt_service_add_kms_key(service, "a", "b"));
    REFUSED(tablecrypt_service_remove_kms_key(service, "a", "b"));
    metrics.size = sizeof metrics;
    REFUSED(tablecrypt_service_metrics(service, &metrics));
    generation.size = sizeof generation;
    REFUSED(tablecrypt_generations_at(NULL, 0, &generation));
    REFUSED(tablecrypt_table_describe(NULL, &description));

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_local(folder, &kms));
    REFUSED(tablecrypt_service_open(kms, NULL, NULL, &service));
    REFUSED(tablecrypt_service_open(kms, folder, NULL, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    REFUSED(tablecrypt_settings_subscriber(settings, NULL));
    REFUSED(tablecrypt_settings_default_key(settings, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(kms, folder, settings, &service));
    tablecrypt_settings_free(settings); /* in the wrong order: the service goes on */
    tablecrypt_kms_free(kms);
    REFUSED(tablecrypt_service_connect_as(service, NULL, &connection));
    REFUSED(tablecrypt_service_connect_as(service, "a", NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_service_connect_as(service, "\xc3", &connection));
    REFUSED(tablecrypt_service_tables(service, NULL));
    REFUSED(tablecrypt_service_describe_table(service, NULL, &description));
    REFUSED(tablecrypt_service_describe_table(service, "a", NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_service_describe_table(service, "\xff", &description));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_service_describe_table(service, "..", &description));
    REFUSED(tablecrypt_service_generations(service, NULL, &generations));
    REFUSED(tablecrypt_service_generations(service, "a", NULL));
    REFUSED(tablecrypt_service_default_key(service, NULL, 2048, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_service_default_key(service, said, SIZE_MAX, NULL));
    REFUSED(tablecrypt_service_create_table_under(service, NULL, NULL, 0, NULL, 0, NULL, 0));
    REFUSED(tablecrypt_service_create_table_under(service, "a", NULL, 1, NULL, 0, NULL, 0));
    REFUSED(tablecrypt_service_create_table_under(service, "a", NULL, 0, NULL, 0, NULL, 1));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_service_create_table_under(service, "a", NULL, 0, NULL, 0, bad, SIZE_MAX));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_service_create_table_under(service, "a", NULL, 0, NULL, 0, bad, 2));
    REFUSED(tablecrypt_service_delete_table(service, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_service_delete_table(service, "../a"));
    REFUSED(tablecrypt_service_add_structure(service, NULL, "local:b"));
    REFUSED(tablecrypt_service_add_structure(service, "a", NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_service_add_structure(service, "a", "local:.."));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_service_add_structure(service, "a", "b"));
    REFUSED(tablecrypt_service_drop_structure(service, "a", NULL));
    REFUSED(tablecrypt_service_rotate(service, NULL, NULL));
    REFUSED(tablecrypt_service_retire_generation(service, NULL, 1));
    REFUSED(tablecrypt_service_rewrap(service, NULL, NULL, "b"));
    REFUSED(tablecrypt_service_rewrap(service, "a", NULL, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_service_rewrap(service, "a", "\xff", "b"));
    REFUSED(tablecrypt_service_plan_rewrap(service, "a", NULL, NULL));
    REFUSED(tablecrypt_service_switch_key(service, NULL, NULL, 0));
    REFUSED(tablecrypt_service_switch_key(service, "a", NULL, 1));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_service_switch_key(service, "a", bad, SIZE_MAX));
    REFUSED(tablecrypt_service_add_kms_key(service, "a", NULL));
    REFUSED(tablecrypt_service_remove_kms_key(service, "a", NULL));
    REFUSED(tablecrypt_service_metrics(service, NULL));

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "misused", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_generations(service, "misused", &generations));
    REFUSED(tablecrypt_generations_at(generations, 0, NULL));
    tablecrypt_generations_free(generations);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    tablecrypt_service_free(service); /* what came from it goes on */
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "misused", &table));
    REFUSED(tablecrypt_table_describe(table, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_close(connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_close(connection)); /* twice is defined */
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_lock(connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_lock(table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_lock(table)); /* and so is this */
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_unlock(table));
    CHECK(tablecrypt_table_permitted_for(table) == 0);
    tablecrypt_connection_free(connection);
    tablecrypt_table_free(table);
}

static void test_ciphers(void) {
    uint8_t byte[32] = {0}, room[64] = {0}, tag[16];
    uint8_t *const nonce = byte, *const out = room + 32;
    tablecrypt_xaes *xaes = NULL;
    tablecrypt_gcm *gcm;
    uint32_t number;

    REFUSED(tablecrypt_xaes_expand(NULL, &xaes));
    REFUSED(tablecrypt_xaes_expand(byte, NULL));
    REFUSED(tablecrypt_xaes_seal(NULL, nonce, NULL, 0, byte, 1, out, tag));
    REFUSED(tablecrypt_xaes_open(NULL, nonce, NULL, 0, byte, 1, tag, out));
    REFUSED(tablecrypt_xaes_derive(NULL, nonce, &gcm));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_xaes_expand(byte, &xaes));
    REFUSED(tablecrypt_xaes_derive(xaes, NULL, &gcm));
    REFUSED(tablecrypt_xaes_derive(xaes, nonce, NULL));
    REFUSED(tablecrypt_xaes_seal(xaes, NULL, NULL, 0, byte, 1, out, tag));
    REFUSED(tablecrypt_xaes_seal(xaes, nonce, NULL, 1, byte, 1, out, tag));
    REFUSED(tablecrypt_xaes_seal(xaes, nonce, NULL, 0, NULL, 1, out, tag));
    REFUSED(tablecrypt_xaes_seal(xaes, nonce, NULL, 0, byte, 1, NULL, tag));
    REFUSED(tablecrypt_xaes_seal(xaes, nonce, NULL, 0, byte, 1, out, NULL));
    REFUSED(tablecrypt_xaes_open(xaes, nonce, NULL, 0, byte, 1, NULL, out));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_xaes_seal(xaes, nonce, byte, SIZE_MAX, byte, 1, out, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_xaes_seal(xaes, nonce, NULL, 0, byte, SIZE_MAX, out, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_xaes_open(xaes, nonce, NULL, 0, byte, SIZE_MAX, tag, out));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_xaes_derive(xaes, nonce, &gcm));
    tablecrypt_xaes_free(xaes);
    REFUSED(tablecrypt_gcm_hazmat_seal(NULL, nonce, 8, NULL, 0, out, 1, tag));
    REFUSED(tablecrypt_gcm_hazmat_seal(gcm, NULL, 8, NULL, 0, out, 1, tag));
    REFUSED(tablecrypt_gcm_hazmat_seal(gcm, nonce, 8, NULL, 1, out, 1, tag));
    REFUSED(tablecrypt_gcm_hazmat_seal(gcm, nonce, 8, NULL, 0, NULL, 1, tag));
    REFUSED(tablecrypt_gcm_hazmat_seal(gcm, nonce, 8, NULL, 0, out, 1, NULL));
    REFUSED(tablecrypt_gcm_hazmat_open(NULL, nonce, 8, NULL, 0, out, 1, tag));
    REFUSED(tablecrypt_gcm_hazmat_open(gcm, nonce, 8, NULL, 0, out, 1, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_gcm_hazmat_seal(gcm, nonce, SIZE_MAX, NULL, 0, out, 1, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_gcm_hazmat_open(gcm, nonce, 8, NULL, 0, out, SIZE_MAX, tag));
    tablecrypt_gcm_free(gcm);
    REFUSED(tablecrypt_generation_of_record(NULL, 8, &number));
    REFUSED(tablecrypt_generation_of_record(byte, 8, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_generation_of_record(byte, SIZE_MAX, &number));
    CHECK(all_are(room, sizeof room, 0));
}

void test_misuse(const char *folder) {
    char path[512];
    snprintf(path, sizeof path, "%s/misused", folder);
    test_nothing();
    test_service(path);
    test_ciphers();
}
