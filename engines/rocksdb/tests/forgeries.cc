// What was changed, moved or cut is found: in each kind of file, at each byte; by control the untouched file opens.

#include <algorithm>
#include <filesystem>
#include <random>

#include "site.h"

using rocksdb::IOOptions;
using rocksdb::Slice;

namespace {

const IOOptions io;

struct sample {
    const char *name;
    bool log;  // one whose end a crash may cut
};

constexpr sample samples[] = {{"000001.sst", false},      {"000002.blob", false}, {"000003.log", true},
                              {"MANIFEST-000004", true},  {"CURRENT", false},     {"OPTIONS-000005", false},
                              {"IDENTITY", false},        {"LOG", true}};

std::string text_of(std::size_t length) {
    std::string text(length, '\0');
    std::mt19937 random(3);
    for (auto &each : text) each = static_cast<char>(random());
    return text;
}

void write(rocksdb::FileSystem &files, const std::string &path, const std::string &text, std::size_t append) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    CHECK_OK(files.NewWritableFile(path, {}, &file, nullptr));
    for (std::size_t at = 0; at < text.size(); at += append) {
        CHECK_OK(file->Append(Slice(text.data() + at, std::min(append, text.size() - at)), io, nullptr));
    }
    CHECK_OK(file->Sync(io, nullptr));
    CHECK_OK(file->Close(io, nullptr));
}

// What a reader gets: the text, or the status that ended it. `at_end` is that of reading on after the last byte.
struct reading {
    std::string text;
    rocksdb::Status status, at_end;
};

reading read(rocksdb::FileSystem &files, const std::string &path) {
    reading got;
    got.status = rocksdb::ReadFileToString(&files, path, &got.text);
    if (!got.status.ok()) return got;
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    got.at_end = files.NewSequentialFile(path, {}, &file, nullptr);
    if (!got.at_end.ok()) return got;
    got.at_end = file->Skip(got.text.size() + 1);
    char scratch[16];
    Slice result;
    if (got.at_end.ok()) got.at_end = file->Read(1, io, &result, scratch, nullptr);
    return got;
}

// Nothing but what was written is ever given: all of it, or its beginning with no more than a stub that RocksDB's log
// reader takes for damage.
bool is_beginning(const std::string &got, const std::string &text, std::size_t *good) {
    *good = static_cast<std::size_t>(std::mismatch(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(std::min(got.size(), text.size())), text.begin()).first - got.begin());
    return got.size() - *good <= 7 + 6;
}

void test_each_byte() {
    std::size_t flips = 0;
    for (const auto &each : samples) {
        site site("each-byte");
        const auto files = site.files();
        const auto path = site.at(each.name), text = text_of(600);
        write(*files, path, text, 100);
        const auto sealed = stored(path);
        const auto whole = read(*files, path);
        CHECK(whole.status.ok() && whole.at_end.ok() && whole.text == text);  // the control
        for (std::size_t at = 0; at < sealed.size(); at++) {
            auto flipped = sealed;
            flipped[at] = static_cast<char>(flipped[at] ^ 1 << at % 8);
            store(path, flipped);
            site.forget_reports();
            const auto got = read(*files, path);
            std::size_t good = 0;
            const bool found = got.status.IsCorruption() || got.at_end.IsCorruption();
            const bool told = !site.reports().empty() || !got.status.ok();
            if (!CHECK(found && told && (got.status.ok() ? is_beginning(got.text, text, &good) : true))) {
                std::cout << each.name << ", byte " << at << ": " << got.status.ToString() << std::endl;
            }
            flips++;
        }
    }
    std::cout << flips << " bytes flipped in files of " << std::size(samples) << " kinds, each found" << std::endl;
}

