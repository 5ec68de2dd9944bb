// The FileSystem: which class reads or writes a file, and what RocksDB is told of sizes. All else is the one beneath's.

#ifndef TABLECRYPT_ROCKSDB_FILE_SYSTEM_H
#define TABLECRYPT_ROCKSDB_FILE_SYSTEM_H

#include <memory>
#include <string>
#include <vector>

#include "header.h"
#include "keys.h"
#include "rules.h"

namespace tablecrypt_rocksdb {

class file_system final : public rocksdb::FileSystemWrapper {
public:
    file_system(tablecrypt::table table, const settings &settings)
        : rocksdb::FileSystemWrapper(settings.beneath ? settings.beneath : rocksdb::FileSystem::Default()),
          keys_(std::move(table), settings), rules_(settings.rules) {}

    static const char *kClassName() { return "tablecrypt"; }
    const char *Name() const override { return kClassName(); }

    // Finds the structures that rules name.
    rocksdb::IOStatus check(const settings &settings);

    rocksdb::IOStatus NewSequentialFile(const std::string &path, const rocksdb::FileOptions &options,
                                        std::unique_ptr<rocksdb::FSSequentialFile> *file,
                                        rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus NewRandomAccessFile(const std::string &path, const rocksdb::FileOptions &options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile> *file,
                                          rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus NewWritableFile(const std::string &path, const rocksdb::FileOptions &options,
                                      std::unique_ptr<rocksdb::FSWritableFile> *file,
                                      rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus ReopenWritableFile(const std::string &path, const rocksdb::FileOptions &options,
                                         std::unique_ptr<rocksdb::FSWritableFile> *file,
                                         rocksdb::IODebugContext *debug) override;
    // The old file's blocks are not used again: a new file has a new id.
    rocksdb::IOStatus ReuseWritableFile(const std::string &path, const std::string &old,
                                        const rocksdb::FileOptions &options,
                                        std::unique_ptr<rocksdb::FSWritableFile> *file,
                                        rocksdb::IODebugContext *debug) override;
    // Refused: what is sealed is not written in its middle. RocksDB asks for it only to write a global sequence number
    // into an ingested file (IngestExternalFileOptions::write_global_seqno, which is off).
    rocksdb::IOStatus NewRandomRWFile(const std::string &path, const rocksdb::FileOptions &options,
                                      std::unique_ptr<rocksdb::FSRandomRWFile> *file,
                                      rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus NewMemoryMappedFileBuffer(const std::string &path,
                                                std::unique_ptr<rocksdb::MemoryMappedFileBuffer> *buffer) override;

    rocksdb::IOStatus GetFileSize(const std::string &path, const rocksdb::IOOptions &options, std::uint64_t *size,
                                  rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus GetChildrenFileAttributes(const std::string &folder, const rocksdb::IOOptions &options,
                                                std::vector<rocksdb::FileAttributes> *files,
                                                rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus Truncate(const std::string &path, std::size_t size, const rocksdb::IOOptions &options,
                               rocksdb::IODebugContext *debug) override;
    // A file keeps its structure under a new name. Where a rule wants another, this is NotSupported, and RocksDB copies,
    // which seals it anew.
    rocksdb::IOStatus RenameFile(const std::string &from, const std::string &to, const rocksdb::IOOptions &options,
                                 rocksdb::IODebugContext *debug) override;
    rocksdb::IOStatus LinkFile(const std::string &from, const std::string &to, const rocksdb::IOOptions &options,
                               rocksdb::IODebugContext *debug) override;

    // Through NewWritableFile: LOG is sealed too.
    rocksdb::IOStatus NewLogger(const std::string &path, const rocksdb::IOOptions &options,
                                std::shared_ptr<rocksdb::Logger> *logger, rocksdb::IODebugContext *debug) override {
        return rocksdb::FileSystem::NewLogger(path, options, logger, debug);
    }

private:
    struct opened {
        std::unique_ptr<rocksdb::FSRandomAccessFile> file;
        header its_header;
        std::uint64_t stored = 0;
        bool cut = false;
    };

    rocksdb::IOStatus open(const std::string &path, rocksdb::FileOptions options, bool direct, opened *opened,
                           rocksdb::IODebugContext *debug);
    rocksdb::IOStatus may_be_called(const std::string &from, const std::string &to, rocksdb::IODebugContext *debug);

    keys keys_;
    rules rules_;
};

}  // namespace tablecrypt_rocksdb

#endif
