// A folder with a KMS, a table and databases in it, sealed or, for controls, plain.

#ifndef TABLECRYPT_ROCKSDB_SITE_H
#define TABLECRYPT_ROCKSDB_SITE_H

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include "check.h"
#include "tablecrypt_rocksdb.h"

// The table "flights" with a local index "by-delay" and a global one "by-tail".
class site {
public:
    // A new folder below `parent`, with a KMS and a table, which goes when the site goes.
    explicit site(const std::string &name);
    ~site();

    std::string at(const std::string &name) const { return folder_ + "/" + name; }

    // A file system by a connection of its own; what it reports is in `reports`. Fails the test where it cannot be made.
    std::shared_ptr<rocksdb::FileSystem> files(tablecrypt_rocksdb::settings settings = {});

    // The same as an Env, which lives as long as the site.
    rocksdb::Env *env(const tablecrypt_rocksdb::settings &settings = {});

    std::vector<std::string> reports();
    bool reported(const std::string &part);
    void forget_reports();

    static std::string parent;

protected:
    void hear(const std::string &sentence);

private:
    std::string folder_;
    std::mutex mutex_;
    std::vector<std::string> reports_;
    std::vector<std::unique_ptr<rocksdb::Env>> envs_;
};

using database = std::unique_ptr<rocksdb::DB>;

// Options for a small database: no compression, so that text is there to be searched for.
rocksdb::Options options_on(rocksdb::Env *env);

rocksdb::Status open(const rocksdb::Options &options, const std::string &path, database *db);

// A key and a value of this number that say what they are.
std::string key_of(int number);
std::string value_of(int number);

// Files by their names, in a folder and below it, as the system has them.
std::vector<std::string> files_below(const std::string &folder);
std::vector<std::string> files_of(const std::string &folder, const std::string &part);
std::string stored(const std::string &path);
void store(const std::string &path, const std::string &stored);
void copy(const std::string &from, const std::string &to);
void remove(const std::string &path);

// How often any of these texts stands in these bytes: as it is, as hexadecimal of either case, and as base64 at any of
// its three offsets.
std::size_t occurrences(const std::string &in, const std::vector<std::string> &texts);
std::size_t occurrences_below(const std::string &folder, const std::vector<std::string> &texts, std::string *first);

// The tests of each file.
void test_files();
void test_forgeries();
void test_databases();
void test_keys();
void test_cuts();

#endif