// Cut at every byte of the first and last 8 KiB.
void test_each_cut() {
    std::size_t cuts = 0, boundaries = 0;
    for (const auto &each : samples) {
        site site("each-cut");
        const auto files = site.files();
        const auto path = site.at(each.name), text = text_of(30000);
        write(*files, path, text, 1500);
        const auto sealed = stored(path);
        std::uint64_t size = 0;
        CHECK(files->GetFileSize(path, io, &size, nullptr).ok() && size == text.size());
        for (std::size_t at = sealed.size() - 1; at > 0; at--) {
            if (at == sealed.size() - 8192 && at > 8192) at = 8192;
            std::filesystem::resize_file(path, at);
            const auto got = read(*files, path);
            std::size_t good = 0;
            cuts++;
            if (!each.log) {
                CHECK(got.status.IsCorruption());
            } else {
                // As plain RocksDB: what is before the cut, in whole frames, and nothing that was not written.
                CHECK(got.status.ok() && got.at_end.ok() && is_beginning(got.text, text, &good) && good % 1500 <= 2);
                boundaries += got.text.size() == good;
            }
            CHECK(files->GetFileSize(path, io, &size, nullptr).ok() && size <= text.size());
            std::unique_ptr<rocksdb::FSRandomAccessFile> random;
            if (!each.log) CHECK(files->NewRandomAccessFile(path, {}, &random, nullptr).IsCorruption());
        }
        CHECK((store(path, sealed), read(*files, path).text == text));
    }
    std::cout << cuts << " cuts; " << boundaries << " of logs between two frames, as a crash leaves them" << std::endl;
}

// Zeros where a crash left blocks that were never written.
void test_zeros_at_the_end() {
    site site("zeros");
    const auto files = site.files();
    for (const auto &each : samples) {
        if (!each.log) continue;
        const auto path = site.at(each.name), text = text_of(9000);
        write(*files, path, text, 1500);
        auto sealed = stored(path);
        sealed.resize(sealed.size() - 56);
        for (const std::size_t zeros : {1u, 7u, 8u, 5000u, 300000u}) {
            store(path, sealed + std::string(zeros, '\0'));
            const auto got = read(*files, path);
            std::size_t good = 0;
            CHECK(got.status.ok() && got.at_end.ok() && is_beginning(got.text, text, &good) && good == text.size());
        }
        store(path, sealed + std::string(5000, '\0') + "x");
        const auto got = read(*files, path);
        CHECK(got.status.IsCorruption() || got.at_end.IsCorruption());
    }
}

// Pages of one file changed for one another, for those of another file, and for those of another structure; and tables.
void test_pages_moved() {
    site site("pages");
    tablecrypt_rocksdb::settings settings;
    settings.rules = {{site.at("other"), "global:by-tail"}};
    const auto files = site.files(settings);
    CHECK_OK(files->CreateDir(site.at("other"), io, nullptr));
    const auto a = site.at("000001.sst"), b = site.at("000002.sst"), c = site.at("other/000003.sst");
    const auto text = text_of(5 * 4048);
    for (const auto &path : {a, b, c}) write(*files, path, text, 50000);
    const auto first = stored(a), second = stored(b), third = stored(c);
    const std::size_t head = 32 + 4 + 48, table = 5 * 2 + 48 + 16;
    CHECK(first.size() == head + 5 * 4096 + table && second.size() == first.size() && third.size() == first.size() + 10);
    const auto page = [&](const std::string &from, std::size_t number) {
        return from.substr(from.size() - table - (5 - number) * 4096, 4096);
    };
    const auto with = [&](std::size_t number, const std::string &stored) {
        auto changed = first;
        return changed.replace(head + 4096 * number, 4096, stored);
    };
    const auto end = [&](const std::string &from) { return from.substr(from.size() - table); };
    const auto refused = [&](const std::string &changed) {
        store(a, changed);
        return read(*files, a).status.IsCorruption();
    };
    CHECK(!refused(with(1, page(first, 1))) && read(*files, a).text == text);  // the control
    for (std::size_t number = 0; number < 5; number++) {
        CHECK(refused(with(number, page(first, (number + 1) % 5))));
        CHECK(refused(with(number, page(second, number))));
        CHECK(refused(with(number, page(third, number))));
    }
    // A header is its file's: another one makes nothing openable.
    CHECK(refused(second.substr(0, head) + first.substr(head)) && refused(third.substr(0, head + 10) + first.substr(head)));
    // So is a table. Without one; with one twice; a page more, or less, before it.
    const auto pages = first.substr(0, first.size() - table);
    CHECK(!refused(pages + end(first)) && refused(pages + end(second)) && refused(pages + end(third)));
    CHECK(refused(pages) && refused(first + end(first)) && refused(pages + page(first, 4) + end(first)));
    CHECK(refused(pages.substr(0, pages.size() - 4096) + end(first)));
    // A table of fewer pages, which are those of a file that is shorter, is of its file alone.
    write(*files, b, text.substr(0, 4 * 4048), 50000);
    const auto shorter = stored(b);
    CHECK(refused(pages.substr(0, pages.size() - 4096) + shorter.substr(head + 4 * 4096)));
    // In clear it says how long the file is, which nobody can change: 16 bytes of text more for 2 bytes of table is a page less.
    for (const int less : {-1, 1}) {
        auto changed = first;
        changed[changed.size() - 9] = static_cast<char>(changed[changed.size() - 9] + less * 50);
        changed[changed.size() - 1] = static_cast<char>(changed[changed.size() - 1] - less);
        CHECK(refused(changed));
    }
    CHECK(!refused(first));
}

