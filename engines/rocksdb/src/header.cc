#include "header.h"

#include <algorithm>

#include <unistd.h>

namespace tablecrypt_rocksdb {

namespace {

using rocksdb::IOStatus;

constexpr char magic[] = "TCROCKS";  // with its final NUL
constexpr byte version = 1;
constexpr std::size_t fixed = 32;
constexpr std::size_t longest_name = 7 + 255;
constexpr std::size_t longest = fixed + longest_name + overhead;

}  // namespace

IOStatus make_header(keys &keys, const std::string &path, const std::string &name, kind of, header *made,
                     bytes *stored) {
    made->of = of, made->name = name;
    if (getentropy(made->id.data(), made->id.size()) != 0) {
        return IOStatus::IOError(path + ": " + tablecrypt_status_message(TABLECRYPT_NO_RANDOM));
    }
    if (const auto status = keys.find(name, &made->owner); status != TABLECRYPT_OK) {
        return io_status(status, keys.report(path + ": structure " + name + ": " + tablecrypt_status_message(status)));
    }
    stored->assign(made->size(), 0);
    byte *out = stored->data();
    std::memcpy(out, magic, 8);
    out[8] = version;
    out[9] = static_cast<byte>(of);
    put(out + 10, static_cast<std::uint16_t>(name.size()));
    std::memcpy(out + 16, made->id.data(), made->id.size());
    std::memcpy(out + fixed, name.data(), name.size());
    const auto status = made->owner->seal(out, made->record_at(), nullptr, 0, out + made->record_at());
    if (status != TABLECRYPT_OK) return made->owner->refusal(status, path, "its header cannot be sealed");
    return IOStatus::OK();
}

parsed parse_header(const byte *stored, std::size_t length, header *found) {
    if (std::memcmp(stored, magic, std::min<std::size_t>(length, 8)) != 0) return parsed::foreign;
    if (length < fixed) return parsed::cut;
    const auto name = take<std::uint16_t>(stored + 10);
    if (stored[8] != version || !is_kind(stored[9]) || name == 0 || name > longest_name) return parsed::foreign;
    if (take<std::uint32_t>(stored + 12) != 0) return parsed::foreign;
    found->of = static_cast<kind>(stored[9]);
    std::memcpy(found->id.data(), stored + 16, found->id.size());
    if (length < fixed + name + overhead) return parsed::cut;
    found->name.assign(as_chars(stored + fixed), name);
    return parsed::header;
}

IOStatus peek_header(rocksdb::FSRandomAccessFile &file, header *found, parsed *what) {
    byte stored[longest];
    std::size_t length = 0;
    const auto status = read_at(file, 0, longest, stored, &length);
    if (status.ok()) *what = parse_header(stored, length, found);
    return status;
}

IOStatus open_header(rocksdb::FSRandomAccessFile &file, keys &keys, const std::string &path, header *found, bool *cut) {
    bytes stored(longest);
    std::size_t length = 0;
    if (auto status = read_at(file, 0, longest, stored.data(), &length); !status.ok()) return status;
    const auto what = parse_header(stored.data(), length, found);
    if (what == parsed::cut) {
        // Only the name tells what it was to be. Zeros after a crash stand for what was not written yet.
        const auto named = kind_of(path);
        *cut = named == kind::wal || named == kind::manifest || named == kind::text;
        found->of = named;
        return *cut ? IOStatus::OK() : keys.corruption(path, "it ends within its header: its end was cut off");
    }
    if (what == parsed::foreign) {
        const bool ours = std::memcmp(stored.data(), magic, 8) == 0;
        return keys.corruption(path, ours ? "its header is damaged, or of a version that this library does not know"
                                          : "this is no file of Tablecrypt's: it is in clear, or its beginning is "
                                            "damaged; it is not opened");
    }
    if (const auto status = keys.find(found->name, &found->owner); status != TABLECRYPT_OK) {
        return status == TABLECRYPT_NO_SUCH_STRUCTURE || status == TABLECRYPT_INVALID_NAME ||
                       status == TABLECRYPT_INVALID_UTF8
                   ? keys.corruption(path, "it names a structure that the table has not")
                   : io_status(status, keys.report(path + ": " + tablecrypt_status_message(status)));
    }
    const auto status = found->owner->open(stored.data(), found->record_at(), stored.data() + found->record_at(),
                                           overhead, nullptr);
    if (status != TABLECRYPT_OK) return found->owner->refusal(status, path, "its header does not open");
    return IOStatus::OK();
}

IOStatus read_at(const rocksdb::FSRandomAccessFile &file, std::uint64_t offset, std::size_t n, byte *out,
                 std::size_t *length) {
    rocksdb::Slice result;
    const auto status = file.Read(offset, n, rocksdb::IOOptions(), &result, reinterpret_cast<char *>(out), nullptr);
    if (!status.ok()) return status;
    if (!result.empty() && as_bytes(result.data()) != out) std::memcpy(out, result.data(), result.size());
    *length = result.size();
    return status;
}

}  // namespace tablecrypt_rocksdb
