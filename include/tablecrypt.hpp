// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Tablecrypt for C++17: tablecrypt.h with owners that free themselves. Nothing here throws but std::vector and
// std::string, for want of memory; it compiles with -fno-exceptions and -fno-rtti. TABLECRYPT_THROWS adds or_throw().
//
//     auto service = tablecrypt::service::open_local("demo");
//     if (!service) return fail(service.message());
//     if (auto status = service->create_table({"flights", {"by-delay"}, {"by-tail"}}); status != TABLECRYPT_OK) ...
//
// What can fail gives a tablecrypt_status, or a result<T>: a value or the status that says why not. Owners are
// move-only; one that was moved from answers NULL_ARGUMENT. Threads, ownership, errors and buffers are as tablecrypt.h
// says; what came from an owner goes on when that owner is gone.

#ifndef TABLECRYPT_HPP
#define TABLECRYPT_HPP

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#if defined(TABLECRYPT_THROWS)
#include <stdexcept>
#endif
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tablecrypt.h"

namespace tablecrypt {

// The sentence on a status.
[[nodiscard]] inline const char *message(tablecrypt_status status) noexcept {
    return tablecrypt_status_message(status);
}

// Whether it says that the KMS refuses the key: a definite no, after which settings::drain lets a table seal on.
[[nodiscard]] inline bool is_refusal(tablecrypt_status status) noexcept {
    return tablecrypt_status_is_refusal(status) != 0;
}

// What this thread's last failure said, with names and paths; empty if nothing failed yet.
[[nodiscard]] inline std::string last_error() {
    std::string text(tablecrypt_last_error(nullptr, 0), '\0');
    tablecrypt_last_error(text.data(), text.size() + 1);
    return text;
}

// Whether the library has the interface that this program was compiled with.
[[nodiscard]] inline bool is_compatible() noexcept { return tablecrypt_abi() == TABLECRYPT_ABI; }

[[nodiscard]] inline std::string_view version() noexcept { return tablecrypt_version(); }

// A value, or the status that says why there is none.
template <class T>
class [[nodiscard]] result {
public:
    result(T value) : value_(std::move(value)) {}
    result(tablecrypt_status status) noexcept : status_(status) { assert(status != TABLECRYPT_OK); }

    [[nodiscard]] explicit operator bool() const noexcept { return value_.has_value(); }
    [[nodiscard]] tablecrypt_status status() const noexcept { return status_; }
    [[nodiscard]] const char *message() const noexcept { return tablecrypt_status_message(status_); }

    // The value, which must be there.
    [[nodiscard]] T &operator*() & noexcept { return *value_; }
    [[nodiscard]] const T &operator*() const & noexcept { return *value_; }
    [[nodiscard]] T operator*() && noexcept { return std::move(*value_); }
    [[nodiscard]] T *operator->() noexcept { return &*value_; }
    [[nodiscard]] const T *operator->() const noexcept { return &*value_; }

private:
    std::optional<T> value_;
    tablecrypt_status status_ = TABLECRYPT_OK;
};

namespace detail {

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, char> || std::is_same_v<T, unsigned char> ||
                                std::is_same_v<T, signed char> || std::is_same_v<T, std::byte>;

// What a container's data() leads to.
template <class C>
using element = std::remove_pointer_t<decltype(std::declval<C &>().data())>;

// What C would take for the end of a string that goes on.
inline bool has_nul(const std::string &text) noexcept { return text.find('\0') != std::string::npos; }

template <class T, void (*Free)(T *)>
struct freer {
    void operator()(T *handle) const noexcept { Free(handle); }
};

template <class T, void (*Free)(T *)>
using owner = std::unique_ptr<T, freer<T, Free>>;

}  // namespace detail

// Bytes that are read, of whoever owns them: a string, a vector, an array, a span.
class view {
public:
    constexpr view() noexcept = default;
    constexpr view(const std::uint8_t *data, std::size_t size) noexcept : data_(data), size_(size) {}
    view(const char *text) noexcept : view(std::string_view(text)) {}
    template <class C, class = std::enable_if_t<detail::is_byte<std::remove_cv_t<detail::element<const C>>>>>
    view(const C &bytes) noexcept
        : data_(reinterpret_cast<const std::uint8_t *>(bytes.data())), size_(bytes.size()) {}

    [[nodiscard]] constexpr const std::uint8_t *data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::string_view text() const noexcept {
        return size_ == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char *>(data_), size_);
    }

private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

// Bytes that are written, of whoever owns them.
class buffer {
public:
    constexpr buffer() noexcept = default;
    constexpr buffer(std::uint8_t *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class C, class = std::enable_if_t<detail::is_byte<detail::element<C>>>>
    buffer(C &bytes) noexcept : data_(reinterpret_cast<std::uint8_t *>(bytes.data())), size_(bytes.size()) {}

    [[nodiscard]] constexpr std::uint8_t *data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }

private:
    std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

inline constexpr std::size_t overhead = TABLECRYPT_OVERHEAD;
inline constexpr std::size_t text_at = TABLECRYPT_TEXT_AT;

[[nodiscard]] inline std::size_t sealed_size(std::size_t text) noexcept { return tablecrypt_sealed_size(text); }
[[nodiscard]] inline std::size_t opened_size(std::size_t record) noexcept { return tablecrypt_opened_size(record); }

// One text to seal or record to open of a batch; then its `output_length` and `status` say what came of it.
struct item : tablecrypt_item {
    item(view its_context, view its_input, buffer its_output) noexcept : tablecrypt_item{} {
        context = its_context.data(), context_length = its_context.size();
        input = its_input.data(), input_length = its_input.size();
        output = its_output.data(), output_capacity = its_output.size();
    }
};

static_assert(sizeof(item) == sizeof(tablecrypt_item), "an array of the one is an array of the other");

// A base table or an index: where records are sealed and opened. `context` is what the record belongs to.
class structure {
public:
    // Takes the handle.
    explicit structure(tablecrypt_structure *handle) noexcept : handle_(handle) {}