// The same with frames, whose place in the file can be chosen freely.
void test_frames_moved() {
    site site("frames");
    tablecrypt_rocksdb::settings settings;
    settings.rules = {{site.at("other"), "global:by-tail"}};
    const auto files = site.files(settings);
    CHECK_OK(files->CreateDir(site.at("other"), io, nullptr));
    const auto text = text_of(700);
    for (const auto &each : samples) {
        if (std::string(each.name).find("000001") == 0 || std::string(each.name).find("000002") == 0) continue;
        const auto a = site.at(each.name), b = site.at(std::string("other/") + each.name), c = site.at("c");
        write(*files, a, text, 100), write(*files, b, text, 100);
        CHECK_OK(files->RenameFile(a, c, io, nullptr));
        write(*files, a, text, 100);
        const auto first = stored(a), structure = stored(b), second = stored(c);
        const std::size_t frame = 156, head = first.size() - 7 * frame - 56;
        const auto of = [&](const std::string &from, std::size_t number) {
            return from.substr(from.size() - 56 - (7 - number) * frame, number == 7 ? 56 : frame);
        };
        const auto found = [&](const std::string &changed) {
            store(a, changed);
            const auto got = read(*files, a);
            return got.status.IsCorruption() || got.at_end.IsCorruption();
        };
        std::string same = first.substr(0, head);
        for (std::size_t number = 0; number <= 7; number++) same += of(first, number);
        CHECK(same == first && !found(same));  // the control
        for (std::size_t number = 0; number < 7; number++) {
            const auto before = first.substr(0, head + number * frame), after = first.substr(head + (number + 1) * frame);
            CHECK(found(before + of(first, (number + 1) % 7) + after));
            CHECK(found(before + of(second, number) + after));
            CHECK(found(before + of(structure, number) + after));
            CHECK(found(before + after));
            CHECK(found(before + of(first, number) + of(first, number) + after));
            CHECK(found(before + of(first, 7) + after));
        }
    }
}

// A record of the same key and place, sealed for something else, is no page: kinds and places are told apart.
void test_kinds_are_told_apart() {
    site site("kinds");
    const auto files = site.files();
    const auto path = site.at("000001.sst"), text = text_of(4000);
    write(*files, path, text, 4000);
    auto sealed = stored(path);
    for (const char kind : {2, 3, 4, 5, 0, 6}) {
        auto changed = sealed;
        changed[9] = kind;
        store(path, changed);
        CHECK(read(*files, path).status.IsCorruption());
    }
    store(path, sealed);
    CHECK(read(*files, path).text == text);
}

}  // namespace

void test_forgeries() {
    test_each_byte();
    test_each_cut();
    test_zeros_at_the_end();
    test_pages_moved();
    test_frames_moved();
    test_kinds_are_told_apart();
}
