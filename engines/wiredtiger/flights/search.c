/* Looks for the flights' tail numbers, carriers and dates in every file of folders, as text, in hexadecimal and in base64: search
 * CSV FOLDER... The strings are those of examples/flights/search.rs: six bytes or more, so that random bytes hold none.
 * Prints the hits of each encoding, and the first in each file; its status is 1 if there are any. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "flights.h"

enum { PREFIX = 6, SLOTS = 1 << 19, TEXT = 0, HEX, HEX_CAPITALS, BASE64, ENCODINGS };

static const char *const encodings[ENCODINGS] = {"text", "hex", "hex in capitals", "base64"};

struct needle {
    struct needle *next;
    int encoding;
    size_t length;
    char text[];
};

static struct needle *slots[SLOTS];
static long needles, hits[ENCODINGS], files;

/* The place of six bytes. */
static unsigned slot(const char *text) {
    uint64_t six = 0;

    memcpy(&six, text, PREFIX);
    return (unsigned)(six * 0x9e3779b97f4a7c15 >> 45);
}

static void add(int encoding, const char *text, size_t length) {
    struct needle **place = &slots[slot(text)], *needle;

    for (needle = *place; needle != NULL; needle = needle->next)
        if (needle->length == length && memcmp(needle->text, text, length) == 0)
            return;
    if ((needle = malloc(sizeof *needle + length)) == NULL)
        abort();
    needle->encoding = encoding;
    needle->length = length;
    memcpy(needle->text, text, length);
    needle->next = *place;
    *place = needle;
    ++needles;
}

/* In base64 a string looks otherwise behind none, one or two bytes; of each the letters that are its own alone. */
static void add_base64(const char *text, size_t length) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t before = 0; before < 3; ++before) {
        char encoded[512];
        size_t count = 0;

        for (size_t bit = (before * 8 + 5) / 6 * 6; bit + 6 <= (before + length) * 8; bit += 6) {
            unsigned value = 0;

            for (size_t i = bit; i < bit + 6; ++i)
                value = value << 1 | ((unsigned char)text[i / 8 - before] >> (7 - i % 8) & 1);
            encoded[count++] = letters[value];
        }
        add(BASE64, encoded, count);
    }
}

static void add_all(const char *text, size_t length) {
    char hex[512];

    add(TEXT, text, length);
    for (size_t i = 0; i < length; ++i)
        (void)sprintf(hex + 2 * i, "%02x", (unsigned char)text[i]);
    add(HEX, hex, 2 * length);
    for (size_t i = 0; i < length; ++i)
        (void)sprintf(hex + 2 * i, "%02X", (unsigned char)text[i]);
    add(HEX_CAPITALS, hex, 2 * length);
    add_base64(text, length);
}

static void add_flights(char *csv) {
    struct flight flight;
    char text[256];

    for (char *row = flights_first(csv); row != NULL && (row = flights_next(row, &flight)) != NULL;) {
        if (strcmp(flight.field[TAILNUM], "NA") != 0) {
            int length = snprintf(text, sizeof text, "%s,", flight.field[TAILNUM]);

            if (length >= PREFIX)
                add_all(text, (size_t)length);
            text[length - 1] = '\0'; /* in a key */
            if (length >= PREFIX)
                add_all(text, (size_t)length);
        }
        add_all(text, (size_t)snprintf(text, sizeof text, ",%s,%s,", flight.field[CARRIER], flight.field[FLIGHT]));
        add_all(text, (size_t)snprintf(text, sizeof text, "%s-%02d-", flight.field[YEAR], atoi(flight.field[MONTH])));
    }
}

static void search(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat status;
    char *bytes = NULL;
    bool first = true;
    size_t length;

    if (file == NULL || fstat(fileno(file), &status) != 0 || (bytes = malloc((size_t)status.st_size + 8)) == NULL) {
        fprintf(stderr, "search: %s cannot be read\n", path);
        exit(2);
    }
    length = fread(bytes, 1, (size_t)status.st_size, file);
    ++files;
    for (size_t at = 0; at + PREFIX <= length; ++at)
        for (const struct needle *needle = slots[slot(bytes + at)]; needle != NULL; needle = needle->next)
            if (needle->length <= length - at && memcmp(needle->text, bytes + at, needle->length) == 0) {
                ++hits[needle->encoding];
                if (first)
                    printf("  %s, byte %zu: %s\n", path, at, encodings[needle->encoding]);
                first = false;
            }
    free(bytes);
    (void)fclose(file);
}

static void search_below(const char *folder) {
    DIR *directory = opendir(folder);
    struct dirent *entry;
    struct stat status;
    char path[4096];

    if (directory == NULL) {
        fprintf(stderr, "search: %s cannot be read\n", folder);
        exit(2);
    }
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path || stat(path, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            search_below(path);
        else
            search(path);
    }
    (void)closedir(directory);
}

int main(int argc, char **argv) {
    char *csv = argc < 3 ? NULL : text_of(argv[1]);
    long all = 0;

    if (csv == NULL) {
        fprintf(stderr, "usage: search CSV FOLDER...\n");
        return 2;
    }
    add_flights(csv);
    free(csv);
    for (int i = 2; i < argc; ++i)
        search_below(argv[i]);
    printf("%ld strings in %ld files:", needles, files);
    for (int i = 0; i < ENCODINGS; ++i) {
        printf("%s %ld as %s", i == 0 ? "" : ",", hits[i], encodings[i]);
        all += hits[i];
    }
    printf("\n");
    return all == 0 ? 0 : 1;
}
