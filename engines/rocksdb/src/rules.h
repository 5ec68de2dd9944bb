// Which structure a path belongs to.

#ifndef TABLECRYPT_ROCKSDB_RULES_H
#define TABLECRYPT_ROCKSDB_RULES_H

#include <optional>
#include <string>
#include <vector>

#include "tablecrypt_rocksdb.h"

namespace tablecrypt_rocksdb {

class rules {
public:
    explicit rules(const std::vector<rule> &given);

    // The structure that a rule gives this path; none where there is no rule.
    std::optional<std::string> rule_for(const std::string &path) const;

    // The structure of a new file.
    std::string structure_of(const std::string &path) const { return rule_for(path).value_or("base"); }

private:
    std::vector<rule> longest_first_;
};

}  // namespace tablecrypt_rocksdb

#endif
