/* The published answers, NIST's CAVP and Wycheproof, from C: program FOLDER, which is .data/vectors. On every backend of
 * this CPU, by every way to call it: apart, in place, and in a batch. Nonces of other lengths than 12 bytes are not for
 * this interface, and are counted.
 *
 * A tag may be short there, and a message that must be refused has no text; core/tests/published.rs says what then. */

#define _POSIX_C_SOURCE 200809L /* getline */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tablecrypt.h"

enum { MOST = 16384, BATCH = 5, WAYS = 3 };

typedef struct {
    uint8_t bytes[MOST];
    size_t length;
} field;

/* A published message. Its fields are static: each is read, asked about and forgotten. */
typedef struct {
    char title[200];
    field key, nonce, aad, text, ciphertext, tag;
    int opens;
} message;

/* The ways: each gives its output and tag, or opens into the output. */
static void seal_by(int way, const tablecrypt_gcm *gcm, const message *of, const field *text, uint8_t *out, uint8_t *tag);
static tablecrypt_status open_by(int way, const tablecrypt_gcm *gcm, const message *of, const uint8_t *tag, uint8_t *out);

static void stop(const char *what, const char *where) {
    fprintf(stderr, "%s: %s\n", where, what);
    exit(1);
}

static void must(int holds, const char *what, const message *of) {
    if (!holds) {
        stop(what, of->title);
    }
}

/* NULL if the library answers as published; else what it says instead. */
static const char *wrong(int way, const tablecrypt_gcm *gcm, const message *of) {
    static field text;
    static uint8_t out[MOST];
    uint8_t computed[16], tag[16];
    size_t i;

    text = of->text;
    if (!of->opens) {
        text.length = of->ciphertext.length;
        seal_by(way, gcm, of, &of->ciphertext, text.bytes, computed);
    }
    seal_by(way, gcm, of, &text, out, computed);
    if (memcmp(out, of->ciphertext.bytes, of->ciphertext.length) != 0) {
        return "another ciphertext";
    }
    if ((memcmp(computed, of->tag.bytes, of->tag.length) == 0) != of->opens) {
        return "another tag, or that of a forgery";
    }
    memcpy(tag, computed, 16);
    memcpy(tag, of->tag.bytes, of->tag.length);
    if (!of->opens) {
        if (open_by(way, gcm, of, tag, out) != TABLECRYPT_UNAUTHENTIC) {
            return "a forgery opens";
        }
        for (i = 0; i < of->ciphertext.length; ++i) {
            if (out[i] != 0) {
                return "a forgery's output is not cleared";
            }
        }
    }
    if (open_by(way, gcm, of, computed, out) != TABLECRYPT_OK || memcmp(out, text.bytes, text.length) != 0) {
        return "it does not open to its text";
    }
    return NULL;
}

/* Changes one bit of the answer; what must be refused is said to open. */
static void change(message *of, size_t i) {
    field *changed = &of->tag;
    if (!of->opens) {
        of->opens = 1;
        of->text.length = of->ciphertext.length;
        return;
    }
    if (of->ciphertext.length > 0 && i % 3 != 2) {
        changed = i % 3 == 0 ? &of->text : &of->ciphertext;
    }
    changed->bytes[i % changed->length] ^= (uint8_t)(1 << i % 8);
}

static tablecrypt_gcm_message batch[BATCH];
static uint8_t texts[BATCH][MOST];

/* The same message so many times: a group that is interleaved, and one alone. */
static void fill(const message *of, const field *text, const uint8_t *tag) {
    size_t i;
    memset(batch, 0xa5, sizeof batch);
    for (i = 0; i < BATCH; ++i) {
        memcpy(batch[i].nonce, of->nonce.bytes, 12);
        memcpy(batch[i].tag, tag, 16);
        memcpy(texts[i], text->bytes, text->length);
        batch[i].aad = of->aad.bytes;
        batch[i].aad_length = of->aad.length;
        batch[i].text = texts[i];
        batch[i].text_length = text->length;
    }
}

/* What the first of the batch gave, as all of them must have. */
static tablecrypt_status taken(const message *of, size_t length, uint8_t *out, uint8_t *tag) {
    size_t i;
    for (i = 1; i < BATCH; ++i) {
        must(batch[i].status == batch[0].status && memcmp(batch[i].tag, batch[0].tag, 16) == 0 &&
                 memcmp(texts[i], texts[0], length) == 0,
             "a batch of the same differs", of);
    }
    memcpy(out, texts[0], length);
    memcpy(tag, batch[0].tag, 16);
    return batch[0].status;
}

static void seal_by(int way, const tablecrypt_gcm *gcm, const message *of, const field *text, uint8_t *out, uint8_t *tag) {
    tablecrypt_status status;
    if (way == 2) {
        memset(tag, 0xa5, 16);
        fill(of, text, tag);
        must(tablecrypt_gcm_seal_many(gcm, batch, BATCH) == TABLECRYPT_OK, "a batch does not seal", of);
        must(taken(of, text->length, out, tag) == TABLECRYPT_OK, "a message of a batch does not seal", of);
        return;
    }
    memset(out, 0xa5, text->length);
    if (way == 1) {
        memcpy(out, text->bytes, text->length);
    }
    status = tablecrypt_gcm_seal(gcm, of->nonce.bytes, of->aad.bytes, of->aad.length, way == 1 ? out : text->bytes,
                                 text->length, out, tag);
    must(status == TABLECRYPT_OK, "it does not seal", of);
}

