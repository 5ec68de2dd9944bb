/* Many records or messages in one call: as one by one; a bad one among good ones; what is refused whole and untouched. */

#include "program.h"

#include <stdlib.h>

enum { MANY = 150, TEXT = 64, RECORD = TEXT + TABLECRYPT_OVERHEAD, ROOM = RECORD + 3 };

static uint8_t contexts[MANY][8], texts[MANY][TEXT], records[MANY][ROOM], outs[MANY][ROOM];

static tablecrypt_item item(const uint8_t *context, size_t context_length, const uint8_t *input, size_t input_length,
                            uint8_t *output, size_t output_capacity) {
    tablecrypt_item item;
    memset(&item, 0xa5, sizeof item); /* what a program leaves unwritten may be anything */
    item.context = context;
    item.context_length = context_length;
    item.input = input;
    item.input_length = input_length;
    item.output = output;
    item.output_capacity = output_capacity;
    return item;
}

/* The items that seal the texts. */
static void to_seal(tablecrypt_item items[MANY]) {
    size_t i;
    memset(records, 0x55, sizeof records);
    for (i = 0; i < MANY; ++i) {
        memset(contexts[i], (int)i, sizeof contexts[i]);
        memset(texts[i], (int)i, TEXT);
        items[i] = item(contexts[i], i % 8, texts[i], i % (TEXT + 1), records[i], ROOM);
    }
}

/* The items that open the records. */
static void to_open(tablecrypt_item items[MANY]) {
    size_t i;
    memset(outs, 0x55, sizeof outs);
    for (i = 0; i < MANY; ++i) {
        items[i] = item(contexts[i], i % 8, records[i], i % (TEXT + 1) + TABLECRYPT_OVERHEAD, outs[i], ROOM);
    }
}

static void test_all_are_good(const tablecrypt_structure *structure, size_t count) {
    tablecrypt_item items[MANY];
    size_t i;

    to_seal(items);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_many(structure, items, count));
    for (i = 0; i < count; ++i) {
        const size_t length = i % (TEXT + 1);
        uint8_t opened[TEXT];
        CHECK_STATUS(TABLECRYPT_OK, items[i].status);
        CHECK(items[i].output_length == length + TABLECRYPT_OVERHEAD);
        CHECK(all_are(records[i] + items[i].output_length, ROOM - items[i].output_length, 0x55));
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open(structure, contexts[i], i % 8, records[i],
                                                              items[i].output_length, opened, TEXT, NULL));
        CHECK(memcmp(opened, texts[i], length) == 0);
    }
    to_open(items);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_many(structure, items, count));
    for (i = 0; i < count; ++i) {
        const size_t length = i % (TEXT + 1);
        CHECK(items[i].status == TABLECRYPT_OK && items[i].output_length == length);
        CHECK(memcmp(outs[i], texts[i], length) == 0 && all_are(outs[i] + length, ROOM - length, 0x55));
    }
}

