#include "page_table.h"

namespace tablecrypt_rocksdb {

namespace {

// The context of the table's record: its place, and the numbers.
struct ending {
    byte context[place::size() + page_table::numbers];

    ending(const header &header, std::uint64_t size, std::uint64_t count) {
        const place place(header.id, count, true);
        std::memcpy(context, place.data(), place.size());
        put(context + place.size(), size);
        put(context + place.size() + 8, count);
    }
};

}  // namespace

std::uint64_t page_table::page_of(std::uint64_t offset) const {
    std::uint64_t number = pages_[static_cast<std::size_t>(offset / span)];
    // Of pages of 4 KiB it is that one or the next, by chance: without a branch.
    number += starts_[number + 1] <= offset;
    while (starts_[number + 1] <= offset) number++;
    return number;
}

void page_table::add(std::size_t length) {
    const auto number = static_cast<std::uint32_t>(count());
    starts_.push_back(size() + length);
    while (pages_.size() * span < size()) pages_.push_back(number);
}

void page_table::cut(std::uint64_t count) {
    starts_.resize(static_cast<std::size_t>(count) + 1);
    pages_.resize(static_cast<std::size_t>((size() + span - 1) / span));
}

tablecrypt_status page_table::seal(const header &header, bytes *out) const {
    bytes text(2 * static_cast<std::size_t>(count()));
    for (std::size_t i = 0; i < count(); i++) put(text.data() + 2 * i, static_cast<std::uint16_t>(length(i) - 1));
    const ending ending(header, size(), count());
    const auto before = out->size(), record = text.size() + overhead;
    out->resize(before + record + numbers);
    std::memcpy(out->data() + before + record, ending.context + place::size(), numbers);
    const auto status = header.owner->seal(ending.context, sizeof ending.context, text.data(), text.size(),
                                           out->data() + before);
    if (status != TABLECRYPT_OK) out->resize(before);
    return status;
}

bool page_table::peek(const byte *end, const header &header, std::uint64_t stored, std::uint64_t *size,
                      std::size_t *length) {
    const auto least = header.size() + overhead + numbers;
    if (stored < least) return false;
    const auto text = take<std::uint64_t>(end), count = take<std::uint64_t>(end + 8);
    const auto behind = stored - least;
    if (count > behind / (overhead + 2 + 1) || text != behind - count * (overhead + 2)) return false;
    *size = text;
    *length = static_cast<std::size_t>(2 * count) + overhead + numbers;
    return true;
}

tablecrypt_status page_table::open(const header &header, const byte *stored, std::size_t length) {
    const auto *end = stored + length - numbers;
    const auto text_size = take<std::uint64_t>(end), pages = take<std::uint64_t>(end + 8);
    const ending ending(header, text_size, pages);
    bytes text(length - numbers - overhead);
    const auto status = header.owner->open(ending.context, sizeof ending.context, stored, length - numbers, text.data());
    if (status != TABLECRYPT_OK) return status;
    *this = page_table();
    starts_.reserve(static_cast<std::size_t>(pages) + 1);
    pages_.reserve(static_cast<std::size_t>(text_size / span) + 1);
    for (std::size_t i = 0; i < text.size(); i += 2) add(take<std::uint16_t>(text.data() + i) + std::size_t{1});
    // Who has the key wrote both.
    return size() == text_size && count() == pages ? TABLECRYPT_OK : TABLECRYPT_UNAUTHENTIC;
}

}  // namespace tablecrypt_rocksdb
