/* NULL for each argument that must not be, lengths that no buffer has, and every status' sentence. */

#include "program.h"

#include <unistd.h>

static void test_statuses(void) {
    const char *unknown = tablecrypt_status_message(-1);
    int status, known = 0;

    for (status = 0; status < 1000; ++status) {
        const char *message = tablecrypt_status_message(status);
        CHECK(message != NULL && message[0] != '\0');
        known += message != unknown;
    }
    CHECK(known == 38);
    CHECK(tablecrypt_status_message(INT32_MIN) == unknown && tablecrypt_status_message(INT32_MAX) == unknown);
    for (status = 0, known = 0; status < 1000; ++status) {
        known += tablecrypt_status_is_refusal(status) != 0;
    }
    CHECK(known == 4 && tablecrypt_status_is_refusal(TABLECRYPT_ACCESS_DENIED) &&
          tablecrypt_status_is_refusal(TABLECRYPT_KEY_DISABLED) && tablecrypt_status_is_refusal(TABLECRYPT_KEY_NOT_FOUND) &&
          tablecrypt_status_is_refusal(TABLECRYPT_KEY_PENDING_DELETION));
    CHECK(!tablecrypt_status_is_refusal(INT32_MIN) && !tablecrypt_status_is_refusal(INT32_MAX));
    /* Numbers are never given again: these are on programs' disks. */
    CHECK(TABLECRYPT_OK == 0 && TABLECRYPT_OVERLAP == 3 && TABLECRYPT_UNAUTHENTIC == 22 && TABLECRYPT_CLOSED == 40 &&
          TABLECRYPT_KEY_DISABLED == 61 && TABLECRYPT_IO == 80 && TABLECRYPT_PANIC == 100);
}

static void test_structure(const tablecrypt_structure *structure) {
    uint8_t room[64], record[49];
    uint8_t *const byte = room;
    size_t length = 7;

    memset(room, 0x55, sizeof room);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal(NULL, byte, 1, byte, 1, record, 49, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal(structure, NULL, 1, byte, 1, record, 49, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal(structure, byte, 1, NULL, 1, record, 49, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal(structure, byte, 1, byte, 1, NULL, 49, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT,
                 tablecrypt_structure_seal(NULL, NULL, SIZE_MAX, NULL, SIZE_MAX, NULL, SIZE_MAX, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_seal(structure, byte, SIZE_MAX, byte, 1, record, 49, &length));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_seal(structure, byte, 1, byte, SIZE_MAX, record, 49, &length));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_seal(structure, byte, 1, byte, 1, record, SIZE_MAX, &length));
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT,
                 tablecrypt_structure_seal(structure, byte, 1, byte, PTRDIFF_MAX / 2, record, 49, &length));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, NULL, 0, NULL, 0, record, 48, &length));
    CHECK(length == 48);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open(structure, NULL, 0, record, 48, NULL, 0, &length));
    CHECK(length == 0);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open(NULL, byte, 1, record, 49, byte, 1, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open(structure, NULL, 1, record, 49, byte, 1, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open(structure, byte, 1, NULL, 49, byte, 1, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open(structure, byte, 1, record, 49, NULL, 1, &length));
    CHECK_STATUS(TABLECRYPT_TRUNCATED, tablecrypt_structure_open(structure, NULL, 0, NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_open(structure, byte, SIZE_MAX, record, 49, byte, 1, &length));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_open(structure, byte, 1, record, SIZE_MAX, byte, 1, &length));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_open(structure, byte, 1, record, 49, byte, SIZE_MAX, &length));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal_in_place(NULL, byte, 1, record, 49));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal_in_place(structure, NULL, 1, record, 49));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal_in_place(structure, byte, 1, NULL, 49));
    CHECK_STATUS(TABLECRYPT_TRUNCATED, tablecrypt_structure_seal_in_place(structure, NULL, 0, NULL, 0));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_seal_in_place(structure, byte, 1, record, SIZE_MAX));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open_in_place(NULL, byte, 1, record, 49));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open_in_place(structure, NULL, 1, record, 49));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open_in_place(structure, byte, 1, NULL, 49));
    CHECK_STATUS(TABLECRYPT_TRUNCATED, tablecrypt_structure_open_in_place(structure, NULL, 0, NULL, 0));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_open_in_place(structure, byte, SIZE_MAX, record, 49));
    CHECK(all_are(room, sizeof room, 0x55));
}

void test_bad_arguments(const char *folder) {
    static const char *const names[] = {"a", NULL};
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    tablecrypt_structure *structure;

    test_statuses();
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_open_local(NULL, &service));
    CHECK(service == NULL);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_open_local(folder, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(folder, &service));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_create_table(NULL, "u", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_create_table(service, NULL, NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_create_table(service, "u", NULL, 1, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_create_table(service, "u", NULL, 0, NULL, 1, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_create_table(service, "u", names, 2, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_create_table(service, "u", NULL, 0, names, 2, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_service_create_table(service, "u", names, SIZE_MAX, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_service_create_table(service, "u", NULL, 0, names, SIZE_MAX / 8, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_connect(NULL, &connection));
    CHECK(connection == NULL);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_service_connect(service, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_connection_open_table(NULL, "flights", &table));
    CHECK(table == NULL);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_connection_open_table(connection, NULL, &table));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_connection_open_table(connection, "flights", NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_connection_close(NULL));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, tablecrypt_connection_open_table(connection, "u", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "flights", &table));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_base(NULL, &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_base(table, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_local(NULL, "by-delay", &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_local(table, NULL, &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_local(table, "by-delay", NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_global(NULL, "by-tail", &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_global(table, NULL, &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_global(table, "by-tail", NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_structure(NULL, "base", &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_structure(table, NULL, &structure));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_table_structure(table, "base", NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_local_kms_disable_key(NULL, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_local_kms_enable_key(NULL, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_local_kms_enable_key(folder, "\xff"));
    /* Nor is the working folder a KMS's because a variable is not set. */
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_local_kms_enable_key("", NULL));
    CHECK(access("kms", F_OK) != 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_structure(table, "base", &structure));
    test_structure(structure);

    tablecrypt_structure_free(structure);
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
    tablecrypt_service_free(NULL);
    tablecrypt_connection_free(NULL);
    tablecrypt_table_free(NULL);
    tablecrypt_structure_free(NULL);
}
