// Where the records of RocksDB's own logs end. With manual_wal_flush one Append has many of them; each gets a frame of its
// own, so that a cut loses the one that it is in, as in a plain log, and not all that came with it.
//
// Blocks of 32 KiB, in them 4 CRC | 2 length | 1 type | for types 5 to 8: 4 number of the log | payload; fewer than 7 bytes
// at a block's end are zeros. If this is wrong about a log, its frames are longer, and nothing else is.

#ifndef TABLECRYPT_ROCKSDB_LOG_RECORDS_H
#define TABLECRYPT_ROCKSDB_LOG_RECORDS_H

#include <algorithm>

#include "bytes.h"

namespace tablecrypt_rocksdb {

inline constexpr std::size_t log_block = 32 * 1024;
inline constexpr std::size_t log_header = 7;

class log_records {
public:
    // How many of these bytes, which stand next in the log, it is to the end of a record; all of them, if none ends.
    std::size_t to_end(const byte *data, std::size_t length) {
        for (std::size_t used = 0; used < length;) {
            const auto room = log_block - static_cast<std::size_t>(at_ % log_block);
            std::size_t step = 0;
            if (left_ != 0) {
                step = std::min(left_, length - used);
                left_ -= step;
            } else if (have_ == 0 && room < log_header) {
                step = std::min(room, length - used);
                last_ = false;
            } else {
                step = std::min(log_header - have_, length - used);
                std::copy(data + used, data + used + step, header_ + have_);
                have_ += step;
                last_ = false;
                if (have_ == log_header) begin();
            }
            used += step, at_ += step;
            if (left_ == 0 && have_ == 0 && last_) return used;
        }
        return length;
    }

private:
    void begin() {
        const auto type = header_[6];
        const bool numbered = type >= 5 && type <= 8;
        have_ = 0;
        left_ = std::size_t{header_[4]} + 256 * std::size_t{header_[5]} + (numbered ? 4 : 0);
        // Whole records, and last parts.
        last_ = type == 1 || type == 4 || type == 5 || type == 8 || type > 8;
    }

    std::uint64_t at_ = 0;
    std::size_t left_ = 0;  // of the payload
    std::size_t have_ = 0;  // of the header
    byte header_[log_header] = {};
    bool last_ = false;
};

}  // namespace tablecrypt_rocksdb

#endif
