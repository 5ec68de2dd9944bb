/* The KMS fails, hangs or refuses while a database is under load. Its permissions are short here: refreshed after 100 ms;
 * wiped 100 ms later where it fails, and only by its no where it refuses, for what a deadline has wiped cannot drain. What is waited for is what is said and counted; no test knows how long something takes. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "home.h"
#include "kms.h"
#include "load.h"

/* So small a cache that pages are read and written all the time. */
#define SMALL ",cache_size=1MB,log=(enabled=true),eviction=(threads_max=2)"
/* Room for all, and no log: what was acknowledged is in the cache and nowhere else. */
#define ROOMY ",cache_size=200MB"

static struct home home;
/* Shared with a child. */
static struct load *load;

static void share(void) {
    load = mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void start(const char *settings, const char *more) {
    char config[16384];

    (void)snprintf(config, sizeof config, "%s%s", kms_encrypted(settings), more);
    CHECK_ERROR(0, home_open(&home, "home", config));
    CHECK_ERROR(0, home_create(&home, "base", "flights/base"));
    load_start(load, &home, "base");
    CHECK(load_wait(load, 6000) >= 6000);
}

/* Opens the database again, and gives how many acknowledged rows it does not have. */
static int lost(void) {
    int rows;

    kms_answer(TABLECRYPT_OK);
    CHECK_ERROR(0, home_open(&home, "home", kms_encrypted("")));
    rows = load_lost(load, &home);
    CHECK_ERROR(0, home_close(&home));
    return rows;
}

static void an_outage_delays(void) {
    int before;

    share();
    kms_start(100, 100, 0);
    start("", SMALL);
    for (int time = 0; time < 2; ++time) {
        home_forget(&home);
        kms_answer(TABLECRYPT_KEY_UNAVAILABLE);
        /* Said only when the deadline has passed and the keys are wiped. */
        CHECK(home_wait(&home, "flights: the KMS fails"));
        CHECK(home_said(&home, "Reading and writing wait for it") >= 0);
        kms_answer(TABLECRYPT_OK);
        CHECK(home_wait(&home, "flights: the key is back after"));
        before = load_acknowledged(load);
        CHECK(load_wait(load, before + 1000) >= before + 1000);
    }
    CHECK_ERROR(0, load_stop(load));
    CHECK(atomic_load(&load->read) > 0);
    CHECK_ERROR(0, home_close(&home));
    CHECK(home_said(&home, "panic") < 0);
    CHECK(lost() == 0);
}

/* The control: without patience the same outage is WiredTiger's panic. It shows that the test before sees something. */
static void without_patience_it_panics(void) {
    share();
    kms_start(100, 100, 0);
    start("give_up=0", SMALL);
    kms_answer(TABLECRYPT_KEY_UNAVAILABLE);
    CHECK(home_wait(&home, "this gives up after"));
    CHECK(home_wait(&home, "panic"));
    CHECK(home_said(&home, "tablecrypt: ") < home_said(&home, "panic"));
    /* After a panic threads of WiredTiger's may wait for each other for ever: so they are left, and end with the process. */
    CHECK(load_failed(load));
}

static void a_no_is_said_and_the_engine_drains(void) {
    share();
    kms_start(100, 30 * 1000, 60 * 1000);
    start("drain=60s", ROOMY);
    kms_answer(TABLECRYPT_KEY_DISABLED);
    CHECK(home_wait(&home, ": the KMS key is disabled"));
    CHECK(home_wait(&home, "close the database now"));
    CHECK_ERROR(0, load_stop(load));
    CHECK_ERROR(0, home_close(&home));
    CHECK(home_said(&home, "panic") < 0);
    CHECK(lost() == 0);
}

/* The control. WiredTiger panics, and after that some of its threads wait for each other for ever: so it is a child's. */
static void without_a_drain_it_loses_rows(void) {
    int status = 1;
    pid_t child;

    share();
    kms_start(100, 30 * 1000, 0);
    if ((child = fork()) == 0) {
        start("drain=0", ROOMY);
        kms_answer(TABLECRYPT_KEY_DISABLED);
        CHECK(home_wait(&home, ": the KMS key is disabled"));
        CHECK(home_wait(&home, "panic"));
        CHECK(load_failed(load));
        if (failed > 0)
            printf("%s\n", home.messages);
        (void)fflush(stdout);
        _exit(failed);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(lost() > 0);
}

static void a_no_that_is_taken_back_in_time_panics_nothing(void) {
    int before;

    share();
    kms_start(100, 30 * 1000, 60 * 1000);
    start("drain=60s", SMALL);
    kms_answer(TABLECRYPT_ACCESS_DENIED);
    CHECK(home_wait(&home, ": the KMS denies"));
    kms_answer(TABLECRYPT_OK);
    CHECK(home_wait(&home, ": the key is back after"));
    before = load_acknowledged(load);
    CHECK(load_wait(load, before + 1000) >= before + 1000);
    CHECK_ERROR(0, load_stop(load));
    CHECK_ERROR(0, home_close(&home));
    CHECK(home_said(&home, "panic") < 0);
    CHECK(lost() == 0);
}

static void opening_waits_for_a_late_kms(void) {
    share();
    kms_start(100, 100, 0);
    kms_answer(TABLECRYPT_KEY_UNAVAILABLE);
    CHECK_ERROR(ETIMEDOUT, home_open(&home, "home", kms_encrypted("open_within=200ms")));
    CHECK(home_said(&home, "tablecrypt: system: ") >= 0);
    CHECK(home_said(&home, "panic") < 0);
    kms_answer(TABLECRYPT_OK);
    CHECK_ERROR(0, home_open(&home, "home", kms_encrypted("open_within=60s")));
    CHECK_ERROR(0, home_create(&home, "base", "flights/base"));
    CHECK_ERROR(0, home_close(&home));
}

static void opening_does_not_hang_with_the_kms(void) {
    /* Long permissions: what is open needs the KMS no more. */
    kms_start(60 * 1000, 60 * 1000, 0);
    CHECK_ERROR(0, home_open(&home, "home", kms_encrypted("open_within=200ms")));
    kms_hang(1);
    CHECK_ERROR(ETIMEDOUT, home_create(&home, "base", "flights/base"));
    CHECK(home_said(&home, "the KMS has not answered within 200 ms (open_within)") >= 0);
    kms_hang(0);
    for (int time = 0; time < 50 && home_create(&home, "base", "flights/base") != 0; ++time)
        ;
    CHECK_ERROR(0, home_write(&home, "base", 0, 100));
    CHECK(home_read(&home, "base") == 100);
    /* A KMS that hangs when the database is closed: its thread goes on alone, and touches nothing that was freed. */
    kms_hang(1);
    CHECK_ERROR(ETIMEDOUT, home_create(&home, "other", "others/base"));
    CHECK_ERROR(0, home_close(&home));
    kms_hang(0);
}

const struct test outage_tests[] = {
    {"an outage of the KMS longer than the deadline delays writers and readers, and nothing else", an_outage_delays},
    {"control: without patience the same outage panics, and our words come first", without_patience_it_panics},
    {"a definite no is said in our words, and what was acknowledged is written", a_no_is_said_and_the_engine_drains},
    {"control: without a drain what was acknowledged is lost", without_a_drain_it_loses_rows},
    {"a definite no that is taken back in time panics nothing", a_no_that_is_taken_back_in_time_panics_nothing},
    {"opening waits for a KMS that is late, as long as it may", opening_waits_for_a_late_kms},
    {"opening does not hang with a KMS that does", opening_does_not_hang_with_the_kms},
    {0},
};
