/* An attacker who writes files. WiredTiger's own checksum, CRC-32C, is no obstacle: where a page points to another it holds
 * its checksum too, but any four bytes can be chosen so that the checksum stays what it was; the page header is clear, and
 * nobody looks at its write generation. So each attack is made so, and each first on a plain database, where it works.
 *
 * The last ones cannot be found by an encryptor, for WiredTiger tells it nothing of a page's place and header. They are here
 * so that README.md says what is so. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "check.h"
#include "home.h"

enum { FIRST = 100000, ROWS = 3000, OTHERS = 500000, PLAIN = 0, OURS = 1 };

static const char *const homes[] = {"plain", "ours"};

static const char *config_of(int kind) {
    return kind == PLAIN ? "" : encrypted("drain=0,give_up=0");
}

/* Two tables with rows that differ, each file of some leaf pages. */
static void make(int kind) {
    struct home home;

    CHECK_ERROR(0, home_open(&home, homes[kind], config_of(kind)));
    CHECK_ERROR(0, home_create(&home, "base", kind == PLAIN ? NULL : "flights/base"));
    CHECK_ERROR(0, home_create(&home, "other", kind == PLAIN ? NULL : "others/base"));
    CHECK_ERROR(0, home_write(&home, "base", FIRST, FIRST + ROWS));
    CHECK_ERROR(0, home_write(&home, "other", OTHERS, OTHERS + ROWS));
    CHECK_ERROR(0, home_close(&home));
}

struct file {
    char path[4096];
    uint8_t *bytes;
    size_t length;
    struct block leaves[64];
    int count;
};

static void load(struct file *file, int kind, const char *name) {
    struct block block;

    *file = (struct file){.count = 0};
    (void)snprintf(file->path, sizeof file->path, "%s/%s/%s", folder, homes[kind], name);
    if ((file->bytes = file_read(file->path, &file->length)) == NULL)
        abort();
    for (size_t at = 512; block_next(file->bytes, file->length, at, &block); at = block_end(&block))
        if (block.type == PAGE_ROW_LEAF && file->count < 64)
            file->leaves[file->count++] = block;
    CHECK(file->count >= 8);
}

static void store(struct file *file) {
    FILE *to = fopen(file->path, "r+b");

    if (to == NULL || fwrite(file->bytes, 1, file->length, to) != file->length || fclose(to) != 0)
        abort();
    free(file->bytes);
}

/* Two leaves of one length in the middle of each file: none is the first or the last. */
static void pair(const struct file *one, const struct file *two, int *first, int *second) {
    for (*first = 1; *first < one->count - 1; ++*first)
        for (*second = 2; *second < two->count - 1; ++*second)
            if (one->leaves[*first].size == two->leaves[*second].size && (one != two || *first != *second))
                return;
    abort();
}

/* Chooses the write generation's low half so that the block has this checksum: 32 linear equations with 32 unknowns. */
static void keep_checksum(uint8_t *bytes, const struct block *block, uint32_t wanted) {
    uint8_t *place = bytes + block->offset + AT_WRITE_GENERATION;
    uint32_t columns[32], masks[32], answer = 0, rest;

    store32(place, 0);
    rest = block_checksum(bytes, block) ^ wanted;
    for (int bit = 0; bit < 32; ++bit) {
        store32(place, (uint32_t)1 << bit);
        columns[bit] = block_checksum(bytes, block);
        masks[bit] = (uint32_t)1 << bit;
    }
    store32(place, 0);
    for (int bit = 0; bit < 32; ++bit)
        columns[bit] ^= block_checksum(bytes, block);
    for (int row = 0; row < 32; ++row) {
        int pivot = row;

        while (pivot < 31 && !(columns[pivot] >> row & 1))
            ++pivot;
        for (int other = 0; other < 32; ++other)
            if (other != pivot && (columns[other] >> row & 1) && (columns[pivot] >> row & 1)) {
                columns[other] ^= columns[pivot];
                masks[other] ^= masks[pivot];
            }
        uint32_t column = columns[row], mask = masks[row];

        columns[row] = columns[pivot];
        masks[row] = masks[pivot];
        columns[pivot] = column;
        masks[pivot] = mask;
    }
    for (int row = 0; row < 32; ++row)
        if (rest >> row & 1)
            answer ^= masks[row];
    store32(place, answer);
    store32(bytes + block->offset + AT_CHECKSUM, wanted);
    CHECK(block_checksum(bytes, block) == wanted);
}

