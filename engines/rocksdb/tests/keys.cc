// Keys that are not there: another table's, refused, late. A KMS of our own wraps under AES-256-GCM and fails as it is told.
// Nothing here goes by the clock: each step waits for what the KMS was asked, or for what the database answers.

#include <atomic>
#include <condition_variable>
#include <map>
#include <thread>

#include <unistd.h>

#include "site.h"

namespace {

// What the KMS answers, and how often it was asked.
class switchboard {
public:
    void answer(tablecrypt_status status) {
        const std::lock_guard lock(mutex_);
        answer_ = status, refusals_ = 0;
    }
    tablecrypt_status asked() {
        const std::lock_guard lock(mutex_);
        if (answer_ != TABLECRYPT_OK) refusals_++;
        changed_.notify_all();
        return answer_;
    }
    // Until it refused so often; false where it was not asked for a minute.
    bool refused(int times) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::minutes(1), [&] { return refusals_ >= times; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    tablecrypt_status answer_ = TABLECRYPT_OK;
    int refusals_ = 0;
};

class own_kms final : public tablecrypt::kms_provider {
public:
    explicit own_kms(switchboard &board) : board_(board) {
        tablecrypt::key256 key;
        CHECK(getentropy(key.data(), key.size()) == 0);
        auto expanded = tablecrypt::gcm::expand(key);
        CHECK(bool(expanded));
        gcm_.emplace(std::move(*expanded));
    }

    tablecrypt_status generate_data_key(const tablecrypt::kms_request &request, tablecrypt::kms_answer &answer) override {
        if (const auto status = board_.asked(); status != TABLECRYPT_OK) return status;
        std::array<std::uint8_t, 32> key;
        std::array<std::uint8_t, 60> wrapped;  // nonce, key, tag
        tablecrypt::nonce96 nonce;
        tablecrypt::tag128 tag;
        if (getentropy(key.data(), key.size()) != 0 || getentropy(nonce.data(), nonce.size()) != 0) return TABLECRYPT_IO;
        if (auto status = gcm_->seal(nonce, context_of(request), key, {wrapped.data() + 12, 32}, tag); status != TABLECRYPT_OK) {
            return status;
        }
        std::copy(nonce.begin(), nonce.end(), wrapped.begin());
        std::copy(tag.begin(), tag.end(), wrapped.begin() + 44);
        return answer.key(key) && answer.wrapped(wrapped) && answer.arn(arn) ? TABLECRYPT_OK : TABLECRYPT_IO;
    }

    tablecrypt_status decrypt(const tablecrypt::kms_request &request, tablecrypt::kms_answer &answer) override {
        if (const auto status = board_.asked(); status != TABLECRYPT_OK) return status;
        if (request.wrapped().size() != 60) return TABLECRYPT_KMS_REQUEST_INVALID;
        const auto *wrapped = request.wrapped().data();
        tablecrypt::nonce96 nonce;
        tablecrypt::tag128 tag;
        std::array<std::uint8_t, 32> key;
        std::copy(wrapped, wrapped + 12, nonce.begin());
        std::copy(wrapped + 44, wrapped + 60, tag.begin());
        const auto status = gcm_->open(nonce, context_of(request), {wrapped + 12, 32}, tag, key);
        if (status != TABLECRYPT_OK) return TABLECRYPT_WRONG_CONTEXT;
        return answer.key(key) ? TABLECRYPT_OK : TABLECRYPT_IO;
    }

    tablecrypt_status ensure_key(const tablecrypt::kms_request &, tablecrypt::kms_answer &answer) override {
        return answer.arn(arn) ? TABLECRYPT_OK : TABLECRYPT_IO;
    }

private:
    static constexpr char arn[] = "arn:aws:kms:test:1:key/rocksdb";

    static std::string context_of(const tablecrypt::kms_request &request) {
        std::string all;
        for (std::size_t i = 0; i < request.context_size(); i++) {
            const auto [name, value] = request.context(i);
            all += std::to_string(name.size()) + ":" + std::string(name) + std::to_string(value.size()) + ":" + std::string(value);
        }
        return all;
    }

