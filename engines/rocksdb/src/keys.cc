#include "keys.h"

#include <thread>

namespace tablecrypt_rocksdb {

namespace {

// Between two tries. The library probes the KMS in its own time; this only sees what came of it.
constexpr auto pause = std::chrono::milliseconds(20);

bool is_forgery(tablecrypt_status status) {
    return status == TABLECRYPT_UNAUTHENTIC || status == TABLECRYPT_TRUNCATED || status == TABLECRYPT_UNKNOWN_KEY ||
           status == TABLECRYPT_UNKNOWN_VERSION;
}

}  // namespace

tablecrypt_status structure::seal(const byte *context, std::size_t context_length, const byte *text,
                                  std::size_t text_length, byte *record, bool wait) const {
    const auto once = [&] {
        return tablecrypt_structure_seal(handle_.handle(), context, context_length, text, text_length, record,
                                         text_length + overhead, nullptr);
    };
    const auto status = once();
    if (status == TABLECRYPT_OK || !wait) return status;
    return patiently(status, once);
}

tablecrypt_status structure::open(const byte *context, std::size_t context_length, const byte *record,
                                  std::size_t record_length, byte *text) const {
    const auto once = [&] {
        return tablecrypt_structure_open(handle_.handle(), context, context_length, record, record_length, text,
                                         record_length < overhead ? 0 : record_length - overhead, nullptr);
    };
    const auto status = once();
    if (status == TABLECRYPT_OK) return status;
    return patiently(status, once);
}

template <class Call>
tablecrypt_status structure::patiently(tablecrypt_status status, Call call) const {
    using clock = std::chrono::steady_clock;
    const auto began = clock::now();
    bool told = false;
    while (status != TABLECRYPT_OK && clock::now() < began + all_.patience_with(status)) {
        if (tablecrypt::is_refusal(status) && !told) {
            all_.report("structure " + name_ + " waits: " + tablecrypt_status_message(status));
            told = true;
        }
        std::this_thread::sleep_for(pause);
        status = call();
    }
    return status;
}

rocksdb::IOStatus structure::refusal(tablecrypt_status status, const std::string &path, const std::string &what) const {
    return io_status(status, all_.report(path + ": " + what + ", of structure " + name_ + ": " +
                                         tablecrypt_status_message(status)));
}

std::chrono::milliseconds keys::patience_with(tablecrypt_status status) const {
    if (status == TABLECRYPT_KEY_UNAVAILABLE) return patience_;
    return tablecrypt::is_refusal(status) ? refusal_patience_ : std::chrono::milliseconds(0);
}

tablecrypt_status keys::find(const std::string &name, const structure **found) {
    const std::lock_guard lock(mutex_);
    auto &known = structures_[name];
    if (!known) {
        auto opened = table_.at(name);
        if (!opened) {
            structures_.erase(name);
            return opened.status();
        }
        known = std::make_unique<structure>(std::move(*opened), name, *this);
    }
    *found = known.get();
    return TABLECRYPT_OK;
}

rocksdb::IOStatus io_status(tablecrypt_status status, const std::string &sentence) {
    if (is_forgery(status)) return rocksdb::IOStatus::Corruption(sentence);
    // Not SetRetryable: see docs/decisions/0023-rocksdb.md.
    return rocksdb::IOStatus::IOError(sentence);
}

}  // namespace tablecrypt_rocksdb