/* Opens the database and reads the table; says whether that was refused in our words. `rows` are those that are as written. */
static bool refused(int kind, const char *table, int *rows) {
    struct home home;
    bool said;

    CHECK_ERROR(0, home_open(&home, homes[kind], config_of(kind)));
    *rows = home_read(&home, table);
    said = home_said(&home, "what was to be read is refused") >= 0;
    if (*rows < 0 && said)
        CHECK(home_said(&home, "tablecrypt: ") < home_said(&home, "panic"));
    (void)home_close(&home);
    return said && *rows < 0;
}

static void a_changed_page_is_refused(void) {
    for (int kind = PLAIN; kind <= OURS; ++kind) {
        struct file file;
        struct block *leaf;
        int rows;
        uint8_t *place;

        make(kind);
        load(&file, kind, "base.wt");
        leaf = &file.leaves[file.count / 2];
        place = file.bytes + leaf->offset + leaf->size / 2;
        if (kind == PLAIN)
            place = memmem(place, leaf->size / 2, "PLAINTEXT", 9);
        *place ^= 1;
        keep_checksum(file.bytes, leaf, load32(file.bytes + leaf->offset + AT_CHECKSUM));
        store(&file);
        if (kind == PLAIN)
            CHECK(!refused(kind, "base", &rows) && rows == ROWS - 1); /* the change goes by */
        else
            CHECK(refused(kind, "base", &rows));
    }
}

static void a_page_of_another_table_is_refused(void) {
    for (int kind = PLAIN; kind <= OURS; ++kind) {
        struct file base, other;
        int from, to, rows;
        uint32_t checksum;

        make(kind);
        load(&base, kind, "base.wt");
        load(&other, kind, "other.wt");
        pair(&base, &other, &from, &to);
        checksum = load32(other.bytes + other.leaves[to].offset + AT_CHECKSUM);
        memcpy(other.bytes + other.leaves[to].offset, base.bytes + base.leaves[from].offset, other.leaves[to].size);
        keep_checksum(other.bytes, &other.leaves[to], checksum);
        store(&other);
        free(base.bytes);
        if (kind == PLAIN)
            CHECK(!refused(kind, "other", &rows) && rows > 0); /* rows of the one stand in the other */
        else
            CHECK(refused(kind, "other", &rows));
    }
}

/* WiredTiger subtracts from a length that it takes from the page: what comes to the encryptor is nearly SIZE_MAX. */
static void a_page_with_a_length_of_zero_is_refused(void) {
    static const uint32_t lengths[] = {0, 1, BLOCK_HEADER, BLOCK_HEADER + 3, BLOCK_HEADER + 4, BLOCK_HEADER + 5, BLOCK_HEADER + 51};

    make(OURS);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {
        struct file file;
        struct block *leaf;
        uint8_t *kept;
        int rows;

        load(&file, OURS, "base.wt");
        leaf = &file.leaves[file.count / 2];
        if ((kept = malloc(file.length)) == NULL)
            abort();
        memcpy(kept, file.bytes, file.length);
        store32(file.bytes + leaf->offset + BLOCK_HEADER, lengths[i]);
        keep_checksum(file.bytes, leaf, load32(kept + leaf->offset + AT_CHECKSUM));
        store(&file);
        CHECK(refused(OURS, "base", &rows));
        file.bytes = kept;
        store(&file);
    }
}

