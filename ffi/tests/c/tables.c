/* The hierarchy: from a service to records and back; what does not open; the KMS key disabled and enabled. */

#define _DEFAULT_SOURCE 1 /* fork */

#include "program.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const locals[] = {"by-delay"};
static const char *const globals[] = {"by-tail", "by-carrier"};
static const uint8_t context[] = "2013-01-01/UA/1545/EWR";
static const uint8_t text[100] = "eleven minutes late";

enum { TEXT = sizeof text, RECORD = TEXT + TABLECRYPT_OVERHEAD };

/* Each length, there and back, in a buffer that is just long enough. */
static void test_lengths(const tablecrypt_structure *structure) {
    static const size_t lengths[] = {0, 1, 15, 16, 17, 255, 4096, 65536, 1048576};
    size_t i, record_length, text_length;

    for (i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {
        const size_t length = lengths[i], sealed = tablecrypt_sealed_size(length);
        uint8_t *const plain = calloc(1, length + 1), *const record = malloc(sealed), *const opened = malloc(length + 1);
        CHECK(sealed == length + TABLECRYPT_OVERHEAD && tablecrypt_opened_size(sealed) == length);
        memset(plain, 'x', length);
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, context, sizeof context, plain, length, record,
                                                              sealed, &record_length));
        CHECK(record_length == sealed && record[0] == 1);
        opened[length] = 0x55;
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open(structure, context, sizeof context, record, sealed, opened,
                                                              length + 1, &text_length));
        CHECK(text_length == length && memcmp(opened, plain, length) == 0 && opened[length] == 0x55);
        free(plain);
        free(record);
        free(opened);
    }
    CHECK(tablecrypt_sealed_size(SIZE_MAX) == SIZE_MAX && tablecrypt_sealed_size(SIZE_MAX - 47) == SIZE_MAX);
    CHECK(tablecrypt_opened_size(0) == 0 && tablecrypt_opened_size(47) == 0 && tablecrypt_opened_size(49) == 1);
}

static void test_in_place(const tablecrypt_structure *structure) {
    uint8_t record[RECORD], opened[TEXT];

    memset(record, 0, sizeof record);
    memcpy(record + TABLECRYPT_TEXT_AT, text, TEXT);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_in_place(structure, context, sizeof context, record, RECORD));
    CHECK(memcmp(record + TABLECRYPT_TEXT_AT, text, TEXT) != 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open(structure, context, sizeof context, record, RECORD, opened,
                                                          TEXT, NULL));
    CHECK(memcmp(opened, text, TEXT) == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_in_place(structure, context, sizeof context, record, RECORD));
    CHECK(memcmp(record + TABLECRYPT_TEXT_AT, text, TEXT) == 0);
    /* It is no record any more: the ciphertext is gone. */
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC,
                 tablecrypt_structure_open_in_place(structure, context, sizeof context, record, RECORD));
    CHECK(all_are(record + TABLECRYPT_TEXT_AT, TEXT, 0));
    CHECK_STATUS(TABLECRYPT_TRUNCATED,
                 tablecrypt_structure_seal_in_place(structure, context, sizeof context, record, 47));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_in_place(structure, NULL, 0, record, 48));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_in_place(structure, NULL, 0, record, 48));
}

/* A record of one structure opens in no other of its table or of another one. */
static void test_strangers(const tablecrypt_structure *const structures[], size_t count) {
    uint8_t record[RECORD], out[TEXT];
    size_t from, to;

    for (from = 0; from < count; ++from) {
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structures[from], context, sizeof context, text, TEXT,
                                                              record, RECORD, NULL));
        for (to = 0; to < count; ++to) {
            const int found =
                tablecrypt_structure_open(structures[to], context, sizeof context, record, RECORD, out, TEXT, NULL);
            /* Data keys have numbers of their table: the same number in another table is another key. */
            CHECK(from == to ? found == TABLECRYPT_OK
                             : found == TABLECRYPT_UNKNOWN_KEY || found == TABLECRYPT_UNAUTHENTIC);
        }
    }
}

static void test_short_output(const tablecrypt_structure *structure) {
    uint8_t record[RECORD], out[TEXT];
    size_t length;

    memset(record, 0x55, RECORD);
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, tablecrypt_structure_seal(structure, context, sizeof context, text, TEXT,
                                                                        record, RECORD - 1, &length));
    CHECK(length == RECORD && all_are(record, RECORD, 0x55));
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, tablecrypt_structure_seal(structure, context, sizeof context, text, TEXT,
                                                                        NULL, 0, &length));
    CHECK(length == RECORD);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, context, sizeof context, text, TEXT, record, RECORD,
                                                          NULL));
    memset(out, 0x55, TEXT);
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, tablecrypt_structure_open(structure, context, sizeof context, record, RECORD,
                                                                        out, TEXT - 1, &length));
    CHECK(length == TEXT && all_are(out, TEXT, 0x55));
}

