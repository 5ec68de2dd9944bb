/* Finds what is not encrypted in a database that should be: tablecrypt-wiredtiger-check HOME...
 *
 * It reads the files, not WiredTiger's metadata, and needs no key: so it finds a table that was made with
 * encryption=(name=none), a log record that WiredTiger would take though nobody encrypted it, pages that were freed and
 * still lie there, and the schema that `wt backup` leaves in clear. It does not look whether what is encrypted is
 * authentic: who changes files can mark a page as encrypted that is not, and WiredTiger refuses that one.
 *
 * Status: 0 nothing was found; 1 something was; 2 a file cannot be read. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "blocks.h"

static int found, unread, encrypted_files;

static void look_below(const char *folder);
static void look_at(const char *path, const char *name);
static void data_file(const char *path, const uint8_t *file, size_t length);
static void log_file(const char *path, const uint8_t *file, size_t length);
static bool is_clear_by_design(const char *name);

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: tablecrypt-wiredtiger-check HOME...\n");
        return 2;
    }
    for (int i = 1; i < argc; ++i)
        look_below(argv[i]);
    printf("%d encrypted files; %d not encrypted\n", encrypted_files, found);
    return unread > 0 ? 2 : found > 0 ? 1 : 0;
}

static void look_below(const char *folder) {
    DIR *directory = opendir(folder);
    struct dirent *entry;
    char path[4096];
    struct stat status;

    if (directory == NULL) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        ++unread;
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path || stat(path, &status) != 0) {
            fprintf(stderr, "%s/%s: cannot be looked at\n", folder, entry->d_name);
            ++unread;
        } else if (S_ISDIR(status.st_mode))
            look_below(path);
        else if (S_ISREG(status.st_mode))
            look_at(path, entry->d_name);
    }
    (void)closedir(directory);
}

static void look_at(const char *path, const char *name) {
    size_t length = 0;
    uint8_t *file = file_read(path, &length);

    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        ++unread;
        return;
    }
    if (is_data_file(file, length))
        data_file(path, file, length);
    else if (is_log_file(file, length))
        log_file(path, file, length);
    else if (strcmp(name, "WiredTiger.backup") == 0 || strcmp(name, "WiredTiger.ibackup") == 0) {
        printf("%s: the schema in clear: what a backup leaves; remove it once the backup was opened\n", path);
        ++found;
    } else if (!is_clear_by_design(name) && length > 0)
        printf("%s: no file of WiredTiger's\n", path);
    free(file);
}

static void data_file(const char *path, const uint8_t *file, size_t length) {
    struct block block;
    size_t clear = 0, encrypted = 0;

    for (size_t at = 512; block_next(file, length, at, &block); at = block_end(&block))
        if (block.type != PAGE_BLOCK_MANAGER)
            *(block.encrypted ? &encrypted : &clear) += 1;
    if (clear > 0) {
        printf("%s: %zu pages in clear, %zu encrypted\n", path, clear, encrypted);
        ++found;
    } else if (encrypted > 0)
        ++encrypted_files;
}

static void log_file(const char *path, const uint8_t *file, size_t length) {
    struct block record;
    size_t clear = 0, encrypted = 0;

    /* The first record tells the version. */
    for (size_t at = RECORD_UNIT; record_next(file, length, at, &record); at = record_end(&record))
        if (record.encrypted)
            ++encrypted;
        else if (record.type != RECORD_SYSTEM)
            ++clear;
    if (clear > 0) {
        printf("%s: %zu log records in clear, %zu encrypted: WiredTiger would take them\n", path, clear, encrypted);
        ++found;
    } else if (encrypted > 0)
        ++encrypted_files;
}

/* What WiredTiger never encrypts: its version, its settings, where its metadata is. */
static bool is_clear_by_design(const char *name) {
    static const char *const names[] = {"WiredTiger", "WiredTiger.lock", "WiredTiger.basecfg", "WiredTiger.turtle",
                                        "WiredTiger.config"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}
