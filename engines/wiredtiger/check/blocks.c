#include "blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 512, BLOCK_MAGIC = 120897, LOG_MAGIC = 0x101064, DATA_CHECKSUMMED = 0x01, WITHOUT_DATA = 64 };

static uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t length);

uint8_t *file_read(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0 &&
        (bytes = malloc((size_t)size + 1)) != NULL && (*length = fread(bytes, 1, (size_t)size, file)) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    (void)fclose(file);
    return bytes;
}

bool is_data_file(const uint8_t *file, size_t length) {
    return length >= 16 && load32(file) == BLOCK_MAGIC;
}

bool is_log_file(const uint8_t *file, size_t length) {
    return length >= RECORD_UNIT && load32(file + RECORD_HEADER) == LOG_MAGIC;
}

bool block_next(const uint8_t *file, size_t length, size_t offset, struct block *block) {
    for (; offset + BLOCK_HEADER + UNIT / 2 <= length; offset += UNIT) {
        const uint8_t *page = file + offset;
        uint32_t size = load32(page + 28);

        if (size < UNIT || size % UNIT != 0 || size > length - offset || page[AT_TYPE] == 0 || page[AT_TYPE] > PAGE_ROW_LEAF)
            continue;
        *block = (struct block){offset, size, page[AT_TYPE], (page[AT_FLAGS] & PAGE_ENCRYPTED) != 0};
        if (block_checksum(file, block) == load32(page + AT_CHECKSUM))
            return true;
    }
    return false;
}

bool record_next(const uint8_t *file, size_t length, size_t offset, struct block *record) {
    for (; offset + RECORD_UNIT <= length; offset += RECORD_UNIT) {
        uint32_t size = load32(file + offset);

        if (size < RECORD_HEADER || size > length - offset)
            continue;
        *record = (struct block){offset, size, file[offset + RECORD_HEADER], (file[offset + 8] & 0x02) != 0};
        if (record_checksum(file, record) == load32(file + offset + RECORD_AT_CHECKSUM))
            return true;
    }
    return false;
}

size_t block_end(const struct block *block) {
    return block->offset + block->size;
}

size_t record_end(const struct block *record) {
    return record->offset + (record->size + (size_t)RECORD_UNIT - 1) / RECORD_UNIT * RECORD_UNIT;
}

/* Both have a checksum of all of it, or of its first 64 bytes, with zero in the place of the checksum. */
static uint32_t checksum(const uint8_t *bytes, size_t place, size_t length) {
    static const uint8_t zero[4];
    uint32_t crc = crc32c(~(uint32_t)0, bytes, place);

    crc = crc32c(crc, zero, sizeof zero);
    return ~crc32c(crc, bytes + place + sizeof zero, length - place - sizeof zero);
}

uint32_t block_checksum(const uint8_t *file, const struct block *block) {
    const uint8_t *page = file + block->offset;

    return checksum(page, AT_CHECKSUM, page[36] & DATA_CHECKSUMMED ? block->size : WITHOUT_DATA);
}

uint32_t record_checksum(const uint8_t *file, const struct block *record) {
    return checksum(file + record->offset, RECORD_AT_CHECKSUM, record->size);
}

/* CRC-32C, of RFC 3720 B.4, by tables for four bytes at once. */
static uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t length) {
    static uint32_t tables[4][256];

    if (tables[0][1] == 0)
        for (uint32_t byte = 0; byte < 256; ++byte) {
            uint32_t value = byte;

            for (int bit = 0; bit < 8; ++bit)
                value = value >> 1 ^ (value & 1 ? 0x82f63b78 : 0);
            tables[0][byte] = value;
        }
    if (tables[1][1] == 0)
        for (int table = 1; table < 4; ++table)
            for (int byte = 0; byte < 256; ++byte)
                tables[table][byte] = tables[table - 1][byte] >> 8 ^ tables[0][tables[table - 1][byte] & 255];
    for (; length >= 4; bytes += 4, length -= 4) {
        crc ^= load32(bytes);
        crc = tables[3][crc & 255] ^ tables[2][crc >> 8 & 255] ^ tables[1][crc >> 16 & 255] ^ tables[0][crc >> 24];
    }
    while (length-- > 0)
        crc = crc >> 8 ^ tables[0][(crc ^ *bytes++) & 255];
    return crc;
}

uint32_t load32(const uint8_t *from) {
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

void store32(uint8_t *to, uint32_t number) {
    for (int i = 0; i < 4; ++i)
        to[i] = (uint8_t)(number >> 8 * i);
}