    // Seals into a new record.
    [[nodiscard]] result<std::vector<std::uint8_t>> seal(view context, view text) const {
        if (text.size() > static_cast<std::size_t>(PTRDIFF_MAX) - overhead) return TABLECRYPT_LENGTH;
        return made(sealed_size(text.size()), [&](buffer out) { return seal_into(context, text, out); });
    }

    // Opens a record into a new text.
    [[nodiscard]] result<std::vector<std::uint8_t>> open(view context, view record) const {
        if (record.size() > static_cast<std::size_t>(PTRDIFF_MAX)) return TABLECRYPT_LENGTH;
        return made(opened_size(record.size()), [&](buffer out) { return open_into(context, record, out); });
    }

    // Seals into the first bytes of `out`, and gives how many they are.
    [[nodiscard]] result<std::size_t> seal_into(view context, view text, buffer out) const noexcept {
        std::size_t length = 0;
        const auto status = tablecrypt_structure_seal(handle(), context.data(), context.size(), text.data(),
                                                      text.size(), out.data(), out.size(), &length);
        if (status != TABLECRYPT_OK) return status;
        return length;
    }

    // Opens into the first bytes of `out`, and gives how many they are.
    [[nodiscard]] result<std::size_t> open_into(view context, view record, buffer out) const noexcept {
        std::size_t length = 0;
        const auto status = tablecrypt_structure_open(handle(), context.data(), context.size(), record.data(),
                                                      record.size(), out.data(), out.size(), &length);
        if (status != TABLECRYPT_OK) return status;
        return length;
    }

    // Seals the text that stands in `record` from byte 32 to 16 before its end.
    [[nodiscard]] tablecrypt_status seal_in_place(view context, buffer record) const noexcept {
        return tablecrypt_structure_seal_in_place(handle(), context.data(), context.size(), record.data(),
                                                  record.size());
    }

    // Opens in place, and gives the text where it stands in `record`.
    [[nodiscard]] result<buffer> open_in_place(view context, buffer record) const noexcept {
        const auto status = tablecrypt_structure_open_in_place(handle(), context.data(), context.size(),
                                                               record.data(), record.size());
        if (status != TABLECRYPT_OK) return status;
        return buffer(record.data() + text_at, opened_size(record.size()));
    }

    // Seals many texts, each into the first bytes of its output: OK, or the status of the first item that has another.
    template <class Items>
    [[nodiscard]] tablecrypt_status seal_many(Items &items) const noexcept {
        static_assert(std::is_same_v<detail::element<Items>, item>, "a vector, an array or a span of items");
        return tablecrypt_structure_seal_many(handle(), items.data(), items.size());
    }

    // Opens many records, each into the first bytes of its output: OK, or the status of the first item that has another.
    template <class Items>
    [[nodiscard]] tablecrypt_status open_many(Items &items) const noexcept {
        static_assert(std::is_same_v<detail::element<Items>, item>, "a vector, an array or a span of items");
        return tablecrypt_structure_open_many(handle(), items.data(), items.size());
    }

    [[nodiscard]] tablecrypt_structure *handle() const noexcept { return handle_.get(); }

private:
    template <class F>
    static result<std::vector<std::uint8_t>> made(std::size_t size, F into) {
        std::vector<std::uint8_t> out(size);
        if (const auto length = into(out); !length) return length.status();
        return out;
    }

    detail::owner<tablecrypt_structure, tablecrypt_structure_free> handle_;
};

// A date of C's: milliseconds since 1970, UTC.
using date = std::chrono::system_clock::time_point;

// What a table said of itself when it was asked.
struct description {
    std::string table, table_id;
    date created;
    tablecrypt_key_status status = TABLECRYPT_KEY_STATUS_ENABLED;
    std::vector<std::string> kms_keys;        // their ARNs: the first is asked first, and any of them opens the table
    std::optional<std::string> switching_to;  // while the status is UPDATING
    std::optional<date> inaccessible_since;   // the KMS key was found inaccessible
    std::optional<date> grace_since;          // it goes on with old keys
    bool is_locked = false;                   // by hand
    std::vector<std::string> structures;      // "base" first
};

// One generation of a structure's data key.
struct generation {
    std::string structure;
    std::uint32_t number;
    date created, seals_from;
    bool seals;
};

// The number of the generation that a record was sealed with; its first eight bytes are enough.
[[nodiscard]] inline result<std::uint32_t> generation_of_record(view record) noexcept {
    std::uint32_t number = 0;
    const auto status = tablecrypt_generation_of_record(record.data(), record.size(), &number);
    if (status != TABLECRYPT_OK) return status;
    return number;
}

namespace detail {

inline date at(std::int64_t milliseconds) {
    return date(std::chrono::duration_cast<date::duration>(std::chrono::milliseconds(milliseconds)));
}

inline std::optional<date> at_if(std::int64_t milliseconds) {
    if (milliseconds == 0) return std::nullopt;
    return at(milliseconds);
}

// Copies a description, and frees it.
inline description copied(tablecrypt_description *handle) {
    const owner<tablecrypt_description, tablecrypt_description_free> owned(handle);
    description said;
    said.table = tablecrypt_description_table(handle);
    said.table_id = tablecrypt_description_table_id(handle);
    said.created = at(tablecrypt_description_created(handle));
    said.status = tablecrypt_description_status(handle);
    for (std::size_t i = 0; i < tablecrypt_description_kms_key_count(handle); ++i) {
        said.kms_keys.emplace_back(tablecrypt_description_kms_key(handle, i));
    }
    if (const char *to = tablecrypt_description_switching_to(handle)) said.switching_to = to;
    said.inaccessible_since = at_if(tablecrypt_description_inaccessible_since(handle));
    said.grace_since = at_if(tablecrypt_description_grace_since(handle));
    said.is_locked = tablecrypt_description_is_locked(handle) != 0;
    for (std::size_t i = 0; i < tablecrypt_description_structure_count(handle); ++i) {
        said.structures.emplace_back(tablecrypt_description_structure(handle, i));
    }
    return said;
}

}  // namespace detail

// An opened table.
class table {
public:
    // Takes the handle.
    explicit table(tablecrypt_table *handle) noexcept : handle_(handle) {}

