#include "page_writer.h"

#include <algorithm>

namespace tablecrypt_rocksdb {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// How much is sealed before it is written.
constexpr std::size_t stretch = 1024 * 1024;

// The text of a page where nothing is known of blocks, or of what is longer than a page: 4,096 bytes with what is our own.
constexpr std::size_t usual = 4096 - overhead;

// What is shorter is not a page of its own, where more comes.
constexpr std::size_t least = 1024;

// Appends up to this length belong to what is before them: a block's type and checksum.
constexpr std::size_t trailer = 16;

}  // namespace

IOStatus page_writer::create(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                             const bytes &stored_header, keys &keys, const std::string &path,
                             std::unique_ptr<page_writer> *writer) {
    std::unique_ptr<page_writer> made(new page_writer(std::move(file), header, keys, path));
    made->positioned_ = made->file_->use_direct_io();
    made->out_ = stored_header;
    const auto status = made->write_pages({}, nullptr);
    if (status.ok()) *writer = std::move(made);
    return status;
}

std::unique_ptr<page_writer> page_writer::reopen(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                                 page_table table, bytes tail, keys &keys, const std::string &path) {
    std::unique_ptr<page_writer> made(new page_writer(std::move(file), header, keys, path));
    made->written_ = header.size() + table.at(table.count());
    made->table_ = std::move(table), made->tail_ = std::move(tail);
    made->ended_ = made->reopened_ = true;
    return made;
}

page_writer::~page_writer() {
    if (!closed_) Close({}, nullptr).PermitUncheckedError();
}

IOStatus page_writer::Append(const Slice &data, const IOOptions &options, IODebugContext *debug) {
    if (failed_) return IOStatus::IOError(path_, "a write failed before; what the file ends with is not known");
    if (data.empty()) return IOStatus::OK();
    if (ended_) {
        if (auto status = resume(options, debug); !status.ok()) return failed(status);
    }
    const byte *from = as_bytes(data.data()), *end = from + data.size();
    while (from != end) {
        const auto wanted = static_cast<std::size_t>(page_end() - table_.size());
        const auto left = static_cast<std::size_t>(end - from);
        if (tail_.size() >= wanted) {
            if (auto status = seal(tail_.data(), tail_.size()); !status.ok()) return failed(status);
            tail_.clear();
        } else if (tail_.empty() && left >= wanted) {
            if (auto status = seal(from, wanted); !status.ok()) return failed(status);
            from += wanted;
        } else {
            const auto count = std::min(left, wanted - tail_.size());
            tail_.insert(tail_.end(), from, from + count);
            from += count;
        }
        if (out_.size() >= stretch || (from == end && !out_.empty())) {
            if (auto status = write_pages(options, debug); !status.ok()) return failed(status);
        }
    }
    return IOStatus::OK();
}

void page_writer::PrepareWrite(std::size_t offset, std::size_t length, const IOOptions &, IODebugContext *) {
    // What is behind us, or not in order, tells nothing.
    if (offset < table_.size() + tail_.size() || offset < prepared_) return;
    if (length > trailer) begins_.push_back(offset);
    prepared_ = offset + length;
}

// Where in the text the page ends that begins where the last one ended.
std::uint64_t page_writer::page_end() {
    const auto begin = table_.size();
    while (!begins_.empty() && begins_.front() < begin + least) begins_.pop_front();
    const auto known = begins_.empty() ? prepared_ : begins_.front();
    if (known > begin + page_table::longest) long_ = known;
    if (begin >= prepared_ || (begin < long_ && known > begin + usual)) return begin + usual;
    // Until it is known what is appended next, all may be of one page.
    return begins_.empty() ? begin + page_table::longest : known;
}

IOStatus page_writer::Truncate(std::uint64_t size, const IOOptions &options, IODebugContext *debug) {
    if (size == GetFileSize(options, debug)) return IOStatus::OK();
    return IOStatus::NotSupported(path_, "a sealed file is made shorter by FileSystem::Truncate, when it is closed");
}

IOStatus page_writer::Flush(const IOOptions &options, IODebugContext *debug) { return file_->Flush(options, debug); }

IOStatus page_writer::Sync(const IOOptions &options, IODebugContext *debug) {
    if (auto status = end(options, debug); !status.ok()) return status;
    return file_->Sync(options, debug);
}

