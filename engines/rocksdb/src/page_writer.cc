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

}  // namespace

IOStatus page_writer::create(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                             const bytes &stored_header, keys &keys, const std::string &path,
                             std::unique_ptr<page_writer> *writer) {
    std::unique_ptr<page_writer> made(new page_writer(std::move(file), header, keys, path));
    made->positioned_ = made->file_->use_direct_io();
    made->out_ = stored_header;
    const auto status = made->write({}, nullptr);
    if (status.ok()) *writer = std::move(made);
    return status;
}

std::unique_ptr<page_writer> page_writer::reopen(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                                                 const geometry &pages, bytes tail, keys &keys,
                                                 const std::string &path) {
    std::unique_ptr<page_writer> made(new page_writer(std::move(file), header, keys, path));
    made->number_ = pages.last, made->written_ = pages.at(pages.last), made->tail_ = std::move(tail);
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
        const auto left = static_cast<std::size_t>(end - from);
        if (tail_.empty() && left > text()) {
            if (auto status = seal(from, text(), false); !status.ok()) return failed(status);
            from += text();
        } else if (tail_.size() == text()) {
            // A full page is held back until more comes: it may be the last.
            if (auto status = seal(tail_.data(), tail_.size(), false); !status.ok()) return failed(status);
            tail_.clear();
        } else {
            const auto count = std::min(left, text() - tail_.size());
            tail_.insert(tail_.end(), from, from + count);
            from += count;
        }
        if (out_.size() >= stretch || (from == end && !out_.empty())) {
            if (auto status = write(options, debug); !status.ok()) return failed(status);
        }
    }
    return IOStatus::OK();
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
IOStatus page_writer::seal(const byte *text, std::size_t length, bool last) {
    const place place(header_.id, number_, last);
    const auto at = out_.size();
    out_.resize(at + length + overhead);
    const auto status = header_.owner->seal(place.data(), place.size(), text, length, out_.data() + at);
    if (status != TABLECRYPT_OK) {
        out_.resize(at);
        return header_.owner->refusal(status, path_, "page " + std::to_string(number_) + " cannot be sealed");
    }
    if (!last) number_++;
    return IOStatus::OK();
}

// Writes out_ behind what is written.
IOStatus page_writer::write(const IOOptions &options, IODebugContext *debug) {
    file_->PrepareWrite(static_cast<std::size_t>(written_), out_.size(), options, debug);
    IOStatus status;
    if (file_->use_direct_io()) {
        const auto alignment = file_->GetRequiredBufferAlignment();
        const auto padded = (out_.size() + alignment - 1) / alignment * alignment;
        bytes room(padded + alignment, 0);
        const auto address = reinterpret_cast<std::uintptr_t>(room.data());
        byte *aligned = room.data() + (alignment - address % alignment) % alignment;
        std::memcpy(aligned, out_.data(), out_.size());
        status = file_->PositionedAppend(Slice(as_chars(aligned), padded), written_, options, debug);
        if (status.ok() && padded != out_.size()) status = file_->Truncate(written_ + out_.size(), options, debug);
    } else if (positioned_) {
        status = file_->PositionedAppend(Slice(as_chars(out_.data()), out_.size()), written_, options, debug);
    } else {
        status = file_->Append(Slice(as_chars(out_.data()), out_.size()), options, debug);
    }
    if (status.ok()) written_ += out_.size();
    out_.clear();
    return status;
}

// Writes the last page, unless it stands there.
IOStatus page_writer::end(const IOOptions &options, IODebugContext *debug) {
    if (failed_) return IOStatus::IOError(path_, "a write failed before; what the file ends with is not known");
    if (ended_) return IOStatus::OK();
    auto status = seal(tail_.data(), tail_.size(), true);
    // Nothing is written, and nothing lost: a later call may find the key.
    if (!status.ok()) return status;
    const auto before = written_;
    status = write(options, debug);
    if (!status.ok()) return failed(status);
    written_ = before;
    ended_ = true;
    return status;
}

// Goes on behind the last full page, where the last page stands now. A file that was opened again can only be written at
// its end, so that page is cut off first; a new one is written by offset from here on.
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
