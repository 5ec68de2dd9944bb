/* Opening a database: what is read after it was written, under which keys, and what is refused. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tablecrypt.h>

#include "blocks.h"
#include "check.h"
#include "home.h"
#include "kms.h"
#include "tablecrypt_wiredtiger.h"

enum { ROWS = 2000 };

/* A table with its indexes, made before the database. */
static void make_table(void) {
    const char *local = "by-delay", *global = "by-tail";
    char keys[4096];
    tablecrypt_service *service;

    (void)snprintf(keys, sizeof keys, "%s/keys", folder);
    CHECK(tablecrypt_service_open_local(keys, &service) == TABLECRYPT_OK);
    CHECK(tablecrypt_service_create_table(service, "flights", &local, 1, &global, 1, NULL) == TABLECRYPT_OK);
    tablecrypt_service_free(service);
}

/* A database with a base table and two indexes, closed. */
static void make(const char *name, const char *config) {
    struct home home;

    make_table();
    CHECK_ERROR(0, home_open(&home, name, config));
    CHECK_ERROR(0, home_create(&home, "base", strstr(config, "tablecrypt") == NULL ? NULL : "flights/base"));
    CHECK_ERROR(0, home_create(&home, "delay", strstr(config, "tablecrypt") == NULL ? NULL : "flights/lsi:by-delay"));
    CHECK_ERROR(0, home_create(&home, "tail", strstr(config, "tablecrypt") == NULL ? NULL : "flights/gsi:by-tail"));
    CHECK_ERROR(0, home_write(&home, "base", 0, ROWS));
    CHECK_ERROR(0, home_write(&home, "delay", 0, ROWS));
    CHECK_ERROR(0, home_write(&home, "tail", 0, ROWS));
    CHECK_ERROR(0, home_close(&home));
}

static void what_was_written_is_read(void) {
    struct home home;

    make("home", encrypted(""));
    for (int time = 0; time < 2; ++time) {
        CHECK_ERROR(0, home_open(&home, "home", encrypted("create=false")));
        CHECK(home_read(&home, "base") == ROWS);
        CHECK(home_read(&home, "delay") == ROWS);
        CHECK(home_read(&home, "tail") == ROWS);
        CHECK_ERROR(0, home_close(&home));
    }
}

static void under_other_keys_nothing_opens(void) {
    struct home home;
    char other[9000];

    make("home", encrypted(""));
    (void)snprintf(other, sizeof other,
                   "extensions=[%s=(config=(kms=local,folder=%s/others,create=true))],encryption=(name=tablecrypt,keyid=system)",
                   extension, folder);
    CHECK_ERROR(EBADMSG, home_open(&home, "home", other));
    CHECK(home_said(&home, "tablecrypt: system: what was to be read is refused") >= 0);
    /* Ours before WiredTiger's. */
    CHECK(home_said(&home, "tablecrypt: system") < home_said(&home, "corruption"));
    CHECK_ERROR(0, home_open(&home, "home", encrypted("create=false")));
    CHECK(home_read(&home, "base") == ROWS);
    CHECK_ERROR(0, home_close(&home));
}

static void without_its_key_file_nothing_opens_and_nothing_is_made(void) {
    struct home home;
    char from[4096], to[4096];

    make("home", encrypted(""));
    (void)snprintf(from, sizeof from, "%s/keys/tables/flights", folder);
    (void)snprintf(to, sizeof to, "%s/away", folder);
    CHECK(rename(from, to) == 0);
    CHECK_ERROR(0, home_open(&home, "home", encrypted("create=false")));
    CHECK(home_read(&home, "base") == -ENOKEY);
    CHECK(home_said(&home, "its key file is missing: restore it") >= 0);
    CHECK(access(from, F_OK) != 0);
    /* No panic: the key file comes back, and the same connection goes on, after the second in which it is not asked. */
    CHECK(rename(to, from) == 0);
    for (int time = 0; time < 100 && home_read(&home, "base") != ROWS; ++time)
        (void)usleep(50 * 1000);
    CHECK(home_read(&home, "base") == ROWS);
    CHECK_ERROR(0, home_close(&home));
}

static void a_disabled_key_opens_nothing_and_nothing_panics(void) {
    struct home home;
    char keys[4096];

    make("home", encrypted(""));
    (void)snprintf(keys, sizeof keys, "%s/keys", folder);
    CHECK(tablecrypt_local_kms_disable_key(keys, NULL) == TABLECRYPT_OK);
    CHECK_ERROR(EACCES, home_open(&home, "home", encrypted("")));
    CHECK(home_said(&home, "tablecrypt: system: the KMS key is disabled") >= 0);
    CHECK(home_said(&home, "panic") < 0);
    CHECK(tablecrypt_local_kms_enable_key(keys, NULL) == TABLECRYPT_OK);
    CHECK_ERROR(0, home_open(&home, "home", encrypted("")));
    CHECK(home_read(&home, "tail") == ROWS);
    CHECK_ERROR(0, home_close(&home));
}

