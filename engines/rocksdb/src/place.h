// A record's place: which file, and which page or frame of it. It is the context of the record, so a record that was
// moved does not open. The last bit says that the file ends here.
//
//     16 file id | 8 number * 2 + last
//
// 24 bytes, which with the record's own 8 make two blocks of AAD.

#ifndef TABLECRYPT_ROCKSDB_PLACE_H
#define TABLECRYPT_ROCKSDB_PLACE_H

#include <array>
#include <cstring>

#include "bytes.h"

namespace tablecrypt_rocksdb {

using file_id = std::array<byte, 16>;

class place {
public:
    place(const file_id &id, std::uint64_t number, bool last) {
        std::memcpy(bytes_, id.data(), id.size());
        put(bytes_ + id.size(), number << 1 | std::uint64_t{last});
    }

    const byte *data() const { return bytes_; }
    static constexpr std::size_t size() { return 24; }

private:
    byte bytes_[24];
};

}  // namespace tablecrypt_rocksdb

#endif
