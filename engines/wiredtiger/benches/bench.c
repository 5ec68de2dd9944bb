/* WiredTiger without encryption, with encryptors that copy, and with ours: bench EXTENSION FOLDER [ROWS [ROUNDS]].
 *
 *     plain    no encryption
 *     move     an encryptor that copies: a buffer and two copies a page that WiredTiger itself makes for any encryptor
 *     copy     the same, and 48 bytes more, as ours: a log record may take 128 more then, for WiredTiger pads it to that
 *     ours
 *
 * Each is a process of its own, so has its own heap. They take turns, each time in another order, with a hundredth of a phase a
 * turn: so whatever else troubles the machine troubles all four. A figure is the median of the turns. Rows have keys of 16 bytes
 * and values of 200 that do not repeat; each phase is one thread's. The processor's time is also that of WiredTiger's threads.
 *
 *     load          rows in the order of their keys, with the log
 *     load, 152     the same with values of 152 bytes, whose log records take no more room with 48 bytes more
 *     checkpoint    the pages of 15 such turns
 *     scan          all rows, the cache of WiredTiger cold, that of the system warm
 *     read          random keys, 1 a row; the cache holds two thirds of the data
 *     mixed         random keys: a read and an update, by turns
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wiredtiger_ext.h>

enum { PLAIN, MOVE, COPY, OURS, KINDS };
enum { LOAD, LOAD_152, CHECKPOINT, SCAN, READ, MIXED, PHASES };
enum { OPEN = PHASES, CLOSE }; /* what a worker can be told besides */
enum { TURNS = 100, SCANS = 3, CHECKPOINT_EVERY = 15, MOST = 10000 };

static const char *const kinds[KINDS] = {"plain", "move", "copy", "ours"};
static const char *const phases[PHASES] = {"load", "load, 152", "checkpoint", "scan", "read", "mixed"};

/* What a worker is told, and what it answers: nanoseconds, and a sum over what it read, which must be the same for all. */
struct order {
    int phase, from, rows;
};
struct answer {
    double clock, processor;
    uint64_t sum;
};

static const char *extension, *folder;
static int rows = 300000, rounds = 3;
static size_t more; /* what an encryptor that copies adds */
static int orders[KINDS], answers[KINDS];
static double taken[2][PHASES][KINDS][MOST]; /* a row, by the clock and of the processor */
static int turns[PHASES];

/* A worker's. */
static WT_CONNECTION *connection;
static WT_SESSION *session;
static WT_CURSOR *cursor;
static uint64_t state;

static void must(int error, const char *what) {
    if (error == 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, wiredtiger_strerror(error));
    exit(1);
}

/* The encryptors that copy. */
static int copy_in(WT_ENCRYPTOR *encryptor, WT_SESSION *in, uint8_t *from, size_t length, uint8_t *to, size_t capacity, size_t *written) {
    (void)encryptor, (void)in, (void)capacity;
    memset(to, 0, more);
    memcpy(to + more, from, length);
    *written = length + more;
    return 0;
}

static int copy_out(WT_ENCRYPTOR *encryptor, WT_SESSION *in, uint8_t *from, size_t length, uint8_t *to, size_t capacity, size_t *written) {
    (void)encryptor, (void)in, (void)capacity;
    memcpy(to, from + more, length - more);
    *written = length - more;
    return 0;
}

static int copy_sizing(WT_ENCRYPTOR *encryptor, WT_SESSION *in, size_t *sizing) {
    (void)encryptor, (void)in;
    *sizing = more;
    return 0;
}

static int copy_terminate(WT_ENCRYPTOR *encryptor, WT_SESSION *in) {
    (void)encryptor, (void)in;
    return 0;
}

int copy_init(WT_CONNECTION *in, WT_CONFIG_ARG *config);

int copy_init(WT_CONNECTION *in, WT_CONFIG_ARG *config) {
    static WT_ENCRYPTOR encryptor = {copy_in, copy_out, copy_sizing, NULL, copy_terminate};

    (void)config;
    return in->add_encryptor(in, "copy", &encryptor, NULL);
}

