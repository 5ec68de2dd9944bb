/* Damages each file of a database, and opens it: damage EXTENSION FOLDER STEP. Once it is cut short, at bytes of its first and
 * last 8 KiB: at every byte where STEP is 1; else at every STEPth, and at those around each end of a block. Then a bit of it is
 * turned, at every byte or at every third STEPth of the whole file. The same with a plain database.
 *
 *     whole     all rows are there: it recovered them, or nobody looks at that byte
 *     refused   an error
 *     short     it opens, and rows are missing: so WiredTiger takes a log that ends early, or is damaged from some place on
 *     died      a signal, or it hung: ours must never
 *
 * A row that is there and not as it was written counts as missing. Of no file but the log may a database of ours be short. */

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "check.h"
#include "home.h"

enum { ROWS = 300, IN_LOG = 100, EDGE = 8192, TOGETHER = 2 };
enum outcome { WHOLE, REFUSED, SHORT, DIED, OUTCOMES };
enum damage { CUT, TURNED, DAMAGES };

static const char *const damages[DAMAGES] = {"cut", "turned"};

static struct file {
    char name[256];
    uint8_t *bytes;
    size_t length;
} files[32];
static int count;

static const char *config(bool ours) {
    static char text[9000];

    (void)snprintf(text, sizeof text, "%s,log=(enabled=true,prealloc=false,file_max=128KB)",
                   ours ? encrypted("drain=0,give_up=0") : "");
    return text;
}

/* A database as a crash leaves it, some rows in its table's file and some in its log, into memory. */
static void make(bool ours) {
    struct home home;
    struct dirent *entry;
    char path[9000];
    DIR *directory;

    CHECK_ERROR(0, home_open(&home, "made", config(ours)));
    CHECK_ERROR(0, home_create(&home, "base", ours ? "flights/base" : NULL));
    CHECK_ERROR(0, home_write(&home, "base", 0, ROWS - IN_LOG));
    CHECK_ERROR(0, home.session->checkpoint(home.session, NULL));
    CHECK_ERROR(0, home_write(&home, "base", ROWS - IN_LOG, ROWS));
    CHECK_ERROR(0, home.session->log_flush(home.session, "sync=on"));
    home_copy("made", "crashed");
    CHECK_ERROR(0, home_close(&home));
    (void)snprintf(path, sizeof path, "%s/crashed", folder);
    if ((directory = opendir(path)) == NULL)
        abort();
    for (count = 0; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.') {
            struct file *file = &files[count++];

            (void)snprintf(file->name, sizeof file->name, "%s", entry->d_name);
            (void)snprintf(path, sizeof path, "%s/crashed/%s", folder, file->name);
            if ((file->bytes = file_read(path, &file->length)) == NULL)
                abort();
        }
    (void)closedir(directory);
    home_remove("made");
    home_remove("crashed");
}

/* In a process of its own: writes the database anew with this file damaged at this byte, opens it, reads. */
static void try(bool ours, enum damage damage, int which, size_t at, int slot) {
    struct home home;
    char path[9000], name[32];
    int rows;

    (void)alarm(60);
    (void)snprintf(name, sizeof name, "cut%d", slot);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)mkdir(path, 0700);
    for (int i = 0; i < count; ++i) {
        size_t length = damage == CUT && i == which ? at : files[i].length;
        FILE *to;

        if (damage == TURNED && i == which)
            files[i].bytes[at] ^= 0x10;
        (void)snprintf(path, sizeof path, "%s/%s/%s", folder, name, files[i].name);
        if ((to = fopen(path, "wb")) == NULL || fwrite(files[i].bytes, 1, length, to) != length || fclose(to) != 0)
            _exit(DIED);
    }
    if (home_open(&home, name, config(ours)) != 0)
        _exit(REFUSED);
    rows = home_read(&home, "base");
    (void)home_close(&home);
    _exit(rows == ROWS ? WHOLE : rows < 0 ? REFUSED : SHORT);
}

/* One slot's children come one after the other; the folder is removed between them. */
static enum outcome outcome(bool ours, enum damage damage, int which, size_t at, int slot) {
    char name[32];
    int status;
    pid_t child;

    (void)snprintf(name, sizeof name, "cut%d", slot);
    home_remove(name);
    if ((child = fork()) == 0)
        try(ours, damage, which, at, slot);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) >= DIED) {
        printf("    %s, %s at %zu: died (%d)\n", files[which].name, damages[damage], at, status);
        return DIED;
    }
    return (enum outcome)WEXITSTATUS(status);
}

static bool is_asked(enum damage damage, size_t at, size_t whole, size_t step) {
    if (damage == TURNED)
        return step == 1 || at % (3 * step) == 0;
    if (at >= EDGE && whole - at > EDGE)
        return false;
    return at % step == 0 || at < 3 || whole - at < 3 || at % 4096 < 2;
}

/* Damages one file everywhere that is asked, by two processes at once. */
static void damage_all(bool ours, enum damage damage, int which, size_t step, int outcomes[OUTCOMES]) {
    int results[TOGETHER][2];

    for (int slot = 0; slot < TOGETHER; ++slot) {
        if (pipe(results[slot]) != 0)
            abort();
        (void)fflush(stdout);
        if (fork() == 0) {
            int counted[OUTCOMES] = {0};
            int turn = 0;

            for (size_t at = 0; at < files[which].length; ++at)
                if (is_asked(damage, at, files[which].length, step) && turn++ % TOGETHER == slot)
                    ++counted[outcome(ours, damage, which, at, slot)];
            (void)fflush(stdout);
            _exit(write(results[slot][1], counted, sizeof counted) == sizeof counted ? 0 : 1);
        }
        (void)close(results[slot][1]);
    }
    for (int slot = 0; slot < TOGETHER; ++slot) {
        int counted[OUTCOMES];

        if (read(results[slot][0], counted, sizeof counted) != sizeof counted)
            abort();
        (void)close(results[slot][0]);
        for (int i = 0; i < OUTCOMES; ++i)
            outcomes[i] += counted[i];
    }
    while (wait(NULL) > 0)
        ;
}

int main(int argc, char **argv) {
    size_t step;

    if (argc < 4 || (step = (size_t)atoi(argv[3])) == 0) {
        fprintf(stderr, "usage: damage EXTENSION FOLDER STEP\n");
        return 2;
    }
    extension = argv[1];
    folder = argv[2];
    printf("%-28s %-6s %-8s %8s %8s %8s %8s\n", "", "", "", "whole", "refused", "short", "died");
    for (int ours = 0; ours < 2; ++ours) {
        make(ours != 0);
        for (int i = 0; i < count * DAMAGES; ++i) {
            enum damage damage = (enum damage)(i % DAMAGES);
            const struct file *file = &files[i / DAMAGES];
            int outcomes[OUTCOMES] = {0};

            damage_all(ours != 0, damage, i / DAMAGES, step, outcomes);
            printf("%-28s %-6s %-8s %8d %8d %8d %8d\n", file->name, ours ? "ours" : "plain", damages[damage], outcomes[WHOLE],
                   outcomes[REFUSED], outcomes[SHORT], outcomes[DIED]);
            (void)fflush(stdout);
            if (ours) {
                CHECK(outcomes[DIED] == 0);
                CHECK(outcomes[SHORT] == 0 || is_log_file(file->bytes, file->length));
            }
        }
        for (int i = 0; i < count; ++i)
            free(files[i].bytes);
    }
    printf("%d failed\n", failed);
    return failed == 0 ? 0 : 1;
}
