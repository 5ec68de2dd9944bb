// Uses the whole C++ interface: program FOLDER. Prints "N passed, 0 failed".

#include <string>
#include <thread>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "../check.h"
#include "forgery.hpp"
#include "kms.hpp"
#include "tablecrypt.hpp"

int passed;
int failed;

namespace {

using bytes = std::vector<std::uint8_t>;

static_assert(!std::is_copy_constructible_v<tablecrypt::service> && std::is_move_constructible_v<tablecrypt::service>);
static_assert(!std::is_copy_assignable_v<tablecrypt::gcm> && std::is_nothrow_move_assignable_v<tablecrypt::gcm>);
static_assert(std::is_nothrow_move_constructible_v<tablecrypt::structure>);
// Bytes are bytes: a vector of int is no view, and what is const is no buffer.
static_assert(!std::is_convertible_v<std::vector<int>, tablecrypt::view>);
static_assert(!std::is_constructible_v<tablecrypt::buffer, const bytes &>);

void test_gcm() {
    const tablecrypt::key256 key = {1, 2, 3};
    const tablecrypt::nonce96 nonce = {4, 5, 6};
    const std::string text = "eleven minutes late";
    tablecrypt::tag128 tag = {}, first_tag = {};
    bytes sealed(text.size()), first;

    for (const auto &backend : tablecrypt::backends()) {
        auto gcm = tablecrypt::gcm::expand_on(std::string(backend.name), key);
        if (!backend.is_available) {
            CHECK_STATUS(TABLECRYPT_NO_SUCH_BACKEND, gcm.status());
            continue;
        }
        CHECK(gcm && gcm->backend() == backend.name);
        CHECK_STATUS(TABLECRYPT_OK, gcm->seal(nonce, "aad", text, sealed, tag));
        if (first.empty()) {
            first = sealed, first_tag = tag;
        }
        CHECK(sealed == first && tag == first_tag);
        std::string opened(text.size(), 'x');
        CHECK_STATUS(TABLECRYPT_OK, gcm->open(nonce, "aad", sealed, tag, opened));
        CHECK(opened == text);
        CHECK_STATUS(TABLECRYPT_OK, gcm->open(nonce, "aad", sealed, tag, sealed));
        CHECK(tablecrypt::view(sealed).text() == text);
        CHECK_STATUS(TABLECRYPT_OK, gcm->seal(nonce, "aad", sealed, sealed, tag));
        tag[15] ^= 1;
        CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, gcm->open(nonce, "aad", sealed, tag, opened));
        CHECK(opened == std::string(text.size(), '\0'));
        tablecrypt::buffer shorter(sealed.data(), sealed.size() - 1);
        CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, gcm->seal(nonce, "aad", text, shorter, tag));
        CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, gcm->open(nonce, "aad", text, tag, shorter));
        CHECK_STATUS(TABLECRYPT_OVERLAP, gcm->seal(nonce, {}, {sealed.data(), 8}, {sealed.data() + 1, 8}, tag));
        CHECK_STATUS(TABLECRYPT_OK, gcm->seal(nonce, {}, {}, {}, tag));
        CHECK_STATUS(TABLECRYPT_OK, gcm->open(nonce, {}, {}, tag, {}));
    }
    auto gcm = tablecrypt::gcm::expand(key);
    CHECK(gcm && !gcm->backend().empty());
    const auto moved = *std::move(gcm);
    CHECK(gcm->handle() == nullptr && gcm->backend().empty() && moved.handle() != nullptr);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, gcm->seal(nonce, {}, {}, {}, tag));
}

void test_records(const tablecrypt::structure &base, const tablecrypt::structure &other) {
    const std::string context = "2013-01-01/UA/1545/EWR", text = "eleven minutes late";

    auto record = base.seal(context, text);
    CHECK(record && record->size() == text.size() + tablecrypt::overhead);
    const auto opened = base.open(context, *record);
    CHECK(opened && tablecrypt::view(*opened).text() == text);
    CHECK_STATUS(TABLECRYPT_UNKNOWN_KEY, other.open(context, *record).status());
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, base.open("another", *record).status());
    CHECK_STATUS(TABLECRYPT_TRUNCATED, base.open(context, {record->data(), 47}).status());
    CHECK_STATUS(TABLECRYPT_TRUNCATED, base.open(context, {}).status());

    std::array<char, 100> out = {};
    const auto length = base.open_into(context, *record, out);
    CHECK(length && *length == text.size() && std::string(out.data(), *length) == text);
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, base.open_into(context, *record, {record->data(), 1}).status());
    CHECK_STATUS(TABLECRYPT_OVERLAP, base.open_into(context, *record, *record).status());
    bytes sealed(tablecrypt::sealed_size(text.size()));
    CHECK(*base.seal_into(context, text, sealed) == sealed.size());
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, base.seal_into(context, text, {sealed.data(), 20}).status());
    CHECK_STATUS(TABLECRYPT_LENGTH, base.seal(context, {sealed.data(), SIZE_MAX}).status());
    CHECK_STATUS(TABLECRYPT_LENGTH, base.open(context, {sealed.data(), SIZE_MAX}).status());

    auto in_place = base.open_in_place(context, sealed);
    CHECK(in_place && tablecrypt::view(in_place->data(), in_place->size()).text() == text);
    CHECK(in_place->data() == sealed.data() + tablecrypt::text_at);
    CHECK_STATUS(TABLECRYPT_OK, base.seal_in_place(context, sealed));
    sealed.back() ^= 1;
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, base.open_in_place(context, sealed).status());
    CHECK(all_are(sealed.data() + tablecrypt::text_at, text.size(), 0));