    [[nodiscard]] result<structure> base() const noexcept {
        return given([&](auto **out) { return tablecrypt_table_base(handle(), out); });
    }

    [[nodiscard]] result<structure> local(const std::string &name) const noexcept {
        return given([&](auto **out) { return tablecrypt_table_local(handle(), name.c_str(), out); });
    }

    [[nodiscard]] result<structure> global(const std::string &name) const noexcept {
        return given([&](auto **out) { return tablecrypt_table_global(handle(), name.c_str(), out); });
    }

    // "base", "local:NAME" or "global:NAME".
    [[nodiscard]] result<structure> at(const std::string &name) const noexcept {
        return given([&](auto **out) { return tablecrypt_table_structure(handle(), name.c_str(), out); });
    }

    [[nodiscard]] result<description> describe() const {
        tablecrypt_description *made = nullptr;
        const auto status = tablecrypt_table_describe(handle(), &made);
        if (status != TABLECRYPT_OK) return status;
        return detail::copied(made);
    }

    // By hand: every operation is LOCKED until unlock().
    tablecrypt_status lock() const noexcept { return tablecrypt_table_lock(handle()); }
    tablecrypt_status unlock() const noexcept { return tablecrypt_table_unlock(handle()); }

    // For how long the keys stay usable if the KMS does not answer again; zero while they are locked.
    [[nodiscard]] std::chrono::milliseconds permitted_for() const noexcept {
        return std::chrono::milliseconds(tablecrypt_table_permitted_for(handle()));
    }
    [[nodiscard]] bool is_unlocked() const noexcept { return permitted_for().count() > 0; }

    [[nodiscard]] tablecrypt_table *handle() const noexcept { return handle_.get(); }

private:
    template <class F>
    static result<structure> given(F give) noexcept {
        tablecrypt_structure *handle = nullptr;
        if (const auto status = give(&handle); status != TABLECRYPT_OK) return status;
        return structure(handle);
    }

    detail::owner<tablecrypt_table, tablecrypt_table_free> handle_;
};

// A client connection. Its destructor frees it; close() ends its permissions for all that came from it as well.
class connection {
public:
    // Takes the handle.
    explicit connection(tablecrypt_connection *handle) noexcept : handle_(handle) {}

    [[nodiscard]] result<table> open_table(const std::string &name) const noexcept {
        tablecrypt_table *opened = nullptr;
        const auto status = tablecrypt_connection_open_table(handle(), name.c_str(), &opened);
        if (status != TABLECRYPT_OK) return status;
        return table(opened);
    }

    // By hand: all that it opened, and it opens nothing, until unlock().
    tablecrypt_status lock() const noexcept { return tablecrypt_connection_lock(handle()); }
    tablecrypt_status unlock() const noexcept { return tablecrypt_connection_unlock(handle()); }

    tablecrypt_status close() const noexcept { return tablecrypt_connection_close(handle()); }

    [[nodiscard]] tablecrypt_connection *handle() const noexcept { return handle_.get(); }

private:
    detail::owner<tablecrypt_connection, tablecrypt_connection_free> handle_;
};

// What a new table is to be; without a KMS key it is under the service default key.
struct table_spec {
    std::string name;
    std::vector<std::string> locals = {};
    std::vector<std::string> globals = {};
    std::optional<std::string> kms_key = {};
    std::vector<std::string> other_kms_keys = {};  // under these too: any of them opens it
};

// What a KMS of the caller's is asked: tablecrypt_kms_request. It is there until the call returns.
class kms_request {
public:
    explicit kms_request(const tablecrypt_kms_request &asked) noexcept : asked_(asked) {}

    [[nodiscard]] std::string_view key() const noexcept { return text(asked_.key); }
    [[nodiscard]] std::string_view to() const noexcept { return text(asked_.to); }
    [[nodiscard]] std::string_view description() const noexcept { return text(asked_.description); }
    // Who connected; empty for the service itself.
    [[nodiscard]] std::string_view principal() const noexcept { return text(asked_.principal); }
    [[nodiscard]] view wrapped() const noexcept { return {asked_.wrapped, asked_.wrapped_length}; }

    // The encryption context: pairs in the order of their names.
    [[nodiscard]] std::size_t context_size() const noexcept { return asked_.context_count; }
    [[nodiscard]] std::pair<std::string_view, std::string_view> context(std::size_t at) const noexcept {
        return {text(asked_.context[at].name), text(asked_.context[at].value)};
    }

private:
    static std::string_view text(const char *text) noexcept { return text == nullptr ? "" : text; }

    const tablecrypt_kms_request &asked_;
};

// What it answers: each of these copies, and is false where it does not fit or is not asked for.
class kms_answer {
public:
    explicit kms_answer(tablecrypt_kms_answer &given) noexcept : given_(given) {}

