// Databases: written, opened again, and read by every road that RocksDB has; copied, and the copies opened and read.

#include <filesystem>
#include <map>

#include <rocksdb/convenience.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/backup_engine.h>
#include <rocksdb/utilities/checkpoint.h>

#include "site.h"

namespace {

constexpr int count = 12000;

void fill(rocksdb::DB &db, int from, int to, rocksdb::ColumnFamilyHandle *family = nullptr) {
    for (int i = from; i < to; i++) {
        CHECK_OK(db.Put({}, family ? family : db.DefaultColumnFamily(), key_of(i), value_of(i)));
    }
}

// By single reads, by MultiGet, and by iterators, with and without reading ahead.
bool holds(rocksdb::DB &db, int from, int to, rocksdb::ColumnFamilyHandle *family = nullptr) {
    if (family == nullptr) family = db.DefaultColumnFamily();
    bool all = true;
    for (int i = from; i < to; i += 7) {
        std::string value;
        all &= db.Get({}, family, key_of(i), &value).ok() && value == value_of(i);
    }
    rocksdb::ReadOptions asynchronous;
    asynchronous.async_io = true;
    constexpr int batch = 32;
    for (int i = from; i + batch <= to; i += 10 * batch) {
        std::vector<std::string> names;
        std::vector<rocksdb::Slice> keys;
        for (int j = 0; j < batch; j++) names.push_back(key_of(i + j));
        for (const auto &name : names) keys.emplace_back(name);
        std::vector<rocksdb::PinnableSlice> values(batch);
        std::vector<rocksdb::Status> statuses(batch);
        db.MultiGet(asynchronous, family, batch, keys.data(), values.data(), statuses.data());
        for (int j = 0; j < batch; j++) all &= statuses[j].ok() && values[j] == value_of(i + j);
    }
    for (const bool ahead : {false, true}) {
        rocksdb::ReadOptions options;
        options.async_io = ahead;
        options.readahead_size = ahead ? 64 * 1024 : 0;
        const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(options, family));
        int i = from;
        for (rows->Seek(key_of(from)); rows->Valid() && i < to; rows->Next(), i++) {
            all &= rows->key() == key_of(i) && rows->value() == value_of(i);
        }
        all &= rows->status().ok() && i == to;
    }
    return all && db.VerifyChecksum().ok();
}

// Writes, reads, compacts, and does so again after it was opened anew, from its files and from its WAL.
void test_options(const std::string &name, std::function<void(rocksdb::Options &)> change) {
    site site("options");
    auto options = options_on(site.env());
    options.write_buffer_size = 512 * 1024;
    change(options);
    const auto path = site.at("db");
    database db;
    auto status = open(options, path, &db);
    if (!status.ok()) {
        checked(false, __FILE__, __LINE__, name + ": " + status.ToString());
        return;
    }
    fill(*db, 0, count);
    checked(holds(*db, 0, count), __FILE__, __LINE__, name + ": as it was written");
    CHECK_OK(db->FlushWAL(true));
    db.reset();
    CHECK_OK(open(options, path, &db));
    checked(holds(*db, 0, count), __FILE__, __LINE__, name + ": opened again");
    fill(*db, count, 2 * count);
    CHECK_OK(db->CompactRange({}, nullptr, nullptr));
    fill(*db, 2 * count, 2 * count + 100);
    CHECK_OK(db->FlushWAL(true));
    db.reset();
    CHECK_OK(open(options, path, &db));
    checked(holds(*db, 0, 2 * count + 100), __FILE__, __LINE__, name + ": compacted and opened again");
    CHECK(site.reports().empty());
}

void test_ways_to_open() {
    test_options("as RocksDB is", [](auto &) {});
    test_options("direct I/O", [](auto &options) {
        options.use_direct_reads = options.use_direct_io_for_flush_and_compaction = true;
    });
    test_options("mapped files", [](auto &options) { options.allow_mmap_reads = options.allow_mmap_writes = true; });
    test_options("blob files", [](auto &options) {
        options.enable_blob_files = true, options.min_blob_size = 50, options.enable_blob_garbage_collection = true;
        options.blob_garbage_collection_age_cutoff = 1.0;
    });
    test_options("WALs used again", [](auto &options) {
        options.recycle_log_file_num = 2, options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    });
    test_options("WALs kept", [](auto &options) {
        options.avoid_flush_during_recovery = options.avoid_flush_during_shutdown = true, options.manual_wal_flush = true;
        options.write_buffer_size = 64 * 1024 * 1024, options.track_and_verify_wals_in_manifest = true;
    });
    test_options("absolute consistency", [](auto &options) {
        options.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency, options.paranoid_file_checks = true;
        options.bytes_per_sync = options.wal_bytes_per_sync = 32 * 1024, options.strict_bytes_per_sync = true;
    });
    for (const std::size_t size : {100u, 4096u, 65536u, 200000u}) {
        for (const bool aligned : {false, true}) {
            rocksdb::BlockBasedTableOptions table;
            table.block_size = size, table.block_align = aligned && size != 100 && size != 200000;
            test_options("blocks of " + std::to_string(size), [&](auto &options) {
                options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
            });
        }
    }
}

