#include "page_reader.h"

#include <algorithm>

namespace tablecrypt_rocksdb {

namespace {

using rocksdb::IOStatus;

// How much is read from the file beneath at once: stays in a core's own cache between reading and opening.
constexpr std::size_t stretch = 256 * 1024;
constexpr std::size_t aligned_to = 4096;

// Memory of this thread for stored pages, then for the text of one: aligned, for direct I/O.
struct room {
    bytes memory;
    byte *at(std::size_t size) {
        if (memory.size() < size + aligned_to) memory.resize(size + aligned_to);
        const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
        return memory.data() + (aligned_to - address % aligned_to) % aligned_to;
    }
};

thread_local room stored_room, text_room;

}  // namespace

IOStatus page_reader::open(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::uint64_t stored,
                           const header &header, keys &keys, const std::string &path,
                           std::unique_ptr<page_reader> *reader) {
    std::unique_ptr<page_reader> made(new page_reader(std::move(file), header, keys, path));
    const auto cut = [&] { return keys.corruption(path, "its end was cut off"); };
    constexpr auto numbers = page_table::numbers;
    const byte *end = nullptr;
    if (stored < header.size() + numbers) return cut();
    if (auto status = made->read(stored - numbers, numbers, {}, &end, nullptr); !status.ok()) return status;
    std::uint64_t size = 0;
    std::size_t length = 0;
    if (!page_table::peek(end, header, stored, &size, &length)) return cut();
    if (auto status = made->read(stored - length, length, {}, &end, nullptr); !status.ok()) return status;
    if (const auto status = made->table_.open(header, end, length); status != TABLECRYPT_OK) {
        return header.owner->refusal(status, path, "the table of its pages, which says how long it is, does not open");
    }
    *reader = std::move(made);
    return IOStatus::OK();
}

IOStatus page_reader::Read(std::uint64_t offset, std::size_t n, const rocksdb::IOOptions &options,
                           rocksdb::Slice *result, char *scratch, rocksdb::IODebugContext *debug) const {
    *result = rocksdb::Slice(scratch, 0);
    if (offset >= size()) return IOStatus::OK();
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, size() - offset));
    if (n == 0) return IOStatus::OK();
    if (scratch == nullptr) {
        return IOStatus::NotSupported(path_, "sealed files are not mapped: read with a buffer, without allow_mmap_reads");
    }
    const auto end = offset + n;
    byte *out = as_bytes(scratch);
    for (auto number = table_.page_of(offset); number < table_.count() && table_.start(number) < end;) {
        const auto first = table_.at(number);
        auto behind = number + 1;
        while (behind < table_.count() && table_.start(behind) < end && table_.at(behind + 1) - first <= stretch) behind++;
        const byte *stored = nullptr;
        auto status = read(header_.size() + first, static_cast<std::size_t>(table_.at(behind) - first), options, &stored,
                           debug);
        if (!status.ok()) return status;
        for (; number < behind; number++) {
            const byte *record = stored + (table_.at(number) - first);
            const auto start = table_.start(number), stop = table_.start(number + 1);
            const auto from = std::max(offset, start), to = std::min(end, stop);
            if (from == start && to == stop) {
                status = open_page(number, record, out + (start - offset));
            } else {
                byte *part = text_room.at(page_table::longest);
                status = open_page(number, record, part);
                if (status.ok()) std::memcpy(out + (from - offset), part + (from - start), to - from);
            }
            if (!status.ok()) return status;
        }
    }
    *result = rocksdb::Slice(scratch, n);
    return IOStatus::OK();
}

// Reads stored bytes into this thread's memory, where they stay until it reads again.
IOStatus page_reader::read(std::uint64_t at, std::size_t n, const rocksdb::IOOptions &options, const byte **stored,
                           rocksdb::IODebugContext *debug) const {
    const auto before = static_cast<std::size_t>(at % alignment_);
    const auto wanted = (before + n + alignment_ - 1) / alignment_ * alignment_;
    byte *room = stored_room.at(wanted);
    rocksdb::Slice got;
    auto status = file_->Read(at - before, wanted, options, &got, reinterpret_cast<char *>(room), debug);
    if (!status.ok()) return status;
    if (got.size() < before + n) return keys_.corruption(path_, "it became shorter while it was read");
    // A mapped file: what is authenticated must not change while it is read.
    if (as_bytes(got.data()) != room) std::memcpy(room, got.data(), before + n);
    *stored = room + before;
    return status;
}

IOStatus page_reader::open_page(std::uint64_t number, const byte *record, byte *text) const {
    const place place(header_.id, number, false);
    const auto status = header_.owner->open(place.data(), place.size(), record, table_.length(number) + overhead, text);
    if (status == TABLECRYPT_OK) return IOStatus::OK();
    return header_.owner->refusal(status, path_, "page " + std::to_string(number) + " does not open");
}

}  // namespace tablecrypt_rocksdb