#if __cplusplus >= 202002L
    const std::span<const std::uint8_t> span(*record);
    CHECK(base.open(context, span) && base.open(context, std::as_bytes(span)));
#endif
}

void test_batches(const tablecrypt::structure &base) {
    std::vector<std::string> texts(100), opened;
    std::vector<bytes> records;
    std::vector<tablecrypt::item> items;

    for (std::size_t i = 0; i < texts.size(); ++i) {
        texts[i] = std::string(i, 'x');
        records.emplace_back(tablecrypt::sealed_size(i));
        opened.emplace_back(i, '-');
        items.emplace_back("context", texts[i], records[i]);
    }
    CHECK_STATUS(TABLECRYPT_OK, base.seal_many(items));
    records[50].back() ^= 1;
    items.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) {
        items.emplace_back("context", records[i], opened[i]);
    }
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, base.open_many(items));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        CHECK_STATUS(i == 50 ? TABLECRYPT_UNAUTHENTIC : TABLECRYPT_OK, items[i].status);
        CHECK(items[i].output_length == (i == 50 ? 0 : i));
        CHECK(opened[i] == (i == 50 ? std::string(i, '\0') : texts[i]));
    }

    const auto gcm = tablecrypt::gcm::expand({1, 2, 3});
    std::array<tablecrypt::gcm_message, 2> messages = {tablecrypt::gcm_message({1}, "aad", texts[80]),
                                                   tablecrypt::gcm_message({2}, "aad", texts[81])};
    CHECK_STATUS(TABLECRYPT_OK, gcm->seal_many(messages));
    CHECK(texts[80] != std::string(80, 'x'));
    messages[1].tag[0] ^= 1;
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, gcm->open_many(messages));
    CHECK_STATUS(TABLECRYPT_OK, messages[0].status);
    CHECK(texts[80] == std::string(80, 'x') && texts[81] == std::string(81, '\0'));
}

// One structure, eight threads: none of them waits for a turn of its own.
void test_threads(const tablecrypt::structure &base) {
    std::vector<int> wrong(8);
    std::vector<std::thread> threads;
    for (auto &count : wrong) {
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i) {
                const std::string text = std::to_string(i);
                const auto record = base.seal("threads", text);
                const auto opened = record ? base.open("threads", *record) : record;
                count += !opened || tablecrypt::view(*opened).text() != text;
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    for (const int count : wrong) {
        CHECK(count == 0);
    }
}

void test_tables(const std::string &folder) {
    auto service = tablecrypt::service::open_local(folder);
    CHECK(service);
    CHECK_STATUS(TABLECRYPT_OK, service->create_table({"flights", {"by-delay"}, {"by-tail"}}));
    CHECK_STATUS(TABLECRYPT_TABLE_EXISTS, service->create_table({"flights"}));
    CHECK(tablecrypt::last_error().find("flights") != std::string::npos);
    CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND, service->create_table({"planes", {}, {}, "alias/of-nothing"}));
    auto connection = service->connect();
    CHECK(connection);
    CHECK_STATUS(TABLECRYPT_NO_SUCH_TABLE, connection->open_table("planes").status());
    auto table = connection->open_table("flights");
    CHECK(table);
    auto base = table->base(), local = table->local("by-delay"), global = table->global("by-tail");
    CHECK(base && local && global && table->at("global:by-tail"));
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, table->local("by-tail").status());
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, table->global("by-delay").status());
    CHECK_STATUS(TABLECRYPT_NO_SUCH_STRUCTURE, table->at("index").status());
    test_records(*base, *local);
    test_records(*local, *global);
    test_batches(*base);
    test_forged_records(*base);
    test_forged_records(*global);
    test_threads(*global);

    CHECK_STATUS(TABLECRYPT_OK, tablecrypt::local_kms::disable_key(folder));
    auto cold = tablecrypt::service::open_local(folder);
    const auto refused = cold->connect()->open_table("flights");
    CHECK(!refused);
    CHECK_STATUS(TABLECRYPT_KEY_DISABLED, refused.status());
    CHECK(std::string(refused.message()).find("disabled") != std::string::npos);
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt::local_kms::enable_key(folder, "alias/tablecrypt/default"));
    CHECK(cold->connect()->open_table("flights"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt::local_kms::disable_key(folder, "alias/tablecrypt/default"));
    CHECK_STATUS(TABLECRYPT_OK, tablecrypt::local_kms::enable_key(folder));
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt::service::open_local("/proc/no-such-folder").status());

    const auto moved = *std::move(base);
    CHECK(moved.seal("c", "t"));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, base->seal("c", "t").status());
    CHECK_STATUS(TABLECRYPT_OK, connection->close());
    CHECK_STATUS(TABLECRYPT_CLOSED, moved.seal("c", "t").status());
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    CHECK(tablecrypt::is_compatible() && tablecrypt::version() == TABLECRYPT_TEST_VERSION);
    CHECK(tablecrypt::last_error().empty());
    CHECK(tablecrypt::opened_size(tablecrypt::sealed_size(5)) == 5);
    CHECK(std::string(tablecrypt::message(TABLECRYPT_OK)) == "done");
    CHECK(tablecrypt::is_refusal(TABLECRYPT_KEY_DISABLED) && !tablecrypt::is_refusal(TABLECRYPT_KEY_UNAVAILABLE));
    test_gcm();
    test_forged_messages();
    test_tables(argv[1]);
    test_settings();
    test_own_kms(argv[1]);
    test_log(argv[1]);
    test_administration(argv[1]);
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
