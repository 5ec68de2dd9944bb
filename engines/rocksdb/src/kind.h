// What kind of file a name stands for: how it is stored, and what its end must be.

#ifndef TABLECRYPT_ROCKSDB_KIND_H
#define TABLECRYPT_ROCKSDB_KIND_H

#include <string>

#include "bytes.h"

namespace tablecrypt_rocksdb {

enum class kind : byte {
    pages = 1,     // SST and blob files: read at random, and whole only when they are closed
    wal = 2,       // a log that a crash may cut: RocksDB decides what a cut or changed end means
    manifest = 3,  // a log that a crash may cut, but not change
    whole = 4,     // CURRENT, IDENTITY, OPTIONS and all others: without an end mark something is missing
    text = 5,      // LOG: for people; may end anywhere
};

// By the last part of the path. What RocksDB renames later keeps the kind it was made with: that is in its header.
kind kind_of(const std::string &path);

inline bool is_kind(byte number) { return number >= 1 && number <= 5; }

}  // namespace tablecrypt_rocksdb

#endif
