#include "frames.h"

#include <algorithm>

namespace tablecrypt_rocksdb {

namespace {

// How much is read at once.
constexpr std::size_t stretch = 256 * 1024;
constexpr std::uint32_t end_bit = std::uint32_t{1} << 31;

// Times an odd number: no two lengths have one check. The file and the number take part, so that what was moved shows.
std::uint32_t check_of(const file_id &id, std::uint64_t number, std::uint32_t word) {
    return word * 0x9E3779B1u + static_cast<std::uint32_t>(number) * 0x85EBCA77u + take<std::uint32_t>(id.data()) + 1;
}

}  // namespace

void put_frame_head(byte *out, const file_id &id, std::uint64_t number, std::size_t length, bool end) {
    const auto word = static_cast<std::uint32_t>(length) | (end ? end_bit : 0);
    put(out, word);
    put(out + 4, check_of(id, number, word));
}

found frames::skip() {
    const auto what = look();
    if (what != found::frame) return what;
    at_ += frame_overhead + length_, number_++;
    return found::frame;
}

found frames::next(bytes *text) {
    if (const auto what = look(); what != found::frame) return what;
    const byte *stored = nullptr;
    window(at_, frame_overhead + length_, &stored);
    text->resize(length_);
    const place place(header_.id, number_, end_);
    const auto status = header_.owner->open(place.data(), place.size(), stored + frame_head, length_ + overhead,
                                            text->data());
    if (status != TABLECRYPT_OK) {
        status_ = header_.owner->refusal(status, path_, "frame " + std::to_string(number_) + " does not open");
        return status_.IsCorruption() ? found::bad : found::failed;
    }
    at_ += frame_overhead + length_, number_++;
    return found::frame;
}

// What stands at at_; for a frame length_ and end_ are set.
found frames::look() {
    const byte *head = nullptr;
    const auto there = window(at_, frame_head, &head);
    if (!status_.ok()) return found::failed;
    if (there == 0) return found::end;
    if (there < frame_head) return found::cut;
    const auto word = take<std::uint32_t>(head);
    if (take<std::uint32_t>(head + 4) != check_of(header_.id, number_, word)) {
        if (word == 0 && rest_is_zero()) return found::cut;
        if (!status_.ok()) return found::failed;
        status_ = rocksdb::IOStatus::Corruption(path_ + ": frame " + std::to_string(number_) +
                                                " has no length: it was changed or moved");
        return found::bad;
    }
    const auto length = std::size_t{word & ~end_bit};
    const byte *whole = nullptr;
    if (window(at_, frame_overhead + length, &whole) < frame_overhead + length) {
        return status_.ok() ? found::cut : found::failed;
    }
    length_ = length, end_ = (word & end_bit) != 0;
    return found::frame;
}

// Gives bytes of the file: `n`, or as many as there are. What it gave before it gives no longer.
std::size_t frames::window(std::uint64_t at, std::size_t n, const byte **found) {
    const bool inside = at >= window_at_ && at + n <= window_at_ + window_.size();
    if (!inside) {
        window_.resize(std::max(n, stretch));
        std::size_t length = 0;
        status_ = read_at(file_, at, window_.size(), window_.data(), &length);
        window_.resize(status_.ok() ? length : 0);
        window_at_ = at;
    }
    *found = window_.data() + (at - window_at_);
    return std::min<std::size_t>(n, window_.size() - static_cast<std::size_t>(at - window_at_));
}

bool frames::rest_is_zero() {
    for (auto at = at_;; at += stretch) {
        const byte *some = nullptr;
        const auto length = window(at, stretch, &some);
        if (std::any_of(some, some + length, [](byte each) { return each != 0; })) return false;
        if (length < stretch) return status_.ok();
    }
}

}  // namespace tablecrypt_rocksdb