static uint64_t random_next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void open_home(int kind) {
    char home[4096], config[9000], table[256];
    const char *encryption = "";

    (void)snprintf(home, sizeof home, "%s/%s", folder, kinds[kind]);
    (void)mkdir(home, 0700);
    config[0] = '\0';
    if (kind == OURS) {
        encryption = ",encryption=(name=tablecrypt,keyid=\"flights/base\")";
        (void)snprintf(config, sizeof config,
                       ",extensions=[%s=(config=(kms=local,folder=%s/keys,create=true))],encryption=(name=tablecrypt,keyid=system)",
                       extension, folder);
    } else if (kind != PLAIN) {
        encryption = ",encryption=(name=copy,keyid=flights)";
        (void)snprintf(config, sizeof config, ",extensions=[local=(entry=copy_init)],encryption=(name=copy,keyid=system)");
    }
    /* Without the last, a checkpoint waits for eviction in steps of 100 ms, and who has to wait is a lottery. */
    (void)snprintf(config + strlen(config), sizeof config - strlen(config),
                   ",create,cache_size=64MB,log=(enabled=true,file_max=16MB),eviction_checkpoint_target=0");
    must(wiredtiger_open(home, NULL, config + 1, &connection), home);
    must(connection->open_session(connection, NULL, NULL, &session), "session");
    (void)snprintf(table, sizeof table, "key_format=S,value_format=u%s", encryption);
    must(session->create(session, "table:rows", table), "create");
    must(session->open_cursor(session, "table:rows", NULL, NULL, &cursor), "cursor");
}

static void set_key(int row) {
    static char key[32];

    (void)snprintf(key, sizeof key, "row-%012d", row);
    cursor->set_key(cursor, key);
}

static void set_value(size_t length) {
    static uint64_t value[25];
    static WT_ITEM item;

    for (int i = 0; i < 25; ++i)
        value[i] = random_next();
    item.data = value;
    item.size = length;
    cursor->set_value(cursor, &item);
}

static uint64_t read_value(void) {
    WT_ITEM value;

    must(cursor->get_value(cursor, &value), "value");
    return ((const uint8_t *)value.data)[7];
}

/* One turn. */
static uint64_t work(const struct order *order) {
    uint64_t sum = 0;

    state = 88172645463325252u + (uint64_t)order->phase * 1000003 + (uint64_t)order->from;
    if (order->phase == CHECKPOINT)
        must(session->checkpoint(session, NULL), "checkpoint");
    else
        for (int row = order->from; row < order->from + order->rows; ++row) {
            if (order->phase == SCAN) {
                must(cursor->next(cursor), "next");
                sum += read_value();
                continue;
            }
            set_key(order->phase == LOAD || order->phase == LOAD_152 ? row : (int)(random_next() % (uint64_t)rows));
            if (order->phase == READ || (order->phase == MIXED && row % 2 == 0)) {
                must(cursor->search(cursor), "search");
                sum += read_value();
            } else {
                set_value(order->phase == LOAD_152 ? 152 : 200);
                must(order->phase == MIXED ? cursor->update(cursor) : cursor->insert(cursor), "write");
            }
        }
    return sum;
}

static double nanoseconds(clockid_t clock) {
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* A worker's process. */
static void serve(int kind, int from, int to) {
    struct order order;

    more = kind == COPY ? 48 : 0;
    while (read(from, &order, sizeof order) == sizeof order) {
        struct answer answer = {0};

        if (order.phase == OPEN)
            open_home(kind);
        else if (order.phase == CLOSE)
            must(connection->close(connection, NULL), "close");
        else {
            double clock = nanoseconds(CLOCK_MONOTONIC), processor = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);

            answer.sum = work(&order);
            answer.clock = nanoseconds(CLOCK_MONOTONIC) - clock;
            answer.processor = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
        }
        if (write(to, &answer, sizeof answer) != sizeof answer)
            break;
    }
    _exit(0);
}

/* Ends with the program: it reads the end of its orders then. */
static void start(int kind) {
    int order[2], answer[2];

    if (pipe(order) != 0 || pipe(answer) != 0)
        abort();
    (void)fflush(stdout);
    if (fork() == 0) {
        for (int other = 0; other < kind; ++other)
            (void)close(orders[other]);
        (void)close(order[1]);
        serve(kind, order[0], answer[1]);
    }
    (void)close(order[0]);
    (void)close(answer[1]);
    orders[kind] = order[1];
    answers[kind] = answer[0];
}

static struct answer tell(int kind, struct order order) {
    struct answer answer;

    if (write(orders[kind], &order, sizeof order) != sizeof order ||
        read(answers[kind], &answer, sizeof answer) != sizeof answer) {
        fprintf(stderr, "bench: %s ended\n", kinds[kind]);
        exit(1);
    }
    return answer;
}

