// Plain RocksDB, ours, and RocksDB's own CTR example, side by side: bench FOLDER [keys [rounds]]. And "copy", the control:
// plain, but what is read is read into memory of the thread and copied from there, as every reader has to that opens it.
//
// Each job is done in slices of some 0.1 s, each of them one in turn, so that what else the machine does meets all alike;
// what counts is the median of all slices of all rounds. No compression, no WAL sync, data in the page cache. Point reads
// and scans are run with RocksDB's default block cache (8 MB) and with one that holds nearly nothing (64 KiB). Every value
// read is compared.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/env_encryption.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "tablecrypt_rocksdb.h"

namespace {

void need(bool holds, const std::string &what) {
    if (holds) return;
    std::cerr << "bench: " << what << "\n";
    std::exit(1);
}

void need(const rocksdb::Status &status, const char *what) { need(status.ok(), std::string(what) + ": " + status.ToString()); }

std::string key_of(unsigned number) {
    char text[17];
    std::snprintf(text, sizeof text, "%016u", number);
    return text;
}

// 100 bytes, as db_bench has them.
std::string value_of(unsigned number) {
    std::string value(100, 'v');
    std::mt19937 random(number);
    for (auto &each : value) each = static_cast<char>(random());
    return value;
}

struct contender {
    std::string name;
    std::unique_ptr<rocksdb::Env> env;
    std::string path;
    std::map<std::string, std::vector<double>> seconds;  // of each slice, by job

    double median(const std::string &job) {
        auto &all = seconds[job];
        std::sort(all.begin(), all.end());
        return all[all.size() / 2];
    }
};

std::unique_ptr<rocksdb::Env> sealed(const std::string &folder) {
    auto service = tablecrypt::service::open_local(folder + "/keys");
    need(bool(service), "no service");
    (void)service->create_table({"bench"});
    auto table = service->connect()->open_table("bench");
    need(bool(table), "no table");
    std::shared_ptr<rocksdb::FileSystem> files;
    need(tablecrypt_rocksdb::open_file_system(std::move(*table), {}, &files), "file system");
    return rocksdb::NewCompositeEnv(files);
}

class copying_file final : public rocksdb::FSRandomAccessFileOwnerWrapper {
public:
    using FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;
    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t n, const rocksdb::IOOptions &options, rocksdb::Slice *result,
                           char *scratch, rocksdb::IODebugContext *debug) const override {
        thread_local std::vector<char> room;
        if (room.size() < n) room.resize(n);
        auto status = FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result, room.data(), debug);
        if (status.ok()) std::memcpy(scratch, result->data(), result->size());
        *result = rocksdb::Slice(scratch, result->size());
        return status;
    }
    rocksdb::IOStatus Prefetch(std::uint64_t, std::size_t, const rocksdb::IOOptions &, rocksdb::IODebugContext *) override {
        return rocksdb::IOStatus::NotSupported("Prefetch");
    }
};

class copying final : public rocksdb::FileSystemWrapper {
public:
    copying() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char *Name() const override { return "copying"; }
    rocksdb::IOStatus NewRandomAccessFile(const std::string &path, const rocksdb::FileOptions &options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile> *file,
                                          rocksdb::IODebugContext *debug) override {
        auto status = target()->NewRandomAccessFile(path, options, file, debug);
        if (status.ok()) *file = std::make_unique<copying_file>(std::move(*file));
        return status;
    }
};

// RocksDB's own example: CTR over ROT13, which is not authenticated, and no cipher.
std::unique_ptr<rocksdb::Env> example() {
    std::shared_ptr<rocksdb::EncryptionProvider> provider;
    need(rocksdb::EncryptionProvider::CreateFromString(rocksdb::ConfigOptions(), "CTR://test", &provider), "CTR");
    return std::unique_ptr<rocksdb::Env>(rocksdb::NewEncryptedEnv(rocksdb::Env::Default(), provider));
}

constexpr unsigned slices = 10;

class run {
public:
    run(contender &who, unsigned keys, std::size_t cache) : who_(who), keys_(keys) {
        options_.env = who.env.get();
        options_.create_if_missing = true;
        options_.compression = rocksdb::kNoCompression;
        rocksdb::BlockBasedTableOptions table;
        table.block_cache = rocksdb::NewLRUCache(cache, 0);
        table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
        options_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    }

    void load() {
        std::filesystem::remove_all(who_.path);
        open();
        std::vector<unsigned> order(keys_);
        for (unsigned i = 0; i < keys_; i++) order[i] = i;
        std::shuffle(order.begin(), order.end(), std::mt19937(1));
        timed("load", [&] {
            for (const auto number : order) need(db_->Put({}, key_of(number), values()[number]), "put");
            need(db_->Flush({}), "flush");
        });
        need(db_->CompactRange({}, nullptr, nullptr), "compaction");
        db_.reset();
    }

