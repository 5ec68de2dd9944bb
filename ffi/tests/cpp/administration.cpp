// What is done to a table's keys, what it says of itself, XAES; by the throwing face.

#define TABLECRYPT_THROWS
#include "tablecrypt.hpp"

#include "../check.h"
#include "kms.hpp"

using tablecrypt::or_throw;

namespace {

#if defined(TABLECRYPT_TEST_FULL)
constexpr tablecrypt_status full(tablecrypt_status status) { return status; }
#else
constexpr tablecrypt_status full(tablecrypt_status) { return TABLECRYPT_NOT_BUILT_IN; }
#endif

void test_ciphers() {
    const auto xaes = or_throw(tablecrypt::xaes::expand({1, 2, 3}));
    const tablecrypt::nonce192 nonce = {4, 5, 6};
    const std::string text = "eleven minutes late";
    std::vector<std::uint8_t> sealed(text.size()), opened(text.size());
    tablecrypt::tag128 tag;
    or_throw(xaes.seal(nonce, "aad", text, sealed, tag));
    const auto derived = or_throw(xaes.derive({4, 5, 6}));
    or_throw(derived.open({}, "aad", sealed, tag, opened));
    CHECK(tablecrypt::view(opened).text() == text);
    or_throw(xaes.open(nonce, "aad", sealed, tag, opened));
    tag[0] ^= 1;
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, xaes.open(nonce, "aad", sealed, tag, opened));
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, xaes.seal(nonce, {}, text, {sealed.data(), 1}, tag));
    CHECK_STATUS(TABLECRYPT_OUTPUT_TOO_SHORT, xaes.open(nonce, {}, text, tag, {sealed.data(), 1}));
    or_throw(derived.hazmat_seal("eight ch", "aad", opened, tag));
    or_throw(derived.hazmat_open("eight ch", "aad", opened, tag));
    CHECK_STATUS(TABLECRYPT_UNAUTHENTIC, derived.hazmat_open("eight CH", "aad", opened, tag));
}

}  // namespace

void test_administration(const std::string &folder) {
    test_ciphers();
    auto service = or_throw(tablecrypt::service::open_local(folder + "/administered"));
    const auto arn = or_throw(service.default_key());
    or_throw(service.create_table({"kept", {"a"}, {}}));
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, service.create_table({"two", {}, {}, {}, {arn}}));
    or_throw(service.create_table({"two", {}, {}, arn, {"alias/tablecrypt/default"}}));
    CHECK((or_throw(service.tables()) == std::vector<std::string>{"kept", "two"}));
    auto connection = or_throw(service.connect());
    auto table = or_throw(connection.open_table("kept"));
    auto base = or_throw(table.base());
    const auto record = or_throw(base.seal("c", "t"));

    for (const auto &said : {or_throw(service.describe_table("kept")), or_throw(table.describe())}) {
        CHECK(said.table == "kept" && said.table_id.size() == 32 && said.kms_keys == std::vector<std::string>{arn});
        CHECK(said.status == TABLECRYPT_KEY_STATUS_ENABLED && !said.switching_to && !said.inaccessible_since);
        CHECK(!said.grace_since && !said.is_locked && said.structures.size() == 2 && said.structures[1] == "local:a");
        CHECK(said.created <= std::chrono::system_clock::now());
    }
    CHECK(table.is_unlocked() && table.permitted_for() <= std::chrono::seconds(330));
    or_throw(table.lock());
    CHECK(!table.is_unlocked() && base.open("c", record).status() == TABLECRYPT_LOCKED);
    or_throw(table.unlock());
    or_throw(connection.lock());
    CHECK_STATUS(TABLECRYPT_LOCKED, base.open("c", record).status());
    or_throw(connection.unlock());
    or_throw(service.lock());
    CHECK_STATUS(TABLECRYPT_LOCKED, base.open("c", record).status());
    or_throw(service.unlock());
    CHECK(base.open("c", record));

    or_throw(service.rotate("kept"));
    or_throw(service.rotate("kept", "local:a"));
    const auto generations = or_throw(service.generations("kept"));
    CHECK(generations.size() == 5 && generations[0].structure == "base" && generations[0].seals && !generations[1].seals);
    CHECK(generations[1].seals_from > generations[1].created);
    CHECK(or_throw(tablecrypt::generation_of_record(record)) == generations[0].number);
    CHECK_STATUS(TABLECRYPT_TRUNCATED, tablecrypt::generation_of_record({}).status());
    CHECK_STATUS(TABLECRYPT_GENERATION_IN_USE, service.retire_generation("kept", generations[0].number));
    or_throw(service.add_structure("kept", "global:b"));
    or_throw(service.drop_structure("kept", "global:b"));
    CHECK_STATUS(full(TABLECRYPT_OK), service.plan_rewrap("kept", arn));
    CHECK_STATUS(full(TABLECRYPT_OK), service.rewrap("kept", arn));
    CHECK_STATUS(full(TABLECRYPT_OK), service.rewrap("kept", arn, arn));
    CHECK_STATUS(full(TABLECRYPT_OK), service.switch_key("kept", {arn}));
    CHECK_STATUS(full(TABLECRYPT_OK), service.add_kms_key("kept", arn));
    CHECK_STATUS(full(TABLECRYPT_INDISPENSABLE), service.remove_kms_key("kept", arn));
    const auto metrics = or_throw(service.metrics());
    CHECK(metrics.sealed == 1 && metrics.decrypt.calls > 0 && metrics.permissions == 1);
    const auto memory = tablecrypt::key_memory();
    CHECK(memory.secret + memory.locked + memory.unlocked > 0);
    auto settings = or_throw(tablecrypt::settings::make());
    CHECK_STATUS(full(TABLECRYPT_OK), settings.audit_log(folder + "/audit.log", nullptr, "the test"));
    CHECK_STATUS(full(TABLECRYPT_OK), settings.rotate_after(std::chrono::hours(24), 1, 1));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings.rotate_after(std::chrono::hours(-1)));

    or_throw(service.delete_table("kept"));
    bool thrown = false;
    try {
        or_throw(service.describe_table("kept"));
    } catch (const tablecrypt::error &error) {
        thrown = error.status() == TABLECRYPT_NO_SUCH_TABLE && std::string(error.what()).find("no such table") != std::string::npos;
    }
    CHECK(thrown);
    thrown = false;
    try {
        or_throw(service.delete_table("kept"));
    } catch (const tablecrypt::error &error) {
        thrown = error.status() == TABLECRYPT_NO_SUCH_TABLE;
    }
    CHECK(thrown);
}
