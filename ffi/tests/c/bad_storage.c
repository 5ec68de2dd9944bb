/* Folders that are none and key files that were cut, changed, moved or written by a later version. */

#include "program.h"

enum { MOST = 65536 };

static size_t read_file(const char *path, char bytes[MOST]) {
    FILE *file = fopen(path, "rb");
    size_t length = 0;

    CHECK(file != NULL);
    if (file != NULL) {
        length = fread(bytes, 1, MOST - 1, file);
        fclose(file);
    }
    bytes[length] = '\0';
    return length;
}

static void write_file(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL);
    if (file != NULL) {
        CHECK(fwrite(bytes, 1, length, file) == length);
        fclose(file);
    }
}

/* What a table opens with in a service that knows nothing of it yet. */
static int open_cold(const char *folder, const char *name) {
    tablecrypt_service *service;
    tablecrypt_connection *connection = NULL;
    tablecrypt_table *table = NULL;
    int status = tablecrypt_service_open_local(folder, &service);

    if (status == TABLECRYPT_OK) {
        status = tablecrypt_service_connect(service, &connection);
    }
    if (status == TABLECRYPT_OK) {
        status = tablecrypt_connection_open_table(connection, name, &table);
    }
    CHECK((status == TABLECRYPT_OK) == (table != NULL));
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
    return status;
}

static void test_folders(const char *folder) {
    char path[512], said[1024];
    tablecrypt_service *service;

    snprintf(path, sizeof path, "%s/a-file", folder);
    write_file(path, "x", 1);
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_service_open_local(path, &service));
    CHECK(service == NULL);
    CHECK(tablecrypt_last_error(said, sizeof said) == strlen(said) && strstr(said, "a-file") != NULL);
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_local_kms_disable_key(path, NULL));
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt_service_open_local("/proc/no-such-folder", &service));
}

static void test_key_files(const char *folder) {
    static char good[MOST], bad[MOST], other[MOST];
    char path[512], other_path[512], said[1024];
    size_t length, i;
    char *version;

    snprintf(path, sizeof path, "%s/tables/flights/keys.json", folder);
    snprintf(other_path, sizeof other_path, "%s/tables/planes/keys.json", folder);
    length = read_file(path, good);
    CHECK_STATUS(TABLECRYPT_OK, open_cold(folder, "flights"));

    for (i = 0; i < length; i += 37) {
        memcpy(bad, good, length);
        bad[i] ^= 1;
        write_file(path, bad, length);
        CHECK(open_cold(folder, "flights") != TABLECRYPT_OK);
        write_file(path, good, i);
        CHECK_STATUS(TABLECRYPT_KEY_FILE_CORRUPT, open_cold(folder, "flights"));
    }
    CHECK(tablecrypt_last_error(said, sizeof said) == strlen(said) && strstr(said, "keys.json") != NULL);

    memcpy(bad, good, length + 1);
    version = strstr(bad, "\"version\": 2");
    CHECK(version != NULL);
    if (version != NULL) {
        version[strlen("\"version\": ")] = '9';
        write_file(path, bad, length);
        CHECK_STATUS(TABLECRYPT_UNKNOWN_VERSION, open_cold(folder, "flights"));
    }

    /* Another table's key file was wrapped with another encryption context. */
    write_file(path, other, read_file(other_path, other));
    CHECK_STATUS(TABLECRYPT_WRONG_CONTEXT, open_cold(folder, "flights"));

    write_file(path, good, length);
    CHECK_STATUS(TABLECRYPT_OK, open_cold(folder, "flights"));
}

void test_bad_storage(const char *folder) {
    test_folders(folder);
    test_key_files(folder);
}
