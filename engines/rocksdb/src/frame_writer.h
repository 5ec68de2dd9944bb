// Writes a file of frames: each Append is sealed and handed on at once, as one write. A log's has a frame a record.

#ifndef TABLECRYPT_ROCKSDB_FRAME_WRITER_H
#define TABLECRYPT_ROCKSDB_FRAME_WRITER_H

#include <memory>
#include <string>

#include "frames.h"
#include "log_records.h"
#include "sealed_file.h"

namespace tablecrypt_rocksdb {

class frame_writer final : public sealed_file {
public:
    // A new file, whose header is still to be written: `stored_header`.
    static rocksdb::IOStatus create(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                    const bytes &stored_header, keys &keys, const std::string &path,
                                    std::unique_ptr<frame_writer> *writer);

    // A file that is there, with `number` frames up to `at`, and behind them what a crash left, if `at` is not its end.
    // Nothing is written before the first Append.
    static std::unique_ptr<frame_writer> reopen(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                                std::uint64_t number, std::uint64_t at, std::uint64_t size, bool cut,
                                                keys &keys, const std::string &path);

    ~frame_writer() override;

    // Writes this text, if there is any, and an end mark, for a file that Truncate shortened.
    rocksdb::IOStatus end_again(const rocksdb::Slice &text, const rocksdb::IOOptions &options,
                                rocksdb::IODebugContext *debug);

    using rocksdb::FSWritableFile::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice &data, const rocksdb::IOOptions &options,
                             rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions &options,
                               rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Flush(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Sync(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Close(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug) override;
    std::uint64_t GetFileSize(const rocksdb::IOOptions &, rocksdb::IODebugContext *) override { return size_; }
    // Sync of a log does nothing but that of the file beneath; a whole file's writes its end mark first.
    bool IsSyncThreadSafe() const override { return header_.of != kind::whole && file_->IsSyncThreadSafe(); }
    rocksdb::IOStatus RangeSync(std::uint64_t, std::uint64_t, const rocksdb::IOOptions &options,
                                rocksdb::IODebugContext *debug) override {
        return file_->RangeSync(0, at_, options, debug);
    }

private:
    frame_writer(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header, keys &keys,
                 const std::string &path)
        : sealed_file(std::move(file)), header_(header), keys_(keys), path_(path) {}

    tablecrypt_status seal(const byte *text, std::size_t length, bool end);
    rocksdb::IOStatus write(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus mark(const rocksdb::IOOptions &options, rocksdb::IODebugContext *debug);
    rocksdb::IOStatus broken() const;

    header header_;
    keys &keys_;
    std::string path_;
    log_records records_;       // of a log: where its records end
    bytes out_;                 // sealed, not written
    std::uint64_t number_ = 0;  // of the next frame
    std::uint64_t at_ = 0;      // where it goes
    std::uint64_t size_ = 0;    // of all texts
    std::uint64_t dropped_ = 0;  // bytes of a LOG for which there was no key
    bool marked_ = false;       // the last frame is an end mark
    bool cut_ = false;          // what a crash left stands behind at_, to be cut off at the first Append
    bool failed_ = false;
    bool closed_ = false;
};

}  // namespace tablecrypt_rocksdb

#endif
