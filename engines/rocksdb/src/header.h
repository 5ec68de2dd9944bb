// The first bytes of a file: what it is, whose, and its random id. FORMAT.md has them byte by byte.
//
//     8 magic | 1 version | 1 kind | 2 length of name | 4 zero | 16 file id | name | 48 record
//
// The record is of no text; all before it is its context. So nothing in a header can be changed, and a header under a
// key that is not there does not open.

#ifndef TABLECRYPT_ROCKSDB_HEADER_H
#define TABLECRYPT_ROCKSDB_HEADER_H

#include <string>

#include <rocksdb/file_system.h>

#include "keys.h"
#include "kind.h"

namespace tablecrypt_rocksdb {

struct header {
    kind of = kind::whole;
    file_id id = {};
    std::string name;                  // of the structure
    const structure *owner = nullptr;  // none in a header that was only parsed

    // How many bytes of the file it takes: what follows begins there.
    std::size_t size() const { return record_at() + overhead; }
    std::size_t record_at() const { return 32 + name.size(); }
};

// A new header with a new id, and its bytes. Waits for the KMS.
rocksdb::IOStatus make_header(keys &keys, const std::string &path, const std::string &name, kind of, header *made,
                              bytes *stored);

enum class parsed { header, cut, foreign };

// Takes the bytes that a file begins with apart, and authenticates nothing: for sizes. `cut` if they end too early.
parsed parse_header(const byte *stored, std::size_t length, header *found);

// What a file's beginning is, read and parsed only. Not OK where it cannot be read.
rocksdb::IOStatus peek_header(rocksdb::FSRandomAccessFile &file, header *found, parsed *what);

// Opens the header of a file, all bytes of it. `cut` is set, with OK, where a log ends before its header does.
rocksdb::IOStatus open_header(rocksdb::FSRandomAccessFile &file, keys &keys, const std::string &path, header *found,
                              bool *cut);

// Reads `n` bytes, or as many as there are.
rocksdb::IOStatus read_at(const rocksdb::FSRandomAccessFile &file, std::uint64_t offset, std::size_t n, byte *out,
                          std::size_t *length);

}  // namespace tablecrypt_rocksdb

#endif
