/* The year of flights of examples/flights, as WiredTiger stores it. Keys and values are that example's, byte for byte:
 *
 *     base       date | carrier | flight | origin                        all attributes
 *     by-delay   date | departure delay, greatest first | the rest      tailnum dest sched_dep_time arr_delay
 *     by-tail    tail number | base key                                 dest dep_delay arr_delay
 */

#ifndef FLIGHTS_H
#define FLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COLUMNS = 19 };
enum column { YEAR, MONTH, DAY, DEP_DELAY = 5, SCHED_DEP_TIME = 4, ARR_DELAY = 8, CARRIER, FLIGHT, TAILNUM, ORIGIN, DEST };

struct flight {
    const char *text; /* the row, which is the item */
    const char *field[COLUMNS];
    char fields[512];
};

struct bytes {
    uint8_t at[512];
    size_t length;
};

/* The rows of flights.csv behind its header, one after the other: takes it apart, and gives the next one. NULL at the end. */
char *flights_first(char *csv);
char *flights_next(char *row, struct flight *flight);

/* The flight's entry in the base table, the index by delay or by tail; false if it is not in it. */
bool entry_base(const struct flight *flight, struct bytes *key, struct bytes *value);
bool entry_by_delay(const struct flight *flight, struct bytes *key, struct bytes *value);
bool entry_by_tail(const struct flight *flight, struct bytes *key, struct bytes *value);

/* Parts of a key. */
void put_text(struct bytes *key, const char *text);
void put_number(struct bytes *key, uint32_t number);
void put_descending(struct bytes *key, int32_t number);
uint32_t take_number(const uint8_t *from);
int32_t take_descending(const uint8_t *from);

/* The whole of a file, with a NUL behind it. */
char *text_of(const char *path);

#endif
