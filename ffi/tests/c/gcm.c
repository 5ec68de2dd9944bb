/* AES-256-GCM alone: known answers on each backend, in place and apart, overlap, lengths. */

#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */

#include "program.h"

#include <sys/mman.h>

enum { MOST = 256 };

typedef struct {
    uint8_t bytes[MOST];
    size_t length;
} field;

static void read_hex(const char *text, field *out) {
    unsigned byte;
    out->length = 0;
    while (out->length < MOST && sscanf(text, "%2x", &byte) == 1) {
        out->bytes[out->length++] = (uint8_t)byte;
        text += 2;
    }
}

static void check_vector(const char *backend, const field fields[6]) {
    const field *key = &fields[0], *nonce = &fields[1], *aad = &fields[2], *text = &fields[3], *sealed = &fields[4],
                *tag = &fields[5];
    tablecrypt_gcm *gcm;
    uint8_t out[MOST], found[16];

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand_on(backend, key->bytes, &gcm));
    CHECK(strcmp(tablecrypt_gcm_backend(gcm), backend) == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(gcm, nonce->bytes, aad->bytes, aad->length, text->bytes,
                                                    text->length, out, found));
    CHECK(memcmp(out, sealed->bytes, text->length) == 0 && memcmp(found, tag->bytes, 16) == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_open(gcm, nonce->bytes, aad->bytes, aad->length, out, text->length,
                                                    found, out));
    CHECK(memcmp(out, text->bytes, text->length) == 0);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(gcm, nonce->bytes, aad->bytes, aad->length, out, text->length, out,
                                                    found));
    CHECK(memcmp(out, sealed->bytes, text->length) == 0 && memcmp(found, tag->bytes, 16) == 0);
    tablecrypt_gcm_free(gcm);
}

/* SP 800-38D, from tests/vectors/gcm-spec.txt; nonces of other lengths than 12 bytes are not for this interface. */
static void test_known_answers(const char *vectors, const char *backend) {
    static const char *const names[6] = {"key", "nonce", "aad", "text", "ciphertext", "tag"};
    field fields[6];
    char line[1024], name[32];
    int i, at, used = 0;
    FILE *file = fopen(vectors, "r");

    CHECK(file != NULL);
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%31[a-z] =%n", name, &at) != 1) {
            continue;
        }
        at += line[at] == ' ';
        for (i = 0; i < 6; ++i) {
            if (strcmp(name, names[i]) == 0) {
                read_hex(line + at, &fields[i]);
            }
        }
        if (strcmp(name, "tag") == 0 && fields[1].length == 12) {
            check_vector(backend, fields);
            ++used;
        }
    }
    fclose(file);
    CHECK(used == 4);
}

/* A text in the middle of a buffer, and an output at each offset from it: one place or apart is done, all else is refused
 * untouched. */
static void test_overlap(const tablecrypt_gcm *gcm) {
    enum { LENGTH = 64, AT = 96, ROOM = 256 };
    static const uint8_t nonce[12] = {2};
    uint8_t room[ROOM], before[ROOM], tag[16], sealed[LENGTH];
    int offset, i;

    for (i = 0; i < ROOM; ++i) {
        before[i] = (uint8_t)i;
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, before + AT, LENGTH, sealed, tag));
    for (offset = -LENGTH - 4; offset <= LENGTH + 4; ++offset) {
        const int apart = offset <= -LENGTH || offset >= LENGTH;
        const tablecrypt_status expected = apart || offset == 0 ? TABLECRYPT_OK : TABLECRYPT_OVERLAP;
        memcpy(room, before, ROOM);
        CHECK_STATUS(expected, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, room + AT, LENGTH, room + AT + offset, tag));
        if (expected == TABLECRYPT_OVERLAP) {
            CHECK(memcmp(room, before, ROOM) == 0);
        } else {
            CHECK(memcmp(room + AT + offset, sealed, LENGTH) == 0);
        }
        memcpy(room, before, ROOM);
        memcpy(room + AT, sealed, LENGTH);
        CHECK_STATUS(expected, tablecrypt_gcm_open(gcm, nonce, NULL, 0, room + AT, LENGTH, tag, room + AT + offset));
        CHECK(memcmp(room + AT + (expected == TABLECRYPT_OVERLAP ? 0 : offset),
                     expected == TABLECRYPT_OVERLAP ? sealed : before + AT, LENGTH) == 0);
    }

    /* AAD, nonce and tag against the output, at their first and last shared byte. */
    memcpy(room, before, ROOM);
#define SEAL(nonce_at, aad_at, text_at, out_at, tag_at) \
    tablecrypt_gcm_seal(gcm, room + (nonce_at), room + (aad_at), 16, room + (text_at), 32, room + (out_at), room + (tag_at))
