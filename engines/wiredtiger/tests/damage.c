/* Damages each file of a database, and opens it: damage EXTENSION FOLDER STEP. Once it is cut short, at every byte of its first
 * and last 8 KiB. Then a bit of it is turned, at every STEPth byte of the whole file. In a plain database, and in one of ours whose
 * log is two files, this is done at some bytes, for comparison.
 *
 *     whole     all rows are there: it recovered them, or nobody looks at that byte
 *     refused   an error
 *     short     it opens, and rows are missing: so WiredTiger takes a log that ends early, or is damaged from some place on
 *     died      a signal, or it hung: ours must never. But WiredTiger.turtle is clear, and a plain database dies of it too: where
 *               one of 11 bytes of "value_format" in it is turned, WiredTiger overwrites its stack
 *
 * A row that is there and not as it was written counts as missing. Of no file but the log may a database of ours be short.
 *
 * A worker opens one damaged database after the other in one process: that is 4 ms each, and not 14. After a panic of
 * WiredTiger's, which leaves threads behind, it begins anew; and after its death, which that database died of. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "check.h"
#include "home.h"

/* More workers than processors: an opening waits for its own threads now and then. */
enum { IN_LOG = 60, EDGE = 8192, SOME = 499, WORKERS = 8 };
enum outcome { WHOLE, REFUSED, SHORT, DIED, OUTCOMES };
enum damage { CUT, TURNED, DAMAGES };

static const char *const damages[DAMAGES] = {"cut", "turned"};

static const struct database {
    const char *name;
    bool ours, everywhere;
    int rows;
} databases[] = {
    {"plain", false, false, 200},
    {"ours", true, true, 200},
    {"two logs", true, false, 320},
};

static struct file {
    char name[256];
    uint8_t *bytes;
    size_t length;
} files[32];
static int count;
static size_t step;

/* What is done to one file. */
struct task {
    const struct database *database;
    enum damage damage;
    int which;
};

/* How far each worker is with it; shared with them. */
static struct progress {
    size_t next; /* the byte to damage next, or where it is at it */
    bool panicked;
    int outcomes[OUTCOMES];
} *workers;

static const char *config(const struct database *database) {
    static char text[9000];

    /* Few sessions and threads: what WiredTiger sets up for more of them takes half of an opening. */
    (void)snprintf(text, sizeof text,
                   "%s,log=(enabled=true,prealloc=false,file_max=128KB),session_max=20,hazard_max=15,eviction=(threads_max=1)",
                   database->ours ? encrypted("drain=0,give_up=0") : "");
    return text;
}

/* A database as a crash leaves it, some rows in its table's file and some in its log, into memory. */
static void make(const struct database *database) {
    struct home home;
    struct dirent *entry;
    char path[9000];
    DIR *directory;

    CHECK_ERROR(0, home_open(&home, "made", config(database)));
    CHECK_ERROR(0, home_create(&home, "base", database->ours ? "flights/base" : NULL));
    CHECK_ERROR(0, home_write(&home, "base", 0, database->rows - IN_LOG));
    CHECK_ERROR(0, home.session->checkpoint(home.session, NULL));
    CHECK_ERROR(0, home_write(&home, "base", database->rows - IN_LOG, database->rows));
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

/* Writes the database anew, with its one file damaged at this byte, over what was left there. */
static void restore(const struct task *task, size_t at, const char *name) {
    char path[9000];
    struct dirent *entry;
    DIR *directory;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)mkdir(path, 0700);
    if ((directory = opendir(path)) == NULL)
        abort();
    while ((entry = readdir(directory)) != NULL) {
        int i = 0;

        while (i < count && strcmp(entry->d_name, files[i].name) != 0)
            ++i;
        if (i == count && entry->d_name[0] != '.' && unlinkat(dirfd(directory), entry->d_name, 0) != 0)
            abort();
    }
    for (int i = 0; i < count; ++i) {
        const struct file *file = &files[i];
        size_t length = task->damage == CUT && i == task->which ? at : file->length;
        int to = openat(dirfd(directory), file->name, O_WRONLY | O_CREAT, 0600);

        if (to < 0 || ftruncate(to, (off_t)length) != 0 || write(to, file->bytes, length) != (ssize_t)length)
            abort();
        if (task->damage == TURNED && i == task->which) {
            uint8_t turned = file->bytes[at] ^ 0x10;

            if (pwrite(to, &turned, 1, (off_t)at) != 1)
                abort();
        }
        (void)close(to);
    }
    (void)closedir(directory);
}

