// Numbers as the files have them: big-endian. And the types of bytes.

#ifndef TABLECRYPT_ROCKSDB_BYTES_H
#define TABLECRYPT_ROCKSDB_BYTES_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tablecrypt_rocksdb {

using byte = std::uint8_t;
using bytes = std::vector<byte>;

template <class Number>
void put(byte *out, Number number) {
    for (std::size_t i = 0; i < sizeof(Number); i++) {
        out[i] = static_cast<byte>(number >> (8 * (sizeof(Number) - 1 - i)));
    }
}

template <class Number>
Number take(const byte *in) {
    Number number = 0;
    for (std::size_t i = 0; i < sizeof(Number); i++) {
        number = static_cast<Number>(number << 8 | in[i]);
    }
    return number;
}

inline const byte *as_bytes(const char *text) { return reinterpret_cast<const byte *>(text); }
inline byte *as_bytes(char *text) { return reinterpret_cast<byte *>(text); }
inline const char *as_chars(const byte *text) { return reinterpret_cast<const char *>(text); }

}  // namespace tablecrypt_rocksdb

#endif
