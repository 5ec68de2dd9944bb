/* AWS KMS from C, in a library with the features aws and full, at the server of `tablecrypt kms serve`:
 * program FOLDER ENDPOINT COMMAND KMS, of which the last two are the command tablecrypt and the folder that it serves.
 * Prints "N passed, 0 failed". admin/kms runs it. */

#define _DEFAULT_SOURCE

#include "check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int passed;
int failed;

static const char region[] = "eu-west-1";
static const char profile[] = "own";
static const char alias[] = "alias/c-library";
static const char other_alias[] = "alias/c-library-other";

static const uint8_t text[] = "eleven minutes late";
enum { TEXT = sizeof text, RECORD = TEXT + TABLECRYPT_OVERHEAD };

/* Of the standard chain only what is given here: a profile with credentials and without a region; nobody at the endpoint. */
static void set_environment(const char *folder) {
    static const char *const none[] = {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID",
                                       "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"};
    char path[4096];
    FILE *file;
    size_t i;
    for (i = 0; i < sizeof none / sizeof *none; ++i) {
        unsetenv(none[i]);
    }
    snprintf(path, sizeof path, "%s/config", folder);
    setenv("AWS_CONFIG_FILE", path, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1", 1);
    file = fopen(path, "w");
    CHECK(file != NULL);
    if (file != NULL) {
        fprintf(file, "[profile %s]\naws_access_key_id = test\naws_secret_access_key = test\n", profile);
        fclose(file);
    }
}

/* A service over a KMS, which is freed at once. */
static tablecrypt_service *service_over(tablecrypt_kms *kms, const char *folder, const char *default_key) {
    tablecrypt_settings *settings;
    tablecrypt_service *service;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_default_key(settings, default_key));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(kms, folder, settings, &service));
    tablecrypt_settings_free(settings);
    tablecrypt_kms_free(kms);
    return service;
}

/* What a new connection hears that opens the table, and its base table. */
static int open_table(const tablecrypt_service *service, tablecrypt_structure **base) {
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    int status = tablecrypt_service_connect(service, &connection);
    *base = NULL;
    if (status == TABLECRYPT_OK) {
        status = tablecrypt_connection_open_table(connection, "flights", &table);
    }
    if (status == TABLECRYPT_OK) {
        status = tablecrypt_table_base(table, base);
        tablecrypt_table_free(table);
    }
    tablecrypt_connection_free(connection);
    return status;
}

static int opens(const tablecrypt_service *service) {
    tablecrypt_structure *base;
    const int status = open_table(service, &base);
    tablecrypt_structure_free(base);
    return status;
}

static int open_record(const tablecrypt_structure *base, const uint8_t *record) {
    uint8_t out[TEXT] = {0};
    const int status = tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
    return status == TABLECRYPT_OK && memcmp(out, text, TEXT) != 0 ? TABLECRYPT_UNAUTHENTIC : status;
}

/* Each of the three counts: with one of them left to the chain, which has it not, no key is had. */
static void test_what_is_given(const char *folder, const char *endpoint) {
    int without;
    for (without = 0; without < 3; ++without) {
        tablecrypt_kms *kms;
        tablecrypt_service *service;
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_aws(without == 0 ? NULL : region, without == 1 ? NULL : endpoint,
                                                            without == 2 ? NULL : profile, 500, 500, &kms));
        service = service_over(kms, folder, alias);
        CHECK_STATUS(TABLECRYPT_KEY_UNAVAILABLE, opens(service));
        tablecrypt_service_free(service);
    }
}

static void test_refused_arguments(void) {
    tablecrypt_kms *kms = (tablecrypt_kms *)(void *)&kms;
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_kms_open_aws(region, NULL, NULL, 0, 0, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_kms_open_aws("\xff", NULL, NULL, 0, 0, &kms));
    CHECK(kms == NULL);
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_kms_open_aws(NULL, "\xff", NULL, 0, 0, &kms));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_kms_open_aws(NULL, NULL, "\xff", 0, 0, &kms));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_kms_open_aws(NULL, NULL, NULL, 86400001, 0, &kms));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, tablecrypt_kms_open_aws(NULL, NULL, NULL, 0, UINT64_MAX, &kms));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_aws(NULL, NULL, NULL, 86400000, 86400000, &kms));
    tablecrypt_kms_free(kms);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_aws(NULL, NULL, NULL, 0, 0, &kms));
    tablecrypt_kms_free(kms);
}

/* A child has no thread of its parent's, and opens the table all the same. */
static void test_fork(const tablecrypt_service *service, const uint8_t *record) {
    int ended = -1;
    const pid_t child = fork();
    if (child == 0) {
        tablecrypt_structure *base;
        _exit(open_table(service, &base) != TABLECRYPT_OK ? 1 : open_record(base, record) != TABLECRYPT_OK ? 2 : 0);
    }
    CHECK(child > 0 && waitpid(child, &ended, 0) == child);
    CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}

/* An administrator's word to the KMS. */
static void administer(const char *command, const char *what, const char *kms_folder, const char *key) {
    char line[8192];
    snprintf(line, sizeof line, "'%s' kms %s --folder '%s' '%s'", command, what, kms_folder, key);
    CHECK(system(line) == 0);
}

int main(int argc, char **argv) {
    const char *folder, *endpoint;
    char tables[4096], key_files[4096];
    uint8_t record[RECORD];
    tablecrypt_kms *kms;
    tablecrypt_service *service, *other;
    tablecrypt_structure *base;
    if (argc != 5) {
        return 2;
    }
    folder = argv[1];
    endpoint = argv[2];
    set_environment(folder);
    snprintf(tables, sizeof tables, "%s/tables", folder);
    snprintf(key_files, sizeof key_files, "%s/other", folder);

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_aws(region, endpoint, profile, 30000, 60000, &kms));
    service = service_over(kms, tables, alias);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "flights", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_OK, open_table(service, &base));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(base, NULL, 0, text, TEXT, record, RECORD, NULL));
    CHECK_STATUS(TABLECRYPT_OK, open_record(base, record));
    test_fork(service, record);
    test_refused_arguments();
    test_what_is_given(tables, endpoint);

    /* Disabled: nobody opens the table, but for whom the KMS has said yes within five minutes. Enabled: as before. */
    administer(argv[3], "disable", argv[4], alias);
    CHECK_STATUS(TABLECRYPT_KEY_DISABLED, opens(service));
    CHECK_STATUS(TABLECRYPT_OK, open_record(base, record));
    administer(argv[3], "enable", argv[4], alias);
    CHECK_STATUS(TABLECRYPT_OK, opens(service));

    /* The feature full over AWS KMS: wrapped anew, the table is under the other key alone. */
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_aws(region, endpoint, profile, 30000, 60000, &kms));
    other = service_over(kms, key_files, other_alias);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(other, "flights", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_rewrap(service, "flights", NULL, other_alias));
    administer(argv[3], "disable", argv[4], alias);
    CHECK_STATUS(TABLECRYPT_OK, opens(service));
    administer(argv[3], "disable", argv[4], other_alias);
    CHECK_STATUS(TABLECRYPT_KEY_DISABLED, opens(service));
    administer(argv[3], "enable", argv[4], alias);
    administer(argv[3], "enable", argv[4], other_alias);

    tablecrypt_structure_free(base);
    tablecrypt_service_free(other);
    tablecrypt_service_free(service);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