    void point_reads(const std::string &name, unsigned slice) { reads(name, slice, 0); }

    // Nine reads to a write.
    void mixed(const std::string &name, unsigned slice) { reads(name, slice, 10); }

    void scan(const std::string &name, unsigned) {
        timed(name, [&] {
            const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator({}));
            unsigned number = 0;
            for (rows->SeekToFirst(); rows->Valid(); rows->Next()) number += rows->value() == values()[number];
            need(number == keys_, "a scan that is short");
        });
    }

    void open() {
        rocksdb::DB *opened = nullptr;
        need(rocksdb::DB::Open(options_, who_.path, &opened), "open");
        db_.reset(opened);
    }

private:
    void reads(const std::string &name, unsigned slice, unsigned write_each) {
        std::mt19937 random(slice);
        std::string value;
        timed(name, [&] {
            for (unsigned i = 0; i < keys_ / slices; i++) {
                const auto number = random() % keys_;
                if (write_each != 0 && i % write_each == 0) {
                    need(db_->Put({}, key_of(number), values()[number]), "put");
                } else {
                    need(db_->Get({}, key_of(number), &value), "get");
                    need(value == values()[number], "another value than was put");
                }
            }
        });
    }

    template <class Job>
    void timed(const std::string &name, Job job) {
        const auto begin = std::chrono::steady_clock::now();
        job();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        who_.seconds[name].push_back(took.count());
    }

    // Made once: to make them is no part of what is timed.
    const std::vector<std::string> &values() {
        static std::vector<std::string> made;
        while (made.size() < keys_) made.push_back(value_of(static_cast<unsigned>(made.size())));
        return made;
    }

    contender &who_;
    unsigned keys_;
    rocksdb::Options options_;
    std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

int main(int argc, char **argv) {
    need(argc >= 2, "bench FOLDER [keys [rounds]]");
    const std::string folder = argv[1];
    const auto number = [&](int index, unsigned otherwise) {
        return argc > index ? static_cast<unsigned>(std::strtoul(argv[index], nullptr, 10)) : otherwise;
    };
    const auto keys = number(2, 200000), rounds = number(3, 5);
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);

    std::vector<contender> all;
    all.push_back({"plain", rocksdb::NewCompositeEnv(rocksdb::FileSystem::Default()), folder + "/plain", {}});
    all.push_back({"copy", rocksdb::NewCompositeEnv(std::make_shared<copying>()), folder + "/copy", {}});
    all.push_back({"tablecrypt", sealed(folder), folder + "/sealed", {}});
    all.push_back({"CTR example", example(), folder + "/example", {}});

    const std::size_t none = 64 * 1024, usual = 8 * 1024 * 1024;
    for (unsigned round = 0; round < rounds; round++) {
        for (std::size_t i = 0; i < all.size(); i++) run(all[(i + round) % all.size()], keys, usual).load();
        const auto each = [&](const std::string &name, std::size_t cache, auto job) {
            std::vector<std::unique_ptr<run>> runs;
            for (auto &who : all) runs.push_back(std::make_unique<run>(who, keys, cache));
            for (auto &one : runs) one->open();
            for (unsigned slice = 0; slice < slices; slice++) {
                for (std::size_t i = 0; i < all.size(); i++) (*runs[(i + slice) % all.size()].*job)(name, slice);
            }
        };
        each("point reads, 8 MB cache", usual, &run::point_reads);
        each("point reads, no cache", none, &run::point_reads);
        each("scan, 8 MB cache", usual, &run::scan);
        each("scan, no cache", none, &run::scan);
        each("mixed, 8 MB cache", usual, &run::mixed);
    }

    std::printf("%u keys of 16 bytes with values of 100, median of %u rounds; %% of plain's throughput\n", keys, rounds);
    std::printf("%-26s %10s", "", "plain");
    for (std::size_t i = 1; i < all.size(); i++) std::printf(" %18s", all[i].name.c_str());
    std::printf("\n");
    for (const auto &[job, seconds] : all[0].seconds) {
        const bool whole = job == "load" || job.rfind("scan", 0) == 0;
        const auto plain = all[0].median(job);
        std::printf("%-26s %8.0f/s", job.c_str(), keys / (whole ? 1.0 : slices) / plain);
        for (std::size_t i = 1; i < all.size(); i++) std::printf(" %16.1f %%", 100 * plain / all[i].median(job));
        std::printf("\n");
    }
    for (const auto &who : all) {
        const auto size = [&] {
            std::uintmax_t bytes = 0;
            for (const auto &entry : std::filesystem::directory_iterator(who.path)) {
                if (entry.path().extension() == ".sst") bytes += entry.file_size();
            }
            return bytes;
        };
        std::printf("%s: %.2f MB of SST files\n", who.name.c_str(), static_cast<double>(size()) / 1e6);
    }
    std::filesystem::remove_all(folder);
    return 0;
}
