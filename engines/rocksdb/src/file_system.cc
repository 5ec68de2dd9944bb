#include "file_system.h"

#include <algorithm>

#include "frame_reader.h"
#include "frame_writer.h"
#include "page_reader.h"
#include "page_writer.h"

namespace tablecrypt_rocksdb {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

namespace {

// A file of pages, from front to end.
class page_sequence final : public rocksdb::FSSequentialFile {
public:
    explicit page_sequence(std::unique_ptr<page_reader> pages) : pages_(std::move(pages)) {}

    IOStatus Read(std::size_t n, const IOOptions &options, rocksdb::Slice *result, char *scratch,
                  IODebugContext *debug) override {
        auto status = pages_->Read(at_, n, options, result, scratch, debug);
        if (status.ok()) at_ += result->size();
        return status;
    }
    IOStatus Skip(std::uint64_t n) override {
        at_ += std::min(n, pages_->size() - std::min(at_, pages_->size()));
        return IOStatus::OK();
    }
    std::size_t GetRequiredBufferAlignment() const override { return 1; }
    IOStatus InvalidateCache(std::size_t offset, std::size_t length) override {
        return pages_->InvalidateCache(offset, length);
    }

private:
    std::unique_ptr<page_reader> pages_;
    std::uint64_t at_ = 0;
};

}  // namespace

IOStatus file_system::check(const settings &settings) {
    for (const auto &each : settings.rules) {
        const structure *found = nullptr;
        const auto status = keys_.find(each.structure, &found);
        if (status == TABLECRYPT_NO_SUCH_STRUCTURE) {
            return IOStatus::NotFound(each.structure, tablecrypt_status_message(status));
        }
        if (status == TABLECRYPT_INVALID_NAME || status == TABLECRYPT_INVALID_UTF8) {
            return IOStatus::InvalidArgument(each.structure, tablecrypt_status_message(status));
        }
        if (status != TABLECRYPT_OK) return io_status(status, tablecrypt_status_message(status));
    }
    return IOStatus::OK();
}

IOStatus file_system::NewSequentialFile(const std::string &path, const FileOptions &options,
                                        std::unique_ptr<rocksdb::FSSequentialFile> *file, IODebugContext *debug) {
    opened found;
    if (auto status = open(path, options, false, &found, debug); !status.ok()) return status;
    if (found.its_header.of != kind::pages) {
        file->reset(new frame_reader(std::move(found.file), found.its_header, found.cut, keys_, path));
        return IOStatus::OK();
    }
    std::unique_ptr<page_reader> pages;
    auto status = page_reader::open(std::move(found.file), found.stored, found.its_header, keys_, path, &pages);
    if (status.ok()) file->reset(new page_sequence(std::move(pages)));
    return status;
}

IOStatus file_system::NewRandomAccessFile(const std::string &path, const FileOptions &options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile> *file, IODebugContext *debug) {
    opened found;
    if (auto status = open(path, options, options.use_direct_reads, &found, debug); !status.ok()) return status;
    if (found.its_header.of != kind::pages) {
        std::unique_ptr<frame_index> index;
        if (found.cut) return keys_.corruption(path, "it ends within its header: its end was cut off");
        auto status = frame_index::open(std::move(found.file), found.its_header, keys_, path, &index);
        if (status.ok()) *file = std::move(index);
        return status;
    }
    std::unique_ptr<page_reader> pages;
    auto status = page_reader::open(std::move(found.file), found.stored, found.its_header, keys_, path, &pages);
    if (status.ok()) *file = std::move(pages);
    return status;
}

IOStatus file_system::NewWritableFile(const std::string &path, const FileOptions &options,
                                      std::unique_ptr<rocksdb::FSWritableFile> *file, IODebugContext *debug) {
    const auto kind = kind_of(path);
    header made;
    bytes stored;
    // Before the file is made: where there is no key, what is there stays.
    if (auto status = make_header(keys_, path, rules_.structure_of(path), kind, &made, &stored); !status.ok()) {
        return status;
    }
    auto beneath = options;
    beneath.use_mmap_writes = false;
    beneath.use_direct_writes = options.use_direct_writes && kind == kind::pages;
    std::unique_ptr<rocksdb::FSWritableFile> target;
    if (auto status = target_->NewWritableFile(path, beneath, &target, debug); !status.ok()) return status;
    if (kind == kind::pages) {
        std::unique_ptr<page_writer> writer;
        auto status = page_writer::create(std::move(target), made, stored, keys_, path, &writer);
        if (status.ok()) *file = std::move(writer);
        return status;
    }
    std::unique_ptr<frame_writer> writer;
    auto status = frame_writer::create(std::move(target), made, stored, keys_, path, &writer);
    if (status.ok()) *file = std::move(writer);
    return status;
}

IOStatus file_system::ReopenWritableFile(const std::string &path, const FileOptions &options,
                                         std::unique_ptr<rocksdb::FSWritableFile> *file, IODebugContext *debug) {
    std::uint64_t stored = 0;
    const auto there = target_->GetFileSize(path, options.io_options, &stored, debug);
    if (!there.ok() || stored == 0) return NewWritableFile(path, options, file, debug);
    opened found;
    if (auto status = open(path, options, false, &found, debug); !status.ok()) return status;
    // A log whose header was cut off holds nothing.
    if (found.cut) return NewWritableFile(path, options, file, debug);
    auto beneath = options;
    beneath.use_mmap_writes = beneath.use_direct_writes = false;
    const auto target = [&](std::unique_ptr<rocksdb::FSWritableFile> *out) {
        return target_->ReopenWritableFile(path, beneath, out, debug);
    };
    std::unique_ptr<rocksdb::FSWritableFile> out;
    if (found.its_header.of == kind::pages) {
        std::unique_ptr<page_reader> pages;
        auto status = page_reader::open(std::move(found.file), found.stored, found.its_header, keys_, path, &pages);
        if (!status.ok()) return status;
        if (status = target(&out); !status.ok()) return status;
        *file = page_writer::reopen(std::move(out), found.its_header, pages->table(), {}, keys_, path);
        return status;
    }
    // Only what opens is gone on from: behind a frame that does not, nothing would be read.
    frames frames(*found.file, found.its_header, path);
    bytes text;
    std::uint64_t size = 0;
    auto what = frames.next(&text);
    for (; what == found::frame; what = frames.next(&text)) size += text.size();
    if (what == found::failed || what == found::bad) return frames.status();
    if (auto status = target(&out); !status.ok()) return status;
    *file = frame_writer::reopen(std::move(out), found.its_header, frames.number(), frames.at(), size,
                                 what == found::cut, keys_, path);
    return IOStatus::OK();
}

IOStatus file_system::ReuseWritableFile(const std::string &path, const std::string &old, const FileOptions &options,
                                        std::unique_ptr<rocksdb::FSWritableFile> *file, IODebugContext *debug) {
    if (auto status = target_->RenameFile(old, path, options.io_options, debug); !status.ok()) return status;
    return NewWritableFile(path, options, file, debug);
}

IOStatus file_system::NewRandomRWFile(const std::string &path, const FileOptions &,
                                      std::unique_ptr<rocksdb::FSRandomRWFile> *, IODebugContext *) {
    return IOStatus::NotSupported(path, "a sealed file is not written in its middle");
}

IOStatus file_system::NewMemoryMappedFileBuffer(const std::string &path,
                                                std::unique_ptr<rocksdb::MemoryMappedFileBuffer> *) {
    return IOStatus::NotSupported(path, "sealed files are not mapped");
}

IOStatus file_system::GetFileSize(const std::string &path, const IOOptions &options, std::uint64_t *size,
                                  IODebugContext *debug) {
    auto status = target_->GetFileSize(path, options, size, debug);
    if (!status.ok() || *size == 0) return status;
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    header found;
    auto what = parsed::foreign;
    // A folder, or what may not be read: its size is what the system says.
    if (!target_->NewRandomAccessFile(path, {}, &file, debug).ok()) return status;
    if (!peek_header(*file, &found, &what).ok() || what == parsed::foreign) return status;
    const auto stored = *size;
    *size = 0;
    if (what == parsed::cut) return status;
    if (found.of != kind::pages) return size_of_frames(*file, found, path, size);
    byte end[page_table::numbers];
    std::size_t length = 0;
    if (stored < sizeof end || !read_at(*file, stored - sizeof end, sizeof end, end, &length).ok()) return status;
    // One that was cut has no size; who opens it is told.
    std::uint64_t text = 0;
    if (length == sizeof end && page_table::peek(end, found, stored, &text, &length)) *size = text;
    return status;
}

IOStatus file_system::GetChildrenFileAttributes(const std::string &folder, const IOOptions &options,
                                                std::vector<rocksdb::FileAttributes> *files, IODebugContext *debug) {
    // By way of GetFileSize.
    return rocksdb::FileSystem::GetChildrenFileAttributes(folder, options, files, debug);
}

IOStatus file_system::Truncate(const std::string &path, std::size_t size, const IOOptions &options,
                               IODebugContext *debug) {
    std::uint64_t had = 0;
    if (auto status = GetFileSize(path, options, &had, debug); !status.ok()) return status;
    if (size == had) return IOStatus::OK();
    if (size > had) return IOStatus::NotSupported(path, "a sealed file is not made longer by Truncate");
    opened found;
    if (auto status = open(path, {}, false, &found, debug); !status.ok()) return status;
    // Whole pages or frames stay as they are; what is left of the one in which it ends now is sealed again.
    if (found.its_header.of == kind::pages) {
        std::unique_ptr<page_reader> pages;
        auto status = page_reader::open(std::move(found.file), found.stored, found.its_header, keys_, path, &pages);
        if (!status.ok()) return status;
        auto table = pages->table();
        const auto last = table.page_of(size);
        bytes tail(size - static_cast<std::size_t>(table.start(last)));
        rocksdb::Slice read;
        status = pages->Read(table.start(last), tail.size(), options, &read, reinterpret_cast<char *>(tail.data()), debug);
        std::unique_ptr<rocksdb::FSWritableFile> out;
        if (status.ok()) status = target_->ReopenWritableFile(path, {}, &out, debug);
        if (status.ok()) status = out->Truncate(found.its_header.size() + table.at(last), options, debug);
        if (!status.ok()) return status;
        table.cut(last);
        const auto writer = page_writer::reopen(std::move(out), found.its_header, std::move(table), std::move(tail), keys_, path);
        status = writer->end_again(options, debug);
        return status.ok() ? writer->Close(options, debug) : status;
    }
    frames frames(*found.file, found.its_header, path);
    bytes text;
    std::uint64_t before = 0, at = frames.at(), number = frames.number();
    for (; before < size; before += text.size()) {
        at = frames.at(), number = frames.number();
        if (frames.next(&text) != found::frame) return frames.status();
        if (before + text.size() > size) break;
        at = frames.at(), number = frames.number();
    }
    const auto left = static_cast<std::size_t>(size - std::min<std::uint64_t>(before, size));
    std::unique_ptr<rocksdb::FSWritableFile> out;
    auto status = target_->ReopenWritableFile(path, {}, &out, debug);
    if (status.ok()) status = out->Truncate(at, options, debug);
    if (!status.ok()) return status;
    const auto writer = frame_writer::reopen(std::move(out), found.its_header, number, at, before, false, keys_, path);
    status = writer->end_again(rocksdb::Slice(as_chars(text.data()), left), options, debug);
    return status.ok() ? writer->Close(options, debug) : status;
}

IOStatus file_system::RenameFile(const std::string &from, const std::string &to, const IOOptions &options,
                                 IODebugContext *debug) {
    if (auto status = may_be_called(from, to, debug); !status.ok()) return status;
    return target_->RenameFile(from, to, options, debug);
}

IOStatus file_system::LinkFile(const std::string &from, const std::string &to, const IOOptions &options,
                               IODebugContext *debug) {
    if (auto status = may_be_called(from, to, debug); !status.ok()) return status;
    return target_->LinkFile(from, to, options, debug);
}

// Opens a file beneath, and its header.
IOStatus file_system::open(const std::string &path, FileOptions options, bool direct, opened *opened,
                           IODebugContext *debug) {
    auto header_options = options;
    header_options.use_direct_reads = false, header_options.use_mmap_reads = false;
    if (auto status = target_->GetFileSize(path, options.io_options, &opened->stored, debug); !status.ok()) {
        return status;
    }
    auto status = target_->NewRandomAccessFile(path, header_options, &opened->file, debug);
    if (status.ok()) status = open_header(*opened->file, keys_, path, &opened->its_header, &opened->cut);
    if (!status.ok()) return status;
    const auto &header = opened->its_header;
    const auto rule = rules_.rule_for(path);
    if (rule && !opened->cut && *rule != header.name) {
        return keys_.corruption(path, "it is of structure " + header.name + ", and by the rules a file here is of " + *rule);
    }
    const bool pages = header.of == kind::pages;
    if (pages && (direct || options.use_mmap_reads)) {
        options.use_direct_reads = direct;
        status = target_->NewRandomAccessFile(path, options, &opened->file, debug);
    }
    return status;
}

IOStatus file_system::may_be_called(const std::string &from, const std::string &to, IODebugContext *debug) {
    const auto rule = rules_.rule_for(to);
    if (!rule) return IOStatus::OK();
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    header found;
    auto what = parsed::foreign;
    // What is no file of ours, such as a folder, has no structure.
    if (!target_->NewRandomAccessFile(from, {}, &file, debug).ok() || !peek_header(*file, &found, &what).ok() ||
        what != parsed::header || found.name == *rule) {
        return IOStatus::OK();
    }
    return IOStatus::NotSupported(from, "it is of structure " + found.name + ", and by the rules " + to + " is of " +
                                            *rule + ": copy it");
}

}  // namespace tablecrypt_rocksdb
