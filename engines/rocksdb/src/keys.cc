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
    if (status != TABLECRYPT_KEY_UNAVAILABLE) return status;
    const auto end = std::chrono::steady_clock::now() + all_.patience();
    while (status == TABLECRYPT_KEY_UNAVAILABLE && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(pause);
        status = call();
    }
    return status;
}

rocksdb::IOStatus structure::refusal(tablecrypt_status status, const std::string &path, const std::string &what) const {
    return io_status(status, all_.report(path + ": " + what + ", of structure " + name_ + ": " +
                                         tablecrypt_status_message(status)));
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
