// open_file_system, and what RocksDB's own tools find by name when this library is preloaded:
//
//     LD_PRELOAD=librocksdb_tablecrypt.so ldb --fs_uri=tablecrypt://TABLE@FOLDER ...
//
// FOLDER is that of a service under a LocalKms. TABLECRYPT_RULES, if set, has rules: PATH=STRUCTURE, with `;` between.

#include <cstdlib>
#include <iostream>
#include <string>

#include <rocksdb/env.h>
#include <rocksdb/utilities/object_registry.h>

#include "file_system.h"
#include "tablecrypt.hpp"
#include "tablecrypt_rocksdb.h"

namespace tablecrypt_rocksdb {

using rocksdb::Status;

namespace {

constexpr char scheme[] = "tablecrypt";

std::string details(tablecrypt_status status) {
    const auto more = tablecrypt::last_error();
    return more.empty() ? tablecrypt_status_message(status) : more;
}

Status make(tablecrypt::table table, const settings &settings, std::unique_ptr<rocksdb::FileSystem> *files) {
    auto made = std::make_unique<file_system>(std::move(table), settings);
    if (auto status = made->check(settings); !status.ok()) return status;
    *files = std::move(made);
    return Status::OK();
}

Status rules_of(const char *text, std::vector<rule> *rules) {
    const std::string all = text == nullptr ? "" : text;
    for (std::size_t at = 0; at < all.size();) {
        const auto end = std::min(all.find(';', at), all.size());
        const auto each = all.substr(at, end - at);
        const auto equals = each.rfind('=');
        if (!each.empty() && (equals == std::string::npos || equals == 0)) {
            return Status::InvalidArgument("TABLECRYPT_RULES: not PATH=STRUCTURE", each);
        }
        if (!each.empty()) rules->push_back({each.substr(0, equals), each.substr(equals + 1)});
        at = end + 1;
    }
    return Status::OK();
}

// tablecrypt://TABLE@FOLDER
Status by_uri(const std::string &uri, std::unique_ptr<rocksdb::FileSystem> *files) {
    const auto name = uri.substr(sizeof scheme - 1 + 3);
    const auto at = name.find('@');
    if (at == 0 || at == std::string::npos || at + 1 == name.size()) {
        return Status::InvalidArgument(uri, "not tablecrypt://TABLE@FOLDER");
    }
    settings settings;
    settings.report = [](const std::string &sentence) { std::cerr << "tablecrypt: " + sentence + "\n"; };
    if (auto status = rules_of(std::getenv("TABLECRYPT_RULES"), &settings.rules); !status.ok()) return status;
    const auto refused = [&](tablecrypt_status status) { return Status::IOError(uri, details(status)); };
    const auto service = tablecrypt::service::open_local(name.substr(at + 1));
    if (!service) return refused(service.status());
    const auto connection = service->connect();
    if (!connection) return refused(connection.status());
    auto table = connection->open_table(name.substr(0, at));
    if (!table) return refused(table.status());
    return make(std::move(*table), settings, files);
}

struct registration {
    registration() {
        using pattern = rocksdb::ObjectLibrary::PatternEntry;
        const auto with_place = [] { return pattern(scheme, false).AddSeparator("://", false); };
        auto &library = *rocksdb::ObjectLibrary::Default();
        library.AddFactory<rocksdb::FileSystem>(
            with_place(), [](const std::string &uri, std::unique_ptr<rocksdb::FileSystem> *guard, std::string *message) {
                const auto status = by_uri(uri, guard);
                if (!status.ok()) *message = status.ToString();
                return guard->get();
            });
        // Where no factory is found RocksDB goes on with the default Env, in clear.
        for (const auto &name : {with_place(), pattern(scheme)}) {
            library.AddFactory<rocksdb::Env>(
                name, [](const std::string &, std::unique_ptr<rocksdb::Env> *, std::string *message) {
                    *message = "tablecrypt is a FileSystem: give --fs_uri, not --env_uri";
                    return static_cast<rocksdb::Env *>(nullptr);
                });
        }
    }
} registered;

}  // namespace

Status open_file_system(tablecrypt::table table, const settings &settings,
                        std::shared_ptr<rocksdb::FileSystem> *files) {
    std::unique_ptr<rocksdb::FileSystem> made;
    auto status = make(std::move(table), settings, &made);
    *files = std::move(made);
    return status;
}

}  // namespace tablecrypt_rocksdb