/* One bad item at each place: its own status, its own output, and nothing of its neighbours'. */
static void test_one_is_bad(const tablecrypt_structure *structure) {
    tablecrypt_item items[MANY];
    size_t bad, i;

    to_seal(items);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_many(structure, items, MANY));
    for (bad = 1; bad < MANY; bad += 29) {
        static const tablecrypt_status statuses[] = {TABLECRYPT_UNAUTHENTIC, TABLECRYPT_TRUNCATED,
                                                     TABLECRYPT_UNKNOWN_VERSION, TABLECRYPT_UNKNOWN_KEY,
                                                     TABLECRYPT_OUTPUT_TOO_SHORT};
        size_t kind;
        for (kind = 0; kind < 5; ++kind) {
            const tablecrypt_status expected = statuses[kind];
            const size_t length = bad % (TEXT + 1);
            const size_t at = expected == TABLECRYPT_UNAUTHENTIC ? 40 : expected == TABLECRYPT_UNKNOWN_VERSION ? 0 : 4;
            to_open(items);
            if (expected == TABLECRYPT_TRUNCATED) {
                items[bad].input_length = TABLECRYPT_OVERHEAD - 1;
            } else if (expected == TABLECRYPT_OUTPUT_TOO_SHORT) {
                items[bad].output_capacity = length - 1;
            } else {
                records[bad][at] ^= 1;
            }
            CHECK_STATUS(expected, tablecrypt_structure_open_many(structure, items, MANY));
            for (i = 0; i < MANY; ++i) {
                const size_t whole = i % (TEXT + 1);
                if (i != bad) {
                    CHECK(items[i].status == TABLECRYPT_OK && items[i].output_length == whole);
                    CHECK(memcmp(outs[i], texts[i], whole) == 0);
                }
            }
            CHECK_STATUS(expected, items[bad].status);
            CHECK(items[bad].output_length == (expected == TABLECRYPT_OUTPUT_TOO_SHORT ? length : 0));
            CHECK(all_are(outs[bad], length, expected == TABLECRYPT_UNAUTHENTIC ? 0 : 0x55));
            if (expected != TABLECRYPT_TRUNCATED && expected != TABLECRYPT_OUTPUT_TOO_SHORT) {
                records[bad][at] ^= 1;
            }
        }
    }
    to_seal(items);
    items[70].output_capacity = 70 % (TEXT + 1) + TABLECRYPT_OVERHEAD - 1;
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, tablecrypt_structure_seal_many(structure, items, MANY));
    CHECK(items[70].output_length == 70 % (TEXT + 1) + TABLECRYPT_OVERHEAD && all_are(records[70], ROOM, 0x55));
    CHECK(items[69].status == TABLECRYPT_OK && items[71].status == TABLECRYPT_OK);
    to_open(items);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_many(structure, items, 70));
}

/* What is the caller's mistake, in any item: every item has that status, and no output is touched. */
static void refused(tablecrypt_status expected, const tablecrypt_structure *structure, tablecrypt_item *items) {
    size_t i;
    CHECK_STATUS(expected, tablecrypt_structure_seal_many(structure, items, MANY));
    for (i = 0; i < MANY; ++i) {
        CHECK(items[i].status == expected && items[i].output_length == 0);
        CHECK(all_are(records[i], ROOM, 0x55));
    }
    CHECK_STATUS(expected, tablecrypt_structure_open_many(structure, items, MANY));
    for (i = 0; i < MANY; ++i) {
        CHECK(items[i].status == expected && all_are(records[i], ROOM, 0x55));
    }
}

