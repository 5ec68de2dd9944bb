/* Forgeries of messages and of records, on every backend, by every way to open them: refused, the output cleared or
 * untouched as the header says, and what stands around it and what was passed in untouched. */

#include "program.h"

#include "../forgeries.h"

enum { WAYS = 3, FENCE = 0xa5, WIDE = 64, NONCE = 12, HEAD = TABLECRYPT_TEXT_AT };

/* An output between fences. */
static uint8_t room[WIDE + FORGERY_MOST + WIDE];

static uint8_t *output(void) {
    memset(room, FENCE, sizeof room);
    return room + WIDE;
}

static int is_fenced(size_t length) {
    return all_are(room, WIDE, FENCE) && all_are(room + WIDE + length, sizeof room - WIDE - length, FENCE);
}

static int is_same(const forgery_message *a, const forgery_message *b) {
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0 &&
           memcmp(a->aad, b->aad, sizeof a->aad) == 0;
}

/* Opens a message of a tablecrypt_gcm apart, in place, or as the third of a group of four; the output is in the room. */
static tablecrypt_status open_message(int way, const tablecrypt_gcm *gcm, const forgery_message *message) {
    static const uint8_t good[40] = {7};
    const size_t length = message->length - NONCE - 16;
    const uint8_t *const text = message->bytes + NONCE, *const tag = text + length;
    uint8_t *const out = output(), goods[3][40];
    tablecrypt_gcm_message batch[4];
    tablecrypt_status status;
    size_t i;

    if (way > 0) {
        memcpy(out, text, length);
    }
    if (way < 2) {
        return tablecrypt_gcm_open(gcm, message->bytes, message->aad, message->aad_length, way == 0 ? text : out, length,
                                   tag, out);
    }
    memset(batch, 0, sizeof batch);
    for (i = 0; i < 4; ++i) {
        batch[i].text = i == 2 ? out : memcpy(goods[i / 2 + i % 2], good, 40);
        batch[i].text_length = i == 2 ? length : 40;
        if (i != 2) {
            status = tablecrypt_gcm_seal(gcm, batch[i].nonce, NULL, 0, batch[i].text, 40, batch[i].text, batch[i].tag);
            CHECK_STATUS(TABLECRYPT_OK, status);
        }
    }
    memcpy(batch[2].nonce, message->bytes, NONCE);
    memcpy(batch[2].tag, tag, 16);
    batch[2].aad = message->aad;
    batch[2].aad_length = message->aad_length;
    status = tablecrypt_gcm_open_many(gcm, batch, 4);
    CHECK_STATUS(batch[2].status, status);
    CHECK(memcmp(goods[0], good, 40) == 0 && memcmp(goods[1], good, 40) == 0 && memcmp(goods[2], good, 40) == 0);
    return status;
}

/* Whether it is refused as it must be. */
static int refuses_message(int way, const tablecrypt_gcm *gcm, const forgery_message *forged) {
    const size_t length = forged->length - NONCE - 16;
    const forgery_message before = *forged;
    return open_message(way, gcm, forged) == TABLECRYPT_UNAUTHENTIC && all_are(room + WIDE, length, 0) &&
           is_fenced(length) && is_same(forged, &before);
}

static void seal_message(const tablecrypt_gcm *gcm, size_t length, unsigned salt, forgery_message *message, uint8_t *text) {
    memset(message, 0, sizeof *message);
    message->aad_length = FORGERY_AAD;
    message->length = NONCE + length + 16;
    forgery_fill(text, length, salt);
    forgery_fill(message->aad, FORGERY_AAD, salt + 1);
    forgery_fill(message->bytes, NONCE, salt + 2);
    CHECK_STATUS(TABLECRYPT_OK,
                 tablecrypt_gcm_seal(gcm, message->bytes, message->aad, FORGERY_AAD, text, length,
                                     message->bytes + NONCE, message->bytes + NONCE + length));
}

static size_t test_messages(const tablecrypt_gcm *gcm, size_t *refused) {
    static forgery_message whole, other, forged;
    uint8_t text[1024], unused[1024];
    size_t i, number, forgeries = 0;
    int way;

    for (i = 0; i < FORGERY_TEXTS; ++i) {
        const size_t length = forgery_lengths[i];
        seal_message(gcm, length, 1, &whole, text);
        seal_message(gcm, length, 100, &other, unused);
        for (number = 0; forge(number, &whole, &other, NONCE, NONCE + 16, &forged); ++number) {
            for (way = 0; way < WAYS; ++way) {
                const int is_refused = refuses_message(way, gcm, &forged);
                CHECK(is_refused);
                *refused += (size_t)is_refused;
            }
        }
        forgeries += number;
        for (way = 0; way < WAYS; ++way) {
            CHECK(!refuses_message(way, gcm, &whole)); /* the control */
            CHECK_STATUS(TABLECRYPT_OK, open_message(way, gcm, &whole));
            CHECK(memcmp(room + WIDE, text, length) == 0 && is_fenced(length));
        }
    }
    return forgeries;
}

