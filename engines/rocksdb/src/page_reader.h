// A file of pages, read at random. It reads the pages that are asked for, and no others: a block that RocksDB wrote is
// one page, so a point read opens one.
//
// The table at the file's end says where the pages are. It is opened first of all, so that a file that was cut is noticed,
// at any byte and between two pages too, before anything is read from it.

#ifndef TABLECRYPT_ROCKSDB_PAGE_READER_H
#define TABLECRYPT_ROCKSDB_PAGE_READER_H

#include <memory>
#include <string>

#include "page_table.h"

namespace tablecrypt_rocksdb {

class page_reader final : public rocksdb::FSRandomAccessFile {
public:
    // Opens the table. `stored` is the length of the file beneath.
    static rocksdb::IOStatus open(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::uint64_t stored,
                                  const header &header, keys &keys, const std::string &path,
                                  std::unique_ptr<page_reader> *reader);

    std::uint64_t size() const { return table_.size(); }
    const page_table &table() const { return table_; }

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
    page_reader(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const header &header, keys &keys,
                const std::string &path)
        : file_(std::move(file)), header_(header), keys_(keys), path_(path) {
        if (file_->use_direct_io()) alignment_ = file_->GetRequiredBufferAlignment();
    }

    rocksdb::IOStatus read(std::uint64_t at, std::size_t n, const rocksdb::IOOptions &options, const byte **stored,
                           rocksdb::IODebugContext *debug) const;
    rocksdb::IOStatus open_page(std::uint64_t number, const byte *record, byte *text) const;

    std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
    page_table table_;
    header header_;
    keys &keys_;
    std::string path_;
    std::size_t alignment_ = 1;
};

}  // namespace tablecrypt_rocksdb

#endif
