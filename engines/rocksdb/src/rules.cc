#include "rules.h"

#include <algorithm>
#include <filesystem>

namespace tablecrypt_rocksdb {

namespace {

// Absolute, without "." and "..", without a slash at the end. Symbolic links are not followed.
std::string plain(const std::string &path) {
    std::error_code error;
    auto absolute = std::filesystem::absolute(path, error).lexically_normal().string();
    while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
    return absolute;
}

}  // namespace

rules::rules(const std::vector<rule> &given) {
    for (const auto &each : given) longest_first_.push_back({plain(each.path), each.structure});
    std::stable_sort(longest_first_.begin(), longest_first_.end(),
                     [](const rule &a, const rule &b) { return a.path.size() > b.path.size(); });
}

std::optional<std::string> rules::rule_for(const std::string &path) const {
    if (longest_first_.empty()) return std::nullopt;
    const auto whole = plain(path);
    for (const auto &each : longest_first_) {
        const bool below = whole.compare(0, each.path.size(), each.path) == 0 &&
                           (whole.size() == each.path.size() || whole[each.path.size()] == '/' || each.path == "/");
        if (below) return each.structure;
    }
    return std::nullopt;
}

}  // namespace tablecrypt_rocksdb
