// Reads a file of frames: from front to end, as RocksDB reads its logs, or at random.

#ifndef TABLECRYPT_ROCKSDB_FRAME_READER_H
#define TABLECRYPT_ROCKSDB_FRAME_READER_H

#include <memory>
#include <string>
#include <vector>

#include "frames.h"

namespace tablecrypt_rocksdb {

// Front to end. What it gives where a log does not end well is what RocksDB's own reader of logs needs, to treat it by
// its recovery mode as it treats a plain log:
//
//     cut     the last frame is not whole   one byte of a header, which is what a plain log that is cut ends with: without
//                                           it a log that lost its end would look whole, and the next one would be
//                                           replayed over the gap
//     bad     a frame does not open         a record header with a wrong checksum, behind all that did open; then, if it
//                                           is asked for more, Corruption. An error at once would lose what was good in
//                                           the block that RocksDB reads
//
// Any other file gives Corruption where it is bad, and where it should be whole and is cut.
class frame_reader final : public rocksdb::FSSequentialFile {
public:
    frame_reader(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const header &header, bool cut_header, keys &keys,
                 const std::string &path)
        : file_(std::move(file)), header_(header), cut_header_(cut_header), keys_(keys), path_(path),
          frames_(*file_, header_, path_) {}

    rocksdb::IOStatus Read(std::size_t n, const rocksdb::IOOptions &options, rocksdb::Slice *result, char *scratch,
                           rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Skip(std::uint64_t n) override;
    std::size_t GetRequiredBufferAlignment() const override { return 1; }
    rocksdb::IOStatus InvalidateCache(std::size_t, std::size_t) override { return file_->InvalidateCache(0, 0); }

private:
    rocksdb::IOStatus more(bool *ended);
    rocksdb::IOStatus at_cut();
    rocksdb::IOStatus at_bad();

    std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
    header header_;
    bool cut_header_;
    keys &keys_;
    std::string path_;
    frames frames_;
    bytes text_;              // of the frame that is being read
    std::size_t from_ = 0;    // what of it is not read yet begins here
    std::uint64_t read_ = 0;  // offset of that in the file
    bool over_ = false;       // nothing follows but end_
    rocksdb::IOStatus end_;
};

// At random: knows where each frame begins. For files that are made whole; RocksDB reads none so that is large.
class frame_index final : public rocksdb::FSRandomAccessFile {
public:
    static rocksdb::IOStatus open(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const header &header, keys &keys,
                                  const std::string &path, std::unique_ptr<frame_index> *index);

    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t n, const rocksdb::IOOptions &options,
                           rocksdb::Slice *result, char *scratch, rocksdb::IODebugContext *debug) const override;
    std::size_t GetUniqueId(char *id, std::size_t length) const override { return file_->GetUniqueId(id, length); }
    std::size_t GetRequiredBufferAlignment() const override { return 1; }

private:
    struct entry {
        std::uint64_t text, at, number;
    };

    frame_index(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const header &header, const std::string &path)
        : file_(std::move(file)), header_(header), path_(path) {}

    std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
    header header_;
    std::string path_;
    std::vector<entry> entries_;
    std::uint64_t size_ = 0;
};

// How many bytes of text a file of frames has, by its frames' lengths; nothing is authenticated.
rocksdb::IOStatus size_of_frames(const rocksdb::FSRandomAccessFile &file, const header &header,
                                 const std::string &path, std::uint64_t *size);

}  // namespace tablecrypt_rocksdb

#endif
