#include "frame_writer.h"

#include <algorithm>

namespace tablecrypt_rocksdb {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus frame_writer::create(std::unique_ptr<rocksdb::FSWritableFile> file, const header &header,
                              const bytes &stored_header, keys &keys, const std::string &path,
                              std::unique_ptr<frame_writer> *writer) {
    std::unique_ptr<frame_writer> made(new frame_writer(std::move(file), header, keys, path));
    made->out_ = stored_header;
    const auto status = made->write({}, nullptr);
    if (status.ok()) *writer = std::move(made);
    return status;
}

std::unique_ptr<frame_writer> frame_writer::reopen(std::unique_ptr<rocksdb::FSWritableFile> file,
                                                   const header &header, std::uint64_t number, std::uint64_t at,
                                                   std::uint64_t size, bool cut, keys &keys,
                                                   const std::string &path) {
    std::unique_ptr<frame_writer> made(new frame_writer(std::move(file), header, keys, path));
    made->number_ = number, made->at_ = at, made->size_ = size, made->cut_ = cut;
    // Closed as it is, it ends as it does.
    made->marked_ = true;
    return made;
}

frame_writer::~frame_writer() {
    if (!closed_) Close({}, nullptr).PermitUncheckedError();
}

IOStatus frame_writer::Append(const Slice &data, const IOOptions &options, IODebugContext *debug) {
    if (failed_) return broken();
    if (cut_) {
        auto status = file_->Truncate(at_, options, debug);
        failed_ = !status.ok();
        if (failed_) return status;
        cut_ = false;
    }
    const auto number = number_;
    const byte *from = as_bytes(data.data());
    std::string lost;
    if (dropped_ != 0) lost = "[tablecrypt] here " + std::to_string(dropped_) + " bytes were not logged: no key\n";
    auto sealed = lost.empty() ? TABLECRYPT_OK : seal(as_bytes(lost.data()), lost.size(), false);
    auto records = records_;
    const bool log = header_.of == kind::wal || header_.of == kind::manifest;
    for (std::size_t left = data.size(); left != 0 && sealed == TABLECRYPT_OK;) {
        auto length = std::min(left, longest_frame);
        if (log) length = records.to_end(from, length);
        sealed = seal(from, length, false);
        from += length, left -= length;
    }
    if (sealed != TABLECRYPT_OK) {
        // Nothing was written: the file is what it was, and a later Append may find the key.
        out_.clear(), number_ = number;
        if (header_.of == kind::text) {
            // RocksDB would log no more, for good. And it must not wait here: it holds its lock.
            dropped_ += data.size();
            return IOStatus::OK();
        }
        return header_.owner->refusal(sealed, path_, "frame " + std::to_string(number_) + " cannot be sealed");
    }
    if (out_.empty()) return IOStatus::OK();
    auto status = write(options, debug);
    if (status.ok()) records_ = records, size_ += lost.size() + data.size(), dropped_ = 0, marked_ = false;
    return status;
}

IOStatus frame_writer::Truncate(std::uint64_t size, const IOOptions &, IODebugContext *) {
    if (size == size_) return IOStatus::OK();
    return IOStatus::NotSupported(path_, "a sealed file is made shorter by FileSystem::Truncate, when it is closed");
}

IOStatus frame_writer::Flush(const IOOptions &options, IODebugContext *debug) { return file_->Flush(options, debug); }

IOStatus frame_writer::Sync(const IOOptions &options, IODebugContext *debug) {
    if (header_.of == kind::whole) {
        if (auto status = mark(options, debug); !status.ok()) return status;
    }
    return file_->Sync(options, debug);
}

IOStatus frame_writer::Fsync(const IOOptions &options, IODebugContext *debug) {
    if (header_.of == kind::whole) {
        if (auto status = mark(options, debug); !status.ok()) return status;
    }
    return file_->Fsync(options, debug);
}

IOStatus frame_writer::Close(const IOOptions &options, IODebugContext *debug) {
    if (closed_) return IOStatus::OK();
    closed_ = true;
    auto marked = failed_ ? IOStatus::OK() : mark(options, debug);
    // A log without its mark is one that a crash ended: whole, and no reason to fail.
    if (header_.of != kind::whole) marked = IOStatus::OK();
    auto status = file_->Close(options, debug);
    return marked.ok() ? status : marked;
}

IOStatus frame_writer::end_again(const Slice &text, const IOOptions &options, IODebugContext *debug) {
    if (!text.empty()) {
        if (auto status = Append(text, options, debug); !status.ok()) return status;
    }
    marked_ = false;
    return mark(options, debug);
}

// Seals a frame behind out_.
tablecrypt_status frame_writer::seal(const byte *text, std::size_t length, bool end) {
    const auto at = out_.size();
    out_.resize(at + frame_overhead + length);
    put_frame_head(out_.data() + at, header_.id, number_, length, end);
    const place place(header_.id, number_, end);
    // A LOG does not wait for a key, and a log's end mark is not worth it.
    const bool wait = header_.of != kind::text && (!end || header_.of == kind::whole);
    const auto status = header_.owner->seal(place.data(), place.size(), text, length, out_.data() + at + frame_head,
                                            wait);
    if (status == TABLECRYPT_OK) number_++;
    return status;
}

// Writes out_ at the end.
IOStatus frame_writer::write(const IOOptions &options, IODebugContext *debug) {
    file_->PrepareWrite(static_cast<std::size_t>(at_), out_.size(), options, debug);
    auto status = file_->Append(Slice(as_chars(out_.data()), out_.size()), options, debug);
    if (status.ok()) {
        at_ += out_.size();
    } else {
        failed_ = true;
    }
    out_.clear();
    return status;
}

// Writes an end mark, unless the last frame is one.
IOStatus frame_writer::mark(const IOOptions &options, IODebugContext *debug) {
    if (failed_) return broken();
    if (marked_) return IOStatus::OK();
    if (const auto sealed = seal(nullptr, 0, true); sealed != TABLECRYPT_OK) {
        out_.clear();
        if (header_.of != kind::whole) return IOStatus::OK();
        return header_.owner->refusal(sealed, path_, "its end mark cannot be sealed");
    }
    auto status = write(options, debug);
    if (status.ok()) marked_ = true;
    return status;
}

IOStatus frame_writer::broken() const {
    return IOStatus::IOError(path_, "a write failed before; what the file ends with is not known");
}

}  // namespace tablecrypt_rocksdb
