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

geometry::geometry(std::size_t page, std::uint64_t stored) : page(page) {
    if (stored < page + overhead) return;
    const auto behind = stored - page;
    const auto full = behind / page, rest = behind % page;
    if (rest != 0 && rest < overhead) return;
    // An empty page is only ever the one page of an empty file.
    if (rest == overhead && full != 0) return;
    whole = true;
    last = rest == 0 ? full - 1 : full;
    last_text = rest == 0 ? text() : static_cast<std::size_t>(rest) - overhead;
}

IOStatus page_reader::open(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::uint64_t stored,
                           const header &header, keys &keys, const std::string &path,
                           std::unique_ptr<page_reader> *reader) {
    const geometry pages(header.page, stored);
    if (!pages.whole) return keys.corruption(path, "its end was cut off");
    std::unique_ptr<page_reader> made(new page_reader(std::move(file), pages, header, keys, path));
    const auto size = pages.last_text + overhead;
    byte *record = stored_room.at(pages.page);
    std::size_t length = 0;
    const auto status = read_at(*made->file_, pages.at(pages.last), made->file_->use_direct_io() ? pages.page : size,
                                record, &length);
    if (!status.ok()) return status;
    if (length != size) return keys.corruption(path, "its length changes while it is opened");
    if (auto opened = made->open_page(pages.last, record, text_room.at(pages.page)); !opened.ok()) return opened;
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
    const auto text = pages_.text();
    const auto end = offset + n;
    const auto last = (end - 1) / text;
    byte *out = as_bytes(scratch);
    for (auto number = offset / text; number <= last;) {
        const auto count = std::min<std::uint64_t>(last - number + 1, std::max<std::size_t>(1, stretch / pages_.page));
        const bool ends = number + count - 1 == pages_.last;
        auto wanted = static_cast<std::size_t>(count) * pages_.page;
        const auto there = ends ? wanted - (text - pages_.last_text) : wanted;
        if (!file_->use_direct_io()) wanted = there;
        rocksdb::Slice stored;
        auto status = file_->Read(pages_.at(number), wanted, options, &stored,
                                  reinterpret_cast<char *>(stored_room.at(wanted)), debug);
        if (!status.ok()) return status;
        if (stored.size() < there) return keys_.corruption(path_, "it became shorter while it was read");
        const byte *record = as_bytes(stored.data());
        if (record != stored_room.at(wanted)) {
            // A mapped file: what is authenticated must not change while it is read.
            std::memcpy(stored_room.at(wanted), record, there);
            record = stored_room.at(wanted);
        }
        for (std::uint64_t i = 0; i < count; i++, number++, record += pages_.page) {
            const auto first = number * text;
            const auto length = number == pages_.last ? pages_.last_text : text;
            const auto from = std::max(offset, first), to = std::min(end, first + length);
            if (from == first && to == first + length) {
                status = open_page(number, record, out + (first - offset));
            } else {
                byte *part = text_room.at(pages_.page);
                status = open_page(number, record, part);
                if (status.ok()) std::memcpy(out + (from - offset), part + (from - first), to - from);
            }
            if (!status.ok()) return status;
        }
    }
    *result = rocksdb::Slice(scratch, n);
    return IOStatus::OK();
}

IOStatus page_reader::open_page(std::uint64_t number, const byte *record, byte *text) const {
    const bool last = number == pages_.last;
    const place place(header_.id, number, last);
    const auto length = (last ? pages_.last_text : pages_.text()) + overhead;
    const auto status = header_.owner->open(place.data(), place.size(), record, length, text);
    if (status == TABLECRYPT_OK) return IOStatus::OK();
    return header_.owner->refusal(status, path_,
                                  last ? "the last page, which says how long the file is, does not open"
                                       : "page " + std::to_string(number) + " does not open");
}

}  // namespace tablecrypt_rocksdb
