// What is the same of every file that is sealed as it is written: what RocksDB asks of the file beneath, and no bytes go through.
//
// Not rocksdb::FSWritableFileWrapper, which hands on all there is: a call that a later RocksDB adds must not pass a text in clear.

#ifndef TABLECRYPT_ROCKSDB_SEALED_FILE_H
#define TABLECRYPT_ROCKSDB_SEALED_FILE_H

#include <cstddef>
#include <memory>
#include <utility>

#include <rocksdb/file_system.h>

namespace tablecrypt_rocksdb {

class sealed_file : public rocksdb::FSWritableFile {
public:
    bool use_direct_io() const override { return false; }
    std::size_t GetRequiredBufferAlignment() const override { return 1; }
    void SetWriteLifeTimeHint(rocksdb::Env::WriteLifeTimeHint hint) override { file_->SetWriteLifeTimeHint(hint); }
    rocksdb::Env::WriteLifeTimeHint GetWriteLifeTimeHint() override { return file_->GetWriteLifeTimeHint(); }
    void SetIOPriority(rocksdb::Env::IOPriority priority) override { file_->SetIOPriority(priority); }
    rocksdb::Env::IOPriority GetIOPriority() override { return file_->GetIOPriority(); }
    void SetPreallocationBlockSize(std::size_t size) override { file_->SetPreallocationBlockSize(size); }
    void GetPreallocationStatus(std::size_t *size, std::size_t *last) override {
        file_->GetPreallocationStatus(size, last);
    }
    // The file beneath is prepared, if at all, at each write, at the offset that it has there.
    void PrepareWrite(std::size_t, std::size_t, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {}
    std::size_t GetUniqueId(char *id, std::size_t length) const override { return file_->GetUniqueId(id, length); }
    rocksdb::IOStatus InvalidateCache(std::size_t, std::size_t) override { return file_->InvalidateCache(0, 0); }

protected:
    explicit sealed_file(std::unique_ptr<rocksdb::FSWritableFile> file) : file_(std::move(file)) {}

    std::unique_ptr<rocksdb::FSWritableFile> file_;
};

}  // namespace tablecrypt_rocksdb

#endif