    // The key in clear, 32 bytes. The caller's copy of it stays the caller's to wipe.
    bool key(view bytes) noexcept {
        if (given_.key == nullptr || bytes.size() != 32) return false;
        std::memcpy(given_.key, bytes.data(), 32);
        given_.key_length = 32;
        return true;
    }

    bool wrapped(view bytes) noexcept {
        if (given_.wrapped == nullptr || bytes.size() > given_.wrapped_capacity) return false;
        if (bytes.size() > 0) std::memcpy(given_.wrapped, bytes.data(), bytes.size());
        given_.wrapped_length = bytes.size();
        return true;
    }

    bool arn(std::string_view text) noexcept { return put(given_.arn, given_.arn_capacity, text); }
    bool request_id(std::string_view text) noexcept { return put(given_.request_id, given_.request_id_capacity, text); }
    void state(tablecrypt_kms_state state) noexcept { given_.state = state; }

private:
    static bool put(char *room, std::size_t capacity, std::string_view text) noexcept {
        if (room == nullptr || text.size() >= capacity) return false;
        std::copy(text.begin(), text.end(), room);
        room[text.size()] = '\0';
        return true;
    }

    tablecrypt_kms_answer &given_;
};

// A KMS of the caller's, to derive from: what tablecrypt_kms_callbacks says of each function. Any thread may call it,
// several at once, and a forked child too. What is not overridden answers ACCESS_DENIED. Where exceptions are on, one that
// leaves a function is KEY_UNAVAILABLE: a failure that may pass.
class kms_provider {
public:
    kms_provider() = default;
    kms_provider(const kms_provider &) = delete;
    kms_provider &operator=(const kms_provider &) = delete;
    virtual ~kms_provider() = default;

    virtual tablecrypt_status generate_data_key(const kms_request &, kms_answer &) { return TABLECRYPT_ACCESS_DENIED; }
    virtual tablecrypt_status decrypt(const kms_request &, kms_answer &) = 0;
    virtual tablecrypt_status re_encrypt(const kms_request &, kms_answer &) { return TABLECRYPT_ACCESS_DENIED; }
    virtual tablecrypt_status ensure_key(const kms_request &, kms_answer &) { return TABLECRYPT_ACCESS_DENIED; }
    virtual tablecrypt_status describe_key(const kms_request &, kms_answer &) { return TABLECRYPT_ACCESS_DENIED; }
};

// What AWS KMS is opened with; what is empty comes from the standard chain, and a time of zero is the client's own.
struct aws_options {
    std::string region = {};
    std::string endpoint = {};  // a URL
    std::string profile = {};
    std::chrono::milliseconds attempt_timeout{0};  // of one try
    std::chrono::milliseconds call_timeout{0};     // of a call with all its tries
};

// A KMS, for service::open. It may go as soon as the services are open.
class kms {
public:
    // Takes the handle.
    explicit kms(tablecrypt_kms *handle) noexcept : handle_(handle) {}

    // Keys in files of `folder`, in clear: for development and tests.
    [[nodiscard]] static result<kms> open_local(const std::string &folder) noexcept {
        tablecrypt_kms *opened = nullptr;
        if (const auto status = tablecrypt_kms_open_local(folder.c_str(), &opened); status != TABLECRYPT_OK) return status;
        return kms(opened);
    }

    // AWS KMS, in a library with the feature aws; else NOT_BUILT_IN.
    [[nodiscard]] static result<kms> open_aws(const aws_options &with = {}) noexcept {
        const auto given = [](const std::string &text) { return text.empty() ? nullptr : text.c_str(); };
        const auto count = [](std::chrono::milliseconds time) { return static_cast<std::uint64_t>(time.count()); };
        if (detail::has_nul(with.region) || detail::has_nul(with.endpoint) || detail::has_nul(with.profile)) {
            return TABLECRYPT_INVALID_NAME;
        }
        tablecrypt_kms *opened = nullptr;
        const auto status = tablecrypt_kms_open_aws(given(with.region), given(with.endpoint), given(with.profile),
                                                    count(with.attempt_timeout), count(with.call_timeout), &opened);
        if (status != TABLECRYPT_OK) return status;
        return kms(opened);
    }

    // The caller's own, which is destroyed when nothing uses it any more; at once where this fails.
    [[nodiscard]] static result<kms> from(std::unique_ptr<kms_provider> provider) noexcept {
        if (provider == nullptr) return TABLECRYPT_NULL_ARGUMENT;
        tablecrypt_kms_callbacks callbacks = {};
        callbacks.size = sizeof callbacks;
        callbacks.generate_data_key = call<&kms_provider::generate_data_key>;
        callbacks.decrypt = call<&kms_provider::decrypt>;
        callbacks.re_encrypt = call<&kms_provider::re_encrypt>;
        callbacks.ensure_key = call<&kms_provider::ensure_key>;
        callbacks.describe_key = call<&kms_provider::describe_key>;
        callbacks.release = [](void *caller) { delete static_cast<kms_provider *>(caller); };
        tablecrypt_kms *made = nullptr;
        const auto status = tablecrypt_kms_from_callbacks(&callbacks, provider.get(), &made);
        if (status != TABLECRYPT_OK) return status;
        (void)provider.release();
        return kms(made);
    }

    [[nodiscard]] tablecrypt_kms *handle() const noexcept { return handle_.get(); }

private:
    template <auto Function>
    static tablecrypt_status call(void *caller, const tablecrypt_kms_request *asked, tablecrypt_kms_answer *given) {
        const kms_request request(*asked);
        kms_answer answer(*given);
#if defined(__cpp_exceptions)
        try {
            return (static_cast<kms_provider *>(caller)->*Function)(request, answer);
        } catch (...) {
            return TABLECRYPT_KEY_UNAVAILABLE;
        }
#else
        return (static_cast<kms_provider *>(caller)->*Function)(request, answer);
#endif
    }

