// All tests of the RocksDB file system: program FOLDER [name of a group]. Prints "N passed, 0 failed". Those that write many
// small files do so in memory, where the system has a place for that: they are about bytes, and a disk takes minutes.

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "site.h"

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    const std::string on_disk = std::filesystem::absolute(argv[1]);
    std::string in_memory = on_disk;
    char room[] = "/dev/shm/tablecrypt-rocksdb-XXXXXX";
    const bool has_room = mkdtemp(room) != nullptr;
    if (has_room) in_memory = room;
    const struct {
        const char *name;
        void (*test)();
        bool memory;
    } groups[] = {{"files", test_files, true},
                  {"forgeries", test_forgeries, true},
                  {"databases", test_databases, false},
                  {"keys", test_keys, true},
                  {"cuts", test_cuts, true}};
    for (const auto &group : groups) {
        if (argc > 2 && std::strcmp(argv[2], group.name) != 0) continue;
        site::parent = group.memory ? in_memory : on_disk;
        const auto begin = std::chrono::steady_clock::now();
        group.test();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::cout << group.name << ": " << took.count() << " s" << std::endl;
    }
    if (has_room) std::filesystem::remove_all(room);
    std::cout << passed << " passed, " << failed << " failed" << std::endl;
    return failed == 0 ? 0 : 1;
}