// Direct I/O is really used, and the file beneath gets what it wants: the kernel refuses else.
void test_direct_io_is_direct() {
    site site("direct");
    const auto path = site.at("000001.sst");
    rocksdb::FileOptions direct;
    direct.use_direct_writes = direct.use_direct_reads = true;
    const auto files = site.files();
    std::unique_ptr<rocksdb::FSWritableFile> file;
    CHECK_OK(files->NewWritableFile(path, direct, &file, nullptr));
    std::string text;
    for (int i = 0; i < 40000; i++) text += static_cast<char>(i * 7 / 3);
    for (const std::size_t at : {0u, 5000u, 5100u, 30000u}) {
        const auto length = (at == 0 ? 5000u : at == 5000 ? 100u : at == 5100 ? 24900u : 10000u);
        for (std::size_t block = 0; block < length; block += 2000) file->PrepareWrite(at + block, 1990, {}, nullptr);
        CHECK_OK(file->Append(rocksdb::Slice(text.data() + at, length), {}, nullptr));
        if (at != 5100) CHECK_OK(file->Sync({}, nullptr));
    }
    CHECK_OK(file->Close({}, nullptr));
    CHECK(!file->use_direct_io());
    std::unique_ptr<rocksdb::FSRandomAccessFile> read;
    CHECK_OK(files->NewRandomAccessFile(path, direct, &read, nullptr));
    std::string scratch(text.size(), ' ');
    rocksdb::Slice got;
    CHECK_OK(read->Read(0, text.size(), {}, &got, scratch.data(), nullptr));
    CHECK(got == text);
    for (std::size_t at = 0; at < text.size(); at += 777) {
        CHECK_OK(read->Read(at, 3000, {}, &got, scratch.data(), nullptr));
        CHECK(got == text.substr(at, 3000));
    }
    CHECK_OK(read->Read(39990, 100, {}, &got, scratch.data(), nullptr));
    CHECK(got == text.substr(39990));
}

// Each column family in its own folder, under its own structure.
struct families {
    explicit families(site &site, rocksdb::Env *env, const std::string &path) {
        options = options_on(env);
        for (const auto *name : {"default", "by-delay", "by-tail"}) {
            rocksdb::ColumnFamilyOptions family(options);
            family.cf_paths.emplace_back(site.at(name), 1 << 30);
            descriptors.emplace_back(name, family);
        }
        rocksdb::DB *opened = nullptr;
        CHECK_OK(rocksdb::DB::Open(rocksdb::DBOptions(options), path, descriptors, &handles, &opened));
        db.reset(opened);
    }
    ~families() { close(); }
    void close() {
        for (auto *handle : handles) CHECK_OK(db->DestroyColumnFamilyHandle(handle));
        handles.clear();
        db.reset();
    }

    rocksdb::Options options;
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    std::vector<rocksdb::ColumnFamilyHandle *> handles;
    database db;
};

tablecrypt_rocksdb::settings rules_of(site &site) {
    tablecrypt_rocksdb::settings settings;
    settings.rules = {{site.at("by-delay"), "local:by-delay"}, {site.at("by-tail"), "global:by-tail"}};
    return settings;
}

std::string structure_of(const std::string &path) {
    const auto header = stored(path).substr(0, 300);
    return header.substr(32, static_cast<unsigned char>(header[11]));
}

