#include "extension.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "encryptor.h"
#include "messages.h"
#include "services.h"
#include "tablecrypt_wiredtiger.h"

static int open_service(struct extension *extension);

int wiredtiger_extension_init(WT_CONNECTION *connection, WT_CONFIG_ARG *argument) {
    struct extension *extension = calloc(1, sizeof *extension);
    int error;

    if (extension == NULL)
        return ENOMEM;
    extension->api = connection->get_extension_api(connection);
    atomic_init(&extension->holders, 1);
    (void)pthread_mutex_init(&extension->lock, NULL);
    encryptor_base(&extension->encryptor);
    if (tablecrypt_abi() != TABLECRYPT_ABI) {
        say(extension->api, NULL, "libtablecrypt has interface %u, and this extension was built for %u",
            (unsigned)tablecrypt_abi(), (unsigned)TABLECRYPT_ABI);
        error = EINVAL;
    } else if ((error = config_read(&extension->config, extension->api, argument)) == 0 &&
               (error = open_service(extension)) == 0)
        error = connection->add_encryptor(connection, "tablecrypt", &extension->encryptor, NULL);
    /* From here on it is WiredTiger's, which terminates it. */
    if (error != 0)
        extension_let_go(extension);
    return error;
}

static int open_service(struct extension *extension) {
    tablecrypt_status status;
    int error;

    if ((error = service_open(&extension->config, extension->api, &extension->service, &extension->owned)) != 0)
        return error;
    if ((status = tablecrypt_service_connect(extension->service, &extension->connection)) != TABLECRYPT_OK) {
        say(extension->api, NULL, "%s", tablecrypt_status_message(status));
        return error_of(status);
    }
    return 0;
}

void extension_hold(struct extension *extension) {
    (void)atomic_fetch_add(&extension->holders, 1);
}

void extension_let_go(struct extension *extension) {
    if (atomic_fetch_sub(&extension->holders, 1) != 1)
        return;
    while (extension->tables != NULL) {
        struct table *table = extension->tables;

        extension->tables = table->next;
        free(table);
    }
    tablecrypt_connection_free(extension->connection);
    tablecrypt_service_free(extension->owned);
    (void)pthread_mutex_destroy(&extension->lock);
    config_free(&extension->config);
    free(extension);
}

struct table *extension_table(struct extension *extension, const char *name) {
    struct table *table;

    (void)pthread_mutex_lock(&extension->lock);
    for (table = extension->tables; table != NULL && strcmp(table->name, name) != 0; table = table->next)
        ;
    if (table == NULL && (table = calloc(1, sizeof *table)) != NULL) {
        (void)strncpy(table->name, name, sizeof table->name - 1);
        atomic_init(&table->said, DONE);
        atomic_init(&table->since, 0);
        atomic_init(&table->looked, 0);
        table->next = extension->tables;
        extension->tables = table;
    }
    (void)pthread_mutex_unlock(&extension->lock);
    return table;
}
