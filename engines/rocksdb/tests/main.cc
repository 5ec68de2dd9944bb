// All tests of the RocksDB file system: program FOLDER [name of a group]. Prints "N passed, 0 failed".

#include <chrono>
#include <cstring>
#include <filesystem>

#include "site.h"

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    site::parent = std::filesystem::absolute(argv[1]);
    const struct {
        const char *name;
        void (*test)();
    } groups[] = {{"files", test_files}, {"forgeries", test_forgeries}, {"databases", test_databases}, {"keys", test_keys}, {"cuts", test_cuts}};
    for (const auto &group : groups) {
        if (argc > 2 && std::strcmp(argv[2], group.name) != 0) continue;
        const auto begin = std::chrono::steady_clock::now();
        group.test();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::cout << group.name << ": " << took.count() << " s" << std::endl;
    }
    std::cout << passed << " passed, " << failed << " failed" << std::endl;
    return failed == 0 ? 0 : 1;
}
