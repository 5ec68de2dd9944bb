#include "keyid.h"

#include <stdio.h>
#include <string.h>

bool keyid_parse(struct keyid *keyid, const char *text, size_t length) {
    static const struct {
        const char *prefix, *kind;
    } kinds[] = {{"lsi:", "local:"}, {"local:", "local:"}, {"gsi:", "global:"}, {"global:", "global:"}};
    const char *slash = memchr(text, '/', length), *rest;
    size_t table = slash == NULL ? length : (size_t)(slash - text), left;

    if (table == 0 || table >= sizeof keyid->table)
        return false;
    (void)snprintf(keyid->table, sizeof keyid->table, "%.*s", (int)table, text);
    (void)snprintf(keyid->structure, sizeof keyid->structure, "base");
    if (slash == NULL)
        return true;
    rest = slash + 1;
    left = length - table - 1;
    if (left == 4 && memcmp(rest, "base", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
        size_t prefix = strlen(kinds[i].prefix);

        if (left > prefix && left - prefix < 256 && memcmp(rest, kinds[i].prefix, prefix) == 0) {
            (void)snprintf(keyid->structure, sizeof keyid->structure, "%s%.*s", kinds[i].kind, (int)(left - prefix),
                           rest + prefix);
            return true;
        }
    }
    return false;
}
