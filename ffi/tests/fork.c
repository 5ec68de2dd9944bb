/* No nonce twice in a process and its forked children: program FOLDER FORKS SEALS [hidden].
 *
 * FORKS children seal SEALS records each, while the parent seals on two threads of its own. Each record's nonce goes to a
 * file, which is sorted in the end. With the word "hidden" the fork is kept from the library: then the same nonces must be
 * there twice, or this program would see nothing. */

#define _GNU_SOURCE

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tablecrypt.h"

enum { NONCE = 24, AT_ONCE = 4, TOLD = 100000, SECONDS = 60 };

static tablecrypt_structure *base;
static volatile bool done;

static void stop(const char *why) {
    fprintf(stderr, "fork: C: %s\n", why);
    exit(1);
}

static bool seal(uint8_t *nonce) {
    uint8_t record[4 + TABLECRYPT_OVERHEAD];
    size_t length = 0;
    if (tablecrypt_structure_seal(base, (const uint8_t *)"key", 3, (const uint8_t *)"text", 4, record, sizeof record,
                                  &length) != TABLECRYPT_OK) {
        return false;
    }
    memcpy(nonce, record + 8, NONCE);
    return true;
}

/* Seals so many records, and appends their nonces to the file by one write. */
static bool tell(int file, size_t count) {
    uint8_t *nonces = malloc(count * NONCE);
    bool well = nonces != NULL;
    for (size_t i = 0; well && i < count; i++) {
        well = seal(nonces + i * NONCE);
    }
    well = well && write(file, nonces, count * NONCE) == (ssize_t)(count * NONCE);
    free(nonces);
    return well;
}

/* Seals until the end, and tells of the first records. */
static void *busy(void *file) {
    if (!tell(*(int *)file, TOLD)) {
        stop("the parent's thread could not seal");
    }
    uint8_t nonce[NONCE];
    while (!done && seal(nonce)) {
    }
    return NULL;
}

/* Has children inherit all that the kernel would keep from them. */
static void hide_forks(void) {
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long start = 0, end = 0, from, to;
    int hidden = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (strncmp(line, "VmFlags:", 8) == 0) {
            bool wiped = strstr(line, " wf") != NULL, missing = strstr(line, " dc") != NULL && strstr(line, " io") == NULL;
            if ((wiped || missing) && madvise((void *)start, end - start, wiped ? MADV_KEEPONFORK : MADV_DOFORK) == 0) {
                hidden++;
            }
        } else if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            start = from;
            end = to;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    if (hidden < 2) {
        stop("there is nothing that tells a fork");
    }
}

static int compare(const void *a, const void *b) { return memcmp(a, b, NONCE); }

int main(int argc, char **argv) {
    if (argc < 4) {
        stop("usage: fork FOLDER FORKS SEALS [hidden]");
    }
    size_t forks = strtoul(argv[2], NULL, 10), seals = strtoul(argv[3], NULL, 10);
    bool hidden = argc > 4;
    tablecrypt_service *service = NULL;
    tablecrypt_connection *connection = NULL;
    tablecrypt_table *table = NULL;
    if (tablecrypt_service_open_local(argv[1], &service) != TABLECRYPT_OK ||
        tablecrypt_service_create_table(service, "flights", NULL, 0, NULL, 0, NULL) != TABLECRYPT_OK ||
        tablecrypt_service_connect(service, &connection) != TABLECRYPT_OK ||
        tablecrypt_connection_open_table(connection, "flights", &table) != TABLECRYPT_OK ||
        tablecrypt_table_base(table, &base) != TABLECRYPT_OK) {
        stop("no table");
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/nonces", argv[1]);
    FILE *file = fopen(path, "a+b");
    uint8_t first[NONCE];
    if (file == NULL || !seal(first)) {
        stop("no file, or no record");
    }
    int descriptor = fileno(file);
    pthread_t threads[2];
    size_t told = hidden ? 0 : 2 * (size_t)TOLD;
    if (hidden) {
        hide_forks();
    }
    for (int i = 0; !hidden && i < 2; i++) {
        pthread_create(&threads[i], NULL, busy, &descriptor);
    }
    for (size_t forked = 0; forked < forks;) {
        struct pollfd alive[AT_ONCE];
        pid_t children[AT_ONCE];
        int count = 0;
        for (; count < AT_ONCE && forked < forks; count++, forked++) {
            int ends[2];
            if (pipe(ends) != 0) {
                stop("no pipe");
            }
            children[count] = fork();
            if (children[count] == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* one that hangs does not outlive its parent */
                close(ends[0]);
                char well = tell(descriptor, seals) ? 1 : 0;
                _exit(write(ends[1], &well, 1) == 1 && well ? 0 : 1);
            }
            close(ends[1]);
            alive[count] = (struct pollfd){.fd = ends[0], .events = POLLIN};
        }
        if (!tell(descriptor, 100)) {
            stop("the parent could not seal");
        }
        told += 100;
        for (int i = 0; i < count; i++) {
            char well = 0;
            if (poll(&alive[i], 1, SECONDS * 1000) != 1 || read(alive[i].fd, &well, 1) != 1 || well != 1) {
                kill(children[i], SIGKILL);
                stop("a child died or hung");
            }
            close(alive[i].fd);
            waitpid(children[i], NULL, 0);
        }
    }
    done = true;
    for (int i = 0; !hidden && i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    size_t records = forks * seals + told, twice = 0;
    uint8_t *nonces = malloc(records * NONCE);
    rewind(file);
    if (nonces == NULL || fread(nonces, NONCE, records, file) != records || fgetc(file) != EOF) {
        stop("not as many nonces as records");
    }
    qsort(nonces, records, NONCE, compare);
    for (size_t i = 1; i < records; i++) {
        twice += compare(nonces + (i - 1) * NONCE, nonces + i * NONCE) == 0;
    }
    free(nonces);
    fclose(file);
    printf("fork: C: %s%zu forks x %zu seals, %zu records, %zu nonces twice\n", hidden ? "control, the fork is hidden: " : "",
           forks, seals, records, twice);
    tablecrypt_structure_free(base);
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
    return (twice > 0) == hidden ? 0 : 1;
}
