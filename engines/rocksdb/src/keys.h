// The structures of the table, opened when a file first names them; sealing and opening under them, with patience.
//
// A KMS that cannot be reached only delays: a call is tried again until the patience is over. So does one that says no, if
// there is a patience for that. Then both give an IOError, on which RocksDB writes no more until it is opened again; what
// does not open is a Corruption. Each is told to the report.

#ifndef TABLECRYPT_ROCKSDB_KEYS_H
#define TABLECRYPT_ROCKSDB_KEYS_H

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <rocksdb/io_status.h>

#include "place.h"
#include "tablecrypt.hpp"
#include "tablecrypt_rocksdb.h"

namespace tablecrypt_rocksdb {

inline constexpr std::size_t overhead = TABLECRYPT_OVERHEAD;

class keys;

class structure {
public:
    structure(tablecrypt::structure handle, std::string name, const keys &all)
        : handle_(std::move(handle)), name_(std::move(name)), all_(all) {}

    const std::string &name() const { return name_; }

    // Seals `text` into `record`, which has `overhead` bytes more. With `wait` for a KMS that cannot be reached.
    tablecrypt_status seal(const byte *context, std::size_t context_length, const byte *text, std::size_t text_length,
                           byte *record, bool wait = true) const;

    // Opens `record` into `text`, which has `overhead` bytes less.
    tablecrypt_status open(const byte *context, std::size_t context_length, const byte *record,
                           std::size_t record_length, byte *text) const;

    // What RocksDB is told of a status that is not OK, and the report too.
    rocksdb::IOStatus refusal(tablecrypt_status status, const std::string &path, const std::string &what) const;

private:
    template <class Call>
    tablecrypt_status patiently(tablecrypt_status first, Call call) const;

    tablecrypt::structure handle_;
    std::string name_;
    const keys &all_;
};

class keys {
public:
    keys(tablecrypt::table table, const settings &settings)
        : table_(std::move(table)),
          patience_(settings.patience),
          refusal_patience_(settings.refusal_patience),
          tail_(settings.tail),
          report_(settings.report) {}
    keys(const keys &) = delete;
    keys &operator=(const keys &) = delete;

    // The structure of this name: it lives as long as the keys do.
    tablecrypt_status find(const std::string &name, const structure **found);

    // How long what got this answer is tried again.
    std::chrono::milliseconds patience_with(tablecrypt_status status) const;
    std::chrono::milliseconds tail() const { return tail_; }

    // Tells the report, and gives what it was told.
    const std::string &report(const std::string &sentence) const {
        if (report_) report_(sentence);
        return sentence;
    }

    // A Corruption that is told to the report.
    rocksdb::IOStatus corruption(const std::string &path, const std::string &what) const {
        return rocksdb::IOStatus::Corruption(report(path + ": " + what));
    }

private:
    tablecrypt::table table_;
    std::chrono::milliseconds patience_, refusal_patience_, tail_;
    std::function<void(const std::string &)> report_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<structure>> structures_;
};

// What RocksDB is told of a status: Corruption for what is not what was written, else an IOError.
rocksdb::IOStatus io_status(tablecrypt_status status, const std::string &sentence);

}  // namespace tablecrypt_rocksdb

#endif