/* An input at a fixed place and an output at each offset from it; what shares a byte is refused untouched. */
static void test_overlap(const tablecrypt_structure *structure) {
    enum { LENGTH = 40, EMPTY = TABLECRYPT_OVERHEAD, SEALED = LENGTH + EMPTY, AT = 128, ROOM = 384 };
    uint8_t room[ROOM], before[ROOM], record[SEALED];
    int offset, i;

    for (i = 0; i < ROOM; ++i) {
        before[i] = (uint8_t)i;
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, NULL, 0, before + AT, LENGTH, record, SEALED, NULL));
    for (offset = -SEALED - 2; offset <= SEALED + 2; ++offset) {
        /* A text into its record, a context beside an empty text's record, a record into its text. */
        const int seals = offset <= -SEALED || offset >= LENGTH, keeps = offset <= -EMPTY || offset >= LENGTH,
                  opens = offset <= -LENGTH || offset >= SEALED;
        memcpy(room, before, ROOM);
        CHECK_STATUS(seals ? TABLECRYPT_OK : TABLECRYPT_OVERLAP,
                     tablecrypt_structure_seal(structure, NULL, 0, room + AT, LENGTH, room + AT + offset, SEALED, NULL));
        CHECK(seals || memcmp(room, before, ROOM) == 0);
        memcpy(room, before, ROOM);
        CHECK_STATUS(keeps ? TABLECRYPT_OK : TABLECRYPT_OVERLAP,
                     tablecrypt_structure_seal(structure, room + AT, LENGTH, NULL, 0, room + AT + offset, EMPTY, NULL));
        CHECK(keeps || memcmp(room, before, ROOM) == 0);
        memcpy(room, before, ROOM);
        memcpy(room + AT, record, SEALED);
        CHECK_STATUS(opens ? TABLECRYPT_OK : TABLECRYPT_OVERLAP,
                     tablecrypt_structure_open(structure, NULL, 0, room + AT, SEALED, room + AT + offset, LENGTH, NULL));
        CHECK(memcmp(room + AT + (opens ? offset : 0), opens ? before + AT : record, opens ? LENGTH : SEALED) == 0);
    }
    /* The capacity may reach over the text where the record does not. */
    memcpy(room, before, ROOM);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, NULL, 0, room + SEALED, LENGTH, room, ROOM, NULL));
    /* The count would lie in the output. */
    memcpy(room, before, ROOM);
    CHECK_STATUS(TABLECRYPT_OVERLAP, tablecrypt_structure_seal(structure, NULL, 0, room + AT, LENGTH, room, SEALED,
                                                               (size_t *)(void *)(room + SEALED - 1)));
    CHECK(memcmp(room, before, ROOM) == 0);
    CHECK_STATUS(TABLECRYPT_OVERLAP, tablecrypt_structure_seal_in_place(structure, room + AT, 1, room, AT + 1));
    CHECK_STATUS(TABLECRYPT_OVERLAP, tablecrypt_structure_open_in_place(structure, room + 1, 1, room, AT + 1));
    CHECK(memcmp(room, before, ROOM) == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_in_place(structure, room + AT, 1, room, AT));
}

static void test_names(tablecrypt_service *service, tablecrypt_connection *connection, tablecrypt_table *table) {
    static const char *const twice[] = {"by-tail", "by-tail"};
    tablecrypt_table *none = table;
    tablecrypt_structure *structure;
    char said[200];

    CHECK_STATUS(TABLECRYPT_TABLE_EXISTS, tablecrypt_service_create_table(service, "flights", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_service_create_table(service, "../t", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_service_create_table(service, "", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_service_create_table(service, "t", twice, 2, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_service_create_table(service, "\xff", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND,
                 tablecrypt_service_create_table(service, "t", NULL, 0, NULL, 0, "alias/of-nothing"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "named-key", NULL, 0, NULL, 0,
                                                                "alias/tablecrypt/default"));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, tablecrypt_connection_open_table(connection, "t", &none));
    CHECK(none == NULL);
    CHECK(tablecrypt_last_error(said, sizeof said) == strlen(said) && strstr(said, "\"t\"") != NULL);
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_connection_open_table(connection, "a/b", &none));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_connection_open_table(connection, "\xc3", &none));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_table_local(table, "by-tail", &structure));
    CHECK(structure == NULL);
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_table_global(table, "by-delay", &structure));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_table_structure(table, "local:by-tail", &structure));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, tablecrypt_table_structure(table, "index", &structure));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt_table_structure(table, "local:", &structure));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, tablecrypt_table_global(table, "\xff", &structure));
}

