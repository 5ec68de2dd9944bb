/* A database under the extension that is installed, with a service of the program's own: wiredtiger FOLDER EXTENSION. */

#include <stdio.h>
#include <string.h>

#include <tablecrypt_wiredtiger.h>
#include <wiredtiger.h>

static int round_trip(const char *home, const char *extension) {
    WT_CONNECTION *connection;
    WT_SESSION *session;
    WT_CURSOR *cursor;
    const char *value;
    char config[4096];
    int error;

    (void)snprintf(config, sizeof config,
                   "create,log=(enabled=true),extensions=[%s=(config=(kms=program,service=mine,create=true))],"
                   "encryption=(name=tablecrypt,keyid=flights)", extension);
    if ((error = wiredtiger_open(home, NULL, config, &connection)) != 0 ||
        (error = connection->open_session(connection, NULL, NULL, &session)) != 0 ||
        (error = session->create(session, "table:base", "key_format=S,value_format=S")) != 0 ||
        (error = session->open_cursor(session, "table:base", NULL, NULL, &cursor)) != 0) {
        return error;
    }
    cursor->set_key(cursor, "key");
    cursor->set_value(cursor, "PLAINTEXT");
    if ((error = cursor->insert(cursor)) != 0 || (error = session->checkpoint(session, NULL)) != 0) return error;
    cursor->set_key(cursor, "key");
    if ((error = cursor->search(cursor)) != 0 || (error = cursor->get_value(cursor, &value)) != 0) return error;
    if (strcmp(value, "PLAINTEXT") != 0) return -1;
    return connection->close(connection, NULL);
}

int main(int argc, char **argv) {
    tablecrypt_service *service;
    char keys[4096];
    int error;

    if (argc != 3) return 2;
    (void)snprintf(keys, sizeof keys, "%s/keys", argv[1]);
    if (tablecrypt_service_open_local(keys, &service) != TABLECRYPT_OK) return 1;
    if (tablecrypt_wiredtiger_service("mine", service) != 0) return 1;
    if ((error = round_trip(argv[1], argv[2])) != 0) {
        (void)fprintf(stderr, "wiredtiger: %s\n", wiredtiger_strerror(error));
        return 1;
    }
    tablecrypt_service_free(service);
    return 0;
}