void test_structures() {
    site site("structures");
    const auto settings = rules_of(site);
    auto *const env = site.env(settings);
    {
        families one(site, env, site.at("db"));
        for (auto *handle : one.handles) {
            fill(*one.db, 0, count, handle);
            CHECK_OK(one.db->Flush({}, handle));
        }
        for (auto *handle : one.handles) CHECK(holds(*one.db, 0, count, handle));
    }
    const std::map<std::string, std::string> expected = {
        {"default", "base"}, {"by-delay", "local:by-delay"}, {"by-tail", "global:by-tail"}};
    for (const auto &[folder, structure] : expected) {
        const auto files = files_of(site.at(folder), ".sst");
        CHECK(!files.empty());
        for (const auto &file : files) CHECK(structure_of(file) == structure);
    }
    families again(site, env, site.at("db"));
    for (auto *handle : again.handles) CHECK(holds(*again.db, 0, count, handle));

    // Ingested from elsewhere: copied, and so sealed anew under the family's key; also where it was to be moved.
    for (const bool move : {false, true}) {
        rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), again.options);
        const auto from = move ? 3 * count : 2 * count;
        CHECK_OK(writer.Open(site.at("new.sst")));
        for (int i = from; i < from + 1000; i++) CHECK_OK(writer.Put(key_of(i), value_of(i)));
        CHECK_OK(writer.Finish());
        CHECK(structure_of(site.at("new.sst")) == "base");
        rocksdb::IngestExternalFileOptions ingest;
        ingest.move_files = move;
        for (auto *handle : {again.handles[2], again.handles[0]}) {
            CHECK_OK(again.db->IngestExternalFile(handle, {site.at("new.sst")}, ingest));
            CHECK(holds(*again.db, from, from + 1000, handle));
            if (move) break;
        }
        if (move) {
            CHECK_OK(writer.Open(site.at("own.sst")));
            for (int i = from; i < from + 1000; i++) CHECK_OK(writer.Put(key_of(i), value_of(i)));
            CHECK_OK(writer.Finish());
            CHECK_OK(again.db->IngestExternalFile(again.handles[0], {site.at("own.sst")}, ingest));
            CHECK(holds(*again.db, from, from + 1000, again.handles[0]));
        }
    }
    for (const auto &file : files_of(site.at("by-tail"), ".sst")) CHECK(structure_of(file) == "global:by-tail");

    // An SST of another structure in its place is refused; the control puts the right one back.
    again.close();
    const auto victim = files_of(site.at("by-tail"), ".sst").front(), other = files_of(site.at("by-delay"), ".sst").front();
    const auto own = stored(victim);
    store(victim, stored(other));
    std::string text;
    CHECK(rocksdb::ReadFileToString(env, victim, &text).IsCorruption() && site.reported("by the rules a file here is of"));
    store(victim, own);
    CHECK_OK(rocksdb::ReadFileToString(env, victim, &text));
}

void test_copies() {
    site site("copies");
    auto *const env = site.env();
    auto options = options_on(env);
    options.enable_blob_files = true, options.min_blob_size = 90;
    database db, copy;
    CHECK_OK(open(options, site.at("db"), &db));
    fill(*db, 0, count);
    CHECK_OK(db->Flush({}));
    fill(*db, count, count + 500);  // these are in the WAL alone

    for (const std::uint64_t wal : {std::uint64_t{0}, std::uint64_t{1} << 40}) {
        rocksdb::Checkpoint *made = nullptr;
        CHECK_OK(rocksdb::Checkpoint::Create(db.get(), &made));
        const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
        const auto path = site.at("checkpoint" + std::to_string(wal != 0));
        CHECK_OK(checkpoint->CreateCheckpoint(path, wal));
        CHECK(std::filesystem::hard_link_count(files_of(path, ".sst").front()) > 1);
        CHECK_OK(open(options, path, &copy));
        CHECK(holds(*copy, 0, count + 500));
        fill(*copy, count + 500, count + 600);
        CHECK(holds(*copy, 0, count + 600));
        copy.reset();
    }

    rocksdb::BackupEngineOptions into(site.at("backup"), env);
    into.share_files_with_checksum = true;
    rocksdb::BackupEngine *made = nullptr;
    CHECK_OK(rocksdb::BackupEngine::Open(env, into, &made));
    std::unique_ptr<rocksdb::BackupEngine> backup(made);
    CHECK_OK(backup->CreateNewBackup(db.get(), false));
    fill(*db, count + 500, count + 700);
    CHECK_OK(backup->CreateNewBackup(db.get(), true));
    CHECK_OK(backup->VerifyBackup(1, true));
    backup.reset();
    CHECK_OK(rocksdb::BackupEngine::Open(env, into, &made));
    backup.reset(made);
    for (const unsigned id : {1u, 2u}) {
        const auto path = site.at("restored" + std::to_string(id));
        CHECK_OK(backup->RestoreDBFromBackup(id, path, path));
        CHECK_OK(open(options, path, &copy));
        CHECK(holds(*copy, 0, id == 1 ? count + 500 : count + 700));
        copy.reset();
    }
    // A backup that is opened where it is.
    rocksdb::BackupInfo info;
    CHECK_OK(backup->GetBackupInfo(2, &info, true));
    auto in_place = options;
    in_place.env = info.env_for_open.get();
    rocksdb::DB *read_only = nullptr;
    CHECK_OK(rocksdb::DB::OpenForReadOnly(in_place, info.name_for_open, &read_only));
    copy.reset(read_only);
    if (read_only != nullptr) CHECK(holds(*copy, 0, count + 700));
    copy.reset();

    copy.reset(), db.reset();
    CHECK(site.reports().empty());
    for (const auto &path : files_below(site.at("."))) {
        const bool ours = path.find("/keys/") == std::string::npos && path.find("LOCK") == std::string::npos;
        if (ours) CHECK(stored(path).substr(0, 7) == "TCROCKS");
    }
}

