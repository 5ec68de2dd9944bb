// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// RocksDB on Tablecrypt: a rocksdb::FileSystem whose files are sealed, under the keys of one table.
//
//     tablecrypt_rocksdb::settings settings;
//     settings.rules = {{"/data/db/by-tail", "global:by-tail"}};
//     std::shared_ptr<rocksdb::FileSystem> files;
//     rocksdb::Status status = tablecrypt_rocksdb::open_file_system(std::move(table), settings, &files);
//     std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
//     options.env = env.get();
//
// `table` is a tablecrypt::table of any service, that is under any KMS. The same library, preloaded, gives RocksDB's own
// tools `--fs_uri=tablecrypt://TABLE@FOLDER`: README.md has the commands, FORMAT.md every byte that is stored.
//
// Threads: as RocksDB's.

#ifndef TABLECRYPT_ROCKSDB_H
#define TABLECRYPT_ROCKSDB_H

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/file_system.h>
#include <rocksdb/status.h>

#include "tablecrypt.hpp"

namespace tablecrypt_rocksdb {

// Files at or below `path` are of `structure`: "base", "local:NAME" or "global:NAME". RocksDB does not say which column
// family a file is made for; give a column family its own folder (ColumnFamilyOptions::cf_paths) and a rule for that.
// Of several rules the longest path counts. A file of another structure is not opened there. Where no rule is, new files
// are of `base`, and a file is of the structure that its header names, so that checkpoints and backups open.
struct rule {
    std::string path;
    std::string structure;
};

struct settings {
    std::vector<rule> rules = {};

    // How long an operation waits for a KMS that cannot be reached, before it fails with an IOError. After such a failure
    // RocksDB writes no more until the database is opened again; DB::Resume only says why.
    std::chrono::milliseconds patience = std::chrono::minutes(10);

    // The same for a KMS that says no, until somebody takes that back: a key that was disabled by mistake, and is enabled
    // in that time, then stops nothing. The report hears of the no at once.
    std::chrono::milliseconds refusal_patience = {};

    // How long a last frame of a log, of which only the beginning is there, is waited for before it is taken for what a
    // crash left: another process may just be writing it.
    std::chrono::milliseconds tail = std::chrono::milliseconds(10);

    // Hears, in a sentence, of every refusal: of the KMS, and of what was found changed, moved or cut. Any thread.
    std::function<void(const std::string &)> report = {};

    // Where the sealed files are: the default is RocksDB's own.
    std::shared_ptr<rocksdb::FileSystem> beneath = {};
};

// Makes the file system, which takes the table. InvalidArgument for a rule that cannot be; NotFound for a structure that the table has
// not; IOError where the KMS refuses.
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
rocksdb::Status open_file_system(tablecrypt::table table, const settings &settings,
                                 std::shared_ptr<rocksdb::FileSystem> *files);

}  // namespace tablecrypt_rocksdb

#endif  // TABLECRYPT_ROCKSDB_H