/* Copies a database whose log has rows that no checkpoint has, as after a crash. */
static void crash(int kind, const char *copied) {
    struct home home;
    char config[9000];

    (void)snprintf(config, sizeof config, "%s,log=(enabled=true,prealloc=false),transaction_sync=(enabled=true,method=none)",
                   config_of(kind));
    CHECK_ERROR(0, home_open(&home, homes[kind], config));
    CHECK_ERROR(0, home_create(&home, "base", kind == PLAIN ? NULL : "flights/base"));
    CHECK_ERROR(0, home.session->checkpoint(home.session, NULL));
    CHECK_ERROR(0, home_write(&home, "base", 0, 200));
    CHECK_ERROR(0, home.session->log_flush(home.session, "sync=on"));
    home_copy(homes[kind], copied);
    CHECK_ERROR(0, home_close(&home));
}

/* The log that was written to, and a record of it in the middle. */
static void load_log(struct file *file, const char *copied, struct block *middle) {
    struct block record;
    int count = 0;

    *file = (struct file){.count = 0};
    for (int number = 9; number > 0 && file->bytes == NULL; --number) {
        (void)snprintf(file->path, sizeof file->path, "%s/%s/WiredTigerLog.%010d", folder, copied, number);
        file->bytes = file_read(file->path, &file->length);
    }
    if (file->bytes == NULL)
        abort();
    for (size_t at = RECORD_UNIT; record_next(file->bytes, file->length, at, &record); at = record_end(&record))
        if (++count == 100)
            *middle = record;
    CHECK(count >= 200);
}

static int recover(int kind, const char *copied, struct home *home) {
    char config[9000];
    int error;

    (void)snprintf(config, sizeof config, "%s,log=(enabled=true)", config_of(kind));
    if ((error = home_open(home, copied, config)) != 0)
        return -abs(error);
    return home_read(home, "base");
}

static void a_changed_log_record_is_refused(void) {
    for (int kind = PLAIN; kind <= OURS; ++kind) {
        struct file file;
        struct block record;
        struct home home;
        uint8_t *place;

        crash(kind, "crashed");
        home_copy("crashed", "kept");
        load_log(&file, "crashed", &record);
        place = file.bytes + record.offset + record.size / 2;
        if (kind == PLAIN)
            place = memmem(file.bytes + record.offset, record.size, "PLAINTEXT", 9);
        *place ^= 1;
        store32(file.bytes + record.offset + RECORD_AT_CHECKSUM, record_checksum(file.bytes, &record));
        store(&file);
        if (kind == PLAIN) {
            CHECK(recover(kind, "crashed", &home) == 199); /* the change goes by */
            CHECK_ERROR(0, home_close(&home));
        } else {
            CHECK(recover(kind, "crashed", &home) < 0);
            CHECK(home_said(&home, "system: what was to be read is refused") >= 0);
        }
        /* As it was, it recovers whole. */
        CHECK(recover(kind, "kept", &home) == 200);
        CHECK_ERROR(0, home_close(&home));
        home_remove("crashed");
        home_remove("kept");
    }
}

