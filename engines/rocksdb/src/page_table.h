// Where the pages of a file are. They are as long as what RocksDB wrote at once, mostly: a block and its checksum.
//
//     header | page 0 | page 1 | ... | record of the table | 8 size of the text | 8 number of pages
//              `-- its text and 48 bytes
//
// The table's text is the length of each page's text, less 1, in 2 bytes. Its context is the place behind the last page,
// with the bit that says that the file ends, and the two numbers: so the table says how long the file is.

#ifndef TABLECRYPT_ROCKSDB_PAGE_TABLE_H
#define TABLECRYPT_ROCKSDB_PAGE_TABLE_H

#include "header.h"

namespace tablecrypt_rocksdb {

class page_table {
public:
    // The longest text of a page.
    static constexpr std::size_t longest = 65536;

    std::uint64_t count() const { return starts_.size() - 1; }
    // Of the text of all pages.
    std::uint64_t size() const { return starts_.back(); }
    // The text of a page: where it begins, and how long it is.
    std::uint64_t start(std::uint64_t number) const { return starts_[number]; }
    std::size_t length(std::uint64_t number) const {
        return static_cast<std::size_t>(starts_[number + 1] - starts_[number]);
    }
    // Where a page is stored, behind the header; with `count()`, where the table is.
    std::uint64_t at(std::uint64_t number) const { return starts_[number] + number * overhead; }
    // The page that has this byte of the text.
    std::uint64_t page_of(std::uint64_t offset) const;

    // One more page.
    void add(std::size_t length);
    // Only the first pages, as many as these.
    void cut(std::uint64_t count);

    // Seals the table behind `out`: what a file ends with. OK, or what the key's owner says.
    tablecrypt_status seal(const header &header, bytes *out) const;

    // What a file ends with, in clear: size and number of pages.
    static constexpr std::size_t numbers = 16;

    // How long the text of a file is by these numbers, which are not authenticated; false where they are not those of a
    // file of this length. `length` is that of the table's record and the numbers.
    static bool peek(const byte *end, const header &header, std::uint64_t stored, std::uint64_t *size,
                     std::size_t *length);

    // Opens what a file ends with.
    tablecrypt_status open(const header &header, const byte *stored, std::size_t length);

private:
    static constexpr std::size_t span = 4096;

    std::vector<std::uint64_t> starts_ = {0};  // and, last, where the text ends
    std::vector<std::uint32_t> pages_;         // of each span of the text: the page that has its first byte
};

}  // namespace tablecrypt_rocksdb

#endif
