/* Kills a database that is written to, again and again: kill EXTENSION FOLDER TIMES|control [SEED]. Each time a child writes rows with
 * three threads, reads with two, makes checkpoints, and is ended by SIGKILL somewhen; another opens the database and looks
 * for every row that was acknowledged, which the log has, for each commit hands it to the system. After twenty times it is a
 * new database. The control's commits do not: rows must be lost then, within 20 times, and this must see it. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "load.h"

enum { TIMES_A_HOME = 20 };

static struct load *load; /* shared with the children */
static char name[32];
static bool control;

static const char *config(void) {
    static char text[9000];

    (void)snprintf(text, sizeof text,
                   "%s,cache_size=4MB,log=(enabled=true,file_max=1MB),transaction_sync=(enabled=%s,method=none)", encrypted(""),
                   control ? "false" : "true");
    return text;
}

static void write_until_killed(void) {
    struct home home;

    CHECK_ERROR(0, home_open(&home, name, config()));
    CHECK_ERROR(0, home_create(&home, "base", "flights/base"));
    if (failed > 0)
        _exit(1);
    load_start(load, &home, "base");
    (void)pause();
}

static void look(void) {
    struct home home;
    int lost;

    CHECK_ERROR(0, home_open(&home, name, config()));
    lost = load_lost(load, &home);
    if (control)
        _exit(lost > 0);
    if (lost > 0)
        printf("%d of %d acknowledged rows are lost\n", lost, load_acknowledged(load));
    CHECK(lost == 0);
    CHECK_ERROR(0, home_close(&home));
    if (failed > 0)
        printf("%s\n", home.messages == NULL ? "" : home.messages);
    (void)fflush(stdout);
    _exit(failed);
}

/* How a child ended. */
static int end_of(pid_t child) {
    int status = 0;

    return waitpid(child, &status, 0) == child ? status : -1;
}

int main(int argc, char **argv) {
    int times, rows = 0;
    unsigned seed;

    if (argc < 4) {
        fprintf(stderr, "usage: kill EXTENSION FOLDER TIMES [SEED]\n");
        return 2;
    }
    extension = argv[1];
    folder = argv[2];
    control = strcmp(argv[3], "control") == 0;
    times = control ? TIMES_A_HOME : atoi(argv[3]);
    seed = argc > 4 ? (unsigned)atoi(argv[4]) : 1;
    load = mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int time = 0; time < times; ++time) {
        int before;
        pid_t child;

        if (time % TIMES_A_HOME == 0) {
            if (time > 0)
                home_remove(name);
            (void)snprintf(name, sizeof name, "home%d", time / TIMES_A_HOME);
            memset(load, 0, sizeof *load);
        }
        before = load_acknowledged(load);
        if ((child = fork()) == 0)
            write_until_killed();
        /* From the first rows on, so that all of them are killed at work; some at once, some after a while. */
        if (load_wait(load, before + 1) <= before) {
            printf("the child of time %d wrote nothing\n", time);
            ++failed;
        }
        (void)usleep((unsigned)rand_r(&seed) % 60000);
        (void)kill(child, SIGKILL);
        (void)end_of(child);
        rows += load_acknowledged(load) - before;
        if ((child = fork()) == 0) {
            (void)alarm(120);
            look();
        }
        if (end_of(child) != 0)
            ++failed;
        if (failed > 0)
            break;
    }
    if (control) {
        printf("control: %s\n", failed > 0 ? "rows that the log did not have are lost, and it was seen" : "nothing was lost");
        return failed > 0 ? 0 : 1;
    }
    printf("%d times killed, %d acknowledged rows, %d failed\n", times, rows, failed);
    return failed == 0 && rows > times ? 0 : 1;
}
