#include "frame_reader.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "log_records.h"

namespace tablecrypt_rocksdb {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr byte no_record[log_header] = {'T', 'C', 'R', 'Y', 0, 0, 1};

constexpr auto between_looks = std::chrono::milliseconds(1);

}  // namespace

IOStatus frame_reader::Read(std::size_t n, const IOOptions &, Slice *result, char *scratch, IODebugContext *) {
    std::size_t got = 0;
    *result = Slice(scratch, 0);
    for (bool ended = false; got < n && !ended;) {
        if (from_ == text_.size()) {
            auto status = more(&ended);
            // What was good before it is given first; the next call says why there is no more.
            if (over_ && got != 0) ended = true;
            else if (!status.ok()) return status;
        }
        const auto count = std::min(n - got, text_.size() - from_);
        if (count != 0) std::memcpy(scratch + got, text_.data() + from_, count);
        got += count, from_ += count, read_ += count;
    }
    *result = Slice(scratch, got);
    return IOStatus::OK();
}

IOStatus frame_reader::Skip(std::uint64_t n) {
    for (bool ended = false; n != 0 && !ended;) {
        if (from_ == text_.size()) {
            auto status = more(&ended);
            if (!status.ok()) return status;
        }
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(n, text_.size() - from_));
        from_ += count, read_ += count, n -= count;
    }
    return IOStatus::OK();
}

// Gets the next text, or says that there is none.
IOStatus frame_reader::more(bool *ended) {
    text_.clear(), from_ = 0;
    if (over_) {
        *ended = true;
        return end_;
    }
    auto what = cut_header_ ? found::cut : frames_.next(&text_);
    const auto end = std::chrono::steady_clock::now() + keys_.tail();
    while (what == found::cut && !cut_header_ && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(between_looks);
        what = frames_.next(&text_);
    }
    switch (what) {
        case found::frame: return IOStatus::OK();
        case found::end:
            *ended = true;
            if (header_.of == kind::whole && !frames_.is_end()) {
                return keys_.corruption(path_, "its end mark is missing: its end was cut off");
            }
            return IOStatus::OK();
        case found::cut: text_.clear(); return at_cut();
        case found::bad: text_.clear(); return at_bad();
        case found::failed: break;
    }
    text_.clear();
    return frames_.status();
}

IOStatus frame_reader::at_cut() {
    if (header_.of == kind::whole) return keys_.corruption(path_, "its last frame is cut off");
    over_ = true;
    if (header_.of == kind::text) return IOStatus::OK();
    keys_.report(path_ + ": it ends within frame " + std::to_string(frames_.number()) +
                 ", as after a crash; what was before that is read");
    // Never a whole block: RocksDB would read on, and take the byte for padding.
    text_.assign(read_ % log_block == log_block - 1 ? 2 : 1, 1);
    return IOStatus::OK();
}

IOStatus frame_reader::at_bad() {
    auto status = frames_.status();
    if (header_.of != kind::wal) return status;
    over_ = true, end_ = status;
    const auto left = log_block - static_cast<std::size_t>(read_ % log_block);
    if (left < log_header) text_.assign(left, 0);
    text_.insert(text_.end(), no_record, no_record + log_header);
    return IOStatus::OK();
}

IOStatus frame_index::open(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const header &header, keys &keys,
                           const std::string &path, std::unique_ptr<frame_index> *index) {
    std::unique_ptr<frame_index> made(new frame_index(std::move(file), header, path));
    frames frames(*made->file_, made->header_, made->path_);
    for (;;) {
        const entry entry{made->size_, frames.at(), frames.number()};
        const auto what = frames.skip();
        if (what == found::failed) return frames.status();
        if (what == found::bad) return keys.corruption(path, "frame " + std::to_string(entry.number) + " is damaged");
        if (what == found::frame) {
            made->entries_.push_back(entry), made->size_ += frames.length();
            continue;
        }
        if (header.of == kind::whole && (what == found::cut || !frames.is_end())) {
            return keys.corruption(path, "its end mark is missing: its end was cut off");
        }
        *index = std::move(made);
        return IOStatus::OK();
    }
}

IOStatus frame_index::Read(std::uint64_t offset, std::size_t n, const IOOptions &, Slice *result, char *scratch,
                           IODebugContext *) const {
    *result = Slice(scratch, 0);
    if (offset >= size_ || n == 0) return IOStatus::OK();
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, size_ - offset));
    auto entry = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                  [](std::uint64_t wanted, const frame_index::entry &each) { return wanted < each.text; });
    --entry;
    frames frames(*file_, header_, path_);
    frames.seek(entry->number, entry->at);
    bytes text;
    std::size_t got = 0;
    for (std::uint64_t at = entry->text; got < n; at += text.size()) {
        const auto what = frames.next(&text);
        if (what == found::failed || what == found::bad) return frames.status();
        if (what != found::frame) return IOStatus::Corruption(path_ + ": it became shorter while it was read");
        const auto from = static_cast<std::size_t>(offset + got - at);
        if (from >= text.size()) continue;
        const auto count = std::min(n - got, text.size() - from);
        std::memcpy(scratch + got, text.data() + from, count);
        got += count;
    }
    *result = Slice(scratch, got);
    return IOStatus::OK();
}

IOStatus size_of_frames(const rocksdb::FSRandomAccessFile &file, const header &header, const std::string &path,
                        std::uint64_t *size) {
    frames frames(file, header, path);
    *size = 0;
    for (;;) {
        const auto what = frames.skip();
        if (what == found::failed) return frames.status();
        if (what != found::frame) return IOStatus::OK();
        *size += frames.length();
    }
}

}  // namespace tablecrypt_rocksdb
