// Files without a database: what was written is what is read, at every length and offset; truncated, reopened, renamed.

#include <algorithm>
#include <random>

#include "site.h"

using rocksdb::FileOptions;
using rocksdb::IOOptions;
using rocksdb::Slice;

namespace {

const IOOptions io;

std::string text_of(std::size_t length) {
    std::string text(length, '\0');
    std::mt19937 random(static_cast<unsigned>(length));
    for (auto &each : text) each = static_cast<char>(random());
    return text;
}

// In appends of random lengths, with a flush after each. `blocks` are said before, in random lengths up to this.
void write(rocksdb::FileSystem &files, const std::string &path, const std::string &text, unsigned seed = 1,
           std::size_t blocks = 0) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    CHECK_OK(files.NewWritableFile(path, {}, &file, nullptr));
    std::mt19937 random(seed);
    for (std::size_t at = 0; blocks != 0 && at < text.size();) {
        const auto length = random() % 3 == 0 ? 5 : random() % blocks;
        file->PrepareWrite(at, length, io, nullptr);
        at += length + (random() % 50 == 0 ? 1000 : 0);  // what is padded is not said
    }
    for (std::size_t at = 0; at < text.size();) {
        const auto length = std::min<std::size_t>(text.size() - at, random() % 9000);
        CHECK_OK(file->Append(Slice(text.data() + at, length), io, nullptr));
        CHECK_OK(file->Flush(io, nullptr));
        at += length;
        CHECK(file->GetFileSize(io, nullptr) == at);
    }
    CHECK_OK(file->Sync(io, nullptr));
    CHECK_OK(file->Close(io, nullptr));
}

std::string read(rocksdb::FileSystem &files, const std::string &path, rocksdb::Status *status) {
    std::string text;
    *status = rocksdb::ReadFileToString(&files, path, &text);
    return text;
}

bool holds(rocksdb::FileSystem &files, const std::string &path, const std::string &text) {
    rocksdb::Status status;
    std::uint64_t size = 0;
    return read(files, path, &status) == text && status.ok() && files.GetFileSize(path, io, &size, nullptr).ok() &&
           size == text.size();
}

void test_lengths(const std::string &name, std::size_t blocks = 0) {
    site site("lengths");
    const auto files = site.files();
    const std::size_t text = 4048;
    for (const std::size_t pages : {0u, 1u, 2u, 70u}) {
        for (const int around : {-2, -1, 0, 1, 2}) {
            if (pages == 0 && around < 0) continue;
            const auto whole = text_of(pages * text + static_cast<std::size_t>(around));
            const auto path = site.at(name);
            write(*files, path, whole, static_cast<unsigned>(pages + 1), blocks);
            CHECK(holds(*files, path, whole));
            std::unique_ptr<rocksdb::FSRandomAccessFile> file;
            CHECK_OK(files->NewRandomAccessFile(path, {}, &file, nullptr));
            std::mt19937 random(7);
            std::string scratch(3 * text, 'x');
            for (int i = 0; i < 50; i++) {
                const auto offset = random() % (whole.size() + 10), length = random() % scratch.size();
                Slice result;
                CHECK_OK(file->Read(offset, length, io, &result, scratch.data(), nullptr));
                CHECK(result == (offset < whole.size() ? Slice(whole).ToString().substr(offset, length) : ""));
            }
        }
    }
}

// A block that is said before it is appended is a page, though it comes in pieces, or with others in one: it is 48 bytes in
// the file, and 2 in the table. A trailer belongs to the block before it; what is longer than a page is pages of 4,048.
void test_a_block_is_a_page() {
    site site("blocks");
    const auto files = site.files();
    const auto path = site.at("000001.sst"), text = text_of(4066 + 5 + 65531 + 5 + 1500 + 5 + 70000);
    const auto pages_in = [&](std::initializer_list<std::size_t> blocks, std::size_t piece) {
        std::unique_ptr<rocksdb::FSWritableFile> file;
        CHECK_OK(files->NewWritableFile(path, {}, &file, nullptr));
        std::size_t said = 0;
        for (const auto length : blocks) file->PrepareWrite(said, length, io, nullptr), said += length;
        for (std::size_t at = 0; at < said; at += piece) {
            CHECK_OK(file->Append(Slice(text.data() + at, std::min(piece, said - at)), io, nullptr));
        }
        CHECK_OK(file->Close(io, nullptr));
        CHECK(holds(*files, path, text.substr(0, said)));
        return (stored(path).size() - 84 - 64 - said) / 50;  // the header, and what the table has besides
    };
    for (const std::size_t piece : {1000000u, 3000u, 1u}) {
        CHECK(pages_in({4066, 5}, piece) == 1);
        CHECK(pages_in({4066, 5, 65531, 5}, piece) == 2);
        CHECK(pages_in({4066, 5, 65531, 5, 1500, 5}, piece) == 3);
        CHECK(pages_in({900, 5, 900, 5, 900, 5}, piece) == 2);
        CHECK(pages_in({4066, 5, 70000}, piece) == 1 + 18);
    }
}