/* A child opens what its parent sealed, and never seals with a nonce of its parent's session. */
static void test_fork(const tablecrypt_structure *structure) {
    uint8_t parents[RECORD], childs[RECORD], out[TEXT];
    int ends[2], status = -1;
    pid_t child;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, context, sizeof context, text, TEXT, parents, RECORD,
                                                          NULL));
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        const int done = tablecrypt_structure_open(structure, context, sizeof context, parents, RECORD, out, TEXT, NULL) ==
                             TABLECRYPT_OK &&
                         tablecrypt_structure_seal(structure, context, sizeof context, text, TEXT, childs, RECORD, NULL) ==
                             TABLECRYPT_OK &&
                         write(ends[1], childs, RECORD) == RECORD;
        _exit(done ? 0 : 1);
    }
    /* Its exit code may be valgrind's opinion of a child whose threads are gone; what it wrote is what counts. */
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    close(ends[1]);
    CHECK(read(ends[0], childs, RECORD) == RECORD);
    CHECK(memcmp(parents + 8, childs + 8, 12) != 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open(structure, context, sizeof context, childs, RECORD, out, TEXT,
                                                          NULL));
    close(ends[0]);
}

/* Without the key a cold open is refused; a warm connection goes on until its deadline; enabled, all works again. */
static void test_disabled_key(const char *folder, const tablecrypt_structure *warm) {
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    uint8_t record[RECORD];

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_local_kms_disable_key(folder, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(folder, &service));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_KEY_DISABLED, tablecrypt_connection_open_table(connection, "flights", &table));
    CHECK(table == NULL);
    CHECK_STATUS(TABLECRYPT_KEY_DISABLED, tablecrypt_service_create_table(service, "cold", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, tablecrypt_connection_open_table(connection, "cold", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(warm, context, sizeof context, text, TEXT, record, RECORD, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_local_kms_enable_key(folder, "alias/tablecrypt/default"));
    /* This connection was refused a moment ago and pauses; another one asks. */
    tablecrypt_connection_free(connection);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "flights", &table));
    CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND, tablecrypt_local_kms_disable_key(folder, "alias/of-nothing"));
    CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND, tablecrypt_local_kms_enable_key(folder, "alias/of-nothing"));
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
}

void test_tables(const char *folder) {
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *flights, *planes;
    tablecrypt_structure *structures[5];
    tablecrypt_structure *again;
    uint8_t record[RECORD], out[TEXT];
    size_t i;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(folder, &service));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "flights", locals, 1, globals, 2, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "planes", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "flights", &flights));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "planes", &planes));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(flights, &structures[0]));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_local(flights, "by-delay", &structures[1]));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_global(flights, "by-tail", &structures[2]));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_structure(flights, "global:by-carrier", &structures[3]));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(planes, &structures[4]));

    test_lengths(structures[0]);
    test_in_place(structures[1]);
    test_strangers((const tablecrypt_structure *const *)structures, 5);
    test_short_output(structures[0]);
    test_overlap(structures[0]);
    test_fork(structures[0]);
    test_names(service, connection, flights);
    test_disabled_key(folder, structures[0]);

    /* Freed in the wrong order: what came from it goes on. */
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structures[0], context, sizeof context, text, TEXT, record,
                                                          RECORD, NULL));
    tablecrypt_service_free(service);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(flights, &again));
    tablecrypt_table_free(planes);
    tablecrypt_table_free(flights);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open(again, context, sizeof context, record, RECORD, out, TEXT, NULL));

    /* Closed: all that came from it says so, and a second close is none. */
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_close(connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_close(connection));
    CHECK_STATUS(TABLECRYPT_CLOSED, tablecrypt_connection_open_table(connection, "flights", &flights));
    CHECK_STATUS(TABLECRYPT_CLOSED, tablecrypt_structure_open(again, context, sizeof context, record, RECORD, out, TEXT,
                                                              NULL));
    CHECK_STATUS(TABLECRYPT_CLOSED, tablecrypt_structure_seal(again, context, sizeof context, text, TEXT, record, RECORD,
                                                              NULL));
    tablecrypt_connection_free(connection);
    tablecrypt_structure_free(again);
    for (i = 0; i < 5; ++i) {
        tablecrypt_structure_free(structures[i]);
    }
}