/* Opens it and reads. */
static enum outcome outcome(const struct database *database, const char *name, bool *panicked) {
    struct home home;
    int rows = -1;

    if (home_open(&home, name, config(database)) == 0)
        rows = home_read(&home, "base");
    (void)home_close(&home);
    *panicked = home_said(&home, "panic") >= 0 || home_said(&home, "PANIC") >= 0;
    free(home.messages);
    return rows == database->rows ? WHOLE : rows < 0 ? REFUSED : SHORT;
}

static bool is_asked(const struct task *task, size_t at) {
    size_t whole = files[task->which].length;
    bool everywhere = task->database->everywhere;

    if (task->damage == TURNED)
        return at % (everywhere ? step : 3 * SOME) == 0;
    if (at >= EDGE && whole - at > EDGE)
        return false;
    /* Some are also those around each end of a block. */
    return everywhere || at % SOME == 0 || at < 3 || whole - at < 3 || at % 4096 < 2;
}

/* A worker's process: takes each WORKERSth byte that is asked, from where it stands. */
static void work(const struct task *task, int worker) {
    struct progress *progress = &workers[worker];
    char name[32];

    (void)snprintf(name, sizeof name, "damaged%d", worker);
    for (; progress->next < files[task->which].length; progress->next += WORKERS) {
        if (!is_asked(task, progress->next))
            continue;
        (void)alarm(60);
        restore(task, progress->next, name);
        ++progress->outcomes[outcome(task->database, name, &progress->panicked)];
        if (progress->panicked) {
            progress->next += WORKERS;
            break;
        }
    }
    (void)fflush(stdout);
    _exit(0);
}

static pid_t start(const struct task *task, int worker) {
    pid_t child;

    (void)fflush(stdout);
    workers[worker].panicked = false;
    if ((child = fork()) == 0)
        work(task, worker);
    return child;
}

/* Damages one file everywhere that is asked. */
static void damage_all(const struct task *task, int outcomes[OUTCOMES]) {
    pid_t children[WORKERS], child;
    int status;

    for (int worker = 0; worker < WORKERS; ++worker) {
        workers[worker] = (struct progress){.next = (size_t)worker};
        children[worker] = start(task, worker);
    }
    while ((child = wait(&status)) > 0)
        for (int worker = 0; worker < WORKERS; ++worker) {
            struct progress *progress = &workers[worker];

            if (children[worker] != child)
                continue;
            if (status != 0) {
                printf("    %s, %s at %zu: died (%d)\n", files[task->which].name, damages[task->damage], progress->next, status);
                ++progress->outcomes[DIED];
                progress->next += WORKERS;
            }
            children[worker] = progress->next < files[task->which].length ? start(task, worker) : 0;
        }
    for (int worker = 0; worker < WORKERS; ++worker)
        for (int i = 0; i < OUTCOMES; ++i)
            outcomes[i] += workers[worker].outcomes[i];
}

int main(int argc, char **argv) {
    if (argc < 4 || (step = (size_t)atoi(argv[3])) == 0) {
        fprintf(stderr, "usage: damage EXTENSION FOLDER STEP\n");
        return 2;
    }
    extension = argv[1];
    folder = argv[2];
    workers = mmap(NULL, WORKERS * sizeof *workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED)
        abort();
    printf("%-28s %-8s %-8s %8s %8s %8s %8s\n", "", "", "", "whole", "refused", "short", "died");
    for (size_t which = 0; which < sizeof databases / sizeof databases[0]; ++which) {
        const struct database *database = &databases[which];

        make(database);
        for (int i = 0; i < count * DAMAGES; ++i) {
            struct task task = {database, (enum damage)(i % DAMAGES), i / DAMAGES};
            const struct file *file = &files[task.which];
            int outcomes[OUTCOMES] = {0};

            damage_all(&task, outcomes);
            printf("%-28s %-8s %-8s %8d %8d %8d %8d\n", file->name, database->name, damages[task.damage],
                   outcomes[WHOLE], outcomes[REFUSED], outcomes[SHORT], outcomes[DIED]);
            (void)fflush(stdout);
            if (database->ours) {
                CHECK(outcomes[DIED] <= (strcmp(file->name, "WiredTiger.turtle") == 0 && task.damage == TURNED ? 11 : 0));
                CHECK(outcomes[SHORT] == 0 || is_log_file(file->bytes, file->length));
            }
        }
        for (int i = 0; i < count; ++i)
            free(files[i].bytes);
    }
    printf("%d failed\n", failed);
    return failed == 0 ? 0 : 1;
}