// Synced and gone on with; closed, opened again and gone on with; what a reader sees meanwhile.
void test_going_on(const std::string &name) {
    site site("going-on");
    const auto files = site.files();
    const auto path = site.at(name), text = text_of(20000);
    std::unique_ptr<rocksdb::FSWritableFile> file;
    CHECK_OK(files->NewWritableFile(path, {}, &file, nullptr));
    std::size_t at = 0;
    for (const std::size_t length : {100u, 0u, 5000u, 4048u, 1u, 4047u}) {
        CHECK_OK(file->Append(Slice(text.data() + at, length), io, nullptr));
        at += length;
        CHECK_OK(file->Sync(io, nullptr));
        CHECK(holds(*files, path, text.substr(0, at)));
    }
    CHECK_OK(file->Truncate(at, io, nullptr));
    CHECK(file->Truncate(at - 1, io, nullptr).IsNotSupported());
    CHECK_OK(file->Close(io, nullptr));
    const auto before = stored(path);
    CHECK_OK(files->ReopenWritableFile(path, {}, &file, nullptr));
    CHECK(file->GetFileSize(io, nullptr) == at);
    CHECK_OK(file->Truncate(at, io, nullptr));
    CHECK_OK(file->Fsync(io, nullptr));
    CHECK_OK(file->Close(io, nullptr));
    CHECK(stored(path) == before);  // RocksDB opens a WAL and an ingested SST in this way, and writes nothing
    for (const std::size_t length : {3000u, 10u}) {
        CHECK_OK(files->ReopenWritableFile(path, {}, &file, nullptr));
        for (int twice = 0; twice < 2; twice++) {
            CHECK_OK(file->Append(Slice(text.data() + at, length), io, nullptr));
            at += length;
            CHECK_OK(file->Sync(io, nullptr));
            CHECK(holds(*files, path, text.substr(0, at)));
        }
        CHECK_OK(file->Close(io, nullptr));
        CHECK(holds(*files, path, text.substr(0, at)));
    }
    CHECK_OK(files->ReopenWritableFile(site.at("new-" + name), {}, &file, nullptr));
    CHECK_OK(file->Append("new", io, nullptr));
    CHECK_OK(file->Close(io, nullptr));
    CHECK(holds(*files, site.at("new-" + name), "new"));
}

void test_truncate(const std::string &name) {
    site site("truncate");
    const auto files = site.files();
    const auto path = site.at(name), text = text_of(3 * 4048 + 17);
    for (const std::size_t size : {0u, 1u, 4047u, 4048u, 4049u, 2 * 4048u, 3 * 4048u + 16, 3 * 4048u + 17}) {
        write(*files, path, text, static_cast<unsigned>(size));
        CHECK_OK(files->Truncate(path, size, io, nullptr));
        CHECK(holds(*files, path, text.substr(0, size)));
        std::unique_ptr<rocksdb::FSWritableFile> file;
        CHECK_OK(files->ReopenWritableFile(path, {}, &file, nullptr));
        CHECK_OK(file->Append(Slice(text).ToString().substr(size), io, nullptr));
        CHECK_OK(file->Close(io, nullptr));
        CHECK(holds(*files, path, text));
    }
    CHECK(files->Truncate(path, text.size() + 1, io, nullptr).IsNotSupported());
}