IOStatus page_writer::Fsync(const IOOptions &options, IODebugContext *debug) {
    if (auto status = end(options, debug); !status.ok()) return status;
    return file_->Fsync(options, debug);
}

IOStatus page_writer::Close(const IOOptions &options, IODebugContext *debug) {
    if (closed_) return IOStatus::OK();
    closed_ = true;
    // After a failure it gets no last page: it is not whole, and must not look so.
    auto ended = failed_ ? IOStatus::OK() : end(options, debug);
    auto status = file_->Close(options, debug);
    return ended.ok() ? status : ended;
}

// Seals the next page behind out_.
IOStatus page_writer::seal(const byte *text, std::size_t length) {
    const place place(header_.id, table_.count(), false);
    const auto at = out_.size();
    out_.resize(at + length + overhead);
    const auto status = header_.owner->seal(place.data(), place.size(), text, length, out_.data() + at);
    if (status != TABLECRYPT_OK) {
        out_.resize(at);
        return header_.owner->refusal(status, path_, "page " + std::to_string(table_.count()) + " cannot be sealed");
    }
    table_.add(length);
    return IOStatus::OK();
}

// Writes so many bytes of out_ behind what stays in the file. Of these so many stay, too; the others are taken out of out_,
// but for what does not fill a unit of direct I/O: that is written again.
IOStatus page_writer::write(std::size_t length, std::size_t stays, const IOOptions &options, IODebugContext *debug) {
    file_->PrepareWrite(static_cast<std::size_t>(written_), length, options, debug);
    IOStatus status;
    if (file_->use_direct_io()) {
        const auto alignment = file_->GetRequiredBufferAlignment();
        const auto padded = (length + alignment - 1) / alignment * alignment;
        bytes room(padded + alignment, 0);
        const auto address = reinterpret_cast<std::uintptr_t>(room.data());
        byte *aligned = room.data() + (alignment - address % alignment) % alignment;
        std::memcpy(aligned, out_.data(), length);
        status = file_->PositionedAppend(Slice(as_chars(aligned), padded), written_, options, debug);
        if (status.ok() && padded != length) status = file_->Truncate(written_ + length, options, debug);
        out_.resize(stays);
        stays = stays / alignment * alignment;
    } else {
        const Slice what(as_chars(out_.data()), length);
        status = positioned_ ? file_->PositionedAppend(what, written_, options, debug) : file_->Append(what, options, debug);
        out_.resize(stays);
    }
    if (status.ok()) written_ += stays;
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(stays));
    return status;
}

// Writes out_, of which direct I/O holds back what does not fill a unit.
IOStatus page_writer::write_pages(const IOOptions &options, IODebugContext *debug) {
    auto length = out_.size();
    if (file_->use_direct_io()) length -= length % file_->GetRequiredBufferAlignment();
    return length == 0 ? IOStatus::OK() : write(length, out_.size(), options, debug);
}

// Writes what is left, and the table, unless they stand there.
IOStatus page_writer::end(const IOOptions &options, IODebugContext *debug) {
    if (failed_) return IOStatus::IOError(path_, "a write failed before; what the file ends with is not known");
    if (ended_) return IOStatus::OK();
    // Where it cannot be sealed nothing is written, and nothing lost: a later call may find the key.
    if (!tail_.empty()) {
        if (auto status = seal(tail_.data(), tail_.size()); !status.ok()) return status;
        tail_.clear();
    }
    const auto pages = out_.size();
    if (const auto status = table_.seal(header_, &out_); status != TABLECRYPT_OK) {
        return header_.owner->refusal(status, path_, "the table of its pages cannot be sealed");
    }
    const auto status = write(out_.size(), pages, options, debug);
    if (!status.ok()) return failed(status);
    ended_ = true;
    return status;
}

// Goes on behind the last page, where the table stands now. A file that was opened again can only be written at its end,
// so the table is cut off first; a new one is written by offset from here on.
IOStatus page_writer::resume(const IOOptions &options, IODebugContext *debug) {
    ended_ = false;
    if (reopened_) return file_->Truncate(written_, options, debug);
    positioned_ = true;
    return IOStatus::OK();
}

IOStatus page_writer::failed(IOStatus status) {
    failed_ = true;
    return status;
}

}  // namespace tablecrypt_rocksdb