static void tell_all(int phase) {
    for (int kind = 0; kind < KINDS; ++kind)
        (void)tell(kind, (struct order){phase, 0, 0});
}

/* A turn of each, in another order each time; `count` is what its time is divided by. */
static void turn(struct order order, int count) {
    struct answer done[KINDS];
    int places[KINDS];

    for (int i = 0; i < KINDS; ++i) {
        int other = (int)(random_next() % (uint64_t)(i + 1));

        places[i] = places[other];
        places[other] = i;
    }
    for (int i = 0; i < KINDS; ++i)
        done[places[i]] = tell(places[i], order);
    for (int kind = 0; kind < KINDS; ++kind) {
        if (done[kind].sum != done[PLAIN].sum) {
            fprintf(stderr, "bench: %s read other rows at %s\n", kinds[kind], phases[order.phase]);
            exit(1);
        }
        if (turns[order.phase] < MOST) {
            taken[0][order.phase][kind][turns[order.phase]] = done[kind].clock / count;
            taken[1][order.phase][kind][turns[order.phase]] = done[kind].processor / count;
        }
    }
    if (turns[order.phase] < MOST)
        ++turns[order.phase];
}

/* A table of rows, and checkpoints of it meanwhile. */
static void load(int phase, int part) {
    tell_all(OPEN);
    for (int i = 0; i < TURNS; ++i) {
        turn((struct order){phase, i * part, part}, part);
        if ((i + 1) % CHECKPOINT_EVERY == 0)
            turn((struct order){CHECKPOINT, 0, 0}, CHECKPOINT_EVERY * part);
    }
    tell_all(CLOSE);
}

static void clear(void) {
    char command[9000];

    (void)snprintf(command, sizeof command, "rm -rf '%s'/*", folder);
    if (system(command) != 0)
        abort();
}

/* Each round with processes and files of its own. */
static void round_of_all(void) {
    int part = rows / TURNS;

    for (int kind = 0; kind < KINDS; ++kind)
        start(kind);
    load(LOAD_152, part);
    clear();
    load(LOAD, part);
    for (int scan = 0; scan < SCANS; ++scan) {
        tell_all(OPEN);
        for (int i = 0; i < TURNS; ++i)
            turn((struct order){SCAN, i * part, part}, part);
        if (scan < SCANS - 1)
            tell_all(CLOSE);
    }
    /* The cache is as warm as it gets. */
    for (int i = 0; i < TURNS; ++i)
        turn((struct order){READ, i * part, part}, part);
    for (int i = 0; i < TURNS / 2; ++i)
        turn((struct order){MIXED, i * part, part}, part);
    tell_all(CLOSE);
    for (int kind = 0; kind < KINDS; ++kind) {
        (void)close(orders[kind]);
        (void)close(answers[kind]);
    }
    while (wait(NULL) > 0)
        ;
    clear();
}

static int compare(const void *left, const void *right) {
    double one = *(const double *)left, other = *(const double *)right;

    return (one > other) - (one < other);
}

static double median(double *times, int count) {
    qsort(times, (size_t)count, sizeof *times, compare);
    return times[count / 2];
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench EXTENSION FOLDER [ROWS [ROUNDS]]\n");
        return 2;
    }
    extension = argv[1];
    folder = argv[2];
    if (argc > 3)
        rows = atoi(argv[3]);
    if (argc > 4)
        rounds = atoi(argv[4]);
    if (rows < TURNS || rounds < 1)
        return 2;
    state = 1;
    for (int i = 0; i < rounds; ++i)
        round_of_all();
    for (int clock = 0; clock < 2; ++clock) {
        printf("WiredTiger, %d rows, cache 64 MB, one thread, median: ns a row %s\n", rows, clock == 0 ? "by the clock" : "of the processor");
        printf("%-12s %8s %8s %8s %8s %14s %14s %14s\n", "", "plain", "move", "copy", "ours", "move / plain", "copy / plain",
               "ours / plain");
        for (int phase = 0; phase < PHASES; ++phase) {
            double of[KINDS];

            printf("%-12s", phases[phase]);
            for (int kind = 0; kind < KINDS; ++kind)
                printf(" %8.0f", of[kind] = median(taken[clock][phase][kind], turns[phase]));
            for (int kind = MOVE; kind < KINDS; ++kind)
                printf(" %13.1f%%", 100 * of[PLAIN] / of[kind]);
            printf("\n");
        }
    }
    return 0;
}