void test_names() {
    site site("names");
    tablecrypt_rocksdb::settings settings;
    settings.rules = {{site.at("by-tail/"), "global:by-tail"}, {site.at("by-tail/inner"), "local:by-delay"}};
    const auto files = site.files(settings), without = site.files();
    for (const auto *folder : {"by-tail", "by-tail/inner", "by-tail-not", "other"}) {
        CHECK_OK(files->CreateDirIfMissing(site.at(folder), io, nullptr));
        write(*files, site.at(folder) + "/000007.sst", folder);
        CHECK(holds(*files, site.at(folder) + "/./000007.sst", folder));
    }
    const auto named = [&](const char *folder) { return stored(site.at(folder) + "/000007.sst").substr(32, 14); };
    CHECK(named("by-tail") == "global:by-tail" && named("by-tail/inner") == "local:by-delay");
    CHECK(named("by-tail-not").substr(0, 4) == "base" && named("other").substr(0, 4) == "base");
    // Where a rule wants another structure, a file is not linked, not renamed, and not opened.
    const auto from = site.at("other/000007.sst"), to = site.at("by-tail/000008.sst");
    CHECK(files->LinkFile(from, to, io, nullptr).IsNotSupported());
    CHECK(files->RenameFile(from, to, io, nullptr).IsNotSupported());
    CHECK_OK(without->LinkFile(from, to, io, nullptr));
    rocksdb::Status status;
    CHECK(read(*without, to, &status) == "other" && status.ok());  // the control
    read(*files, to, &status);
    CHECK(status.IsCorruption() && site.reported("by the rules a file here is of global:by-tail"));
    // Where none does, it keeps its structure and opens.
    CHECK_OK(files->LinkFile(site.at("by-tail/000007.sst"), site.at("other/000009.sst"), io, nullptr));
    CHECK(holds(*files, site.at("other/000009.sst"), "by-tail"));
    CHECK_OK(files->RenameFile(from, site.at("other/000010.sst"), io, nullptr));
    CHECK(holds(*files, site.at("other/000010.sst"), "other"));

    const auto refused = [&](const tablecrypt_rocksdb::settings &wrong) {
        const auto service = tablecrypt::service::open_local(site.at("keys"));
        std::shared_ptr<rocksdb::FileSystem> made;
        return tablecrypt_rocksdb::open_file_system(std::move(*service->connect()->open_table("flights")), wrong, &made);
    };
    tablecrypt_rocksdb::settings no_structure, no_name;
    no_structure.rules = {{"/x", "global:none"}}, no_name.rules = {{"/x", "none"}};
    CHECK(refused(no_structure).IsNotFound());
    CHECK(refused(no_name).IsNotFound());
    CHECK(refused({}).ok());
}

void test_what_is_refused() {
    site site("refused");
    const auto files = site.files();
    store(site.at("000001.sst"), text_of(9000)), store(site.at("CURRENT"), "MANIFEST-000001\n");
    for (const auto *name : {"000001.sst", "CURRENT"}) {
        rocksdb::Status status;
        read(*files, site.at(name), &status);
        CHECK(status.IsCorruption() && status.ToString().find("it is in clear") != std::string::npos);
        std::uint64_t size = 0;
        CHECK(files->GetFileSize(site.at(name), io, &size, nullptr).ok() && size == stored(site.at(name)).size());
    }
    std::unique_ptr<rocksdb::FSRandomRWFile> file;
    CHECK(files->NewRandomRWFile(site.at("000001.sst"), {}, &file, nullptr).IsNotSupported());
    std::unique_ptr<rocksdb::MemoryMappedFileBuffer> buffer;
    CHECK(files->NewMemoryMappedFileBuffer(site.at("000001.sst"), &buffer).IsNotSupported());
    std::unique_ptr<rocksdb::FSSequentialFile> none;
    CHECK(files->NewSequentialFile(site.at("none"), {}, &none, nullptr).IsPathNotFound());
}

}  // namespace

void test_files() {
    for (const auto *name : {"000001.sst", "000001.blob", "000001.log", "MANIFEST-000001", "CURRENT", "LOG"}) {
        test_lengths(name);
        test_going_on(name);
        test_truncate(name);
    }
    for (const std::size_t blocks : {700u, 5000u, 100000u}) test_lengths("000001.sst", blocks);
    test_a_block_is_a_page();
    test_names();
    test_what_is_refused();
}