static void a_log_record_in_clear_goes_by_but_the_check_finds_it(void) {
    struct file plain, ours;
    struct block record, last = {0}, next;
    struct home home;
    char command[9000];
    int rows = 0;

    crash(PLAIN, "plain-crashed");
    crash(OURS, "crashed");
    (void)snprintf(command, sizeof command, "\"$(dirname '%s')/tablecrypt-wiredtiger-check\" '%s/crashed'", extension, folder);
    CHECK(system(command) == 0);
    load_log(&plain, "plain-crashed", &record);
    load_log(&ours, "crashed", &next);
    for (size_t at = RECORD_UNIT; record_next(ours.bytes, ours.length, at, &next); at = record_end(&next))
        last = next;
    /* Behind the last record, which is where recovery goes on. */
    if ((ours.bytes = realloc(ours.bytes, record_end(&last) + record.size + RECORD_UNIT)) == NULL)
        abort();
    ours.length = record_end(&last) + (record.size + RECORD_UNIT - 1) / RECORD_UNIT * RECORD_UNIT;
    memset(ours.bytes + record_end(&last), 0, ours.length - record_end(&last));
    memcpy(ours.bytes + record_end(&last), plain.bytes + record.offset, record.size);
    /* A row that nobody wrote to this database: the last digit of its key. */
    {
        uint8_t *key = memmem(ours.bytes + record_end(&last), record.size, "key0000", 7);
        struct block forged = {record_end(&last), record.size, 0, false};

        memcpy(key, "key9999", 7);
        store32(ours.bytes + forged.offset + RECORD_AT_CHECKSUM, record_checksum(ours.bytes, &forged));
    }
    store(&ours);
    free(plain.bytes);
    CHECK(system(command) != 0);
    rows = recover(OURS, "crashed", &home);
    if (rows >= 0) {
        WT_CURSOR *cursor;
        const char *key = "";

        CHECK_ERROR(0, home.session->open_cursor(home.session, "table:base", NULL, NULL, &cursor));
        CHECK_ERROR(0, cursor->prev(cursor));
        CHECK_ERROR(0, cursor->get_key(cursor, &key));
        CHECK(strncmp(key, "key9999", 7) == 0); /* the attack works */
        CHECK_ERROR(0, home_close(&home));
    }
    CHECK(rows >= 0);
}

static void pages_of_one_file_can_be_swapped(void) {
    struct file file;
    int one, two, rows;
    uint32_t first, second;
    uint8_t *kept;

    make(OURS);
    load(&file, OURS, "base.wt");
    pair(&file, &file, &one, &two);
    first = load32(file.bytes + file.leaves[one].offset + AT_CHECKSUM);
    second = load32(file.bytes + file.leaves[two].offset + AT_CHECKSUM);
    if ((kept = malloc(file.leaves[one].size)) == NULL)
        abort();
    memcpy(kept, file.bytes + file.leaves[one].offset, file.leaves[one].size);
    memcpy(file.bytes + file.leaves[one].offset, file.bytes + file.leaves[two].offset, file.leaves[one].size);
    memcpy(file.bytes + file.leaves[two].offset, kept, file.leaves[one].size);
    free(kept);
    keep_checksum(file.bytes, &file.leaves[one], first);
    keep_checksum(file.bytes, &file.leaves[two], second);
    store(&file);
    CHECK(!refused(OURS, "base", &rows) && rows == ROWS); /* all rows, in another order */
}

static void the_number_of_entries_of_a_page_can_be_changed(void) {
    struct file file;
    struct block *leaf;
    int rows;

    make(OURS);
    load(&file, OURS, "base.wt");
    leaf = &file.leaves[file.count / 2];
    store32(file.bytes + leaf->offset + AT_ENTRIES, load32(file.bytes + leaf->offset + AT_ENTRIES) - 2);
    keep_checksum(file.bytes, leaf, load32(file.bytes + leaf->offset + AT_CHECKSUM));
    store(&file);
    CHECK(!refused(OURS, "base", &rows) && rows == ROWS - 1); /* a row is gone */
}

const struct test forgery_tests[] = {
    {"a page that was changed is refused; a plain database reads it", a_changed_page_is_refused},
    {"a page of another table is refused; a plain database reads it", a_page_of_another_table_is_refused},
    {"a page whose length was changed is refused", a_page_with_a_length_of_zero_is_refused},
    {"a log record that was changed is refused; a plain database takes it", a_changed_log_record_is_refused},
    {"not found: two pages of one file that change places", pages_of_one_file_can_be_swapped},
    {"not found: a page header that hides rows", the_number_of_entries_of_a_page_can_be_changed},
    {"not found by WiredTiger: a log record in clear; the check finds it", a_log_record_in_clear_goes_by_but_the_check_finds_it},
    {0},
};
