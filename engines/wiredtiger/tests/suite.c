/* Runs the tests: suite EXTENSION FOLDER [WORD]. Each in a process and a folder of its own, so that a panic of the engine's is
 * its own; with a word only those whose sentence has it. A test that hangs is ended after two minutes, and has failed. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static bool run(const struct test *test, const char *below, int number);

int main(int argc, char **argv) {
    const struct test *const all[] = {opening_tests, outage_tests, forgery_tests};
    int passed = 0, wrong = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: suite EXTENSION FOLDER [WORD]\n");
        return 2;
    }
    extension = argv[1];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
        for (const struct test *test = all[i]; test->sentence != NULL; ++test)
            if (argc < 4 || strstr(test->sentence, argv[3]) != NULL) {
                bool good = run(test, argv[2], passed + wrong);

                printf("%s %s\n", good ? "ok  " : "FAIL", test->sentence);
                (void)fflush(stdout);
                *(good ? &passed : &wrong) += 1;
            }
    printf("%d passed, %d failed\n", passed, wrong);
    return wrong == 0 && passed > 0 ? 0 : 1;
}

static bool run(const struct test *test, const char *below, int number) {
    char place[4096];
    int status;
    pid_t child;

    (void)snprintf(place, sizeof place, "%s/%02d", below, number);
    (void)mkdir(place, 0700);
    folder = place;
    (void)fflush(stdout);
    if ((child = fork()) == 0) {
        (void)alarm(120);
        test->run();
        (void)fflush(stdout);
        _exit(failed == 0 ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status))
        printf("    ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
