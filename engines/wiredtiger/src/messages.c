#include "messages.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { LONGEST = 1024 };

enum meaning meaning_of(tablecrypt_status status) {
    if (tablecrypt_status_is_refusal(status))
        return REFUSED;
    switch ((int)status) {
    case TABLECRYPT_OK:
        return DONE;
    case TABLECRYPT_KEY_UNAVAILABLE: /* the KMS cannot be reached, throttles, or fails */
    case TABLECRYPT_LOCKED:          /* by hand: whoever locked it unlocks it */
    case TABLECRYPT_KEY_FILE_BUSY:
    case TABLECRYPT_IO:
    case TABLECRYPT_NO_RANDOM:
        return LATE;
    /* No key of the KMS's is refused, but that of these key files cannot be had. */
    case TABLECRYPT_KEY_FILE_CORRUPT:
    case TABLECRYPT_KMS_REQUEST_INVALID:
    case TABLECRYPT_NO_SUCH_STRUCTURE:
    case TABLECRYPT_NO_SUCH_TABLE:
    case TABLECRYPT_WRONG_CONTEXT:
        return REFUSED;
    case TABLECRYPT_TRUNCATED:
    case TABLECRYPT_UNAUTHENTIC:
    case TABLECRYPT_UNKNOWN_KEY:
    case TABLECRYPT_UNKNOWN_VERSION:
        return FORGED;
    default:
        return WRONG;
    }
}

int error_of(tablecrypt_status status) {
    switch (meaning_of(status)) {
    case DONE:
        return 0;
    case LATE:
        return ETIMEDOUT;
    case FORGED:
        return EBADMSG;
    case REFUSED:
        return status == TABLECRYPT_NO_SUCH_TABLE || status == TABLECRYPT_NO_SUCH_STRUCTURE ? ENOKEY : EACCES;
    case WRONG:
        break;
    }
    return EINVAL;
}

void say(WT_EXTENSION_API *api, WT_SESSION *session, const char *format, ...) {
    char text[LONGEST];
    va_list rest;

    va_start(rest, format);
    (void)vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    (void)api->err_printf(api, session, "tablecrypt: %s", text);
}

void tell(WT_EXTENSION_API *api, WT_SESSION *session, const char *format, ...) {
    char text[LONGEST];
    va_list rest;

    va_start(rest, format);
    (void)vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    (void)api->msg_printf(api, session, "tablecrypt: %s", text);
}
