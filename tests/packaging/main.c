/* A program that somebody writes who has installed the library: it seals a record, opens it, and says which library that
 * was. Its argument is a folder. */

#include <stdio.h>
#include <string.h>

#include <tablecrypt.h>

int main(int argc, char **argv) {
    static const uint8_t context[] = "page 7", text[] = "a page";
    uint8_t record[sizeof text + TABLECRYPT_OVERHEAD], opened[sizeof text] = {0};
    tablecrypt_service *service = NULL;
    tablecrypt_connection *connection = NULL;
    tablecrypt_table *table = NULL;
    tablecrypt_structure *base = NULL;
    tablecrypt_status status;

    if (argc != 2 || tablecrypt_abi() != TABLECRYPT_ABI) {
        return 2;
    }
    if ((status = tablecrypt_service_open_local(argv[1], &service)) ||
        (status = tablecrypt_service_create_table(service, "pages", NULL, 0, NULL, 0, NULL)) ||
        (status = tablecrypt_service_connect(service, &connection)) ||
        (status = tablecrypt_connection_open_table(connection, "pages", &table)) ||
        (status = tablecrypt_table_base(table, &base)) ||
        (status = tablecrypt_structure_seal(base, context, sizeof context, text, sizeof text, record, sizeof record, NULL)) ||
        (status = tablecrypt_structure_open(base, context, sizeof context, record, sizeof record, opened, sizeof opened, NULL))) {
        fprintf(stderr, "%s\n", tablecrypt_status_message(status));
        return 1;
    }
    tablecrypt_structure_free(base);
    tablecrypt_table_free(table);
    tablecrypt_connection_free(connection);
    tablecrypt_service_free(service);
    printf("tablecrypt %s\n", tablecrypt_version());
    return memcmp(opened, text, sizeof text) != 0;
}
