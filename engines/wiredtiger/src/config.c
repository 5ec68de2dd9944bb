#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"

enum kind { TEXT, TIME, SWITCH };

/* Every setting. In the environment its name is in capitals, behind PREFIX. */
static const struct setting {
    const char *name;
    enum kind kind;
    size_t place;
} settings[] = {
    {"kms", TEXT, offsetof(struct config, kms)},
    {"folder", TEXT, offsetof(struct config, folder)},
    {"key_files", TEXT, offsetof(struct config, key_files)},
    {"service", TEXT, offsetof(struct config, service)},
    {"key", TEXT, offsetof(struct config, key)},
    {"create", SWITCH, offsetof(struct config, create)},
    {"indexes", TEXT, offsetof(struct config, indexes)},
    {"refresh", TIME, offsetof(struct config, refresh)},
    {"within", TIME, offsetof(struct config, within)},
    {"outage_grace", TIME, offsetof(struct config, outage_grace)},
    {"drain", TIME, offsetof(struct config, drain)},
    {"open_within", TIME, offsetof(struct config, open_within)},
    {"give_up", TIME, offsetof(struct config, give_up)},
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

#define PREFIX "TABLECRYPT_WIREDTIGER_"

extern char **environ;

static int from_environment(struct config *config, WT_EXTENSION_API *api);
static int from_argument(struct config *config, WT_EXTENSION_API *api, WT_CONFIG_ARG *argument);
static int set(struct config *config, const struct setting *setting, const char *value, size_t length);
static bool parse_time(const char *value, size_t length, uint64_t *time);
static bool is(const char *word, const char *text, size_t length);
static int check(const struct config *config, WT_EXTENSION_API *api);

int config_read(struct config *config, WT_EXTENSION_API *api, WT_CONFIG_ARG *argument) {
    int error;

    *config = (struct config){
        .refresh = 300 * 1000,
        .within = 30 * 1000,
        .outage_grace = 0,
        .drain = 60 * 1000,
        .open_within = 10 * 1000,
        .give_up = 600 * 1000,
    };
    if ((error = from_environment(config, api)) == 0 && (error = from_argument(config, api, argument)) == 0)
        error = check(config, api);
    if (error != 0)
        config_free(config);
    return error;
}

void config_free(struct config *config) {
    free(config->kms);
    free(config->folder);
    free(config->key_files);
    free(config->service);
    free(config->key);
    free(config->indexes);
    *config = (struct config){0};
}

/* A name that is no setting's is an error: a deadline that was misspelled must not be another one silently. */
static int from_environment(struct config *config, WT_EXTENSION_API *api) {
    static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_", letters[] = "abcdefghijklmnopqrstuvwxyz_";

    for (char **variable = environ; variable != NULL && *variable != NULL; ++variable) {
        char name[32] = {0};
        const char *rest = *variable + strlen(PREFIX), *value = strchr(*variable, '=');
        const char *place;
        int error = EINVAL;

        if (strncmp(*variable, PREFIX, strlen(PREFIX)) != 0 || value == NULL)
            continue;
        for (size_t i = 0; rest + i < value && i + 1 < sizeof name && (place = strchr(capitals, rest[i])) != NULL; ++i)
            name[i] = letters[place - capitals];
        for (size_t i = 0; i < SETTINGS; ++i)
            if (strcmp(settings[i].name, name) == 0 && strlen(name) == (size_t)(value - rest))
                error = set(config, &settings[i], value + 1, strlen(value + 1));
        if (error == EINVAL)
            say(api, NULL, "%.*s is no setting of this extension, or has a value that it cannot have",
                (int)(value - *variable), *variable);
        if (error != 0)
            return error;
    }
    return 0;
}

static int from_argument(struct config *config, WT_EXTENSION_API *api, WT_CONFIG_ARG *argument) {
    WT_CONFIG_PARSER *parser;
    WT_CONFIG_ITEM name, value;
    int error;

    if ((error = api->config_parser_open_arg(api, NULL, argument, &parser)) != 0)
        return error;
    while ((error = parser->next(parser, &name, &value)) == 0) {
        error = EINVAL;
        for (size_t i = 0; i < SETTINGS; ++i)
            if (is(settings[i].name, name.str, name.len))
                error = set(config, &settings[i], value.str, value.len);
        if (error == EINVAL)
            say(api, NULL, "config=(%.*s=...) is no setting of this extension, or has a value that it cannot have",
                (int)name.len, name.str);
        if (error != 0)
            break;
    }
    (void)parser->close(parser);
    return error == WT_NOTFOUND ? 0 : error;
}

static int set(struct config *config, const struct setting *setting, const char *value, size_t length) {
    static const size_t of_service[] = {offsetof(struct config, refresh), offsetof(struct config, within),
                                        offsetof(struct config, outage_grace)};
    void *place = (char *)config + setting->place;

    for (size_t i = 0; i < sizeof of_service / sizeof of_service[0]; ++i)
        config->is_for_local |= setting->place == of_service[i];
    switch (setting->kind) {
    case TEXT: {
        char *text = strndup(value, length);

        if (text == NULL)
            return ENOMEM;
        free(*(char **)place);
        *(char **)place = text;
        return length == 0 ? EINVAL : 0;
    }
    case TIME:
        return parse_time(value, length, place) ? 0 : EINVAL;
    case SWITCH:
        if (is("true", value, length) || length == 0) /* config=(create) */
            *(bool *)place = true;
        else if (is("false", value, length))
            *(bool *)place = false;
        else
            return EINVAL;
        return 0;
    }
    return EINVAL;
}

/* A whole number with its unit: 250ms, 30s, 5m, 12h. Without one it is seconds. A day at most, as refresh. */
static bool parse_time(const char *value, size_t length, uint64_t *time) {
    static const struct {
        const char *unit;
        uint64_t scale;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
    const uint64_t longest = 24 * 3600 * 1000;
    uint64_t number = 0;
    size_t digits = 0;

    for (; digits < length && value[digits] >= '0' && value[digits] <= '9' && number <= longest; ++digits)
        number = number * 10 + (uint64_t)(value[digits] - '0');
    for (size_t i = 0; digits > 0 && i < sizeof units / sizeof units[0]; ++i)
        if (is(units[i].unit, value + digits, length - digits) && number <= longest / units[i].scale) {
            *time = number * units[i].scale;
            return true;
        }
    return false;
}

static bool is(const char *word, const char *text, size_t length) {
    return strlen(word) == length && memcmp(word, text, length) == 0;
}

/* A list as WiredTiger's configuration has it, or the same without brackets and quotes. */
int config_index(const struct config *config, size_t number, struct keyid *keyid) {
    static const char between[] = "[]\", ";

    for (const char *place = config->indexes; place != NULL; --number) {
        size_t length;

        place += strspn(place, between);
        if (*place == '\0')
            break;
        length = strcspn(place, between);
        if (number == 0)
            return keyid_parse(keyid, place, length) && strcmp(keyid->structure, "base") != 0 ? 1 : -1;
        place += length;
    }
    return 0;
}

/* What must be there, and what does not go together. */
static int check(const struct config *config, WT_EXTENSION_API *api) {
    const char *wrong = NULL;
    struct keyid keyid;
    size_t number = 0;
    int found;

    if (config->kms == NULL)
        wrong = "kms is not set: say kms=local,folder=... or kms=program,service=...";
    else if (strcmp(config->kms, "local") == 0) {
        if (config->folder == NULL)
            wrong = "kms=local needs folder=..., where keys and key files are";
        else if (config->service != NULL)
            wrong = "service=... is for kms=program";
    } else if (strcmp(config->kms, "program") == 0) {
        if (config->service == NULL)
            wrong = "kms=program needs service=..., the name that the program gave to its service";
        else if (config->folder != NULL || config->key_files != NULL || config->is_for_local)
            wrong = "folder, key_files, refresh, within and outage_grace are for kms=local: with kms=program the service has its own";
    } else
        wrong = "kms is local or program";
    if (wrong == NULL && (config->refresh == 0 || config->within == 0))
        wrong = "refresh and within are at least 1ms";
    while ((found = config_index(config, number, &keyid)) > 0)
        ++number;
    if (wrong == NULL && (found < 0 || number > MOST_INDEXES))
        wrong = "indexes=[...] names keyids of indexes, 64 at most: \"TABLE/lsi:NAME\" or \"TABLE/gsi:NAME\", in quotes";
    if (wrong == NULL)
        return 0;
    say(api, NULL, "%s", wrong);
    return EINVAL;
}
