// A file of pages, written from front to end.
//
// RocksDB's own writer says what it is about to append (PrepareWrite), and then gathers up to a megabyte of it. What it
// says tells where blocks begin, and a page ends there: a block is a page, and a point read opens one. Nothing but the
// speed of reads depends on it. The table of pages is written by Sync and by Close; RocksDB reads an SST or blob file only
// after them. What is appended after a Sync is new pages in the table's place; no page is ever written again.

#ifndef TABLECRYPT_ROCKSDB_PAGE_WRITER_H
#define TABLECRYPT_ROCKSDB_PAGE_WRITER_H

#include <deque>
#include <memory>
#include <string>

#include "page_table.h"
#include "sealed_file.h"

namespace tablecrypt_rocksdb {

class page_writer final : public sealed_file {
public:
    // A new file, whose header is still to be written: `stored_header`.
    static rocksdb::IOStatus create(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                    const bytes &stored_header, keys &keys, const std::string &path,
                                    std::unique_ptr<page_writer> *writer);

    // A file that is there, with these pages, and a text that becomes the next. Nothing is written before the first Append.
    static std::unique_ptr<page_writer> reopen(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                               page_table table, bytes tail, keys &keys, const std::string &path);

    ~page_writer() override;

    // Writes the table behind what stands there, for a file that Truncate shortened.
    rocksdb::IOStatus end_again(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) {
        ended_ = false;
        return end(options, debug);
    }

    using rocksdb::FSWritableFile::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice &data, const rocksdb::IOOptions &options,
                             rocksdb::IODebugContext *debug) override;
    void PrepareWrite(std::size_t offset, std::size_t length, const rocksdb::IOOptions &,
                      rocksdb::IODebugContext *) override;
    // To the size that it has: nothing. Shorter: FileSystem::Truncate, when it is closed.
    rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions &options,
                               rocksdb::IODebugContext *debug) override;
    // What is not yet a page stays here: nobody reads it before Sync or Close.
    rocksdb::IOStatus Flush(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Sync(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Close(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    std::uint64_t GetFileSize(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        return table_.size() + tail_.size();
    }
    bool IsSyncThreadSafe() const override { return false; }
    rocksdb::IOStatus RangeSync(std::uint64_t, std::uint64_t, const rocksdb::IOOptions &options,
                                rocksdb::IODebugContext *debug) override {
        return file_->RangeSync(0, written_, options, debug);
    }

private:
    page_writer(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header, keys &keys,
                const std::string &path)
        : sealed_file(std::move(file)), header_(header), keys_(keys), path_(path) {}

    std::uint64_t page_end();
    rocksdb::IOStatus seal(const byte *text, std::size_t length);
    rocksdb::IOStatus write(std::size_t length, std::size_t stays, const rocksdb::IOOptions &options,
                            rocksdb::IODebugContext *debug);
    rocksdb::IOStatus write_pages(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus end(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus resume(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus failed(rocksdb::IOStatus status);

    header header_;
    keys &keys_;
    std::string path_;
    page_table table_;                  // of the pages that are sealed
    bytes tail_;                        // text that is no page yet
    bytes out_;                         // sealed, not written
    std::deque<std::uint64_t> begins_;  // where in the text RocksDB began to append something, from here on
    std::uint64_t prepared_ = 0;        // up to where in the text it said what it would append
    std::uint64_t long_ = 0;            // up to where in the text something goes that is longer than a page
    std::uint64_t written_ = 0;         // bytes in the file that stay as they are
    bool ended_ = false;                // the table is written
    bool reopened_ = false;             // it was there before: the file beneath only appends
    bool positioned_ = false;           // the file beneath is written by offset from now on
    bool failed_ = false;
    bool closed_ = false;
};

}  // namespace tablecrypt_rocksdb

#endif
