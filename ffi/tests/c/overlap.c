/* Two buffers of a call at every offset from one another, -4096 to 4096: those that share a byte are refused untouched,
 * but for a text that is sealed or opened in its place. */

#include "program.h"

enum {
    REACH = 4096,
    TEXT = 4000,
    RECORD = TEXT + TABLECRYPT_OVERHEAD,
    SHORT = 64,
    AT = REACH + 128, /* where the first buffer begins */
    ROOM = 3 * AT
};

static const uint8_t nonce[12] = {5};
static uint8_t room[ROOM], before[ROOM], other[RECORD], sealed[TEXT], record[RECORD], tag[16];
static const tablecrypt_gcm *gcm;
static const tablecrypt_structure *structure;

static tablecrypt_status gcm_seal(uint8_t *in, uint8_t *out) {
    uint8_t given[16];
    return tablecrypt_gcm_seal(gcm, nonce, NULL, 0, in, TEXT, out, given);
}

static tablecrypt_status gcm_open(uint8_t *in, uint8_t *out) {
    return tablecrypt_gcm_open(gcm, nonce, NULL, 0, in, TEXT, tag, out);
}

static tablecrypt_status gcm_seal_beside_aad(uint8_t *aad, uint8_t *out) {
    uint8_t given[16];
    return tablecrypt_gcm_seal(gcm, nonce, aad, SHORT, other, TEXT, out, given);
}

static tablecrypt_status gcm_seal_beside_tag(uint8_t *given, uint8_t *out) {
    return tablecrypt_gcm_seal(gcm, nonce, NULL, 0, other, TEXT, out, given);
}

static tablecrypt_status gcm_open_beside_tag(uint8_t *given, uint8_t *out) {
    const tablecrypt_status status = tablecrypt_gcm_open(gcm, nonce, NULL, 0, other, TEXT, given, out);
    return status == TABLECRYPT_UNAUTHENTIC ? TABLECRYPT_OK : status; /* it is no tag */
}

static tablecrypt_status gcm_seal_beside_nonce(uint8_t *given, uint8_t *out) {
    uint8_t given_tag[16];
    return tablecrypt_gcm_seal(gcm, given, NULL, 0, other, TEXT, out, given_tag);
}

static void two_messages(tablecrypt_gcm_message messages[2], uint8_t *first, uint8_t *second) {
    memset(messages, 0, 2 * sizeof *messages);
    messages[1].nonce[0] = 1;
    messages[0].text = first;
    messages[1].text = second;
    messages[0].text_length = messages[1].text_length = TEXT;
}

static tablecrypt_status gcm_seal_many(uint8_t *first, uint8_t *second) {
    tablecrypt_gcm_message messages[2];
    two_messages(messages, first, second);
    return tablecrypt_gcm_seal_many(gcm, messages, 2);
}

static tablecrypt_status gcm_open_many(uint8_t *first, uint8_t *second) {
    tablecrypt_gcm_message messages[2];
    tablecrypt_status status;
    two_messages(messages, first, second);
    status = tablecrypt_gcm_open_many(gcm, messages, 2);
    return status == TABLECRYPT_UNAUTHENTIC ? TABLECRYPT_OK : status; /* they are no ciphertexts */
}

static tablecrypt_status structure_seal(uint8_t *in, uint8_t *out) {
    return tablecrypt_structure_seal(structure, NULL, 0, in, TEXT, out, RECORD, NULL);
}

static tablecrypt_status structure_open(uint8_t *in, uint8_t *out) {
    return tablecrypt_structure_open(structure, NULL, 0, in, RECORD, out, TEXT, NULL);
}

static tablecrypt_status structure_seal_beside_context(uint8_t *context, uint8_t *out) {
    return tablecrypt_structure_seal(structure, context, SHORT, other, TEXT, out, RECORD, NULL);
}

static tablecrypt_status structure_seal_in_place_beside_context(uint8_t *context, uint8_t *out) {
    return tablecrypt_structure_seal_in_place(structure, context, SHORT, out, RECORD);
}

static tablecrypt_item one_item(const uint8_t *in, size_t in_length, uint8_t *out, size_t capacity) {
    tablecrypt_item item;
    memset(&item, 0, sizeof item);
    item.input = in;
    item.input_length = in_length;
    item.output = out;
    item.output_capacity = capacity;
    return item;
}

static tablecrypt_status structure_seal_many(uint8_t *in, uint8_t *out) {
    tablecrypt_item item = one_item(in, TEXT, out, RECORD);
    return tablecrypt_structure_seal_many(structure, &item, 1);
}

static tablecrypt_status structure_open_many(uint8_t *in, uint8_t *out) {
    tablecrypt_item item = one_item(in, RECORD, out, TEXT);
    return tablecrypt_structure_open_many(structure, &item, 1);
}