static void test_mistakes(const tablecrypt_structure *structure) {
    static tablecrypt_item items[MANY];

    to_seal(items);
    refused(TABLECRYPT_NULL_ARGUMENT, NULL, items);
    to_seal(items);
    items[MANY - 1].context = NULL;
    refused(TABLECRYPT_NULL_ARGUMENT, structure, items);
    to_seal(items);
    items[100].input = NULL;
    refused(TABLECRYPT_NULL_ARGUMENT, structure, items);
    to_seal(items);
    items[100].output = NULL;
    refused(TABLECRYPT_NULL_ARGUMENT, structure, items);
    to_seal(items);
    items[3].context_length = SIZE_MAX;
    refused(TABLECRYPT_LENGTH, structure, items);
    to_seal(items);
    items[3].input_length = (size_t)PTRDIFF_MAX + 1;
    refused(TABLECRYPT_LENGTH, structure, items);
    to_seal(items);
    items[3].output_capacity = SIZE_MAX;
    refused(TABLECRYPT_LENGTH, structure, items);

    /* Outputs over each other, in each order; an output over another item's input or context; over the items. */
    to_seal(items);
    items[140].input_length = items[2].input_length = TEXT;
    items[140].output = items[2].output + 1;
    refused(TABLECRYPT_OVERLAP, structure, items);
    to_seal(items);
    items[2].output = items[140].output;
    items[140].input_length = items[2].input_length = TEXT;
    refused(TABLECRYPT_OVERLAP, structure, items);
    to_seal(items);
    items[140].input = records[2];
    items[140].input_length = items[2].input_length = TEXT;
    refused(TABLECRYPT_OVERLAP, structure, items);
    to_seal(items);
    items[2].input_length = TEXT;
    items[9].context = records[2] + 1;
    items[9].context_length = 1;
    refused(TABLECRYPT_OVERLAP, structure, items);
    to_seal(items);
    items[7].input_length = TEXT;
    items[7].output = (uint8_t *)&items[50];
    items[7].output_capacity = RECORD;
    refused(TABLECRYPT_OVERLAP, structure, items);
    to_seal(items);
    items[7].context = (const uint8_t *)&items[MANY] - 1;
    items[7].context_length = 1;
    refused(TABLECRYPT_OVERLAP, structure, items);

    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal_many(structure, NULL, 1));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_open_many(structure, NULL, 1));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_seal_many(structure, items, SIZE_MAX));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_structure_open_many(structure, items, SIZE_MAX / sizeof items[0]));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_structure_seal_many(NULL, NULL, 0));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_many(structure, NULL, 0));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_many(structure, NULL, 0));
}

/* What is no mistake: shared inputs, neighbours, outputs in any order, a capacity that reaches over the next output. */
static void test_no_mistakes(const tablecrypt_structure *structure) {
    tablecrypt_item items[3];
    uint8_t arena[3 * RECORD], opened[3 * TEXT];
    size_t i;

    memset(texts[0], 'x', TEXT);
    for (i = 0; i < 3; ++i) {
        items[i] = item(texts[0], 9, texts[0], TEXT, arena + (2 - i) * RECORD, (i + 1) * RECORD);
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_many(structure, items, 3));
    for (i = 0; i < 3; ++i) {
        items[i] = item(texts[0], 9, arena + i * RECORD, RECORD, opened + i * TEXT, TEXT);
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_many(structure, items, 3));
    CHECK(all_are(opened, sizeof opened, 'x'));
    items[0] = item(NULL, 0, NULL, 0, arena, TABLECRYPT_OVERHEAD);
    items[1] = item(NULL, 0, NULL, 0, arena + TABLECRYPT_OVERHEAD, TABLECRYPT_OVERHEAD);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal_many(structure, items, 2));
    items[0] = item(NULL, 0, arena, TABLECRYPT_OVERHEAD, NULL, 0);
    items[1] = item(NULL, 0, arena + TABLECRYPT_OVERHEAD, TABLECRYPT_OVERHEAD, NULL, 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_open_many(structure, items, 2));
    CHECK(items[0].output_length == 0 && items[1].output_length == 0);
}

static void test_closed(const tablecrypt_structure *closed) {
    tablecrypt_item items[MANY];

    to_seal(items);
    refused(TABLECRYPT_CLOSED, closed, items);
}

static void fill(tablecrypt_gcm_message messages[MANY]) {
    size_t i;
    memset(messages, 0xa5, MANY * sizeof messages[0]);
    for (i = 0; i < MANY; ++i) {
        memset(texts[i], (int)i, TEXT);
        memset(messages[i].nonce, (int)i, 12);
        messages[i].aad = contexts[i];
        messages[i].aad_length = i % 8;
        messages[i].text = texts[i];
        messages[i].text_length = i % (TEXT + 1);
    }
}

static void gcm_refused(tablecrypt_status expected, const tablecrypt_gcm *gcm, tablecrypt_gcm_message *messages) {
    size_t i;
    CHECK_STATUS(expected, tablecrypt_gcm_seal_many(gcm, messages, MANY));
    CHECK_STATUS(expected, tablecrypt_gcm_open_many(gcm, messages, MANY));
    for (i = 0; i < MANY; ++i) {
        CHECK(messages[i].status == expected && all_are(messages[i].tag, 16, 0xa5));
        CHECK(all_are(texts[i], TEXT, (unsigned char)i));
    }
}

