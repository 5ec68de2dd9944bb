// kill -9 at random moments of writing, flushing and compacting: crash FOLDER kills [plain]. Each time a new process opens the
// database and finds every write that was acknowledged. `plain` does the same in clear.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include "tablecrypt_rocksdb.h"

namespace {

std::string key_of(unsigned number) {
    char text[17];
    std::snprintf(text, sizeof text, "%016u", number);
    return text;
}

std::string value_of(unsigned number) { return std::string(50 + number % 400, static_cast<char>('a' + number % 26)); }

[[noreturn]] void fail(const std::string &what) {
    std::cerr << "crash: " << what << std::endl;
    std::_Exit(1);
}

// Opens the database, checks that it has at least `acknowledged` rows, and all of them right; gives how many. In a child.
unsigned opened(const std::string &folder, bool plain, unsigned acknowledged, std::unique_ptr<rocksdb::Env> *env,
                rocksdb::DB **db) {
    if (!plain) {
        auto service = tablecrypt::service::open_local(folder + "/keys");
        if (!service) fail("no service");
        auto table = service->connect()->open_table("crash");
        if (!table) fail(table.message());
        std::shared_ptr<rocksdb::FileSystem> files;
        const auto status = tablecrypt_rocksdb::open_file_system(std::move(*table), {}, &files);
        if (!status.ok()) fail(status.ToString());
        *env = rocksdb::NewCompositeEnv(files);
    }
    rocksdb::Options options;
    if (!plain) options.env = env->get();
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = 64 * 1024;
    options.target_file_size_base = 64 * 1024;
    options.level0_file_num_compaction_trigger = 2;
    options.enable_blob_files = true, options.min_blob_size = 300;
    const auto status = rocksdb::DB::Open(options, folder + "/db", db);
    if (!status.ok()) fail(status.ToString());
    const std::unique_ptr<rocksdb::Iterator> rows((*db)->NewIterator({}));
    unsigned found = 0;
    for (rows->SeekToFirst(); rows->Valid(); rows->Next(), found++) {
        if (rows->key() != key_of(found) || rows->value() != value_of(found)) fail("row " + std::to_string(found) + " is not right");
    }
    if (!rows->status().ok()) fail(rows->status().ToString());
    if (found < acknowledged) {
        fail(std::to_string(acknowledged) + " were acknowledged, " + std::to_string(found) + " are there");
    }
    return found;
}

// A new process finds all that was acknowledged; gives how many that were.
unsigned check(const std::string &folder, bool plain, unsigned acknowledged) {
    if (acknowledged == 0) return 0;
    const auto child = fork();
    if (child == 0) {
        std::unique_ptr<rocksdb::Env> env;
        rocksdb::DB *db = nullptr;
        opened(folder, plain, acknowledged, &env, &db);
        std::_Exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) fail("the last opening failed");
    return acknowledged;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const std::string folder = argv[1];
    const auto kills = std::atoi(argv[2]);
    const bool plain = argc > 3 && std::strcmp(argv[3], "plain") == 0;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    if (!plain) {
        auto service = tablecrypt::service::open_local(folder + "/keys");
        if (!service || service->create_table({"crash"}) != TABLECRYPT_OK) fail("no table");
    }
    std::mt19937 random(std::random_device{}());
    unsigned acknowledged = 0, before = 0;
    for (int kill_number = 0; kill_number < kills; kill_number++) {
        // Each opening reads all rows: a new database before they are too many.
        if (kill_number % 20 == 0) {
            before += check(folder, plain, acknowledged);
            acknowledged = 0;
            std::filesystem::remove_all(folder + "/db");
        }
        int pipe_ends[2];
        if (pipe(pipe_ends) != 0) fail("pipe");
        const auto child = fork();
        if (child == 0) {
            close(pipe_ends[0]);
            std::unique_ptr<rocksdb::Env> env;
            rocksdb::DB *db = nullptr;
            for (auto number = opened(folder, plain, acknowledged, &env, &db);; number++) {
                const auto status = db->Put({}, key_of(number), value_of(number));
                if (!status.ok()) fail(status.ToString());
                const unsigned next = number + 1;
                if (write(pipe_ends[1], &next, sizeof next) != sizeof next) fail("write");
            }
        }
        close(pipe_ends[1]);
        // So many writes, then in the middle of whatever comes next.
        const unsigned writes = 1 + random() % 2000;
        unsigned next = 0;
        for (unsigned i = 0; i < writes; i++) {
            if (read(pipe_ends[0], &next, sizeof next) != sizeof next) fail("the writer ended by itself");
            acknowledged = next;
        }
        usleep(random() % 3000);
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        while (read(pipe_ends[0], &next, sizeof next) == sizeof next) acknowledged = next;
        close(pipe_ends[0]);
    }
    before += check(folder, plain, acknowledged);
    std::cout << kills << " kills, " << before << " writes acknowledged, all there" << std::endl;
    std::filesystem::remove_all(folder);
    return 0;
}