static tablecrypt_status structure_seal_two(uint8_t *first, uint8_t *second) {
    tablecrypt_item items[2];
    items[0] = one_item(other, TEXT, first, RECORD);
    items[1] = one_item(other, TEXT, second, RECORD);
    return tablecrypt_structure_seal_many(structure, items, 2);
}

typedef struct {
    const char *name;
    tablecrypt_status (*call)(uint8_t *first, uint8_t *second);
    int first, second;     /* lengths */
    int in_place;          /* whether both may begin at one place */
    const uint8_t *given;  /* what stands in the first buffer, or NULL */
    const uint8_t *expect; /* what the second becomes, as long as the call says nothing random; or NULL */
} pair;

/* Gives how many offsets were refused. */
static int every_offset(const pair *pair) {
    int offset, refused = 0;

    if (pair->given != NULL) {
        memcpy(before + AT, pair->given, (size_t)pair->first);
    }
    memcpy(room, before, ROOM);
    for (offset = -REACH; offset <= REACH; ++offset) {
        const int shared = offset > -pair->second && offset < pair->first && !(pair->in_place && offset == 0);
        const tablecrypt_status status = pair->call(room + AT, room + AT + offset);
        if (shared) {
            CHECK_STATUS(TABLECRYPT_OVERLAP, status);
            CHECK(memcmp(room, before, ROOM) == 0);
            refused += status == TABLECRYPT_OVERLAP;
        } else {
            CHECK_STATUS(TABLECRYPT_OK, status);
            CHECK(pair->expect == NULL || memcmp(room + AT + offset, pair->expect, (size_t)pair->second) == 0);
            memcpy(room, before, ROOM);
        }
    }
    if (refused != pair->first + pair->second - 1 - pair->in_place) {
        printf("%s: refused at %d offsets\n", pair->name, refused);
        CHECK(0);
    }
    return refused;
}

static void every_pair(void) {
    const pair pairs[] = {
        {"gcm_seal", gcm_seal, TEXT, TEXT, 1, other, sealed},
        {"gcm_open", gcm_open, TEXT, TEXT, 1, sealed, other},
        {"gcm_seal, AAD", gcm_seal_beside_aad, SHORT, TEXT, 0, NULL, NULL},
        {"gcm_seal, tag", gcm_seal_beside_tag, 16, TEXT, 0, NULL, sealed},
        {"gcm_open, tag", gcm_open_beside_tag, 16, TEXT, 0, NULL, NULL},
        {"gcm_seal, nonce", gcm_seal_beside_nonce, 12, TEXT, 0, nonce, sealed},
        {"gcm_seal_many", gcm_seal_many, TEXT, TEXT, 0, NULL, NULL},
        {"gcm_open_many", gcm_open_many, TEXT, TEXT, 0, NULL, NULL},
        {"structure_seal", structure_seal, TEXT, RECORD, 0, NULL, NULL},
        {"structure_open", structure_open, RECORD, TEXT, 0, record, other},
        {"structure_seal, context", structure_seal_beside_context, SHORT, RECORD, 0, NULL, NULL},
        {"structure_seal_in_place, context", structure_seal_in_place_beside_context, SHORT, RECORD, 0, NULL, NULL},
        {"structure_seal_many", structure_seal_many, TEXT, RECORD, 0, NULL, NULL},
        {"structure_open_many", structure_open_many, RECORD, TEXT, 0, record, other},
        {"structure_seal_many, outputs", structure_seal_two, RECORD, RECORD, 0, NULL, NULL},
    };
    const int count = (int)(sizeof pairs / sizeof *pairs);
    int i, refused = 0;

    for (i = 0; i < count; ++i) {
        refused += every_offset(&pairs[i]);
    }
    printf("overlap: %d pairs of buffers at %d offsets each: %d refused untouched, %d done\n", count, 2 * REACH + 1,
           refused, count * (2 * REACH + 1) - refused);
}

void test_overlaps(const char *folder) {
    static const uint8_t key[32] = {4, 4, 4};
    tablecrypt_service *service;
    tablecrypt_connection *connection;
    tablecrypt_table *table;
    tablecrypt_structure *base;
    tablecrypt_gcm *expanded;
    size_t i;

    for (i = 0; i < ROOM; ++i) {
        before[i] = (uint8_t)(i * 7);
    }
    for (i = 0; i < RECORD; ++i) {
        other[i] = (uint8_t)(i * 3);
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand(key, &expanded));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(expanded, nonce, NULL, 0, other, TEXT, sealed, tag));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_open_local(folder, &service));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_create_table(service, "overlaps", NULL, 0, NULL, 0, NULL));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_service_connect(service, &connection));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_connection_open_table(connection, "overlaps", &table));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_table_base(table, &base));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_structure_seal(base, NULL, 0, other, TEXT, record, RECORD, NULL));

    gcm = expanded;
    structure = base;
    every_pair();

    tablecrypt_structure_free(base);
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
    tablecrypt_gcm_free(expanded);
}
