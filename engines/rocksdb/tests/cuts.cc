// The end of a WAL cut off, by every number of bytes: how many records are lost, beside a plain database. And what a lost
// end means where another WAL follows.

#include <cstdlib>
#include <filesystem>
#include <map>

#include "site.h"

namespace {

using mode = rocksdb::WALRecoveryMode;

constexpr int count = 600;

struct how {
    const char *name;
    std::size_t value;
    bool manual;  // manual_wal_flush: many records a write
    mode recovery;
};

std::string value_for(const how &how, int number) { return std::string(how.value, static_cast<char>('a' + number % 26)); }

// A database that a crash ended: it is copied while it is open. Gives the path of its WAL.
std::string crashed(const how &how, rocksdb::Env *env, const std::string &path) {
    auto options = options_on(env);
    options.manual_wal_flush = how.manual;
    database db;
    CHECK_OK(open(options, path + "-live", &db));
    for (int i = 0; i < count; i++) CHECK_OK(db->Put({}, key_of(i), value_for(how, i)));
    CHECK_OK(db->FlushWAL(false));
    copy(path + "-live", path);
    return files_of(path, ".log").front();
}

// How many records are there, in order and right; -1 where the database does not open.
int records(const how &how, rocksdb::Env *env, const std::string &path, rocksdb::Status *status) {
    auto options = options_on(env);
    options.wal_recovery_mode = how.recovery;
    rocksdb::DB *opened = nullptr;
    *status = rocksdb::DB::OpenForReadOnly(options, path, &opened);
    const database db(opened);
    if (!status->ok()) return -1;
    const std::unique_ptr<rocksdb::Iterator> rows(db->NewIterator({}));
    int found = 0;
    for (rows->SeekToFirst(); rows->Valid(); rows->Next(), found++) {
        CHECK(rows->key() == key_of(found) && rows->value() == value_for(how, found));
    }
    return found;
}

void test_cut(const how &how, int step) {
    site site("cut");
    struct {
        rocksdb::Env *env;
        std::string path, wal;
        std::uint64_t size;
        std::map<int, int> lost;
        int refused = 0;
    } plain{rocksdb::Env::Default(), site.at("plain"), {}, 0, {}}, ours{site.env(), site.at("sealed"), {}, 0, {}};
    for (auto *each : {&plain, &ours}) {
        each->wal = crashed(how, each->env, each->path);
        each->size = std::filesystem::file_size(each->wal);
        rocksdb::Status status;
        CHECK(records(how, each->env, each->path, &status) == count);  // the control
        for (int cut = 1; cut <= 4096; cut += cut < 16 || cut >= 4095 ? 1 : std::min(step, 4095 - cut)) {
            std::filesystem::resize_file(each->wal, each->size - static_cast<std::uint64_t>(cut));
            const auto found = records(how, each->env, each->path, &status);
            each->refused += found < 0;
            each->lost[cut] = found < 0 ? -1 : count - found;
            CHECK(found >= 0 || status.IsCorruption());
        }
    }
    int worse = 0;
    std::cout << "cut (" << how.name << ") plain/sealed lost:";
    for (const auto &[cut, lost] : plain.lost) {
        const auto sealed = ours.lost[cut];
        // Where plain refuses to open, what is lost has no number; ours refuses, or loses what can be counted.
        worse += lost >= 0 && (sealed > lost || sealed < 0);
        const bool shown = cut == 1 || cut == 16 || cut == 4096 || (cut - 16) / 256 != (cut - 16 - step) / 256;
        if (shown && cut > 0) std::cout << " " << cut << ":" << lost << "/" << sealed;
    }
    std::cout << "; refused " << plain.refused << "/" << ours.refused << std::endl;
    CHECK(plain.lost[4096] != 0);
    if (how.recovery == mode::kAbsoluteConsistency) {
        CHECK(ours.refused > 0 && plain.refused > 0);
    } else {
        checked(worse == 0, __FILE__, __LINE__, std::string(how.name) + ": sealed lost more than plain, in cuts: " + std::to_string(worse));
    }
}

// A WAL that lost its end while one behind it did not: what is behind the gap is not replayed, as in plain. Without the
// stub that a cut log ends with it would be.
void test_gap() {
    site site("gap");
    const how how{"gap", 100, false, mode::kPointInTimeRecovery};
    for (auto *env : {rocksdb::Env::Default(), site.env()}) {
        const auto path = site.at(env == rocksdb::Env::Default() ? "plain" : "sealed");
        auto options = options_on(env);
        database db;
        CHECK_OK(open(options, path + "-live", &db));
        for (int i = 0; i < 100; i++) CHECK_OK(db->Put({}, key_of(i), value_for(how, i)));
        copy(path + "-live", path);
        const auto first = files_of(path, ".log").front();
        CHECK_OK(db->Put({}, key_of(100), value_for(how, 100)));
        rocksdb::FlushOptions flush;
        CHECK_OK(db->Flush(flush));
        for (int i = 101; i < 200; i++) CHECK_OK(db->Put({}, key_of(i), value_for(how, i)));
        // The first WAL as it was, the second beside it: both are replayed.
        const auto second = files_of(path + "-live", ".log").back();
        std::filesystem::copy_file(second, path + "/" + std::filesystem::path(second).filename().string());
        std::filesystem::resize_file(first, std::filesystem::file_size(first) - 3);
        rocksdb::Status status;
        const auto found = records(how, env, path, &status);
        checked(found == 99, __FILE__, __LINE__, path + ": " + std::to_string(found) + " records, " + status.ToString());
    }
}

// A byte that is changed in the middle: nothing behind it is served, whatever the mode, and the strict ones say so.
void test_flipped() {
    for (const auto recovery : {mode::kPointInTimeRecovery, mode::kTolerateCorruptedTailRecords, mode::kAbsoluteConsistency}) {
        site site("flipped");
        const how how{"flipped", 100, false, recovery};
        for (auto *env : {rocksdb::Env::Default(), site.env()}) {
            const auto path = site.at(env == rocksdb::Env::Default() ? "plain" : "sealed");
            const auto wal = crashed(how, env, path);
            auto changed = stored(wal);
            changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 4);
            store(wal, changed);
            rocksdb::Status status;
            const auto found = records(how, env, path, &status);
            if (recovery == mode::kPointInTimeRecovery) {
                checked(status.ok() && found > count / 2 - 5 && found < count / 2 + 5, __FILE__, __LINE__,
                        path + ": " + std::to_string(found) + " records, " + status.ToString());
            } else {
                CHECK(status.IsCorruption());
            }
        }
        CHECK(site.reported("does not open"));
    }
}

}  // namespace

void test_cuts() {
    const auto *all = std::getenv("EVERY_CUT");
    const int step = all != nullptr ? 1 : 97;
    test_cut({"values of 100 bytes", 100, false, mode::kPointInTimeRecovery}, step);
    test_cut({"of 10", 10, false, mode::kPointInTimeRecovery}, step);
    test_cut({"of 1,000", 1000, false, mode::kPointInTimeRecovery}, step);
    test_cut({"of 100, manual_wal_flush", 100, true, mode::kPointInTimeRecovery}, step);
    test_cut({"of 100, tolerated tails", 100, false, mode::kTolerateCorruptedTailRecords}, step);
    test_cut({"of 100, absolute consistency", 100, false, mode::kAbsoluteConsistency}, step);
    test_gap();
    test_flipped();
}