/* What is not asked for is not taken for something else. */
static void a_setting_that_is_wrong_is_refused(void) {
    static const char *const wrong[] = {
        "refesh=300s", "refresh=300x", "refresh=-1", "refresh=0", "drain=2000h", "give_up=", "kms=aws", "create=yes",
        "service=mine", "indexes=[\"flights\"]", "indexes=[by-tail]", "kms=program,service=mine,folder=x", "kms=program", "within=1.5s",
    };
    struct home home;
    char config[9000];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        (void)snprintf(config, sizeof config, "%s", encrypted(wrong[i]));
        CHECK_ERROR(EINVAL, home_open(&home, "wrong", config));
        CHECK(home_said(&home, "tablecrypt: ") >= 0);
        if (failed > 0)
            printf("    at %s\n", wrong[i]);
    }
    CHECK_ERROR(0, home_open(&home, "right", encrypted("refresh=250ms,within=30s,drain=5m,give_up=12h,outage_grace=1")));
    CHECK_ERROR(0, home_close(&home));
    (void)setenv("TABLECRYPT_WIREDTIGER_GIVEUP", "1", 1);
    CHECK_ERROR(EINVAL, home_open(&home, "right", encrypted("")));
    CHECK(home_said(&home, "TABLECRYPT_WIREDTIGER_GIVEUP is no setting") >= 0);
}

static void the_environment_sets_what_the_config_leaves(void) {
    struct home home;
    char bare[9000], keys[4096];

    (void)snprintf(bare, sizeof bare, "extensions=[%s],encryption=(name=tablecrypt,keyid=system)", extension);
    CHECK_ERROR(EINVAL, home_open(&home, "home", bare));
    CHECK(home_said(&home, "kms is not set") >= 0);
    (void)snprintf(keys, sizeof keys, "%s/environment", folder);
    (void)setenv("TABLECRYPT_WIREDTIGER_KMS", "local", 1);
    (void)setenv("TABLECRYPT_WIREDTIGER_FOLDER", keys, 1);
    (void)setenv("TABLECRYPT_WIREDTIGER_CREATE", "true", 1);
    CHECK_ERROR(0, home_open(&home, "home", bare));
    CHECK_ERROR(0, home_close(&home));
    (void)snprintf(keys, sizeof keys, "%s/environment/tables/system/table.json", folder);
    /* The config goes before it. */
    CHECK_ERROR(0, home_open(&home, "other", encrypted("")));
    CHECK_ERROR(0, home_close(&home));
    (void)snprintf(keys, sizeof keys, "%s/environment/tables/system", folder);
    CHECK(access(keys, F_OK) == 0);
    (void)snprintf(keys, sizeof keys, "%s/keys/tables/system", folder);
    CHECK(access(keys, F_OK) == 0);
}

static void a_keyid_names_a_table_or_an_index(void) {
    static const char *const right[] = {"flights", "flights/base", "flights/lsi:by-delay", "flights/local:by-delay",
                                        "flights/gsi:by-tail", "flights/global:by-tail", "a.b-c_d"};
    static const char *const wrong[] = {"",      "/base",        "flights/", "flights/lsi:", "flights/by-tail",
                                        "a b/base", "flights/gsi:a/b", "../keys", "flights/lsi:a:b"};
    struct home home;
    char table[32];

    make_table();
    CHECK_ERROR(0, home_open(&home, "home", encrypted("")));
    for (size_t i = 0; i < sizeof right / sizeof right[0]; ++i) {
        (void)snprintf(table, sizeof table, "right%zu", i);
        CHECK_ERROR(0, home_create(&home, table, right[i]));
        CHECK_ERROR(0, home_write(&home, table, 0, 10));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        (void)snprintf(table, sizeof table, "wrong%zu", i);
        CHECK_ERROR(EINVAL, home_create(&home, table, wrong[i]));
        if (failed > 0)
            printf("    at \"%s\"\n", wrong[i]);
    }
    CHECK_ERROR(0, home_close(&home));
}

static void a_table_is_created_with_the_indexes_of_the_settings(void) {
    struct home home;

    CHECK_ERROR(0, home_open(&home, "home", encrypted("indexes=[\"flights/lsi:by-delay\",\"flights/gsi:by-tail\",\"x/lsi:a\"]")));
    CHECK_ERROR(0, home_create(&home, "base", "flights/base"));
    CHECK_ERROR(0, home_create(&home, "tail", "flights/gsi:by-tail"));
    CHECK_ERROR(0, home_create(&home, "delay", "flights/lsi:by-delay"));
    CHECK_ERROR(ENOKEY, home_create(&home, "other", "flights/gsi:other"));
    CHECK(home_said(&home, "Name it in indexes=[...]") >= 0);
    /* One that is asked for first needs no setting. */
    CHECK_ERROR(0, home_create(&home, "first", "others/gsi:first"));
    CHECK_ERROR(0, home_write(&home, "first", 0, 10));
    CHECK_ERROR(0, home_close(&home));
}