    detail::owner<tablecrypt_kms, tablecrypt_kms_free> handle_;
};

// The settings of a service, none of which is set at first: what they are is said in tablecrypt.h. A time below zero is
// INVALID_SETTING.
class settings {
public:
    using milliseconds = std::chrono::milliseconds;

    // Takes the handle.
    explicit settings(tablecrypt_settings *handle) noexcept : handle_(handle) {}

    [[nodiscard]] static result<settings> make() noexcept {
        tablecrypt_settings *made = nullptr;
        if (const auto status = tablecrypt_settings_new(&made); status != TABLECRYPT_OK) return status;
        return settings(made);
    }

    [[nodiscard]] tablecrypt_status refresh(milliseconds every, milliseconds within) noexcept {
        return tablecrypt_settings_refresh(handle(), count(every), count(within));
    }
    [[nodiscard]] tablecrypt_status jitter(milliseconds jitter) noexcept {
        return jitter.count() < 0 ? TABLECRYPT_INVALID_SETTING : tablecrypt_settings_jitter(handle(), count(jitter));
    }
    [[nodiscard]] tablecrypt_status outage_grace(milliseconds grace) noexcept {
        return tablecrypt_settings_outage_grace(handle(), count(grace));
    }
    [[nodiscard]] tablecrypt_status drain(milliseconds drain) noexcept {
        return tablecrypt_settings_drain(handle(), count(drain));
    }
    [[nodiscard]] tablecrypt_status scope(tablecrypt_scope scope) noexcept {
        return tablecrypt_settings_scope(handle(), scope);
    }
    [[nodiscard]] tablecrypt_status subscriber(const std::string &subscriber) noexcept {
        if (detail::has_nul(subscriber)) return TABLECRYPT_INVALID_NAME;
        return tablecrypt_settings_subscriber(handle(), subscriber.c_str());
    }
    [[nodiscard]] tablecrypt_status default_key(const std::string &alias) noexcept {
        if (detail::has_nul(alias)) return TABLECRYPT_INVALID_NAME;
        return tablecrypt_settings_default_key(handle(), alias.c_str());
    }
    [[nodiscard]] tablecrypt_status require_default_key(bool required) noexcept {
        return tablecrypt_settings_require_default_key(handle(), required);
    }
    [[nodiscard]] tablecrypt_status names_in_log(bool shown) noexcept {
        return tablecrypt_settings_names_in_log(handle(), shown);
    }

    // Told every event of the services that are opened with these settings, on any thread. It must not use them. What it
    // throws is dropped. It is destroyed when nothing will call it any more; at once where this fails.
    using log_listener = std::function<void(tablecrypt_log_level, std::string_view)>;
    [[nodiscard]] tablecrypt_status log(log_listener listener) {
        if (!listener) return TABLECRYPT_NULL_ARGUMENT;
        auto owned = std::make_unique<log_listener>(std::move(listener));
        const auto status = tablecrypt_settings_log(handle(), told, owned.get(), forgotten);
        if (status == TABLECRYPT_OK) (void)owned.release();
        return status;
    }

    // The key binds the lines; `who` is who this process is, in words of the caller.
    [[nodiscard]] tablecrypt_status audit_log(const std::string &path, const std::array<std::uint8_t, 32> *key = nullptr,
                                              const char *who = nullptr, bool best_effort = false) noexcept {
        return tablecrypt_settings_audit_log(handle(), path.c_str(), key == nullptr ? nullptr : key->data(), who,
                                             best_effort);
    }
    // Zero is no limit.
    [[nodiscard]] tablecrypt_status rotate_after(milliseconds age, std::uint64_t records = 0,
                                                 std::uint64_t bytes = 0) noexcept {
        if (age.count() < 0) return TABLECRYPT_INVALID_SETTING;
        return tablecrypt_settings_rotate_after(handle(), count(age), records, bytes);
    }

    [[nodiscard]] tablecrypt_settings *handle() const noexcept { return handle_.get(); }

private:
    static void told(void *caller, tablecrypt_log_level level, const char *message) {
#if defined(__cpp_exceptions)
        try {
            (*static_cast<log_listener *>(caller))(level, message);
        } catch (...) {
        }
#else
        (*static_cast<log_listener *>(caller))(level, message);
#endif
    }

    static void forgotten(void *caller) { delete static_cast<log_listener *>(caller); }

    // Below zero it is more than any setting may be.
    static std::uint64_t count(milliseconds time) noexcept { return static_cast<std::uint64_t>(time.count()); }

    detail::owner<tablecrypt_settings, tablecrypt_settings_free> handle_;
};

// Tables under a KMS.
class service {
public:
    // Takes the handle.
    explicit service(tablecrypt_service *handle) noexcept : handle_(handle) {}

    // A local KMS in folder/kms, key files in folder/tables.
    [[nodiscard]] static result<service> open_local(const std::string &folder) noexcept {
        tablecrypt_service *opened = nullptr;
        const auto status = tablecrypt_service_open_local(folder.c_str(), &opened);
        if (status != TABLECRYPT_OK) return status;
        return service(opened);
    }

    // Over a KMS, with key files in this folder.
    [[nodiscard]] static result<service> open(const kms &over, const std::string &key_files) noexcept {
        return opened(over, key_files, nullptr);
    }

    [[nodiscard]] static result<service> open(const kms &over, const std::string &key_files,
                                              const settings &with) noexcept {
        return with.handle() == nullptr ? TABLECRYPT_NULL_ARGUMENT : opened(over, key_files, with.handle());
    }