static tablecrypt_status open_by(int way, const tablecrypt_gcm *gcm, const message *of, const uint8_t *tag, uint8_t *out) {
    const field *sealed = &of->ciphertext;
    uint8_t same[16];
    if (way == 2) {
        tablecrypt_status status, first;
        fill(of, sealed, tag);
        status = tablecrypt_gcm_open_many(gcm, batch, BATCH);
        first = taken(of, sealed->length, out, same);
        must(status == first, "a batch has another status than its messages", of);
        return first;
    }
    memset(out, 0xa5, sealed->length);
    if (way == 1) {
        memcpy(out, sealed->bytes, sealed->length);
    }
    return tablecrypt_gcm_open(gcm, of->nonce.bytes, of->aad.bytes, of->aad.length, way == 1 ? out : sealed->bytes,
                               sealed->length, tag, out);
}

static int digit(char c) {
    const char *const digits = "0123456789abcdef";
    const char *const at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static void read_hex(const char *hex, field *out, const message *of) {
    out->length = 0;
    for (; *hex != '\0' && *hex != '\n'; hex += 2) {
        must(digit(hex[0]) >= 0 && digit(hex[1]) >= 0 && out->length < MOST, "not hexadecimal, or too long", of);
        out->bytes[out->length++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
    }
}

/* Reads the next message; 0 at the end. */
static int next(FILE *file, message *of) {
    static char *line;
    static size_t room;
    of->opens = 0;
    while (getline(&line, &room, file) > 0) {
        const struct {
            const char *name;
            field *value;
        } fields[] = {{"key = ", &of->key},   {"nonce = ", &of->nonce},           {"aad = ", &of->aad},
                      {"text = ", &of->text}, {"ciphertext = ", &of->ciphertext}, {"tag = ", &of->tag}};
        size_t i;
        if (strncmp(line, "case = ", 7) == 0) {
            snprintf(of->title, sizeof of->title, "%.*s", (int)strcspn(line, "\n"), line);
        }
        for (i = 0; i < 6; ++i) {
            const size_t length = strlen(fields[i].name);
            if (strncmp(line, fields[i].name, length) == 0) {
                read_hex(line + length, fields[i].value, of);
                of->opens |= i == 3;
                if (i == 5) {
                    must(of->key.length == 32 && of->tag.length >= 4 && of->tag.length <= 16, "no such message", of);
                    must(!of->opens || of->text.length == of->ciphertext.length, "its lengths differ", of);
                    return 1;
                }
            }
        }
    }
    return 0;
}

/* Counts the messages of a file that open, that must be refused, and that have other nonces; asks about all but those. */
static size_t ask(const char *folder, const char *name, size_t counts[3], size_t *noticed) {
    static message of, changed;
    char path[4096];
    size_t answers = 0, all = 0, i;
    FILE *file;
    int way;

    snprintf(path, sizeof path, "%s/%s.txt", folder, name);
    file = fopen(path, "r");
    if (file == NULL) {
        stop("it is not there", path);
    }
    for (; next(file, &of); ++all) {
        ++counts[of.opens ? 0 : 1];
        if (of.nonce.length != 12) {
            ++counts[2];
            continue;
        }
        for (i = 0; i < tablecrypt_backend_count(); ++i) {
            const char *const backend = tablecrypt_backend_name(i);
            tablecrypt_gcm *gcm;
            if (!tablecrypt_backend_is_available(backend)) {
                continue;
            }
            must(tablecrypt_gcm_expand_on(backend, of.key.bytes, &gcm) == TABLECRYPT_OK, "its key does not expand", &of);
            for (way = 0; way < WAYS; ++way) {
                const char *const found = wrong(way, gcm, &of);
                if (found != NULL) {
                    fprintf(stderr, "%s, way %d, %s, ", backend, way, name);
                    stop(found, of.title);
                }
                ++answers;
            }
            /* The control: a changed answer is noticed. */
            changed = of;
            change(&changed, all);
            must(wrong((int)(all % WAYS), gcm, &changed) != NULL, "a changed answer passes", &of);
            ++*noticed;
            tablecrypt_gcm_free(gcm);
        }
    }
    fclose(file);
    return answers;
}

int main(int argc, char **argv) {
    /* As core/tests/published.rs has them: what opens, what is refused, and what has another nonce than of 12 bytes. */
    static const struct {
        const char *name;
        size_t counts[3];
    } files[] = {{"cavp-decrypt", {3956, 3919, 5250}},
                 {"cavp-encrypt", {7875, 0, 5250}},
                 {"wycheproof-gcm", {76, 29, 39}},
                 {"wycheproof-gmac", {30, 108, 69}},
                 {"wycheproof-chunks", {542, 11, 0}}};
    size_t answers = 0, noticed = 0, asked = 0, others = 0, backends = 0, i;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (i = 0; i < sizeof files / sizeof files[0]; ++i) {
        size_t counts[3] = {0};
        answers += ask(argv[1], files[i].name, counts, &noticed);
        if (memcmp(counts, files[i].counts, sizeof counts) != 0) {
            stop("short, or not what it was", files[i].name);
        }
        asked += counts[0] + counts[1] - counts[2];
        others += counts[2];
    }
    for (i = 0; i < tablecrypt_backend_count(); ++i) {
        backends += tablecrypt_backend_is_available(tablecrypt_backend_name(i));
    }
    if (asked != 5938 || backends == 0 || answers != asked * WAYS * backends || noticed != asked * backends) {
        stop("not every answer was asked for", argv[0]);
    }
    printf("published answers from C: %zu messages, %zu backends, %d ways: %zu hold, %zu changed ones noticed; %zu have "
           "other nonces than of 12 bytes\n",
           asked, backends, WAYS, answers, noticed, others);
    return 0;
}
