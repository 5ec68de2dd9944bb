/* WiredTiger without encryption, with an encryptor that copies, and with ours: bench EXTENSION FOLDER [ROWS [ROUNDS]].
 *
 * The second shows what WiredTiger's own way through an encryptor costs, whatever that does: a buffer and a copy more a page.
 * The three take turns in each round, each time in another order; of all rounds the shortest time counts, and the
 * least time of the processor, which is less troubled by whatever else runs. Rows have keys of 16
 * bytes and values of 200 that do not repeat. Each phase is one thread's.
 *
 *     load     rows in the order of their keys, with the log, and a checkpoint
 *     scan     all rows, the cache of WiredTiger cold, that of the system warm
 *     read     random keys, 1 a row; the cache holds two thirds of the data
 *     mixed    random keys: a read and an update, by turns, and a checkpoint
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wiredtiger_ext.h>

enum { PLAIN, COPY, OURS, KINDS };
enum { LOAD, SCAN, READ, MIXED, PHASES };

static const char *const kinds[KINDS] = {"plain", "copy", "ours"};
static const char *const phases[PHASES] = {"load", "scan", "read", "mixed"};
/* How often each is done in a round: what is over sooner, more often. */
static const int times[PHASES] = {1, 4, 1, 1};

static const char *extension, *folder;
static int rows = 300000, rounds = 5;
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

/* The encryptor that copies, with as many bytes more as ours. */
static int copy_in(WT_ENCRYPTOR *encryptor, WT_SESSION *in, uint8_t *from, size_t length, uint8_t *to, size_t capacity, size_t *written) {
    (void)encryptor, (void)in, (void)capacity;
    memset(to, 0, 48);
    memcpy(to + 48, from, length);
    *written = length + 48;
    return 0;
}

static int copy_out(WT_ENCRYPTOR *encryptor, WT_SESSION *in, uint8_t *from, size_t length, uint8_t *to, size_t capacity, size_t *written) {
    (void)encryptor, (void)in, (void)capacity;
    memcpy(to, from + 48, length - 48);
    *written = length - 48;
    return 0;
}

static int copy_sizing(WT_ENCRYPTOR *encryptor, WT_SESSION *in, size_t *more) {
    (void)encryptor, (void)in;
    *more = 48;
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
    if (kind == OURS)
        (void)snprintf(config, sizeof config,
                       ",extensions=[%s=(config=(kms=local,folder=%s/keys,create=true))],encryption=(name=tablecrypt,keyid=system)",
                       extension, folder);
    else if (kind == COPY)
        (void)snprintf(config, sizeof config, ",extensions=[local=(entry=copy_init)],encryption=(name=copy,keyid=system)");
    (void)snprintf(config + strlen(config), sizeof config - strlen(config), ",create,cache_size=64MB,log=(enabled=true)");
    must(wiredtiger_open(home, NULL, config + 1, &connection), home);
    must(connection->open_session(connection, NULL, NULL, &session), "session");
    encryption = kind == OURS ? ",encryption=(name=tablecrypt,keyid=\"flights/base\")"
                 : kind == COPY ? ",encryption=(name=copy,keyid=flights)" : "";
    (void)snprintf(table, sizeof table, "key_format=S,value_format=u%s", encryption);
    must(session->create(session, "table:rows", table), "create");
    must(session->open_cursor(session, "table:rows", NULL, NULL, &cursor), "cursor");
}

static void set_key(int row) {
    static char key[32];

    (void)snprintf(key, sizeof key, "row-%012d", row);
    cursor->set_key(cursor, key);
}

static void set_value(void) {
    static uint64_t value[25];
    static WT_ITEM item;

    for (int i = 0; i < 25; ++i)
        value[i] = random_next();
    item.data = value;
    item.size = sizeof value;
    cursor->set_value(cursor, &item);
}

