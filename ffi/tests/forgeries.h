/* The forgeries of a message, for C and C++: all that one changed place, one cut, one addition or one swap makes of it.
 * As core/tests/common/forgeries.rs, with the same counts. */

#ifndef FORGERIES_H
#define FORGERIES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORGERY_AAD = 20, FORGERY_TEXTS = 9, FORGERY_MOST = 32 + 1024 + 16 + 16 };

static const size_t forgery_lengths[FORGERY_TEXTS] = {0, 1, 15, 16, 17, 64, 255, 256, 1024};

/* What is stored, and what it is bound to. */
typedef struct {
    /* The associated data, or a record's context. */
    uint8_t aad[FORGERY_AAD + 1];
    size_t aad_length;
    /* The nonce, or what a record begins with; the ciphertext; the tag. */
    uint8_t bytes[FORGERY_MOST];
    size_t length;
} forgery_message;

/* Makes room for so many zeros. */
static inline void forgery_insert(forgery_message *forged, size_t at, size_t zeros) {
    memmove(forged->bytes + at + zeros, forged->bytes + at, forged->length - at);
    memset(forged->bytes + at, 0, zeros);
    forged->length += zeros;
}

static inline void forgery_take(forgery_message *forged, const forgery_message *other, size_t from, size_t to) {
    /* One byte of ciphertext may be the same in both. */
    if (memcmp(forged->bytes + from, other->bytes + from, to - from) == 0) {
        forged->bytes[from] ^= 1;
    } else {
        memcpy(forged->bytes + from, other->bytes + from, to - from);
    }
}

/* The forgery of this number; 0 past the last. The ciphertext begins at `head`; a cut leaves `least` bytes or more;
 * `other` is another message of the same length under the same key. */
static inline int forge(size_t number, const forgery_message *whole, const forgery_message *other, size_t head,
                        size_t least, forgery_message *forged) {
    const size_t length = whole->length, end = length - 16, text = end - head;
    const size_t blocks = text < 32 ? 0 : text / 16 - 1;
    const size_t counts[9] = {end, 128, FORGERY_AAD, FORGERY_AAD, length - least, 2, 5, 3u + (text > 0) + (text > 1),
                              blocks};
    uint8_t swap[16], *block;
    size_t kind = 0;

    *forged = *whole;
    for (; kind < 9 && number >= counts[kind]; ++kind) {
        number -= counts[kind];
    }
    switch (kind) {
    case 0: forged->bytes[number] ^= (uint8_t)(1 << number % 8); break;
    case 1: forged->bytes[end + number / 8] ^= (uint8_t)(1 << number % 8); break;
    case 2: forged->aad[number] ^= (uint8_t)(1 << number % 8); break;
    case 3: forged->aad_length = number; break;
    case 4: forged->length = least + number; break;
    case 5: /* The AAD longer by a zero, or its last byte before the text. */
        if (number == 0) {
            forged->aad[forged->aad_length++] = 0;
        } else {
            forgery_insert(forged, head, 1);
            forged->bytes[head] = forged->aad[--forged->aad_length];
        }
        break;
    case 6: /* Zeros behind the tag, behind the text, before it. */
        forgery_insert(forged, number < 2 ? length : number < 4 ? end : head, number == 1 || number == 3 ? 16 : 1);
        break;
    case 7: /* Parts of the other. */
        if (number == 0) {
            memcpy(forged->aad, other->aad, FORGERY_AAD);
        } else if (number == 1) {
            forgery_take(forged, other, 0, head);
        } else if (number == 2) {
            forgery_take(forged, other, end, length);
        } else {
            forgery_take(forged, other, number == 3 ? head : head + text / 2, end);
        }
        break;
    case 8: /* A block and its neighbour. */
        block = forged->bytes + head + 16 * number;
        memcpy(swap, block, 16);
        memcpy(block, block + 16, 16);
        memcpy(block + 16, swap, 16);
        break;
    default: return 0;
    }
    if (forged->length == length && memcmp(forged->bytes, whole->bytes, length) == 0 &&
        forged->aad_length == whole->aad_length && memcmp(forged->aad, whole->aad, FORGERY_AAD) == 0) {
        fprintf(stderr, "a forgery of kind %zu, %zu, changes nothing\n", kind, number);
        exit(1);
    }
    return 1;
}

/* A text, or an AAD: each a different one. */
static inline void forgery_fill(uint8_t *bytes, size_t length, unsigned salt) {
    size_t i;
    for (i = 0; i < length; ++i) {
        bytes[i] = (uint8_t)(i * 7 + i / 256 + salt);
    }
}

/* What docs/FORMAT.md says of a record that is no record of this data key. */
static inline tablecrypt_status forgery_refusal(const forgery_message *record, const uint8_t number[4]) {
    static const uint8_t zeros[3] = {0};
    if (record->length > 0 && record->bytes[0] != 1) {
        return TABLECRYPT_UNKNOWN_VERSION;
    }
    if (record->length < TABLECRYPT_OVERHEAD) {
        return TABLECRYPT_TRUNCATED;
    }
    if (memcmp(record->bytes + 1, zeros, 3) != 0) {
        return TABLECRYPT_UNKNOWN_VERSION;
    }
    return memcmp(record->bytes + 4, number, 4) != 0 ? TABLECRYPT_UNKNOWN_KEY : TABLECRYPT_UNAUTHENTIC;
}

#endif
