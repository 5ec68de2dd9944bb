// The main job on RocksDB: flights CSV FOLDER [KEYS]. Writes a year of flights to a base table, a local and a global secondary
// index, each a column family in a folder of its own, under its own structure; opens the database again, asks what
// examples/flights asks, and prints the answers as that example's JSON. Without KEYS, the folder of a service, in clear.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include "tablecrypt_rocksdb.h"

// Keys and values are those of the job on WiredTiger.
extern "C" {
#include "../../wiredtiger/flights/flights.h"
}

namespace {

constexpr struct {
    const char *family, *structure;
    bool (*entry)(const flight *, bytes *, bytes *);
} tables[] = {
    {"default", "base", entry_base},
    {"by-delay", "local:by-delay", entry_by_delay},
    {"by-tail", "global:by-tail", entry_by_tail},
};
enum { base, by_delay, by_tail, table_count, most_delayed = 10 };

// There is nobody to go on for: says what failed, and ends.
void must(const rocksdb::Status &status, const std::string &what) {
    if (status.ok()) return;
    std::cerr << "flights: " << what << ": " << status.ToString() << "\n";
    std::exit(1);
}

rocksdb::Slice slice(const bytes &part) { return {reinterpret_cast<const char *>(part.at), part.length}; }
const std::uint8_t *numbers(const rocksdb::Slice &from) { return reinterpret_cast<const std::uint8_t *>(from.data()); }

class database {
public:
    database(const std::string &folder, const std::string &keys) {
        rocksdb::Options options;
        options.create_if_missing = options.create_missing_column_families = true;
        options.compression = rocksdb::kNoCompression;
        if (!keys.empty()) {
            env_ = sealed(folder, keys);
            options.env = env_.get();
        }
        std::vector<rocksdb::ColumnFamilyDescriptor> families;
        for (const auto &table : tables) {
            rocksdb::ColumnFamilyOptions family(options);
            family.cf_paths.emplace_back(folder + "/" + table.family, std::uint64_t{1} << 40);
            families.emplace_back(table.family, family);
        }
        rocksdb::DB *opened = nullptr;
        must(rocksdb::DB::Open(rocksdb::DBOptions(options), folder + "/db", families, &handles_, &opened), folder);
        db_.reset(opened);
    }
    ~database() {
        for (auto *handle : handles_) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }

    void put(int table, const bytes &key, const bytes &value) {
        must(db_->Put({}, handles_[static_cast<std::size_t>(table)], slice(key), slice(value)), tables[table].family);
    }
    std::string get(int table, const rocksdb::Slice &key) {
        std::string value;
        must(db_->Get({}, handles_[static_cast<std::size_t>(table)], key, &value), "an item that should be there");
        return value;
    }
    std::unique_ptr<rocksdb::Iterator> rows(int table) {
        return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}, handles_[static_cast<std::size_t>(table)]));
    }
    // To SST files, and whole ranges of keys into LOG.
    void compact() {
        for (auto *handle : handles_) {
            must(db_->Flush({}, handle), "flush");
            const rocksdb::Slice from("2013-01-01"), to("N99999");
            must(db_->CompactRange({}, handle, &from, &to), "compaction");
        }
    }

private:
    static std::unique_ptr<rocksdb::Env> sealed(const std::string &folder, const std::string &keys) {
        const auto service = tablecrypt::service::open_local(keys);
        const auto made = service->create_table({"flights", {"by-delay"}, {"by-tail"}});
        must(made == TABLECRYPT_OK || made == TABLECRYPT_TABLE_EXISTS ? rocksdb::Status::OK()
                                                                      : rocksdb::Status::IOError(tablecrypt::message(made)), keys);
        auto table = service->connect()->open_table("flights");
        must(table ? rocksdb::Status::OK() : rocksdb::Status::IOError(table.message()), keys);
        tablecrypt_rocksdb::settings settings;
        for (const auto &each : tables) settings.rules.push_back({folder + "/" + each.family, each.structure});
        settings.report = [](const std::string &sentence) { std::cerr << "flights: " << sentence << "\n"; };
        std::shared_ptr<rocksdb::FileSystem> files;
        must(tablecrypt_rocksdb::open_file_system(std::move(*table), settings, &files), keys);
        return rocksdb::NewCompositeEnv(files);
    }

    std::unique_ptr<rocksdb::Env> env_;
    std::vector<rocksdb::ColumnFamilyHandle *> handles_;
    std::unique_ptr<rocksdb::DB> db_;
};

