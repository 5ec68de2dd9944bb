/* The log: what a function of the caller's is told while a KMS refuses and permits again, and when it is released. */

#define _DEFAULT_SOURCE 1 /* fork */

#include "program.h"

#include <ctype.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint8_t text[] = "eleven minutes late";

enum { TEXT = sizeof text, RECORD = TEXT + TABLECRYPT_OVERHEAD };

/* The library's threads tell as well, so what was heard is counted here. */
typedef struct {
    atomic_int levels[5];
    atomic_int answered, refused, drains, permitted, again, locked; /* each event that the test provokes */
    atomic_int names, ids, sentences;
    atomic_int wrong; /* events that cannot be */
    atomic_int released;
} log_of_test;

static void count(atomic_int *counter, const char *message, const char *event) {
    *counter += strncmp(message, event, strlen(event)) == 0;
}

/* Whether it has " table=" and 32 hexadecimal digits after that. */
static int has_id(const char *message) {
    const char *id = strstr(message, " table=");
    size_t i = 0;
    if (id != NULL) {
        for (id += 7; i < 32 && isxdigit((unsigned char)id[i]); ++i) {
        }
    }
    return i == 32;
}

static void hear(void *caller, tablecrypt_log_level level, const char *message) {
    log_of_test *const heard = caller;
    const int refused = heard->refused, again = heard->again;
    if (level < TABLECRYPT_LOG_LEVEL_ERROR || level > TABLECRYPT_LOG_LEVEL_DEBUG || strchr(message, '\n') != NULL) {
        ++heard->wrong;
        return;
    }
    ++heard->levels[level];
    count(&heard->answered, message, "the KMS has answered call=");
    count(&heard->refused, message, "the table's key was not refreshed table=");
    count(&heard->drains, message, "the table drains");
    count(&heard->again, message, "the KMS permits the table's key again table=");
    count(&heard->permitted, message, "the KMS permits the table's key table=");
    count(&heard->locked, message, "the table is locked by hand table=");
    heard->wrong += heard->refused > refused && level != TABLECRYPT_LOG_LEVEL_WARN;
    heard->wrong += heard->again > again && level != TABLECRYPT_LOG_LEVEL_INFO;
    heard->names += strstr(message, "flights") != NULL;
    heard->ids += has_id(message);
    heard->sentences += strstr(message, "its administrator can enable it") != NULL;
}

static void release(void *caller) {
    ++((log_of_test *)caller)->released;
}

/* Until a thread of the library's has come to it; a minute is a hang. */
static void await(const atomic_int *counter, int expected) {
    const time_t began = time(NULL);
    while (*counter < expected && poll_again(began)) {
    }
    CHECK(*counter == expected);
}

/* A service over a local KMS, with a short clock. */
static tablecrypt_service *open_over(const char *folder, const tablecrypt_settings *settings) {
    tablecrypt_service *service;
    tablecrypt_kms *kms;
    char path[512];
    snprintf(path, sizeof path, "%s/kms", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_kms_open_local(path, &kms));
    snprintf(path, sizeof path, "%s/tables", folder);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open(kms, path, settings, &service));
    tablecrypt_kms_free(kms);
    return service;
}

/* Until opening gives this. */
static void open_until(const tablecrypt_structure *base, const uint8_t *record, int expected) {
    const time_t began = time(NULL);
    uint8_t out[TEXT];
    int found;
    do {
        found = tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
    } while (found != expected && poll_again(began));
    CHECK_STATUS(expected, found);
}

/* A child is told what it does itself. It says so through a pipe: how it exits is valgrind's under valgrind. */
static void test_fork(log_of_test *heard, const tablecrypt_structure *base, const uint8_t *record) {
    int status = -1, ends[2], told[2] = {-1, -1};
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        uint8_t out[TEXT];
        const int before = heard->answered;
        told[0] = tablecrypt_structure_open(base, NULL, 0, record, RECORD, out, TEXT, NULL);
        told[1] = heard->answered - before;
        _exit(write(ends[1], told, sizeof told) == sizeof told ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    close(ends[1]);
    CHECK(read(ends[0], told, sizeof told) == sizeof told);
    close(ends[0]);
    CHECK_STATUS(TABLECRYPT_OK, told[0]);
    CHECK(told[1] > 0);
}

static void test_told(const char *folder, int names) {
    log_of_test heard;
    tablecrypt_settings *settings;
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    tablecrypt_structure *base;
    uint8_t record[RECORD];

    memset(&heard, 0, sizeof heard);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_refresh(settings, 1, 86400000));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_jitter(settings, 0));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_drain(settings, 3600000));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_names_in_log(settings, names));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_log(settings, hear, &heard, release));
    service = open_over(folder, settings);
    tablecrypt_settings_free(settings);
    CHECK(heard.released == 0);
    if (!names) {
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "flights", NULL, 0, NULL, 0, NULL));
        CHECK(heard.answered == 3); /* no such key; it is made; generate */
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "flights", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(table, &base));
    CHECK(heard.permitted >= 1 && heard.refused == 0 && heard.again == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(base, NULL, 0, text, TEXT, record, RECORD, NULL));

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_local_kms_disable_key(folder, NULL));
    open_until(base, record, TABLECRYPT_KEY_DISABLED);
    CHECK(heard.refused >= 1 && heard.drains == 1 && heard.again == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_local_kms_enable_key(folder, NULL));
    open_until(base, record, TABLECRYPT_OK);
    CHECK(heard.again == 1);
    test_fork(&heard, base, record);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_lock(table));
    CHECK(heard.locked == 1);

    CHECK(heard.wrong == 0 && heard.levels[TABLECRYPT_LOG_LEVEL_ERROR] == 0);
    if (names) {
        CHECK(heard.names > 4 && heard.ids == 0 && heard.sentences >= 1);
    } else {
        CHECK(heard.names == 0 && heard.ids > 4 && heard.sentences == 0);
    }
    tablecrypt_service_free(service);
    tablecrypt_connection_free(connection);
    tablecrypt_table_free(table);
    CHECK(heard.released == 0);
    tablecrypt_structure_free(base);
    await(&heard.released, 1);
}

/* What was set before is released at once, if nothing else uses it; what was refused never was taken. */
static void test_release(const char *folder) {
    log_of_test first, second;
    tablecrypt_settings *settings;
    tablecrypt_service *service;

    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_settings_log(NULL, hear, &first, release));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_new(&settings));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_settings_log(settings, NULL, &first, release));
    CHECK(first.released == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_log(settings, hear, &first, release));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_settings_log(settings, NULL, &second, release));
    CHECK(first.released == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_log(settings, hear, &second, release));
    CHECK(first.released == 1 && second.released == 0);
    service = open_over(folder, settings);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_settings_log(settings, hear, &first, NULL));
    CHECK(second.released == 0);
    tablecrypt_service_free(service);
    await(&second.released, 1);
    tablecrypt_settings_free(settings);
    CHECK(first.released == 1);
}

void test_log(const char *folder) {
    char own[400];
    snprintf(own, sizeof own, "%s/log", folder);
    test_told(own, 0);
    test_told(own, 1);
    test_release(own);
}
