// A KMS of the caller's: a class that wraps with AES-256-GCM, its exceptions, its end; and settings.

#include "kms.hpp"

#include <atomic>
#include <stdexcept>

#include "../check.h"
#include "tablecrypt.hpp"

using namespace std::chrono_literals;

namespace {

struct world {
    std::atomic<int> calls{0}, ended{0};
    std::atomic<bool> throws{false};
    std::string principal;
};

class own_kms : public tablecrypt::kms_provider {
public:
    explicit own_kms(world &its_world) : world_(its_world) {}
    ~own_kms() override { ++world_.ended; }

    tablecrypt_status generate_data_key(const tablecrypt::kms_request &asked, tablecrypt::kms_answer &answer) override {
        ++world_.calls;
        if (asked.key() != "alias/own") return TABLECRYPT_KEY_NOT_FOUND;
        const tablecrypt::key256 key = {9, 8, 7};
        std::array<std::uint8_t, 60> wrapped = {std::uint8_t(world_.calls)};
        tablecrypt::nonce96 nonce = {std::uint8_t(world_.calls)};
        tablecrypt::tag128 tag;
        if (gcm_->seal(nonce, context(asked), key, {wrapped.data() + 12, 32}, tag) != TABLECRYPT_OK) std::abort();
        std::copy(tag.begin(), tag.end(), wrapped.begin() + 44);
        const bool taken = answer.key(key) && answer.wrapped(wrapped) && answer.arn("arn:own") && answer.request_id("1");
        CHECK(taken && !answer.key({key.data(), 31}) && !answer.arn(std::string(2048, 'a')));
        CHECK(!answer.wrapped(std::vector<std::uint8_t>(6145)) && answer.arn(std::string(2047, 'a')) && answer.arn("arn:own"));
        return answer.wrapped(wrapped) ? TABLECRYPT_OK : TABLECRYPT_KEY_UNAVAILABLE;
    }

    tablecrypt_status decrypt(const tablecrypt::kms_request &asked, tablecrypt::kms_answer &answer) override {
        ++world_.calls;
        world_.principal = asked.principal();
        if (world_.throws) throw std::runtime_error("as this test wants");
        if (asked.key() != "arn:own" || asked.wrapped().size() != 60) return TABLECRYPT_KMS_REQUEST_INVALID;
        const std::uint8_t *wrapped = asked.wrapped().data();
        tablecrypt::nonce96 nonce;
        tablecrypt::tag128 tag;
        tablecrypt::key256 key;
        std::copy(wrapped, wrapped + 12, nonce.begin());
        std::copy(wrapped + 44, wrapped + 60, tag.begin());
        if (gcm_->open(nonce, context(asked), {wrapped + 12, 32}, tag, key) != TABLECRYPT_OK) {
            return TABLECRYPT_WRONG_CONTEXT;
        }
        return answer.key(key) && !answer.wrapped(key) && !answer.arn("arn:own") ? TABLECRYPT_OK : TABLECRYPT_PANIC;
    }

private:
    static std::string context(const tablecrypt::kms_request &asked) {
        std::string all;
        for (std::size_t i = 0; i < asked.context_size(); ++i) {
            const auto [name, value] = asked.context(i);
            all.append(name).append(1, '\0').append(value).append(1, '\0');
        }
        return all;
    }

    world &world_;
    tablecrypt::result<tablecrypt::gcm> gcm_ = tablecrypt::gcm::expand({1, 2, 3});
};

}  // namespace