    [[nodiscard]] tablecrypt_status create_table(const table_spec &spec) const {
        const auto locals = pointers(spec.locals), globals = pointers(spec.globals);
        if (spec.other_kms_keys.empty()) {
            return tablecrypt_service_create_table(handle(), spec.name.c_str(), locals.data(), locals.size(),
                                                   globals.data(), globals.size(),
                                                   spec.kms_key ? spec.kms_key->c_str() : nullptr);
        }
        if (!spec.kms_key) return TABLECRYPT_NULL_ARGUMENT;
        auto keys = pointers(spec.other_kms_keys);
        keys.insert(keys.begin(), spec.kms_key->c_str());
        return tablecrypt_service_create_table_under(handle(), spec.name.c_str(), locals.data(), locals.size(),
                                                     globals.data(), globals.size(), keys.data(), keys.size());
    }

    // The names of all tables, sorted.
    [[nodiscard]] result<std::vector<std::string>> tables() const {
        tablecrypt_names *made = nullptr;
        if (const auto status = tablecrypt_service_tables(handle(), &made); status != TABLECRYPT_OK) return status;
        const detail::owner<tablecrypt_names, tablecrypt_names_free> names(made);
        std::vector<std::string> all;
        for (std::size_t i = 0; i < tablecrypt_names_count(made); ++i) all.emplace_back(tablecrypt_names_at(made, i));
        return all;
    }

    [[nodiscard]] result<description> describe_table(const std::string &name) const {
        tablecrypt_description *made = nullptr;
        const auto status = tablecrypt_service_describe_table(handle(), name.c_str(), &made);
        if (status != TABLECRYPT_OK) return status;
        return detail::copied(made);
    }

    // The ARN of the service default key, which is created if it is missing.
    [[nodiscard]] result<std::string> default_key() const {
        std::string arn(2048, '\0');
        std::size_t length = 0;
        const auto status = tablecrypt_service_default_key(handle(), arn.data(), arn.size() + 1, &length);
        if (status != TABLECRYPT_OK) return status;
        arn.resize(length);
        return arn;
    }

    // What is done to a table's keys: tablecrypt.h says of each what it asks of the KMS, and what it leaves.
    [[nodiscard]] tablecrypt_status delete_table(const std::string &name) const noexcept {
        return tablecrypt_service_delete_table(handle(), name.c_str());
    }
    [[nodiscard]] tablecrypt_status add_structure(const std::string &table, const std::string &name) const noexcept {
        return tablecrypt_service_add_structure(handle(), table.c_str(), name.c_str());
    }
    [[nodiscard]] tablecrypt_status drop_structure(const std::string &table, const std::string &name) const noexcept {
        return tablecrypt_service_drop_structure(handle(), table.c_str(), name.c_str());
    }
    [[nodiscard]] result<std::vector<generation>> generations(const std::string &table) const {
        tablecrypt_generations *made = nullptr;
        const auto status = tablecrypt_service_generations(handle(), table.c_str(), &made);
        if (status != TABLECRYPT_OK) return status;
        const detail::owner<tablecrypt_generations, tablecrypt_generations_free> owned(made);
        std::vector<generation> all;
        for (std::size_t i = 0; i < tablecrypt_generations_count(made); ++i) {
            tablecrypt_generation one = {};
            one.size = sizeof one;
            if (tablecrypt_generations_at(made, i, &one) != TABLECRYPT_OK) break;
            all.push_back({one.structure, one.number, detail::at(one.created), detail::at(one.seals_from), one.seals != 0});
        }
        return all;
    }
    // A new generation of every structure's data key, or of one's.
    [[nodiscard]] tablecrypt_status rotate(const std::string &table) const noexcept {
        return tablecrypt_service_rotate(handle(), table.c_str(), nullptr);
    }
    [[nodiscard]] tablecrypt_status rotate(const std::string &table, const std::string &structure) const noexcept {
        return tablecrypt_service_rotate(handle(), table.c_str(), structure.c_str());
    }
    [[nodiscard]] tablecrypt_status retire_generation(const std::string &table, std::uint32_t number) const noexcept {
        return tablecrypt_service_retire_generation(handle(), table.c_str(), number);
    }
    // From the KMS key that is asked first, or from one that is named.
    [[nodiscard]] tablecrypt_status rewrap(const std::string &table, const std::string &to) const noexcept {
        return tablecrypt_service_rewrap(handle(), table.c_str(), nullptr, to.c_str());
    }
    [[nodiscard]] tablecrypt_status rewrap(const std::string &table, const std::string &from,
                                           const std::string &to) const noexcept {
        return tablecrypt_service_rewrap(handle(), table.c_str(), from.c_str(), to.c_str());
    }
    [[nodiscard]] tablecrypt_status plan_rewrap(const std::string &table, const std::string &to) const noexcept {
        return tablecrypt_service_plan_rewrap(handle(), table.c_str(), nullptr, to.c_str());
    }
    [[nodiscard]] tablecrypt_status switch_key(const std::string &table, const std::vector<std::string> &kms_keys) const {
        const auto keys = pointers(kms_keys);
        return tablecrypt_service_switch_key(handle(), table.c_str(), keys.data(), keys.size());
    }
    [[nodiscard]] tablecrypt_status add_kms_key(const std::string &table, const std::string &key) const noexcept {
        return tablecrypt_service_add_kms_key(handle(), table.c_str(), key.c_str());
    }
    [[nodiscard]] tablecrypt_status remove_kms_key(const std::string &table, const std::string &key) const noexcept {
        return tablecrypt_service_remove_kms_key(handle(), table.c_str(), key.c_str());
    }