    switchboard &board_;
    std::optional<tablecrypt::gcm> gcm_;
};

// A site whose table is under that KMS, with a permission of a third of a second.
class kms_site : public site {
public:
    explicit kms_site(std::chrono::milliseconds drain = {}) : site("kms") {
        auto kms = tablecrypt::kms::from(std::make_unique<own_kms>(board));
        auto settings = tablecrypt::settings::make();
        CHECK(settings->refresh(std::chrono::milliseconds(200), std::chrono::milliseconds(130)) == TABLECRYPT_OK);
        CHECK(settings->jitter({}) == TABLECRYPT_OK && settings->drain(drain) == TABLECRYPT_OK);
        auto opened = tablecrypt::service::open(*kms, at("tables"), *settings);
        CHECK(bool(opened));
        service_.emplace(std::move(*opened));
        CHECK(service_->create_table({"flights", {"by-delay"}, {"by-tail"}}) == TABLECRYPT_OK);
    }

    rocksdb::Env *own_env(std::chrono::milliseconds patience, std::chrono::milliseconds refusal_patience = {}) {
        tablecrypt_rocksdb::settings settings;
        settings.patience = patience, settings.refusal_patience = refusal_patience;
        settings.report = [this](const std::string &sentence) { hear(sentence); };
        auto table = service_->connect()->open_table("flights");
        CHECK(bool(table));
        probe_.emplace(std::move(*table->base()));
        std::shared_ptr<rocksdb::FileSystem> files;
        CHECK_OK(tablecrypt_rocksdb::open_file_system(std::move(*table), settings, &files));
        own_ = rocksdb::NewCompositeEnv(files);
        return own_.get();
    }

    // Until the same permission that the database has answers this.
    void until(tablecrypt_status status) {
        for (int tries = 0; tries < 12000 && probe_->seal("", "").status() != status; tries++) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        CHECK(probe_->seal("", "").status() == status);
    }

    switchboard board;

private:
    std::optional<tablecrypt::structure> probe_;
    std::optional<tablecrypt::service> service_;
    std::unique_ptr<rocksdb::Env> own_;
};

rocksdb::Options durable(rocksdb::Env *env) {
    auto options = options_on(env);
    options.write_buffer_size = 256 * 1024;  // so that flushes and compactions run too
    return options;
}

// Writes, each acknowledged one counted, until told to stop or until one fails.
class writer {
public:
    writer(rocksdb::DB &db, int from) : acknowledged(from), thread_([this, &db] {
        while (!stop_) {
            const auto status = db.Put({}, key_of(acknowledged), value_of(acknowledged));
            if (!status.ok()) {
                why = status;
                return;
            }
            acknowledged++;
        }
    }) {}
    ~writer() { end(); }
    void end() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    void wait() {
        if (thread_.joinable()) thread_.join();
    }