/* Does a phase; gives a sum over what was read, which must be the same for all. */
static uint64_t run(int phase) {
    uint64_t sum = 0;
    WT_ITEM value;

    state = 88172645463325252u + (uint64_t)phase;
    switch (phase) {
    case LOAD:
        for (int row = 0; row < rows; ++row) {
            set_key(row);
            set_value();
            must(cursor->insert(cursor), "insert");
        }
        must(session->checkpoint(session, NULL), "checkpoint");
        break;
    case SCAN:
        while (cursor->next(cursor) == 0) {
            must(cursor->get_value(cursor, &value), "value");
            sum += ((const uint8_t *)value.data)[7];
        }
        break;
    case READ:
        for (int i = 0; i < rows; ++i) {
            set_key((int)(random_next() % (uint64_t)rows));
            must(cursor->search(cursor), "search");
            must(cursor->get_value(cursor, &value), "value");
            sum += ((const uint8_t *)value.data)[7];
        }
        break;
    case MIXED:
        for (int i = 0; i < rows / 3; ++i) {
            set_key((int)(random_next() % (uint64_t)rows));
            if (i % 2 == 0) {
                must(cursor->search(cursor), "search");
                must(cursor->get_value(cursor, &value), "value");
                sum += ((const uint8_t *)value.data)[7];
            } else {
                set_value();
                must(cursor->update(cursor), "update");
            }
        }
        must(cursor->reset(cursor), "reset");
        must(session->checkpoint(session, NULL), "checkpoint");
        break;
    default:
        break;
    }
    return sum;
}

static double seconds(clockid_t clock) {
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    double best[KINDS][PHASES], processor[KINDS][PHASES];
    uint64_t sums[KINDS][PHASES];
    char command[9000];

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
    for (int kind = 0; kind < KINDS; ++kind)
        for (int phase = 0; phase < PHASES; ++phase)
            best[kind][phase] = processor[kind][phase] = 1e9;
    for (int round = 0; round < rounds; ++round) {
        for (int phase = 0; phase < PHASES; ++phase)
            for (int turn = 0; turn < KINDS * times[phase]; ++turn) {
                int kind = (turn + round) % KINDS;
                double began, worked;

                open_home(kind);
                if (phase == READ)
                    (void)run(SCAN); /* as warm as the cache gets */
                began = seconds(CLOCK_MONOTONIC);
                worked = seconds(CLOCK_PROCESS_CPUTIME_ID);
                sums[kind][phase] = run(phase);
                began = seconds(CLOCK_MONOTONIC) - began;
                worked = seconds(CLOCK_PROCESS_CPUTIME_ID) - worked;
                if (began < best[kind][phase])
                    best[kind][phase] = began;
                if (worked < processor[kind][phase])
                    processor[kind][phase] = worked;
                must(connection->close(connection, NULL), "close");
            }
        for (int kind = 0; kind < KINDS; ++kind) {
            for (int phase = 0; phase < PHASES; ++phase)
                if (sums[kind][phase] != sums[PLAIN][phase]) {
                    fprintf(stderr, "bench: %s read other rows at %s\n", kinds[kind], phases[phase]);
                    return 1;
                }
            (void)snprintf(command, sizeof command, "rm -rf '%s/%s'", folder, kinds[kind]);
            if (system(command) != 0)
                return 1;
        }
    }
    printf("WiredTiger, %d rows of 216 bytes, cache 64 MB, one thread, the shortest of %d; rows/s\n", rows, rounds);
    printf("%-8s %10s %10s %10s %14s %14s %22s %22s\n", "", "plain", "copy", "ours", "ours / plain", "copy / plain",
           "ours / plain, CPU", "copy / plain, CPU");
    for (int phase = 0; phase < PHASES; ++phase) {
        double count = phase == MIXED ? rows / 3 : rows, *at = best[0] + phase, *cpu = processor[0] + phase;

        printf("%-8s %10.0f %10.0f %10.0f %13.1f%% %13.1f%% %21.1f%% %21.1f%%\n", phases[phase], count / at[PLAIN * PHASES],
               count / at[COPY * PHASES], count / at[OURS * PHASES], 100 * at[PLAIN * PHASES] / at[OURS * PHASES],
               100 * at[PLAIN * PHASES] / at[COPY * PHASES], 100 * cpu[PLAIN * PHASES] / cpu[OURS * PHASES],
               100 * cpu[PLAIN * PHASES] / cpu[COPY * PHASES]);
    }
    return 0;
}