    // By hand: all tables of all connections, until unlock().
    tablecrypt_status lock() const noexcept { return tablecrypt_service_lock(handle()); }
    tablecrypt_status unlock() const noexcept { return tablecrypt_service_unlock(handle()); }

    [[nodiscard]] result<tablecrypt_metrics> metrics() const noexcept {
        tablecrypt_metrics metrics = {};
        metrics.size = sizeof metrics;
        if (const auto status = tablecrypt_service_metrics(handle(), &metrics); status != TABLECRYPT_OK) return status;
        return metrics;
    }

    [[nodiscard]] result<connection> connect() const noexcept {
        tablecrypt_connection *made = nullptr;
        const auto status = tablecrypt_service_connect(handle(), &made);
        if (status != TABLECRYPT_OK) return status;
        return connection(made);
    }

    // Of somebody, by a name that the caller has authenticated.
    [[nodiscard]] result<connection> connect_as(const std::string &principal) const noexcept {
        if (detail::has_nul(principal)) return TABLECRYPT_INVALID_NAME; // or somebody else would connect
        tablecrypt_connection *made = nullptr;
        const auto status = tablecrypt_service_connect_as(handle(), principal.c_str(), &made);
        if (status != TABLECRYPT_OK) return status;
        return connection(made);
    }

    [[nodiscard]] tablecrypt_service *handle() const noexcept { return handle_.get(); }

private:
    static result<service> opened(const kms &over, const std::string &key_files,
                                  const tablecrypt_settings *with) noexcept {
        tablecrypt_service *made = nullptr;
        const auto status = tablecrypt_service_open(over.handle(), key_files.c_str(), with, &made);
        if (status != TABLECRYPT_OK) return status;
        return service(made);
    }

    static std::vector<const char *> pointers(const std::vector<std::string> &names) {
        std::vector<const char *> pointers;
        for (const auto &name : names) pointers.push_back(name.c_str());
        return pointers;
    }

    detail::owner<tablecrypt_service, tablecrypt_service_free> handle_;
};

// What an administrator does to the local KMS of the service in `folder`.
namespace local_kms {

[[nodiscard]] inline tablecrypt_status disable_key(const std::string &folder) noexcept {
    return tablecrypt_local_kms_disable_key(folder.c_str(), nullptr);
}

[[nodiscard]] inline tablecrypt_status disable_key(const std::string &folder, const std::string &key) noexcept {
    return tablecrypt_local_kms_disable_key(folder.c_str(), key.c_str());
}

[[nodiscard]] inline tablecrypt_status enable_key(const std::string &folder) noexcept {
    return tablecrypt_local_kms_enable_key(folder.c_str(), nullptr);
}

[[nodiscard]] inline tablecrypt_status enable_key(const std::string &folder, const std::string &key) noexcept {
    return tablecrypt_local_kms_enable_key(folder.c_str(), key.c_str());
}

}  // namespace local_kms

using key256 = std::array<std::uint8_t, 32>;
using nonce96 = std::array<std::uint8_t, 12>;
using tag128 = std::array<std::uint8_t, 16>;

// A backend's name, and whether this CPU can run it.
struct backend {
    std::string_view name;
    bool is_available;
};

// Every backend of the library, the best first.
[[nodiscard]] inline std::vector<backend> backends() {
    std::vector<backend> all;
    for (std::size_t i = 0; i < tablecrypt_backend_count(); ++i) {
        const char *name = tablecrypt_backend_name(i);
        all.push_back({name, tablecrypt_backend_is_available(name) != 0});
    }
    return all;
}

// One message of a batch, which is sealed or opened where its text stands; then its `tag` and `status` are given.
struct gcm_message : tablecrypt_gcm_message {
    gcm_message(const nonce96 &its_nonce, view its_aad, buffer its_text, const tag128 &its_tag = {}) noexcept
        : tablecrypt_gcm_message{} {
        std::copy(its_nonce.begin(), its_nonce.end(), nonce);
        std::copy(its_tag.begin(), its_tag.end(), tag);
        aad = its_aad.data(), aad_length = its_aad.size();
        text = its_text.data(), text_length = its_text.size();
    }
};

static_assert(sizeof(gcm_message) == sizeof(tablecrypt_gcm_message), "an array of the one is an array of the other");

// AES-256-GCM under one key. A nonce must never be used twice under it.
class gcm {
public:
    // Takes the handle.
    explicit gcm(tablecrypt_gcm *handle) noexcept : handle_(handle) {}

    // For the best backend of this CPU.
    [[nodiscard]] static result<gcm> expand(const key256 &key) noexcept {
        tablecrypt_gcm *expanded = nullptr;
        if (const auto status = tablecrypt_gcm_expand(key.data(), &expanded); status != TABLECRYPT_OK) return status;
        return gcm(expanded);
    }

    // For the backend of this name.
    [[nodiscard]] static result<gcm> expand_on(const std::string &name, const key256 &key) noexcept {
        tablecrypt_gcm *expanded = nullptr;
        const auto status = tablecrypt_gcm_expand_on(name.c_str(), key.data(), &expanded);
        if (status != TABLECRYPT_OK) return status;
        return gcm(expanded);
    }

    // Seals `text` into `out`, which is as long (or OUTPUT_TOO_SHORT), and gives the tag. In place where both are one.
    [[nodiscard]] tablecrypt_status seal(const nonce96 &nonce, view aad, view text, buffer out,
                                         tag128 &tag) const noexcept {
        if (out.size() < text.size()) return TABLECRYPT_OUTPUT_TOO_SHORT;
        return tablecrypt_gcm_seal(handle(), nonce.data(), aad.data(), aad.size(), text.data(), text.size(),
                                   out.data(), tag.data());
    }

