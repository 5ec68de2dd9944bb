// The frames of a file that is appended to: what one Append gave, sealed, behind the one before. None is written again.
//
//     header | frame | frame | ... | end mark        frame: 4 end * 2^31 + length of text | 4 check | record
//
// An end mark is a frame without text; it stands where a writer closed the file. The check tells a changed length, which
// could else swallow what follows as if it were cut off, from a cut. Lengths are read before anything is authenticated;
// the record's place (number, end) and its own tag then are.

#ifndef TABLECRYPT_ROCKSDB_FRAMES_H
#define TABLECRYPT_ROCKSDB_FRAMES_H

#include <string>

#include "header.h"

namespace tablecrypt_rocksdb {

inline constexpr std::size_t frame_head = 8;
inline constexpr std::size_t frame_overhead = frame_head + overhead;

// The longest text of a frame: a longer Append is several.
inline constexpr std::size_t longest_frame = 64 * 1024;

// Writes a frame's first bytes.
void put_frame_head(byte *out, const file_id &id, std::uint64_t number, std::size_t length, bool end);

// What stands at a place of the file.
enum class found {
    frame,
    end,     // nothing: the file ends here
    cut,     // a frame's beginning, or zeros: a crash or a cut left it
    bad,     // what is no frame, or does not open
    failed,  // the file cannot be read, or the key is not there
};

// Walks the frames of a file from front to end.
class frames {
public:
    frames(const rocksdb::FSRandomAccessFile &file, const header &header, const std::string &path)
        : file_(file), header_(header), path_(path), at_(header.size()) {}

    // Steps over a frame without opening it.
    found skip();

    // Opens the next frame into `text`. After `end` and `cut` a later call looks again: the file may have grown.
    found next(bytes *text);

    // Of the frame that `skip` or `next` gave.
    std::size_t length() const { return length_; }
    // Whether it was an end mark; before the first frame, no.
    bool is_end() const { return end_; }

    std::uint64_t number() const { return number_; }  // of the next frame
    std::uint64_t at() const { return at_; }          // where that begins
    const rocksdb::IOStatus &status() const { return status_; }  // why it failed, or does not open

    // Goes to a frame that is known to be there.
    void seek(std::uint64_t number, std::uint64_t at) { number_ = number, at_ = at, window_.clear(); }

private:
    found look();
    std::size_t window(std::uint64_t at, std::size_t n, const byte **found);
    bool rest_is_zero();

    const rocksdb::FSRandomAccessFile &file_;
    const header &header_;
    const std::string &path_;
    std::uint64_t at_;
    std::uint64_t number_ = 0;
    std::size_t length_ = 0;
    bool end_ = false;
    bytes window_;
    std::uint64_t window_at_ = 0;
    rocksdb::IOStatus status_;
};

}  // namespace tablecrypt_rocksdb

#endif
