// A file of pages, written from front to end.
//
// The last page is sealed by Sync and by Close; RocksDB reads an SST or blob file only after them. If more is appended
// after a Sync, that page is written again, in the same place and with its new text; no page before it ever is.

#ifndef TABLECRYPT_ROCKSDB_PAGE_WRITER_H
#define TABLECRYPT_ROCKSDB_PAGE_WRITER_H

#include <memory>
#include <string>

#include "header.h"
#include "page_reader.h"
#include "sealed_file.h"

namespace tablecrypt_rocksdb {

class page_writer final : public sealed_file {
public:
    // A new file, whose header is still to be written: `stored_header`.
    static rocksdb::IOStatus create(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                    const bytes &stored_header, keys &keys, const std::string &path,
                                    std::unique_ptr<page_writer> *writer);

    // A file that is there: `tail` is the text of its last page. Nothing is written before the first Append.
    static std::unique_ptr<page_writer> reopen(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                               const geometry &pages, bytes tail, keys &keys, const std::string &path);

    ~page_writer() override;

    // Writes the last page behind what stands there, for a file that Truncate shortened.
    rocksdb::IOStatus end_again(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) {
        ended_ = false;
        return end(options, debug);
    }

    using rocksdb::FSWritableFile::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice &data, const rocksdb::IOOptions &options,
                             rocksdb::IODebugContext *debug) override;
    // To the size that it has: nothing. Shorter: FileSystem::Truncate, when it is closed.
    rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions &options,
                               rocksdb::IODebugContext *debug) override;
    // What is not yet a page stays here: nobody reads it before Sync or Close.
    rocksdb::IOStatus Flush(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Sync(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Close(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    std::uint64_t GetFileSize(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        return number_ * text() + tail_.size();
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

    std::size_t text() const { return header_.page - overhead; }
    rocksdb::IOStatus seal(const byte *text, std::size_t length, bool last);
    rocksdb::IOStatus write(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus end(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus resume(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus failed(rocksdb::IOStatus status);

    header header_;
    keys &keys_;
    std::string path_;
    bytes tail_;                 // text that is no full page yet
    bytes out_;                  // sealed, not written
    std::uint64_t number_ = 0;   // of the page that tail_ becomes
    std::uint64_t written_ = 0;  // bytes in the file, without the last page
    bool ended_ = false;         // tail_ is written, as the last page
    bool reopened_ = false;      // it was there before: the file beneath only appends
    bool positioned_ = false;    // the file beneath is written by offset from now on
    bool failed_ = false;
    bool closed_ = false;
};

}  // namespace tablecrypt_rocksdb

#endif