static void test_gcm_messages(const tablecrypt_gcm *gcm) {
    static tablecrypt_gcm_message messages[MANY];
    size_t i, bad;

    fill(messages);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal_many(gcm, messages, MANY));
    for (i = 0; i < MANY; ++i) {
        const size_t length = i % (TEXT + 1);
        uint8_t plain[TEXT], sealed[TEXT], tag[16];
        memset(plain, (int)i, TEXT);
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(gcm, messages[i].nonce, contexts[i], i % 8, plain, length, sealed,
                                                        tag));
        CHECK(memcmp(sealed, texts[i], length) == 0 && memcmp(tag, messages[i].tag, 16) == 0);
        CHECK(messages[i].status == TABLECRYPT_OK);
    }
    for (bad = 1; bad < MANY; bad += 37) {
        messages[bad].tag[15] ^= 0x80;
    }
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, tablecrypt_gcm_open_many(gcm, messages, MANY));
    for (i = 0; i < MANY; ++i) {
        const int is_bad = i % 37 == 1;
        CHECK_STATUS(is_bad ? TABLECRYPT_UNAUTHENTIC : TABLECRYPT_OK, messages[i].status);
        CHECK(all_are(texts[i], i % (TEXT + 1), is_bad ? 0 : (unsigned char)i));
    }

    fill(messages);
    gcm_refused(TABLECRYPT_NULL_ARGUMENT, NULL, messages);
    messages[100].text = NULL;
    gcm_refused(TABLECRYPT_NULL_ARGUMENT, gcm, messages);
    fill(messages);
    messages[100].aad = NULL;
    gcm_refused(TABLECRYPT_NULL_ARGUMENT, gcm, messages);
    fill(messages);
    messages[100].text_length = SIZE_MAX;
    gcm_refused(TABLECRYPT_LENGTH, gcm, messages);
    fill(messages);
    messages[100].text_length = (size_t)1 << 37;
    gcm_refused(TABLECRYPT_TOO_LONG, gcm, messages);
    fill(messages);
    messages[100].text = texts[99];
    gcm_refused(TABLECRYPT_OVERLAP, gcm, messages);
    fill(messages);
    messages[100].aad = texts[9];
    gcm_refused(TABLECRYPT_OVERLAP, gcm, messages);
    fill(messages);
    messages[100].text = (uint8_t *)&messages[9];
    gcm_refused(TABLECRYPT_OVERLAP, gcm, messages);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal_many(gcm, NULL, 1));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_open_many(gcm, NULL, 1));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_gcm_seal_many(gcm, messages, SIZE_MAX));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal_many(gcm, NULL, 0));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_open_many(gcm, NULL, 0));
}

void test_batches(const char *folder) {
    static const uint8_t key[32] = {1, 2, 3};
    static const size_t counts[] = {0, 1, 2, 63, 64, 65, 128, MANY};
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    tablecrypt_structure *structure;
    tablecrypt_gcm *gcm;
    size_t i;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(folder, &service));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "flights", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(table, &structure));
    for (i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
        test_all_are_good(structure, counts[i]);
    }
    test_one_is_bad(structure);
    test_mistakes(structure);
    test_no_mistakes(structure);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_close(connection));
    test_closed(structure);
    tablecrypt_structure_free(structure);
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);

    for (i = 0; i < tablecrypt_backend_count(); ++i) {
        if (tablecrypt_backend_is_available(tablecrypt_backend_name(i))) {
            CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand_on(tablecrypt_backend_name(i), key, &gcm));
            test_gcm_messages(gcm);
            tablecrypt_gcm_free(gcm);
        }
    }
}