/* Opens a record apart, in place, or among others. In place the record is in the room, else the text. */
static tablecrypt_status open_record(int way, const tablecrypt_structure *structure, const forgery_message *record) {
    static const uint8_t good[4] = {1, 2, 3, 4};
    const size_t length = tablecrypt_opened_size(record->length);
    uint8_t *const out = output(), goods[2][4], good_record[52];
    size_t i, given = 99;
    tablecrypt_item items[3];
    tablecrypt_status status;

    if (way == 1) {
        memcpy(out, record->bytes, record->length);
        return tablecrypt_structure_open_in_place(structure, record->aad, record->aad_length, out, record->length);
    }
    if (way == 0) {
        status = tablecrypt_structure_open(structure, record->aad, record->aad_length, record->bytes, record->length, out,
                                           length, &given);
        CHECK(given == (status == TABLECRYPT_OK ? length : 0));
        return status;
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, NULL, 0, good, 4, good_record, 52, NULL));
    memset(items, 0, sizeof items);
    for (i = 0; i < 3; ++i) {
        items[i].context = i == 1 ? record->aad : NULL;
        items[i].context_length = i == 1 ? record->aad_length : 0;
        items[i].input = i == 1 ? record->bytes : good_record;
        items[i].input_length = i == 1 ? record->length : 52;
        items[i].output = i == 1 ? out : goods[i / 2];
        items[i].output_capacity = i == 1 ? length : 4;
    }
    status = tablecrypt_structure_open_many(structure, items, 3);
    CHECK_STATUS(items[1].status, status);
    CHECK(items[1].output_length == (status == TABLECRYPT_OK ? length : 0));
    CHECK(memcmp(goods[0], good, 4) == 0 && memcmp(goods[1], good, 4) == 0);
    return status;
}

static int refuses_record(int way, const tablecrypt_structure *structure, const forgery_message *forged,
                          const uint8_t number[4]) {
    const size_t length = tablecrypt_opened_size(forged->length);
    const forgery_message before = *forged;
    const tablecrypt_status expected = forgery_refusal(forged, number);
    const uint8_t *const out = room + WIDE;

    if (open_record(way, structure, forged) != expected || !is_same(forged, &before)) {
        return 0;
    }
    if (way != 1) {
        return all_are(out, length, expected == TABLECRYPT_UNAUTHENTIC ? 0 : FENCE) && is_fenced(length);
    }
    if (expected != TABLECRYPT_UNAUTHENTIC) {
        return memcmp(out, forged->bytes, forged->length) == 0 && is_fenced(forged->length);
    }
    return memcmp(out, forged->bytes, HEAD) == 0 && all_are(out + HEAD, length, 0) &&
           memcmp(out + HEAD + length, forged->bytes + HEAD + length, 16) == 0 && is_fenced(forged->length);
}

static void seal_record(const tablecrypt_structure *structure, size_t length, unsigned salt, forgery_message *record,
                        uint8_t *text) {
    memset(record, 0, sizeof *record);
    record->aad_length = FORGERY_AAD;
    forgery_fill(text, length, salt);
    forgery_fill(record->aad, FORGERY_AAD, salt + 1);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(structure, record->aad, FORGERY_AAD, text, length,
                                                          record->bytes, sizeof record->bytes, &record->length));
}

static size_t test_records(const tablecrypt_structure *structure, size_t *refused) {
    static forgery_message whole, other, forged;
    uint8_t text[1024], unused[1024];
    size_t i, number, forgeries = 0;
    int way;

    for (i = 0; i < FORGERY_TEXTS; ++i) {
        const size_t length = forgery_lengths[i];
        seal_record(structure, length, 1, &whole, text);
        seal_record(structure, length, 100, &other, unused);
        for (number = 0; forge(number, &whole, &other, HEAD, 0, &forged); ++number) {
            for (way = 0; way < WAYS; ++way) {
                const int is_refused = refuses_record(way, structure, &forged, whole.bytes + 4);
                CHECK(is_refused);
                *refused += (size_t)is_refused;
            }
        }
        forgeries += number;
        for (way = 0; way < WAYS; ++way) {
            CHECK(!refuses_record(way, structure, &whole, whole.bytes + 4)); /* the control */
            CHECK_STATUS(TABLECRYPT_OK, open_record(way, structure, &whole));
            CHECK(memcmp(room + WIDE + (way == 1 ? HEAD : 0), text, length) == 0);
        }
    }
    return forgeries;
}

void test_forgery(const char *folder) {
    static const uint8_t key[32] = {3, 1, 4};
    static const char *const names[3] = {"base", "local:by-delay", "global:by-tail"};
    size_t forgeries = 0, refused = 0, backends = 0, i;
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;

    for (i = 0; i < tablecrypt_backend_count(); ++i) {
        tablecrypt_gcm *gcm;
        if (tablecrypt_backend_is_available(tablecrypt_backend_name(i))) {
            CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand_on(tablecrypt_backend_name(i), key, &gcm));
            forgeries += test_messages(gcm, &refused);
            ++backends;
            tablecrypt_gcm_free(gcm);
        }
    }
    CHECK(backends > 0 && forgeries == 5116 * backends && refused == forgeries * WAYS);
    printf("forgeries from C: %zu of %d messages, %zu backends, %d ways: %zu refused and cleared\n",
           forgeries / backends, FORGERY_TEXTS, backends, WAYS, refused);

    forgeries = refused = 0;
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(folder, &service));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "flights", &table));
    for (i = 0; i < 3; ++i) {
        tablecrypt_structure *structure;
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_structure(table, names[i], &structure));
        forgeries += test_records(structure, &refused);
        tablecrypt_structure_free(structure);
    }
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
    CHECK(forgeries == 5728 * 3 && refused == forgeries * WAYS);
    printf("forgeries of records from C: %zu of %d messages, 3 structures, %d ways: %zu refused and cleared\n",
           forgeries / 3, FORGERY_TEXTS, WAYS, refused);
}
