// Forgeries of messages and of records through tablecrypt.hpp, on every backend, by every way to open them: as
// ffi/tests/c/forgery.c, with the same counts.

#include "forgery.hpp"

#include <string>
#include <vector>

#include "../check.h"
#include "tablecrypt.hpp"

#include "../forgeries.h"

namespace {

using bytes = std::vector<std::uint8_t>;

constexpr std::size_t nonce_size = 12, head = TABLECRYPT_TEXT_AT, wide = 64;
constexpr std::uint8_t fence = 0xa5;

// What a call answered, and what stands in its output, which stood between fences.
struct answer {
    tablecrypt_status status;
    bytes out;
};

template <class F>
answer between_fences(std::size_t length, F open) {
    bytes room(wide + length + wide, fence);
    const tablecrypt_status status = open(tablecrypt::buffer(room.data() + wide, length));
    CHECK(all_are(room.data(), wide, fence) && all_are(room.data() + wide + length, wide, fence));
    return {status, bytes(room.begin() + wide, room.end() - wide)};
}

bool is_all(const bytes &out, std::uint8_t byte) { return all_are(out.data(), out.size(), byte); }

// Apart, in place, and as the third of a group of four.
constexpr int message_ways = 3;

answer open_message(int way, const tablecrypt::gcm &gcm, const forgery_message &message) {
    tablecrypt::nonce96 nonce;
    tablecrypt::tag128 tag;
    const std::size_t length = message.length - nonce_size - tag.size();
    const std::uint8_t *const text = message.bytes + nonce_size;
    std::copy_n(message.bytes, nonce.size(), nonce.begin());
    std::copy_n(text + length, tag.size(), tag.begin());
    const tablecrypt::view aad(message.aad, message.aad_length);

    return between_fences(length, [&](tablecrypt::buffer out) {
        if (way == 0) return gcm.open(nonce, aad, {text, length}, tag, out);
        std::copy_n(text, length, out.data());
        if (way == 1) return gcm.open(nonce, aad, {out.data(), length}, tag, out);
        std::vector<std::string> goods(3, std::string(40, 'x'));
        std::vector<tablecrypt::gcm_message> batch;
        for (auto &good : goods) {
            tablecrypt::tag128 good_tag;
            CHECK_STATUS(TABLECRYPT_OK, gcm.seal({1}, "others", good, good, good_tag));
            batch.emplace_back(tablecrypt::nonce96{1}, "others", good, good_tag);
        }
        batch.insert(batch.begin() + 2, tablecrypt::gcm_message(nonce, aad, out, tag));
        const auto status = gcm.open_many(batch);
        CHECK_STATUS(batch[2].status, status);
        for (const auto &good : goods) CHECK(good == std::string(40, 'x'));
        return status;
    });
}

bool refuses_message(int way, const tablecrypt::gcm &gcm, const forgery_message &forged) {
    const auto [status, out] = open_message(way, gcm, forged);
    return status == TABLECRYPT_UNAUTHENTIC && is_all(out, 0);
}

forgery_message seal_message(const tablecrypt::gcm &gcm, std::size_t length, unsigned salt, bytes &text) {
    forgery_message message = {};
    tablecrypt::nonce96 nonce;
    tablecrypt::tag128 tag;
    text.resize(length);
    forgery_fill(text.data(), length, salt);
    forgery_fill(message.aad, FORGERY_AAD, salt + 1);
    forgery_fill(nonce.data(), nonce.size(), salt + 2);
    message.aad_length = FORGERY_AAD;
    message.length = nonce_size + length + tag.size();
    std::copy(nonce.begin(), nonce.end(), message.bytes);
    CHECK_STATUS(TABLECRYPT_OK, gcm.seal(nonce, {message.aad, FORGERY_AAD}, text, {message.bytes + nonce_size, length},
                                         tag));
    std::copy(tag.begin(), tag.end(), message.bytes + nonce_size + length);
    return message;
}

// open, open_into, open_in_place, and open_many among others. What gives no output, or another, gives fences.
constexpr int record_ways = 4;

answer open_record(int way, const tablecrypt::structure &structure, const forgery_message &record) {
    const tablecrypt::view context(record.aad, record.aad_length), sealed(record.bytes, record.length);
    return between_fences(tablecrypt::opened_size(record.length), [&](tablecrypt::buffer out) {
        if (way == 0) {
            const auto text = structure.open(context, sealed);
            if (text) std::copy(text->begin(), text->end(), out.data());
            return text.status();
        }
        if (way == 1) return structure.open_into(context, sealed, out).status();
        if (way == 2) {
            const bytes before(record.bytes, record.bytes + record.length);
            bytes place = before;
            const auto status = structure.open_in_place(context, place).status();
            if (status == TABLECRYPT_OK || status == TABLECRYPT_UNAUTHENTIC) {
                const auto text = place.begin() + head, end = text + static_cast<std::ptrdiff_t>(out.size());
                std::copy(text, end, out.data());
                // But for the text it is as it was.
                std::copy_n(before.begin() + head, out.size(), text);
            }
            CHECK(place == before);
            return status;
        }
        const auto good = structure.seal("others", "good");
        std::vector<std::string> texts(2, "....");
        std::vector<tablecrypt::item> items;
        items.emplace_back("others", *good, texts[0]);
        items.emplace_back(context, sealed, out);
        items.emplace_back("others", *good, texts[1]);
        const auto status = structure.open_many(items);
        CHECK_STATUS(items[1].status, status);
        CHECK(texts[0] == "good" && texts[1] == "good");
        return status;
    });
}

bool refuses_record(int way, const tablecrypt::structure &structure, const forgery_message &forged,
                    const std::uint8_t *number) {
    const auto expected = forgery_refusal(&forged, number);
    const auto [status, out] = open_record(way, structure, forged);
    return status == expected && is_all(out, expected == TABLECRYPT_UNAUTHENTIC && way > 0 ? 0 : fence);
}

forgery_message seal_record(const tablecrypt::structure &structure, std::size_t length, unsigned salt, bytes &text) {
    forgery_message record = {};
    text.resize(length);
    forgery_fill(text.data(), length, salt);
    forgery_fill(record.aad, FORGERY_AAD, salt + 1);
    record.aad_length = FORGERY_AAD;
    const auto sealed = structure.seal_into({record.aad, FORGERY_AAD}, text, {record.bytes, sizeof record.bytes});
    CHECK(sealed && *sealed == tablecrypt::sealed_size(length));
    record.length = *sealed;
    return record;
}

// Forges all messages: `seal` gives one and its text, `open` an answer, `refuses` says whether it is refused as it must
// be. Counts the forgeries, and those that are refused.
template <class Seal, class Open, class Refuses>
std::size_t test_forgeries(std::size_t text_at, std::size_t least, int ways, Seal seal, Open open, Refuses refuses,
                           std::size_t &refused) {
    std::size_t forgeries = 0;
    for (const std::size_t length : forgery_lengths) {
        bytes text, unused;
        const forgery_message whole = seal(length, 1u, text), other = seal(length, 100u, unused);
        forgery_message forged;
        std::size_t number = 0;
        for (; forge(number, &whole, &other, text_at, least, &forged); ++number) {
            for (int way = 0; way < ways; ++way) {
                const bool is_refused = refuses(way, forged, whole);
                CHECK(is_refused);
                refused += is_refused;
            }
        }
        forgeries += number;
        for (int way = 0; way < ways; ++way) {
            CHECK(!refuses(way, whole, whole));  // the control
            const auto [status, out] = open(way, whole);
            CHECK_STATUS(TABLECRYPT_OK, status);
            CHECK(out == text);
        }
    }
    return forgeries;
}

}  // namespace