// Calls `see` with each flight; gives how many.
template <class See>
int each_flight(const char *csv, See see) {
    char *text = text_of(csv);
    must(text != nullptr ? rocksdb::Status::OK() : rocksdb::Status::NotFound("admin/setup data fetches it"), csv);
    flight row_of;
    int count = 0;
    for (char *row = flights_first(text); row != nullptr && (row = flights_next(row, &row_of)) != nullptr; count++) see(row_of);
    std::free(text);
    return count;
}

// The index gives base keys; the base table gives the items.
void ask_of_tail(database &db) {
    bytes prefix = {};
    put_text(&prefix, "N14228");
    std::cout << "\"of_tail\": [";
    const auto rows = db.rows(by_tail);
    const char *comma = "";
    for (rows->Seek(slice(prefix)); rows->Valid() && rows->key().starts_with(slice(prefix)); rows->Next(), comma = ", ") {
        auto key = rows->key();
        key.remove_prefix(prefix.length);
        std::cout << comma << "{\"projected\": \"" << rows->value().ToString() << "\", \"item\": \"" << db.get(base, key) << "\"}";
    }
    must(rows->status(), "by tail");
    std::cout << "], ";
}

// The index alone answers.
void ask_most_delayed(database &db) {
    bytes prefix = {};
    put_text(&prefix, "2013-01-01");
    std::cout << "\"most_delayed\": [";
    const auto rows = db.rows(by_delay);
    int count = 0;
    for (rows->Seek(slice(prefix)); rows->Valid() && rows->key().starts_with(slice(prefix)) && count < most_delayed; rows->Next()) {
        auto rest = rows->key();
        rest.remove_prefix(prefix.length);
        const std::string carrier = rest.data() + 4;
        const auto *flight_number = numbers(rest) + 4 + carrier.size() + 1;
        const auto *origin = reinterpret_cast<const char *>(flight_number + 4);
        std::cout << (count++ == 0 ? "" : ", ") << "{\"minutes\": " << take_descending(numbers(rest)) << ", \"carrier\": \"" << carrier
                  << "\", \"flight\": " << take_number(flight_number) << ", \"origin\": \"" << std::string(origin).c_str()
                  << "\", \"projected\": \"" << rows->value().ToString() << "\"}";
    }
    must(rows->status(), "by delay");
    std::cout << "], ";
}

// One item by its key.
void ask_one(database &db) {
    bytes key = {};
    put_text(&key, "2013-01-01");
    put_text(&key, "UA");
    put_number(&key, 1545);
    put_text(&key, "EWR");
    std::cout << "\"one\": \"" << db.get(base, slice(key)) << "\"";
}

}  // namespace

int main(int argc, char **argv) {
    if (argc < 3) {
        std::cerr << "usage: flights CSV FOLDER [KEYS]\n";
        return 2;
    }
    const char *csv = argv[1];
    const std::string folder = argv[2], keys = argc > 3 ? argv[3] : "";
    std::filesystem::create_directories(folder);
    const auto each_entry = [](const flight &row, auto see) {
        for (int i = 0; i < table_count; i++) {
            bytes key = {}, value = {};
            if (tables[i].entry(&row, &key, &value)) see(i, key, value);
        }
    };
    {
        database db(folder, keys);
        each_flight(csv, [&](const flight &row) {
            each_entry(row, [&](int table, const bytes &key, const bytes &value) { db.put(table, key, value); });
        });
        db.compact();
    }
    database db(folder, keys);
    std::cout << "{\"answers\": {";
    ask_of_tail(db);
    ask_most_delayed(db);
    ask_one(db);
    int found[table_count] = {}, there[table_count] = {};
    const auto items = each_flight(csv, [&](const flight &row) {
        each_entry(row, [&](int table, const bytes &key, const bytes &value) {
            found[table] += slice(value) == db.get(table, slice(key));
        });
    });
    bool equal = found[base] == items;
    for (int i = 0; i < table_count; i++) {
        const auto rows = db.rows(i);
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) there[i]++;
        must(rows->status(), tables[i].family);
        equal &= found[i] == there[i];
    }
    std::cout << "}, \"items\": " << items << ", \"entries\": {\"base\": " << there[base] << ", \"local:by-delay\": " << there[by_delay]
              << ", \"global:by-tail\": " << there[by_tail] << "}, \"every_item_equal\": " << (equal ? "true" : "false") << "}\n";
    return 0;
}
