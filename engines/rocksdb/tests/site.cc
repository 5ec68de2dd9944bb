#include "site.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fs = std::filesystem;

std::string site::parent;

site::site(const std::string &name) : folder_(parent + "/" + name) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    const auto service = tablecrypt::service::open_local(at("keys"));
    CHECK(bool(service));
    CHECK(service->create_table({"flights", {"by-delay"}, {"by-tail"}}) == TABLECRYPT_OK);
}

site::~site() {
    envs_.clear();
    fs::remove_all(folder_);
}

std::shared_ptr<rocksdb::FileSystem> site::files(tablecrypt_rocksdb::settings settings) {
    const auto service = tablecrypt::service::open_local(at("keys"));
    const auto connection = service->connect();
    auto table = connection->open_table("flights");
    CHECK(bool(table));
    settings.tail = {};
    settings.report = [this](const std::string &sentence) { hear(sentence); };
    std::shared_ptr<rocksdb::FileSystem> files;
    CHECK_OK(tablecrypt_rocksdb::open_file_system(std::move(*table), settings, &files));
    return files;
}

rocksdb::Env *site::env(const tablecrypt_rocksdb::settings &settings) {
    envs_.push_back(rocksdb::NewCompositeEnv(files(settings)));
    return envs_.back().get();
}

void site::hear(const std::string &sentence) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(sentence);
}

std::vector<std::string> site::reports() {
    const std::lock_guard lock(mutex_);
    return reports_;
}

bool site::reported(const std::string &part) {
    const auto all = reports();
    return std::any_of(all.begin(), all.end(), [&](const auto &each) { return each.find(part) != std::string::npos; });
}

void site::forget_reports() {
    const std::lock_guard lock(mutex_);
    reports_.clear();
}

rocksdb::Options options_on(rocksdb::Env *env) {
    rocksdb::Options options;
    options.env = env;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.compression = rocksdb::kNoCompression;
    options.max_background_jobs = 2;
    return options;
}

rocksdb::Status open(const rocksdb::Options &options, const std::string &path, database *db) {
    rocksdb::DB *opened = nullptr;
    const auto status = rocksdb::DB::Open(options, path, &opened);
    db->reset(opened);
    return status;
}

std::string key_of(int number) {
    char text[32];
    std::snprintf(text, sizeof text, "tailnumber-N%08d", number);
    return text;
}

std::string value_of(int number) {
    std::string value = "departure-of-" + key_of(number) + ":";
    while (value.size() < 100) value += "JFK-to-LHR," + std::to_string(number) + ",";
    return value;
}

std::vector<std::string> files_below(const std::string &folder) {
    std::vector<std::string> found;
    for (const auto &entry : fs::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

std::vector<std::string> files_of(const std::string &folder, const std::string &part) {
    std::vector<std::string> found;
    for (const auto &path : files_below(folder)) {
        if (fs::path(path).filename().string().find(part) != std::string::npos) found.push_back(path);
    }
    return found;
}

std::string stored(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    CHECK(file.good());
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
}

// Over what is there: a file that was emptied first is flushed to the disk when it is closed, which takes long.
void store(const std::string &path, const std::string &stored) {
    if (!fs::exists(path)) std::ofstream(path).close();
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.write(stored.data(), static_cast<std::streamsize>(stored.size()));
    file.close();
    CHECK(file.good());
    fs::resize_file(path, stored.size());
}

void copy(const std::string &from, const std::string &to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
}

void remove(const std::string &path) { fs::remove_all(path); }

namespace {

std::string hexadecimal(const std::string &text, const char *digits) {
    std::string out;
    for (const unsigned char each : text) out += {digits[each >> 4], digits[each & 15]};
    return out;
}

// What of the base64 of `text`, `offset` bytes into a group of three, depends on the text alone.
std::string base64(const std::string &text, std::size_t offset) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = (3 - offset) % 3; at + 3 <= text.size(); at += 3) {
        const unsigned group = static_cast<unsigned char>(text[at]) << 16 |
                               static_cast<unsigned char>(text[at + 1]) << 8 | static_cast<unsigned char>(text[at + 2]);
        for (int shift = 18; shift >= 0; shift -= 6) out += digits[group >> shift & 63];
    }
    return out;
}

std::size_t count(const std::string &in, const std::string &text) {
    std::size_t found = 0;
    for (auto at = in.find(text); at != std::string::npos; at = in.find(text, at + 1)) found++;
    return found;
}

}  // namespace

std::size_t occurrences(const std::string &in, const std::vector<std::string> &texts) {
    std::size_t found = 0;
    for (const auto &text : texts) {
        found += count(in, text) + count(in, hexadecimal(text, "0123456789abcdef")) +
                 count(in, hexadecimal(text, "0123456789ABCDEF"));
        for (std::size_t offset = 0; offset < 3; offset++) found += count(in, base64(text, offset));
    }
    return found;
}

std::size_t occurrences_below(const std::string &folder, const std::vector<std::string> &texts, std::string *first) {
    std::size_t all = 0;
    for (const auto &path : files_below(folder)) {
        const auto found = occurrences(stored(path), texts);
        if (found != 0 && all == 0 && first != nullptr) *first = path;
        all += found;
    }
    return all;
}