void test_forged_messages() {
    std::size_t backends = 0, forgeries = 0, refused = 0;
    for (const auto &backend : tablecrypt::backends()) {
        if (!backend.is_available) continue;
        const auto gcm = tablecrypt::gcm::expand_on(std::string(backend.name), {3, 1, 4});
        CHECK(gcm);
        ++backends;
        forgeries += test_forgeries(
            nonce_size, nonce_size + 16, message_ways,
            [&](std::size_t length, unsigned salt, bytes &text) { return seal_message(*gcm, length, salt, text); },
            [&](int way, const forgery_message &message) { return open_message(way, *gcm, message); },
            [&](int way, const forgery_message &forged, const forgery_message &) {
                return refuses_message(way, *gcm, forged);
            },
            refused);
    }
    CHECK(backends > 0 && forgeries == 5116 * backends && refused == forgeries * message_ways);
    std::printf("forgeries from C++: %zu of %d messages, %zu backends, %d ways: %zu refused and cleared\n",
                forgeries / backends, FORGERY_TEXTS, backends, message_ways, refused);
}

void test_forged_records(const tablecrypt::structure &structure) {
    std::size_t refused = 0;
    const std::size_t forgeries = test_forgeries(
        head, 0, record_ways,
        [&](std::size_t length, unsigned salt, bytes &text) { return seal_record(structure, length, salt, text); },
        [&](int way, const forgery_message &record) { return open_record(way, structure, record); },
        [&](int way, const forgery_message &forged, const forgery_message &whole) {
            return refuses_record(way, structure, forged, whole.bytes + 4);
        },
        refused);
    CHECK(forgeries == 5728 && refused == forgeries * record_ways);
    std::printf("forgeries of records from C++: %zu of %d messages, %d ways: %zu refused and cleared\n", forgeries,
                FORGERY_TEXTS, record_ways, refused);
}
