// A database under the FileSystem that is installed: rocksdb FOLDER.

#include <cstdio>
#include <memory>
#include <string>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <tablecrypt_rocksdb.h>

namespace {

int round_trip(const std::string &folder) {
    auto service = tablecrypt::service::open_local(folder + "/keys");
    if (!service || service->create_table({"flights", {}, {}}) != TABLECRYPT_OK) return 1;
    auto connection = service->connect();
    if (!connection) return 1;
    auto table = connection->open_table("flights");
    if (!table) return 1;
    std::shared_ptr<rocksdb::FileSystem> files;
    auto status = tablecrypt_rocksdb::open_file_system(std::move(*table), {}, &files);
    if (!status.ok()) return 1;
    const auto env = rocksdb::NewCompositeEnv(files);
    rocksdb::Options options;
    options.create_if_missing = true;
    options.env = env.get();
    rocksdb::DB *opened = nullptr;
    if (!rocksdb::DB::Open(options, folder + "/db", &opened).ok()) return 1;
    const std::unique_ptr<rocksdb::DB> db(opened);
    std::string value;
    status = db->Put({}, "key", "PLAINTEXT");
    if (status.ok()) status = db->Flush({});
    if (status.ok()) status = db->Get({}, "key", &value);
    return status.ok() && value == "PLAINTEXT" ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    const int failed = round_trip(argv[1]);
    if (failed != 0) std::fprintf(stderr, "rocksdb: %s\n", tablecrypt::last_error().c_str());
    return failed;
}
