// Counts what holds and what does not; says where.

#ifndef TABLECRYPT_ROCKSDB_CHECK_H
#define TABLECRYPT_ROCKSDB_CHECK_H

#include <iostream>
#include <string>

inline int passed, failed;

inline bool checked(bool holds, const char *file, int line, const std::string &what) {
    if (holds) {
        passed++;
    } else if (++failed < 50) {
        std::cout << file << ":" << line << ": does not hold: " << what << std::endl;
    }
    return holds;
}

#define CHECK(holds) checked((holds), __FILE__, __LINE__, #holds)

// A rocksdb::Status or IOStatus that is OK.
#define CHECK_OK(call)                                                                      \
    do {                                                                                    \
        const auto checked_status = (call);                                                 \
        checked(checked_status.ok(), __FILE__, __LINE__, #call ": " + checked_status.ToString()); \
    } while (false)

#endif