    std::atomic<int> acknowledged;
    rocksdb::Status why;

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

bool all_there(rocksdb::DB &db, int count) {
    const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator({}));
    int i = 0;
    bool right = true;
    for (rows->SeekToFirst(); rows->Valid(); rows->Next(), i++) right &= rows->key() == key_of(i) && rows->value() == value_of(i);
    return checked(right && rows->status().ok() && i >= count, __FILE__, __LINE__,
                   std::to_string(i) + " of " + std::to_string(count) + " rows, " + rows->status().ToString());
}

// The KMS is out, or says no, for much longer than the keys last, under load and with patience for that: writes and reads
// wait, none fails, none is lost.
void test_what_only_delays(tablecrypt_status answer) {
    kms_site site;
    const auto patience = std::chrono::minutes(5);
    auto *const env = answer == TABLECRYPT_KEY_UNAVAILABLE ? site.own_env(patience) : site.own_env({}, patience);
    database db;
    CHECK_OK(open(durable(env), site.at("db"), &db));
    int acknowledged = 0;
    {
        writer writer(*db, 0);
        while (writer.acknowledged < 5000) std::this_thread::yield();
        site.board.answer(answer);
        site.until(answer);
        const int waiting_at = writer.acknowledged;
        site.board.answer(answer);
        // Asked again and again, and no write was done meanwhile but one that had its frame.
        CHECK(site.board.refused(2) && writer.acknowledged <= waiting_at + 1 && writer.why.ok());
        site.board.answer(TABLECRYPT_OK);
        while (writer.acknowledged < waiting_at + 2000 && writer.why.ok()) std::this_thread::yield();
        writer.end();
        CHECK_OK(writer.why);
        acknowledged = writer.acknowledged;
        CHECK(answer == TABLECRYPT_KEY_UNAVAILABLE || site.reported("waits: the KMS key is disabled"));
        std::cout << "outage: writing stopped at " << waiting_at << ", and went on to " << acknowledged << std::endl;
    }
    CHECK(all_there(*db, acknowledged));
    db.reset();
    CHECK_OK(open(durable(env), site.at("db"), &db));
    CHECK(all_there(*db, acknowledged));
}

// The patience ends, or the KMS says no, while the WAL is written: an IOError in our words, after which RocksDB writes no
// more, also when the key is back: Resume says why, and what was acknowledged is still read. Opened again it has all that.
void test_refused_while_logging(tablecrypt_status answer) {
    kms_site site;
    auto *const env = site.own_env(std::chrono::milliseconds(100));
    database db;
    CHECK_OK(open(durable(env), site.at("db"), &db));
    writer first(*db, 0);
    while (first.acknowledged < 3000) std::this_thread::yield();
    site.board.answer(answer);
    first.wait();
    const int acknowledged = first.acknowledged;
    CHECK(first.why.IsIOError());
    CHECK(first.why.ToString().find(tablecrypt_status_message(answer)) != std::string::npos);
    CHECK(site.reported(tablecrypt_status_message(answer)));
    CHECK(db->Put({}, key_of(acknowledged), value_of(acknowledged)).IsIOError());
    site.board.answer(TABLECRYPT_OK);
    site.until(TABLECRYPT_OK);
    const auto resumed = db->Resume();
    CHECK(resumed.IsIOError() && resumed.ToString().find(tablecrypt_status_message(answer)) != std::string::npos);
    CHECK(all_there(*db, acknowledged));
    CHECK(db->Put({}, key_of(acknowledged), value_of(acknowledged)).IsIOError());
    db.reset();
    // By a connection of its own, which asks the KMS at once.
    CHECK_OK(open(durable(site.own_env(std::chrono::minutes(1))), site.at("db"), &db));
    CHECK(all_there(*db, acknowledged));
    CHECK_OK(db->Put({}, key_of(acknowledged), value_of(acknowledged)));
}

// The same where the first to be refused is an SST: a flush.
void test_refused_while_flushing(tablecrypt_status answer) {
    kms_site site;
    database db;
    CHECK_OK(open(options_on(site.own_env(std::chrono::milliseconds(100))), site.at("db"), &db));
    for (int i = 0; i < 3000; i++) CHECK_OK(db->Put({}, key_of(i), value_of(i)));
    site.board.answer(answer);
    site.until(answer);
    const auto refused = db->Flush({});
    CHECK(refused.IsIOError() && refused.ToString().find(tablecrypt_status_message(answer)) != std::string::npos);
    site.board.answer(TABLECRYPT_OK);
    site.until(TABLECRYPT_OK);
    CHECK(db->Resume().IsIOError() && all_there(*db, 3000));
    db.reset();
    CHECK_OK(open(options_on(site.own_env(std::chrono::minutes(1))), site.at("db"), &db));
    CHECK(all_there(*db, 3000));
    CHECK_OK(db->Put({}, key_of(3000), value_of(3000)));
}

// With a drain the database still seals after the no: it is closed whole, and reads nothing.
void test_drain() {
    kms_site site(std::chrono::minutes(10));
    int acknowledged = 0;
    {
        auto *const env = site.own_env(std::chrono::milliseconds(100));
        database db;
        CHECK_OK(open(durable(env), site.at("db"), &db));
        for (; acknowledged < 6000; acknowledged++) CHECK_OK(db->Put({}, key_of(acknowledged), value_of(acknowledged)));
        CHECK_OK(db->Flush({}));
        site.board.answer(TABLECRYPT_KEY_DISABLED);
        // Reads fail when the no is heard; what is in memory is no read of a file.
        rocksdb::Status read;
        rocksdb::ReadOptions from_file;
        from_file.fill_cache = false;
        while (read.ok()) {
            const std::unique_ptr<rocksdb::Iterator> rows(db->NewIterator(from_file));
            for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {}
            read = rows->status();
            (void)db->Put({}, key_of(acknowledged), value_of(acknowledged));
        }
        CHECK(read.ToString().find(tablecrypt_status_message(TABLECRYPT_KEY_DISABLED)) != std::string::npos);
        acknowledged++;
        for (int i = 0; i < 100; i++, acknowledged++) CHECK_OK(db->Put({}, key_of(acknowledged), value_of(acknowledged)));
        CHECK_OK(db->SyncWAL());
        CHECK_OK(db->Close());
    }
    site.board.answer(TABLECRYPT_OK);
    database db;
    CHECK_OK(open(durable(site.own_env(std::chrono::minutes(1))), site.at("db"), &db));
    CHECK(all_there(*db, acknowledged));
}

// Another table's keys open nothing, and harm nothing.
void test_wrong_key() {
    site site("right"), other("wrong");
    database db;
    CHECK_OK(open(options_on(site.env()), site.at("db"), &db));
    for (int i = 0; i < 1000; i++) CHECK_OK(db->Put({}, key_of(i), value_of(i)));
    db.reset();
    const auto before = files_below(site.at("db"));
    auto wrong = options_on(other.env());
    wrong.create_if_missing = false;
    const auto status = open(wrong, site.at("db"), &db);
    checked(!status.ok() && status.ToString().find("header") != std::string::npos, __FILE__, __LINE__, status.ToString());
    CHECK(!other.reports().empty());
    rocksdb::Env *const plain = rocksdb::Env::Default();
    auto in_clear = options_on(plain);
    in_clear.create_if_missing = false;
    CHECK(!open(in_clear, site.at("db"), &db).ok());
    CHECK_OK(open(options_on(site.env()), site.at("db"), &db));
    CHECK(all_there(*db, 1000));
    db.reset();

    // And a plain database is not opened through us.
    CHECK_OK(open(options_on(plain), site.at("plain"), &db));
    CHECK_OK(db->Put({}, "key", "value"));
    db.reset();
    const auto refused = open(options_on(site.env()), site.at("plain"), &db);
    checked(!refused.ok() && refused.ToString().find("it is in clear") != std::string::npos, __FILE__, __LINE__, refused.ToString());
    CHECK_OK(open(options_on(plain), site.at("plain"), &db));
}

// Disabled in a LocalKms: no cold open, and after it is enabled all is there.
void test_disabled_key() {
    site site("disabled");
    database db;
    CHECK_OK(open(options_on(site.env()), site.at("db"), &db));
    for (int i = 0; i < 1000; i++) CHECK_OK(db->Put({}, key_of(i), value_of(i)));
    db.reset();
    CHECK(tablecrypt::local_kms::disable_key(site.at("keys")) == TABLECRYPT_OK);
    const auto service = tablecrypt::service::open_local(site.at("keys"));
    CHECK(service->connect()->open_table("flights").status() == TABLECRYPT_KEY_DISABLED);
    CHECK(tablecrypt::local_kms::enable_key(site.at("keys")) == TABLECRYPT_OK);
    CHECK_OK(open(options_on(site.env()), site.at("db"), &db));
    CHECK(all_there(*db, 1000));
}

}  // namespace

void test_keys() {
    test_wrong_key();
    test_disabled_key();
    for (const auto answer : {TABLECRYPT_KEY_UNAVAILABLE, TABLECRYPT_KEY_DISABLED}) test_what_only_delays(answer);
    for (const auto answer : {TABLECRYPT_KEY_UNAVAILABLE, TABLECRYPT_KEY_DISABLED}) {
        test_refused_while_logging(answer);
        test_refused_while_flushing(answer);
    }
    test_drain();
}