/* An index that WiredTiger itself keeps, with a keyid of its own: its file names it, and holds nothing in clear. */
static void an_index_of_wiredtigers_has_its_own_key(void) {
    struct home home;
    struct block block;
    WT_CURSOR *cursor;
    const char *found = "";
    char path[4096], row[32];
    uint8_t *bytes;
    size_t length;
    int pages = 0;

    make_table();
    CHECK_ERROR(0, home_open(&home, "home", encrypted("")));
    CHECK_ERROR(0, home.session->create(home.session, "table:flights",
                                        "key_format=S,value_format=SS,columns=(key,tail,rest),"
                                        "encryption=(name=tablecrypt,keyid=\"flights/base\")"));
    CHECK_ERROR(0, home.session->create(home.session, "index:flights:tail",
                                        "columns=(tail),encryption=(name=tablecrypt,keyid=\"flights/gsi:by-tail\")"));
    CHECK_ERROR(0, home.session->open_cursor(home.session, "table:flights", NULL, NULL, &cursor));
    for (int i = 0; i < ROWS && failed == 0; ++i) {
        (void)snprintf(row, sizeof row, "N%05d", i);
        cursor->set_key(cursor, row + 1);
        cursor->set_value(cursor, row, "rest");
        CHECK_ERROR(0, cursor->insert(cursor));
    }
    CHECK_ERROR(0, home_close(&home));
    CHECK_ERROR(0, home_open(&home, "home", encrypted("create=false")));
    CHECK_ERROR(0, home.session->open_cursor(home.session, "index:flights:tail(key)", NULL, NULL, &cursor));
    cursor->set_key(cursor, "N00123");
    CHECK_ERROR(0, cursor->search(cursor));
    CHECK_ERROR(0, cursor->get_value(cursor, &found));
    CHECK(strcmp(found, "00123") == 0);
    CHECK_ERROR(0, home_close(&home));
    (void)snprintf(path, sizeof path, "%s/home/flights_tail.wti", folder);
    if ((bytes = file_read(path, &length)) == NULL)
        abort();
    CHECK(memmem(bytes, length, "keyid=\"flights/gsi:by-tail\"", 27) != NULL);
    for (size_t at = 512; block_next(bytes, length, at, &block); at = block_end(&block))
        if (block.type != PAGE_BLOCK_MANAGER) {
            CHECK(block.encrypted);
            ++pages;
        }
    CHECK(pages >= 2);
    free(bytes);
}

static void a_service_that_nobody_named_is_refused(void) {
    struct home home;

    CHECK_ERROR(EINVAL, home_open(&home, "home", kms_encrypted("")));
    CHECK(home_said(&home, "no service has the name tests") >= 0);
    CHECK_ERROR(EINVAL, tablecrypt_wiredtiger_service(NULL, NULL));
    CHECK_ERROR(EINVAL, tablecrypt_wiredtiger_service("", NULL));
    kms_start(60 * 1000, 60 * 1000, 0);
    /* What would not be heeded is not taken. */
    CHECK_ERROR(EINVAL, home_open(&home, "home", kms_encrypted("outage_grace=1h")));
    CHECK_ERROR(0, home_open(&home, "home", kms_encrypted("")));
    CHECK_ERROR(0, tablecrypt_wiredtiger_service("tests", NULL));
    /* What is open goes on. */
    CHECK_ERROR(0, home_create(&home, "base", "flights/base"));
    CHECK_ERROR(0, home_write(&home, "base", 0, 10));
    CHECK_ERROR(0, home_close(&home));
    CHECK_ERROR(EINVAL, home_open(&home, "home", kms_encrypted("")));
}

static void a_secretkey_is_not_taken(void) {
    struct home home;
    char config[9000];

    (void)snprintf(config, sizeof config, "%s,encryption=(secretkey=abc)", encrypted(""));
    CHECK_ERROR(EINVAL, home_open(&home, "home", config));
    CHECK(home_said(&home, "keys come from the KMS") >= 0);
}

const struct test opening_tests[] = {
    {"what was written to a table and its indexes is read after opening again", what_was_written_is_read},
    {"under other keys nothing opens, and our words come before WiredTiger's", under_other_keys_nothing_opens},
    {"without its key file a table does not open, none is made, and nothing panics",
     without_its_key_file_nothing_opens_and_nothing_is_made},
    {"under a disabled key nothing opens, nothing panics, and enabled it opens again",
     a_disabled_key_opens_nothing_and_nothing_panics},
    {"a setting that is misspelled or out of its range is refused", a_setting_that_is_wrong_is_refused},
    {"the environment sets what the config leaves", the_environment_sets_what_the_config_leaves},
    {"a keyid names a table or an index of it, and nothing else", a_keyid_names_a_table_or_an_index},
    {"a table is created with the indexes that the settings name", a_table_is_created_with_the_indexes_of_the_settings},
    {"an index of WiredTiger's own has its keyid's key", an_index_of_wiredtigers_has_its_own_key},
    {"a service that nobody named is refused", a_service_that_nobody_named_is_refused},
    {"a secretkey is not taken", a_secretkey_is_not_taken},
    {0},
};