#define OPEN(nonce_at, aad_at, text_at, out_at, tag_at) \
    tablecrypt_gcm_open(gcm, room + (nonce_at), room + (aad_at), 16, room + (text_at), 32, room + (tag_at), room + (out_at))
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 49, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 95, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(53, 16, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(95, 16, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 16, 100, 64, 49));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 16, 100, 64, 95));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 16, 100, 64, 131));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 16, 100, 64, 31));
    CHECK_STATUS(TABLECRYPT_OVERLAP, SEAL(0, 16, 100, 64, 11));
    CHECK_STATUS(TABLECRYPT_OVERLAP, OPEN(0, 49, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, OPEN(0, 95, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, OPEN(53, 16, 100, 64, 200));
    CHECK_STATUS(TABLECRYPT_OVERLAP, OPEN(0, 16, 100, 64, 95));
    CHECK(memcmp(room, before, ROOM) == 0);
    CHECK_STATUS(TABLECRYPT_OK, SEAL(0, 48, 112, 64, 96));
    CHECK_STATUS(TABLECRYPT_OK, OPEN(0, 48, 64, 112, 96));
    CHECK(memcmp(room + 112, before + 112, 32) == 0);
    /* Nothing is written through these: all may be one. */
    CHECK_STATUS(TABLECRYPT_OK, SEAL(0, 0, 0, 64, 96));
#undef SEAL
#undef OPEN
}

static void test_lengths(const tablecrypt_gcm *gcm) {
    static const uint8_t nonce[12] = {3};
    uint8_t byte = 7, tag[16];
    uint8_t *const bytes = &byte;

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, NULL, 0, NULL, tag));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_open(gcm, nonce, NULL, 0, NULL, 0, tag, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal(gcm, nonce, NULL, 1, NULL, 0, NULL, tag));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, NULL, 1, bytes, tag));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, bytes, 1, NULL, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, bytes, SIZE_MAX, bytes, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_gcm_seal(gcm, nonce, bytes, SIZE_MAX, bytes, 1, bytes, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH,
                 tablecrypt_gcm_seal(gcm, nonce, NULL, 0, bytes, (size_t)PTRDIFF_MAX + 1, bytes, tag));
    CHECK_STATUS(TABLECRYPT_LENGTH, tablecrypt_gcm_open(gcm, nonce, NULL, 0, bytes, SIZE_MAX, tag, bytes));
    CHECK(byte == 7);
}

/* Longer than AES-256-GCM allows is refused before a byte of it is touched: these are addresses without memory. */
static void test_too_long(const tablecrypt_gcm *gcm) {
    static const uint8_t nonce[12] = {3};
    const size_t length = ((size_t)1 << 36) - 31;
    uint8_t tag[16];
    uint8_t *const text = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (text == MAP_FAILED) {
        printf("texts of 64 GiB: skipped, no addresses for them\n");
        return;
    }
    CHECK_STATUS(TABLECRYPT_TOO_LONG, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, text, length, text, tag));
    CHECK_STATUS(TABLECRYPT_TOO_LONG, tablecrypt_gcm_open(gcm, nonce, NULL, 0, text, length, tag, text));
    CHECK(munmap(text, length) == 0);
}

static void test_null(const tablecrypt_gcm *gcm) {
    static const uint8_t key[32] = {0}, nonce[12] = {4};
    uint8_t byte = 7, tag[16] = {0};
    tablecrypt_gcm *none = (tablecrypt_gcm *)tag;

    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_expand(NULL, &none));
    CHECK(none == NULL);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_expand(key, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_expand_on(NULL, key, &none));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_expand_on("portable", NULL, &none));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_expand_on("portable", key, NULL));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_BACKEND, tablecrypt_gcm_expand_on("abacus", key, &none));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal(NULL, nonce, NULL, 0, &byte, 1, &byte, tag));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal(gcm, NULL, NULL, 0, &byte, 1, &byte, tag));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_seal(gcm, nonce, NULL, 0, &byte, 1, &byte, NULL));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_open(NULL, nonce, NULL, 0, &byte, 1, tag, &byte));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_open(gcm, NULL, NULL, 0, &byte, 1, tag, &byte));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt_gcm_open(gcm, nonce, NULL, 0, &byte, 1, NULL, &byte));
    CHECK(byte == 7 && all_are(tag, sizeof tag, 0));
    CHECK(tablecrypt_gcm_backend(NULL) == NULL);
    CHECK(tablecrypt_backend_name(tablecrypt_backend_count()) == NULL);
    CHECK(tablecrypt_backend_name(SIZE_MAX) == NULL);
    CHECK(!tablecrypt_backend_is_available(NULL) && !tablecrypt_backend_is_available("abacus"));
    tablecrypt_gcm_free(NULL);
}

void test_gcm(const char *vectors) {
    static const uint8_t key[32] = {9, 8, 7};
    size_t i;
    tablecrypt_gcm *gcm;
    const char *best = NULL;

    for (i = 0; i < tablecrypt_backend_count(); ++i) {
        const char *backend = tablecrypt_backend_name(i);
        if (!tablecrypt_backend_is_available(backend)) {
            printf("backend %s: skipped, this CPU has it not\n", backend);
            CHECK_STATUS(TABLECRYPT_NO_SUCH_BACKEND, tablecrypt_gcm_expand_on(backend, key, &gcm));
            continue;
        }
        best = best == NULL ? backend : best;
        test_known_answers(vectors, backend);
        CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand_on(backend, key, &gcm));
            test_overlap(gcm);
        test_lengths(gcm);
        test_too_long(gcm);
        test_null(gcm);
        tablecrypt_gcm_free(gcm);
    }
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt_gcm_expand(key, &gcm));
    CHECK(strcmp(tablecrypt_gcm_backend(gcm), best) == 0);
    tablecrypt_gcm_free(gcm);
}