    // Opens `text` into `out`, which is as long (or OUTPUT_TOO_SHORT). In place where both are one.
    [[nodiscard]] tablecrypt_status open(const nonce96 &nonce, view aad, view text, const tag128 &tag,
                                         buffer out) const noexcept {
        if (out.size() < text.size()) return TABLECRYPT_OUTPUT_TOO_SHORT;
        return tablecrypt_gcm_open(handle(), nonce.data(), aad.data(), aad.size(), text.data(), text.size(),
                                   tag.data(), out.data());
    }

    // In place, with a nonce of any length: take this only where a format dictates it.
    [[nodiscard]] tablecrypt_status hazmat_seal(view nonce, view aad, buffer text, tag128 &tag) const noexcept {
        return tablecrypt_gcm_hazmat_seal(handle(), nonce.data(), nonce.size(), aad.data(), aad.size(), text.data(),
                                          text.size(), tag.data());
    }
    [[nodiscard]] tablecrypt_status hazmat_open(view nonce, view aad, buffer text, const tag128 &tag) const noexcept {
        return tablecrypt_gcm_hazmat_open(handle(), nonce.data(), nonce.size(), aad.data(), aad.size(), text.data(),
                                          text.size(), tag.data());
    }

    // Seals many messages in place: all, or none.
    template <class Messages>
    [[nodiscard]] tablecrypt_status seal_many(Messages &messages) const noexcept {
        static_assert(std::is_same_v<detail::element<Messages>, gcm_message>, "a vector, an array or a span");
        return tablecrypt_gcm_seal_many(handle(), messages.data(), messages.size());
    }

    // Opens many messages in place: OK, or the status of the first that has another.
    template <class Messages>
    [[nodiscard]] tablecrypt_status open_many(Messages &messages) const noexcept {
        static_assert(std::is_same_v<detail::element<Messages>, gcm_message>, "a vector, an array or a span");
        return tablecrypt_gcm_open_many(handle(), messages.data(), messages.size());
    }

    // Empty for an owner that was moved from.
    [[nodiscard]] std::string_view backend() const noexcept {
        const char *name = tablecrypt_gcm_backend(handle());
        return name == nullptr ? std::string_view() : std::string_view(name);
    }

    [[nodiscard]] tablecrypt_gcm *handle() const noexcept { return handle_.get(); }

private:
    detail::owner<tablecrypt_gcm, tablecrypt_gcm_free> handle_;
};

using nonce192 = std::array<std::uint8_t, 24>;
using prefix96 = std::array<std::uint8_t, 12>;

// XAES-256-GCM under one key: nonces of 24 bytes, which may be random.
class xaes {
public:
    // Takes the handle.
    explicit xaes(tablecrypt_xaes *handle) noexcept : handle_(handle) {}

    [[nodiscard]] static result<xaes> expand(const key256 &key) noexcept {
        tablecrypt_xaes *expanded = nullptr;
        if (const auto status = tablecrypt_xaes_expand(key.data(), &expanded); status != TABLECRYPT_OK) return status;
        return xaes(expanded);
    }

    // As gcm's.
    [[nodiscard]] tablecrypt_status seal(const nonce192 &nonce, view aad, view text, buffer out,
                                         tag128 &tag) const noexcept {
        if (out.size() < text.size()) return TABLECRYPT_OUTPUT_TOO_SHORT;
        return tablecrypt_xaes_seal(handle(), nonce.data(), aad.data(), aad.size(), text.data(), text.size(),
                                    out.data(), tag.data());
    }
    [[nodiscard]] tablecrypt_status open(const nonce192 &nonce, view aad, view text, const tag128 &tag,
                                         buffer out) const noexcept {
        if (out.size() < text.size()) return TABLECRYPT_OUTPUT_TOO_SHORT;
        return tablecrypt_xaes_open(handle(), nonce.data(), aad.data(), aad.size(), text.data(), text.size(),
                                    tag.data(), out.data());
    }

    // The key of all nonces that begin so, whose own nonces are the other 12 bytes.
    [[nodiscard]] result<gcm> derive(const prefix96 &prefix) const noexcept {
        tablecrypt_gcm *derived = nullptr;
        const auto status = tablecrypt_xaes_derive(handle(), prefix.data(), &derived);
        if (status != TABLECRYPT_OK) return status;
        return gcm(derived);
    }

    [[nodiscard]] tablecrypt_xaes *handle() const noexcept { return handle_.get(); }

private:
    detail::owner<tablecrypt_xaes, tablecrypt_xaes_free> handle_;
};

// How many keys of this process stand in which kind of memory now.
[[nodiscard]] inline tablecrypt_key_memory_use key_memory() noexcept {
    tablecrypt_key_memory_use memory = {};
    memory.size = sizeof memory;
    (void)tablecrypt_key_memory(&memory);
    return memory;
}

#if defined(TABLECRYPT_THROWS)

// The throwing face, for programs that define TABLECRYPT_THROWS before they include this:
//
//     auto service = tablecrypt::or_throw(tablecrypt::service::open_local("demo"));
//     tablecrypt::or_throw(service.create_table({"flights"}));
class error : public std::runtime_error {
public:
    explicit error(tablecrypt_status status)
        : std::runtime_error(tablecrypt_status_message(status)), status_(status) {}

    [[nodiscard]] tablecrypt_status status() const noexcept { return status_; }

private:
    tablecrypt_status status_;
};

// The value, or the status as an exception.
template <class T>
T or_throw(result<T> given) {
    if (!given) throw error(given.status());
    return *std::move(given);
}

inline void or_throw(tablecrypt_status status) {
    if (status != TABLECRYPT_OK) throw error(status);
}

#endif

}  // namespace tablecrypt

#endif  // TABLECRYPT_HPP
