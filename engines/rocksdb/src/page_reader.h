// A file of pages, read at random. It reads the pages that are asked for, and no others.
//
//     header, one page | page 0 | page 1 | ... | last page, 0 to text() bytes of text
//
// The last page says that it is the last. It is opened first of all, so that a file that was cut is noticed, at any byte
// and at the boundary of a page too, before anything is read from it.

#ifndef TABLECRYPT_ROCKSDB_PAGE_READER_H
#define TABLECRYPT_ROCKSDB_PAGE_READER_H

#include <memory>
#include <string>

#include "header.h"

namespace tablecrypt_rocksdb {

// Where pages are in a file of this length.
struct geometry {
    std::size_t page = 0;       // stored
    std::uint64_t last = 0;     // number of the last page
    std::size_t last_text = 0;  // bytes of text in it
    bool whole = false;         // false: no writer leaves a file of this length

    geometry(std::size_t page, std::uint64_t stored);
    std::size_t text() const { return page - overhead; }
    std::uint64_t size() const { return last * text() + last_text; }
    std::uint64_t at(std::uint64_t number) const { return (number + 1) * page; }
};

class page_reader final : public rocksdb::FSRandomAccessFile {
public:
    // Checks the last page. `stored` is the length of the file beneath.
    static rocksdb::IOStatus open(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::uint64_t stored,
                                  const header &header, keys &keys, const std::string &path,
                                  std::unique_ptr<page_reader> *reader);

    std::uint64_t size() const { return pages_.size(); }
    const geometry &pages() const { return pages_; }

    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t n, const rocksdb::IOOptions &options,
                           rocksdb::Slice *result, char *scratch, rocksdb::IODebugContext *debug) const override;
    // Declined: RocksDB then reads ahead by itself, in long reads, in which each page is opened once.
    rocksdb::IOStatus Prefetch(std::uint64_t, std::size_t, const rocksdb::IOOptions &,
                               rocksdb::IODebugContext *) override {
        return rocksdb::IOStatus::NotSupported("Prefetch");
    }
    std::size_t GetUniqueId(char *id, std::size_t length) const override { return file_->GetUniqueId(id, length); }
    void Hint(AccessPattern pattern) override { file_->Hint(pattern); }
    // What RocksDB gives us may lie anywhere; for direct I/O it is this class that aligns what the file beneath gets.
    bool use_direct_io() const override { return false; }
    std::size_t GetRequiredBufferAlignment() const override { return 1; }
    rocksdb::IOStatus InvalidateCache(std::size_t, std::size_t) override { return file_->InvalidateCache(0, 0); }
    rocksdb::Temperature GetTemperature() const override { return file_->GetTemperature(); }

private:
    page_reader(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const geometry &pages, const header &header,
                keys &keys, const std::string &path)
        : file_(std::move(file)), pages_(pages), header_(header), keys_(keys), path_(path) {}

    rocksdb::IOStatus open_page(std::uint64_t number, const byte *record, byte *text) const;

    std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
    geometry pages_;
    header header_;
    keys &keys_;
    std::string path_;
};

}  // namespace tablecrypt_rocksdb

#endif