// Read by a second process, and by an iterator over the WAL, while it is written. (Without blob files: RocksDB 7.8.3's
// second instance crashes on them, in plain too.)
void test_readers_beside() {
    site site("beside");
    const auto options = options_on(site.env());
    database db, copy;
    CHECK_OK(open(options, site.at("db"), &db));
    fill(*db, 0, count);
    CHECK_OK(db->Flush({}));
    fill(*db, count, count + 700);
    rocksdb::DB *second = nullptr;
    CHECK_OK(rocksdb::DB::OpenAsSecondary(options, site.at("db"), site.at("second"), &second));
    copy.reset(second);
    CHECK(holds(*copy, 0, count + 700));
    fill(*db, count + 700, count + 900);
    CHECK_OK(second->TryCatchUpWithPrimary());
    CHECK(holds(*copy, 0, count + 900));
    std::unique_ptr<rocksdb::TransactionLogIterator> updates;
    CHECK_OK(db->GetUpdatesSince(count + 700, &updates));
    int batches = 0;
    for (; updates->Valid(); updates->Next()) batches++;
    CHECK(updates->status().ok() && batches >= 200);
}

// In no file, as text, hexadecimal or base64; the same search finds all of it in a plain database.
void test_plaintext_is_nowhere() {
    site site("plaintext");
    const auto write = [&](rocksdb::Env *env, const std::string &path) {
        auto options = options_on(env);
        options.enable_blob_files = true, options.min_blob_size = 105;
        database db;
        CHECK_OK(open(options, path, &db));
        fill(*db, 0, 2000);
        CHECK_OK(db->Flush({}));
        const rocksdb::Slice from("tailnumber-N00000100"), to("tailnumber-N00001900");
        CHECK_OK(db->CompactRange({}, &from, &to));
        fill(*db, 2000, 3000);
    };
    write(site.env(), site.at("sealed")), write(rocksdb::Env::Default(), site.at("plain"));
    const std::vector<std::string> texts = {"tailnumber-N0", "departure-of-", "JFK-to-LHR", "leveldb.Bytewise", "MANIFEST-0",
                                            "[DBOptions]", "EVENT_LOG_v1",
                                           "rocksdb.block.based"};
    std::string first;
    const auto sealed = occurrences_below(site.at("sealed"), texts, &first);
    checked(sealed == 0, __FILE__, __LINE__, "plaintext in " + first);
    for (const auto &text : texts) {
        checked(occurrences_below(site.at("plain"), {text}, nullptr) > 0, __FILE__, __LINE__, "the control lacks " + text);
    }
    // What a search for text alone would not find: user keys in LOG, in hexadecimal.
    std::size_t in_log = 0;
    for (const auto &path : files_of(site.at("plain"), "LOG")) {
        const auto log = stored(path);
        CHECK(log.find("tailnumber-N0") == std::string::npos);
        in_log += occurrences(log, {"tailnumber-N0"});
    }
    CHECK(in_log > 0);
    std::cout << "plaintext: " << sealed << " in " << files_below(site.at("sealed")).size() << " sealed files, "
              << occurrences_below(site.at("plain"), texts, nullptr) << " in plain ones, " << in_log
              << " of them keys in hexadecimal in LOG" << std::endl;
}

}  // namespace

void test_databases() {
    test_ways_to_open();
    test_direct_io_is_direct();
    test_structures();
    test_copies();
    test_readers_beside();
    test_plaintext_is_nowhere();
}
