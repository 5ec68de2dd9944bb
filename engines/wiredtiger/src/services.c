#include "services.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"
#include "tablecrypt_wiredtiger.h"

/* What programs have named. */
struct named {
    struct named *next;
    const tablecrypt_service *service;
    char name[];
};

static struct named *named_first;
static pthread_mutex_t named_lock = PTHREAD_MUTEX_INITIALIZER;

static const tablecrypt_service *find(const char *name);
static tablecrypt_status open_local(const struct config *config, tablecrypt_service **service);
static tablecrypt_status set(const struct config *config, tablecrypt_settings *settings);

int service_open(const struct config *config, WT_EXTENSION_API *api, const tablecrypt_service **service,
                 tablecrypt_service **owned) {
    tablecrypt_status status;
    char details[512] = "";

    *owned = NULL;
    if (config->service != NULL) {
        if ((*service = find(config->service)) != NULL)
            return 0;
        say(api, NULL, "no service has the name %s: the program calls tablecrypt_wiredtiger_service first", config->service);
        return EINVAL;
    }
    if ((status = open_local(config, owned)) != TABLECRYPT_OK) {
        (void)tablecrypt_last_error(details, sizeof details);
        say(api, NULL, "the KMS in %s cannot be opened: %s (%s)", config->folder, tablecrypt_status_message(status), details);
        return error_of(status);
    }
    *service = *owned;
    return 0;
}

int tablecrypt_wiredtiger_service(const char *name, const tablecrypt_service *service) {
    struct named **place, *named = NULL;

    if (name == NULL || name[0] == '\0')
        return EINVAL;
    if (service != NULL) {
        if ((named = malloc(sizeof *named + strlen(name) + 1)) == NULL)
            return ENOMEM;
        named->service = service;
        (void)strcpy(named->name, name);
    }
    (void)pthread_mutex_lock(&named_lock);
    for (place = &named_first; *place != NULL && strcmp((*place)->name, name) != 0; place = &(*place)->next)
        ;
    if (*place != NULL) {
        struct named *before = *place;

        *place = before->next;
        free(before);
    }
    if (named != NULL) {
        named->next = named_first;
        named_first = named;
    }
    (void)pthread_mutex_unlock(&named_lock);
    return 0;
}

static const tablecrypt_service *find(const char *name) {
    const tablecrypt_service *service = NULL;

    (void)pthread_mutex_lock(&named_lock);
    for (const struct named *named = named_first; named != NULL; named = named->next)
        if (strcmp(named->name, name) == 0)
            service = named->service;
    (void)pthread_mutex_unlock(&named_lock);
    return service;
}

/* As tablecrypt_service_open_local lays it out: the KMS in folder/kms, key files in folder/tables. */
static tablecrypt_status open_local(const struct config *config, tablecrypt_service **service) {
    size_t length = strlen(config->folder) + sizeof "/tables";
    char *kms_folder = malloc(length), *tables = malloc(length);
    tablecrypt_settings *settings = NULL;
    tablecrypt_kms *kms = NULL;
    tablecrypt_status status = TABLECRYPT_IO;

    if (kms_folder != NULL && tables != NULL) {
        (void)snprintf(kms_folder, length, "%s/kms", config->folder);
        (void)snprintf(tables, length, "%s/tables", config->folder);
        if ((status = tablecrypt_settings_new(&settings)) == TABLECRYPT_OK &&
            (status = set(config, settings)) == TABLECRYPT_OK &&
            (status = tablecrypt_kms_open_local(kms_folder, &kms)) == TABLECRYPT_OK)
            status = tablecrypt_service_open(kms, config->key_files == NULL ? tables : config->key_files, settings, service);
    }
    tablecrypt_kms_free(kms);
    tablecrypt_settings_free(settings);
    free(tables);
    free(kms_folder);
    return status;
}

static tablecrypt_status set(const struct config *config, tablecrypt_settings *settings) {
    tablecrypt_status status;

    if ((status = tablecrypt_settings_refresh(settings, config->refresh, config->within)) == TABLECRYPT_OK &&
        (status = tablecrypt_settings_outage_grace(settings, config->outage_grace)) == TABLECRYPT_OK)
        status = tablecrypt_settings_drain(settings, config->drain);
    return status;
}
