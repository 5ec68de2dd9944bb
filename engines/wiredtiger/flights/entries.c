#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flights.h"

static void date(const struct flight *flight, char text[32]) {
    (void)snprintf(text, 32, "%s-%02d-%02d", flight->field[YEAR], atoi(flight->field[MONTH]), atoi(flight->field[DAY]));
}

static void put_flight(struct bytes *key, const struct flight *flight) {
    put_text(key, flight->field[CARRIER]);
    put_number(key, (uint32_t)atoi(flight->field[FLIGHT]));
    put_text(key, flight->field[ORIGIN]);
}

static bool is_na(const char *field) {
    return strcmp(field, "NA") == 0;
}

char *flights_first(char *csv) {
    char *end = strchr(csv, '\n');

    return end == NULL ? NULL : end + 1;
}

char *flights_next(char *row, struct flight *flight) {
    char *end = strchr(row, '\n'), *place = flight->fields;
    int column = 0;

    if (*row == '\0')
        return NULL;
    if (end != NULL)
        *end = '\0';
    flight->text = row;
    if (strlen(row) >= sizeof flight->fields)
        return NULL;
    (void)strcpy(flight->fields, row);
    for (flight->field[column++] = place; (place = strchr(place, ',')) != NULL && column < COLUMNS; flight->field[column++] = place)
        *place++ = '\0';
    return column == COLUMNS ? (end == NULL ? row + strlen(row) : end + 1) : NULL;
}

bool entry_base(const struct flight *flight, struct bytes *key, struct bytes *value) {
    char day[32];

    key->length = 0;
    date(flight, day);
    put_text(key, day);
    put_flight(key, flight);
    value->length = strlen(flight->text);
    memcpy(value->at, flight->text, value->length);
    return true;
}

bool entry_by_delay(const struct flight *flight, struct bytes *key, struct bytes *value) {
    char day[32];

    if (is_na(flight->field[DEP_DELAY]))
        return false;
    key->length = 0;
    date(flight, day);
    put_text(key, day);
    put_descending(key, atoi(flight->field[DEP_DELAY]));
    put_flight(key, flight);
    value->length = (size_t)snprintf((char *)value->at, sizeof value->at, "%s,%s,%s,%s", flight->field[TAILNUM],
                                     flight->field[DEST], flight->field[SCHED_DEP_TIME], flight->field[ARR_DELAY]);
    return true;
}

bool entry_by_tail(const struct flight *flight, struct bytes *key, struct bytes *value) {
    char day[32];

    if (is_na(flight->field[TAILNUM]))
        return false;
    key->length = 0;
    date(flight, day);
    put_text(key, flight->field[TAILNUM]);
    put_text(key, day);
    put_flight(key, flight);
    value->length = (size_t)snprintf((char *)value->at, sizeof value->at, "%s,%s,%s", flight->field[DEST],
                                     flight->field[DEP_DELAY], flight->field[ARR_DELAY]);
    return true;
}

void put_text(struct bytes *key, const char *text) {
    size_t length = strlen(text) + 1;

    memcpy(key->at + key->length, text, length);
    key->length += length;
}

void put_number(struct bytes *key, uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8)
        key->at[key->length++] = (uint8_t)(number >> shift);
}

void put_descending(struct bytes *key, int32_t number) {
    put_number(key, ~((uint32_t)number ^ (uint32_t)1 << 31));
}

uint32_t take_number(const uint8_t *from) {
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

int32_t take_descending(const uint8_t *from) {
    return (int32_t)(~take_number(from) ^ (uint32_t)1 << 31);
}

char *text_of(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long length;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0 &&
        (text = malloc((size_t)length + 1)) != NULL)
        text[fread(text, 1, (size_t)length, file)] = '\0';
    (void)fclose(file);
    return text;
}