void test_own_kms(const std::string &folder) {
    world seen;
    {
        auto kms = tablecrypt::kms::from(std::make_unique<own_kms>(seen));
        CHECK(kms);
        auto settings = tablecrypt::settings::make();
        CHECK(settings);
        CHECK_STATUS(TABLECRYPT_OK, settings->default_key("alias/own"));
        CHECK_STATUS(TABLECRYPT_OK, settings->scope(TABLECRYPT_SCOPE_PRINCIPAL));
        auto service = tablecrypt::service::open(*kms, folder + "/own", *settings);
        CHECK(service);
        kms = TABLECRYPT_CLOSED;  // it may go
        CHECK(seen.calls == 0 && seen.ended == 0);
        CHECK_STATUS(TABLECRYPT_OK, service->create_table({"flights"}));
        // What is not overridden is denied.
        CHECK_STATUS(TABLECRYPT_KEY_NOT_FOUND, service->create_table({"planes", {}, {}, "alias/another"}));
        CHECK(service->connect()->open_table("flights") && seen.principal.empty());
        CHECK(service->connect_as("ann")->open_table("flights") && seen.principal == "ann");
        CHECK_STATUS(TABLECRYPT_INVALID_NAME, service->connect_as(std::string("ann\0", 4)).status());
        seen.throws = true;
        CHECK_STATUS(TABLECRYPT_KEY_UNAVAILABLE, service->connect_as("bob")->open_table("flights").status());
        seen.throws = false;
        auto table = service->connect_as("eve")->open_table("flights");
        CHECK(table && table->base()->seal("c", "t"));

        CHECK_STATUS(TABLECRYPT_OK, settings->default_key("alias/another"));
        auto other = tablecrypt::service::open(*tablecrypt::kms::from(std::make_unique<own_kms>(seen)), folder + "/own", *settings);
        CHECK_STATUS(TABLECRYPT_ACCESS_DENIED, other->create_table({"planes"}));
        const auto moved = *std::move(settings);
        CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT,
                     tablecrypt::service::open(*tablecrypt::kms::open_local(folder + "/kms"), folder + "/own", *settings).status());
    }
    while (seen.ended < 2) {
        // A thread of the library's may be the last that used it.
    }
    CHECK(seen.ended == 2);
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, tablecrypt::kms::from(nullptr).status());
    const auto local = tablecrypt::kms::open_local(folder + "/kms");
    CHECK(local && tablecrypt::service::open(*local, folder + "/tables")->connect()->open_table("flights"));
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt::kms::open_local("").status());
    CHECK_STATUS(TABLECRYPT_NOT_BUILT_IN, tablecrypt::kms::open_aws().status());
    CHECK_STATUS(TABLECRYPT_NOT_BUILT_IN, tablecrypt::kms::open_aws({"eu-west-1", {}, {}, 1s, 5s}).status());
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, tablecrypt::kms::open_aws({std::string("eu\0", 3)}).status());
    CHECK_STATUS(TABLECRYPT_IO, tablecrypt::service::open(*local, "").status());
}

// A closure is told; what it throws is dropped, and it ends with the last that may tell it.
void test_log(const std::string &folder) {
    std::atomic<int> ended{0}, answers{0}, permitted{0};
    std::atomic<bool> throws{false};
    const auto ends = [&] { return std::shared_ptr<void>(nullptr, [&](void *) { ++ended; }); };
    auto settings = tablecrypt::settings::make();
    CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, settings->log(nullptr));
    CHECK_STATUS(TABLECRYPT_OK, settings->log([kept = ends()](tablecrypt_log_level, std::string_view) {}));
    CHECK(ended == 0);
    CHECK_STATUS(TABLECRYPT_OK, settings->log([&, kept = ends()](tablecrypt_log_level level, std::string_view message) {
        answers += level == TABLECRYPT_LOG_LEVEL_DEBUG && message.find("the KMS has answered call=") == 0;
        permitted += message.find("the KMS permits the table's key table=") == 0;
        if (throws) throw std::runtime_error("as this test wants");
    }));
    CHECK(ended == 1);
    {
        auto service = tablecrypt::service::open(*tablecrypt::kms::open_local(folder + "/kms"), folder + "/tables", *settings);
        CHECK(service && service->connect()->open_table("flights"));
        CHECK(answers == 1 && permitted == 1);
        throws = true;
        CHECK(service->connect()->open_table("flights"));
        CHECK(answers == 2 && permitted == 2);
        const auto moved = *std::move(settings);
        CHECK_STATUS(TABLECRYPT_NULL_ARGUMENT, settings->log([kept = ends()](tablecrypt_log_level, std::string_view) {}));
        CHECK(ended == 2);
    }
    while (ended < 3) {
        // A thread of the library's may be the last that used it.
    }
    CHECK(ended == 3);
}

void test_settings() {
    auto settings = tablecrypt::settings::make();
    CHECK_STATUS(TABLECRYPT_OK, settings->refresh(1s, 1ms));
    CHECK_STATUS(TABLECRYPT_OK, settings->refresh(24h, 24h));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings->refresh(25h, 1ms));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings->refresh(-1s, 1ms));
    CHECK_STATUS(TABLECRYPT_OK, settings->jitter(0s));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings->jitter(-1ms));
    CHECK_STATUS(TABLECRYPT_OK, settings->outage_grace(12h));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings->outage_grace(-1h));
    CHECK_STATUS(TABLECRYPT_OK, settings->drain(1h));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings->drain(61min));
    CHECK_STATUS(TABLECRYPT_INVALID_SETTING, settings->scope(static_cast<tablecrypt_scope>(7)));
    CHECK_STATUS(TABLECRYPT_OK, settings->subscriber("another"));
    CHECK_STATUS(TABLECRYPT_INVALID_UTF8, settings->subscriber("\xff"));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, settings->subscriber(std::string("a\0b", 3)));
    CHECK_STATUS(TABLECRYPT_INVALID_NAME, settings->default_key(std::string("a\0b", 3)));
    CHECK_STATUS(TABLECRYPT_OK, settings->require_default_key(true));
    CHECK_STATUS(TABLECRYPT_OK, settings->names_in_log(true));
}
