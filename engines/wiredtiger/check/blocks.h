/* WiredTiger's files as they lie on the disk: the blocks of a data file and the records of a log, with what stays clear of
 * each. Numbers are little-endian.
 *
 *     block    28 page header | 12 block header | encrypted: 4 length, then the record of Tablecrypt | padding
 *     record   16 header | encrypted: 4 length, then the record of Tablecrypt | padding to 128 bytes
 *
 * Read from WiredTiger 3.2.1's src/include/block.h, btmem.h and log.h. */

#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAGE_BLOCK_MANAGER = 1, /* lists of extents: offsets and sizes, which WiredTiger never encrypts */
    PAGE_ROW_LEAF = 7,

    AT_WRITE_GENERATION = 8,
    AT_ENTRIES = 20,
    AT_TYPE = 24,
    AT_FLAGS = 25,
    AT_CHECKSUM = 32,
    BLOCK_HEADER = 40,
    PAGE_ENCRYPTED = 0x08,

    RECORD_AT_CHECKSUM = 4,
    RECORD_HEADER = 16,
    RECORD_UNIT = 128,
    RECORD_SYSTEM = 0x84, /* its first byte: a record of the log's own, an LSN, which WiredTiger never encrypts */
};

struct block {
    size_t offset;
    uint32_t size;
    uint8_t type;
    bool encrypted;
};

/* A whole file; NULL if it cannot be read. */
uint8_t *file_read(const char *path, size_t *length);

/* What kind of file it is. */
bool is_data_file(const uint8_t *file, size_t length);
bool is_log_file(const uint8_t *file, size_t length);

/* The first whole block or record at `offset` or behind it, of those that checksum. */
bool block_next(const uint8_t *file, size_t length, size_t offset, struct block *block);
bool record_next(const uint8_t *file, size_t length, size_t offset, struct block *record);

/* Where what comes after it begins at the earliest. */
size_t block_end(const struct block *block);
size_t record_end(const struct block *record);

/* The checksum that a block or record should have. */
uint32_t block_checksum(const uint8_t *file, const struct block *block);
uint32_t record_checksum(const uint8_t *file, const struct block *record);

uint32_t load32(const uint8_t *from);
void store32(uint8_t *to, uint32_t number);

#endif
