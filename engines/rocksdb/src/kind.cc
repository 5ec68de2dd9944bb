#include "kind.h"

namespace tablecrypt_rocksdb {

namespace {

bool begins(const std::string &name, const char *with) { return name.rfind(with, 0) == 0; }

bool ends(const std::string &name, const std::string &with) {
    return name.size() >= with.size() && name.compare(name.size() - with.size(), with.size(), with) == 0;
}

}  // namespace

kind kind_of(const std::string &path) {
    const auto slash = path.find_last_of('/');
    auto name = slash == std::string::npos ? path : path.substr(slash + 1);
    // A backup makes .NAME.tmp and renames it.
    if (ends(name, ".tmp")) {
        name = name.substr(name[0] == '.' ? 1 : 0, name.size() - 4 - (name[0] == '.' ? 1 : 0));
    }
    if (ends(name, ".sst") || ends(name, ".ldb") || ends(name, ".blob")) return kind::pages;
    if (ends(name, ".log")) return kind::wal;
    if (begins(name, "MANIFEST-")) return kind::manifest;
    // LOG, LOG.old.N, and with a db_log_dir the path of the database before _LOG.
    if (begins(name, "LOG") || name.find("_LOG") != std::string::npos) return kind::text;
    return kind::whole;
}

}  // namespace tablecrypt_rocksdb
