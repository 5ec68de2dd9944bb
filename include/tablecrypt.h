/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Tablecrypt: encryption at rest for tables. Written by admin/header; do not edit.
 *
 *     tablecrypt_kms, tablecrypt_settings: what a service is opened over, and how
 *     tablecrypt_service -> tablecrypt_connection -> tablecrypt_table -> tablecrypt_structure: seal, open
 *     tablecrypt_gcm, tablecrypt_xaes: AES-256-GCM and XAES-256-GCM alone, for callers with keys and nonces of their own
 *
 * Truth is an int: 0 is no, and what is not 0 is yes. Times are in milliseconds, dates in milliseconds since 1970, UTC.
 *
 * Errors. What can fail answers a tablecrypt_status. A function's "Errors" are named there without TABLECRYPT_;
 * PANIC, a bug, may come from any. tablecrypt_status_message gives a sentence, tablecrypt_last_error the details.
 *
 * Ownership. A handle is given through a pointer to a pointer, is NULL where the call failed, and is freed once by its
 * _free, in any order: what came from it goes on. Buffers are the caller's; no call keeps a pointer. Strings end with a
 * NUL and names are UTF-8. Strings that the library gives are static, or live as long as the handle that was asked.
 *
 * Threads. Any number of threads may use one handle at once; only its _free must be the last. A child of fork()
 * may be made at any time: it asks the KMS for itself before its first call is done, and seals with nonces of its own.
 *
 * Lengths are in bytes. A pointer may be NULL where its length is 0. Promise of the caller: a pointer that is not NULL
 * leads to what its parameter says, as many bytes as its length says, which nobody else changes during the call. */


#ifndef TABLECRYPT_H
#define TABLECRYPT_H

#include <stddef.h>
#include <stdint.h>

/** The interface that this header describes. Another number is an interface that old programs cannot use. */
#define TABLECRYPT_ABI 1

/** How many bytes longer a record is than its text. */
#define TABLECRYPT_OVERHEAD 48

/** Where the text begins in a record that is sealed or opened in place. */
#define TABLECRYPT_TEXT_AT 32

/**
 * What every call answers that can fail. A number, once given, never gets another meaning.
 *
 * Unless a function says otherwise, a call that fails wrote nothing but NULL into a handle and 0 into a count.
 */
enum tablecrypt_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif /* defined(__cplusplus) || __STDC_VERSION__ >= 202311L */
 {
    /** It is done. */
    TABLECRYPT_OK = 0,
    /** An argument is NULL that must not be; the caller repairs that. */
    TABLECRYPT_NULL_ARGUMENT = 1,
    /** A length is more than PTRDIFF_MAX, or passes the end of memory; the caller repairs that. */
    TABLECRYPT_LENGTH = 2,
    /** An output shares bytes with an input or with another output; the caller takes them apart. */
    TABLECRYPT_OVERLAP = 3,
    /** A name is not UTF-8; the caller repairs that. */
    TABLECRYPT_INVALID_UTF8 = 4,
    /** The output buffer is too short; the caller gives a longer one. */
    TABLECRYPT_OUTPUT_TOO_SHORT = 5,
    /** This library or this CPU has no such backend; the caller takes another. */
    TABLECRYPT_NO_SUCH_BACKEND = 6,
    /** A setting is out of its range; the caller gives one within it. tablecrypt_last_error names both. */
    TABLECRYPT_INVALID_SETTING = 7,
    /** This library was built without it; take one that has it. */
    TABLECRYPT_NOT_BUILT_IN = 8,
    /** The text or its context is longer than AES-256-GCM allows; the caller splits it. */
    TABLECRYPT_TOO_LONG = 20,
    /** The record is shorter than any record; whoever stored it lost its end. */
    TABLECRYPT_TRUNCATED = 21,
    /** The record is not what was sealed here: changed, moved, or its context is another. The output was cleared. */
    TABLECRYPT_UNAUTHENTIC = 22,
    /** The record's data key is none of this structure's: it is another's, or its key was dropped. */
    TABLECRYPT_UNKNOWN_KEY = 23,
    /** The record or key file is of a version that this library does not know; take a newer one. */
    TABLECRYPT_UNKNOWN_VERSION = 24,
    /** The connection was closed; the caller opens another. */
    TABLECRYPT_CLOSED = 40,
    /** A name is not 1 to 255 of A-Z a-z 0-9 _ - . or stands twice; the caller chooses another. */
    TABLECRYPT_INVALID_NAME = 41,
    /** The table has no such structure; the caller names one that it was created with. */
    TABLECRYPT_NO_SUCH_STRUCTURE = 42,
    /** There is no such table; the caller creates it or names another. */
    TABLECRYPT_NO_SUCH_TABLE = 43,
    /** There is such a table already; the caller opens it or chooses another name. */
    TABLECRYPT_TABLE_EXISTS = 44,
    /** The table has such a structure already; the caller opens it or chooses another name. */
    TABLECRYPT_STRUCTURE_EXISTS = 45,
    /** The generation of a data key still seals, or may still seal in another process; retire it later. */
    TABLECRYPT_GENERATION_IN_USE = 46,
    /** A table cannot be without its base table, or without any KMS key; the caller names another, or deletes the table. */
    TABLECRYPT_INDISPENSABLE = 47,
    /** The table is under this KMS key already, beside the one that was to be replaced; the caller removes that one. */
    TABLECRYPT_ALREADY_UNDER_KMS_KEY = 48,
    /** The table is not under this KMS key; the caller names one that its description has. */
    TABLECRYPT_NO_SUCH_KMS_KEY = 49,
    /** The table, its connection or the service was locked by hand; who locked it unlocks it. */
    TABLECRYPT_LOCKED = 50,
    /** The KMS denies this caller the use of the key; whoever writes the key's policy decides. */
    TABLECRYPT_ACCESS_DENIED = 60,
    /** The KMS key is disabled; its administrator can enable it. */
    TABLECRYPT_KEY_DISABLED = 61,
    /** The table's key file is damaged or not this table's; restore it, or the one before it. */
    TABLECRYPT_KEY_FILE_CORRUPT = 62,
    /** The KMS has no such key: it was never made there, or it is destroyed. */
    TABLECRYPT_KEY_NOT_FOUND = 63,
    /** The KMS key is pending deletion; its administrator can still cancel that. */
    TABLECRYPT_KEY_PENDING_DELETION = 64,
    /** The KMS fails, and the last permission has run out; try again when it is back. */
    TABLECRYPT_KEY_UNAVAILABLE = 65,
    /**
     * The KMS cannot take what it was given, such as the name of a KMS key; the caller names one that encrypts, by its id, ARN or
     * alias, and the service default key by an alias.
     */
    TABLECRYPT_KMS_REQUEST_INVALID = 66,
    /** The key file is another table's or subscriber's: its encryption context differs. */
    TABLECRYPT_WRONG_CONTEXT = 67,
    /** Others changed the table's key file again and again; nothing was done, and the caller tries again. */
    TABLECRYPT_KEY_FILE_BUSY = 68,
    /** A file cannot be read or written; whoever owns the machine repairs that. tablecrypt_last_error names it. */
    TABLECRYPT_IO = 80,
    /** The operating system gives no random bytes; whoever owns the machine repairs that. */
    TABLECRYPT_NO_RANDOM = 81,
    /** The library panicked, which is a bug of the library; please report it. */
    TABLECRYPT_PANIC = 100,
    /** The library met an error that this header has no number for, which is a bug of the library; please report it. */
    TABLECRYPT_UNNUMBERED = 101
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tablecrypt_status tablecrypt_status;
#else
typedef int32_t tablecrypt_status;
#endif /* __STDC_VERSION__ >= 202311L */
#endif /* __cplusplus */

/** How much an event of the log matters. A number never gets another meaning; a later version may have more of them. */
enum tablecrypt_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif /* defined(__cplusplus) || __STDC_VERSION__ >= 202311L */
 {
    /** Something is lost: a line of the audit log. */
    TABLECRYPT_LOG_LEVEL_ERROR = 1,
    /** Somebody may have to act: a key was not refreshed, a table drains or is on its outage grace. */
    TABLECRYPT_LOG_LEVEL_WARN = 2,
    /** What changed: a table is permitted again, was locked by hand, or its keys were wiped. */
    TABLECRYPT_LOG_LEVEL_INFO = 3,
    /** Each answer of the KMS. */
    TABLECRYPT_LOG_LEVEL_DEBUG = 4
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tablecrypt_log_level tablecrypt_log_level;
#else
typedef int32_t tablecrypt_log_level;
#endif /* __STDC_VERSION__ >= 202311L */
#endif /* __cplusplus */

/** SSEDescription.Status, as DynamoDB has it. */
enum tablecrypt_key_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif /* defined(__cplusplus) || __STDC_VERSION__ >= 202311L */
 {
    /** All is encrypted under the KMS key named. */
    TABLECRYPT_KEY_STATUS_ENABLED = 0,
    /**
     * The table moves to another root key: tablecrypt_service_switch_key. A move that was cut off stays so until it is
     * called again.
     */
    TABLECRYPT_KEY_STATUS_UPDATING = 1
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tablecrypt_key_status tablecrypt_key_status;
#else
typedef int32_t tablecrypt_key_status;
#endif /* __STDC_VERSION__ >= 202311L */
#endif /* __cplusplus */

/** Whether a KMS key can be used. */
enum tablecrypt_kms_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif /* defined(__cplusplus) || __STDC_VERSION__ >= 202311L */
 {
    /** It can be used. */
    TABLECRYPT_KMS_STATE_ENABLED = 0,
    /** It cannot, until somebody enables it. */
    TABLECRYPT_KMS_STATE_DISABLED = 1,
    /** It cannot, and will be destroyed unless somebody cancels that. */
    TABLECRYPT_KMS_STATE_PENDING_DELETION = 2
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tablecrypt_kms_state tablecrypt_kms_state;
#else
typedef int32_t tablecrypt_kms_state;
#endif /* __STDC_VERSION__ >= 202311L */
#endif /* __cplusplus */

/** Who shares a permission for a table: one KMS call every five minutes, one deadline, and a refusal. */
enum tablecrypt_scope
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif /* defined(__cplusplus) || __STDC_VERSION__ >= 202311L */
 {
    /** Each connection has permissions of its own: so it is unless set. */
    TABLECRYPT_SCOPE_CONNECTION = 0,
    /** The connections of a principal share theirs: tablecrypt_service_connect_as. */
    TABLECRYPT_SCOPE_PRINCIPAL = 1,
    /** All connections of a service share theirs. The KMS is asked as the service, whoever connects. */
    TABLECRYPT_SCOPE_PROCESS = 2
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tablecrypt_scope tablecrypt_scope;
#else
typedef int32_t tablecrypt_scope;
#endif /* __STDC_VERSION__ >= 202311L */
#endif /* __cplusplus */

/** A client connection: what has a permission of its own, which the KMS renews every five minutes while it is used. */
typedef struct tablecrypt_connection tablecrypt_connection;

/** What a table said of itself when it was asked. Its strings live as long as it does. */
typedef struct tablecrypt_description tablecrypt_description;

/**
 * AES-256-GCM under one key, expanded for the best backend of this CPU.
 *
 * A nonce must never be used twice under one key: that gives away the texts and the means to forge. Records of a
 * tablecrypt_structure need no nonce from the caller.
 */
typedef struct tablecrypt_gcm tablecrypt_gcm;

/** The generations of all data keys of a table, when they were asked for. Its strings live as long as it does. */
typedef struct tablecrypt_generations tablecrypt_generations;

/** A KMS, for tablecrypt_service_open. It may be freed as soon as the services are open. */
typedef struct tablecrypt_kms tablecrypt_kms;

/** The names of all tables of a service, when they were asked for. Its strings live as long as it does. */
typedef struct tablecrypt_names tablecrypt_names;

/** Tables under a KMS. */
typedef struct tablecrypt_service tablecrypt_service;

/**
 * The settings of a service, for tablecrypt_service_open, which copies them. All times are in milliseconds.
 *
 * One thread sets them: a child of a fork() in the middle of that must not use them.
 */
typedef struct tablecrypt_settings tablecrypt_settings;

/**
 * A base table or an index.
 *
 * The context of a call is what the record belongs to: an item's primary key, a page's file and number. It is
 * authenticated and not stored, and the record opens with the same context only. Records of another structure or table
 * do not open here. Nonces are the library's business.
 *
 * Where the keys are locked, any call waits for the KMS, and may then answer as tablecrypt_connection_open_table but for
 * INVALID_UTF8 and INVALID_NAME. A call may also answer NO_SUCH_STRUCTURE, for an index that was dropped.
 */
typedef struct tablecrypt_structure tablecrypt_structure;

/** An opened table. */
typedef struct tablecrypt_table tablecrypt_table;

/**
 * XAES-256-GCM (C2SP) under one key, expanded for the best backend of this CPU: AES-256-GCM with nonces of 24 bytes, which
 * may be random. Each message derives a key from the first 12 bytes of its nonce: tablecrypt_xaes_derive keeps that.
 */
typedef struct tablecrypt_xaes tablecrypt_xaes;

/** A name and a value of the encryption context. Both end with a NUL and are UTF-8. */
typedef struct {
    /** The name, such as "tablecrypt:table". */
    const char *name;
    /** The value. */
    const char *value;
} tablecrypt_kms_pair;

/**
 * What a KMS of the caller's is asked. All of it is the library's, and there until the function returns.
 *
 * A later version may have more members at the end.
 */
typedef struct {
    /** The KMS key: an id, ARN or alias. For ensure_key an alias. */
    const char *key;
    /** re_encrypt: the KMS key that is to wrap it: an id, ARN or alias. Else NULL. */
    const char *to;
    /** ensure_key: what the key is for, in a sentence. Else NULL. */
    const char *description;
    /** Who connected, as tablecrypt_service_connect_as was told; NULL for the service itself. */
    const char *principal;
    /** The encryption context, in the order of its names: what the wrapped key is bound to. */
    const tablecrypt_kms_pair *context;
    /** How many pairs it has; none for ensure_key and describe_key. */
    size_t context_count;
    /** decrypt and re_encrypt: the wrapped key. Else NULL. */
    const uint8_t *wrapped;
    /** Its length. */
    size_t wrapped_length;
} tablecrypt_kms_request;

/**
 * What a KMS of the caller's answers. The buffers are the library's, and there until the function returns.
 *
 * A later version may have more members at the end.
 */
typedef struct {
    /** generate_data_key and decrypt: where the key goes, 32 bytes in locked memory. Else NULL. */
    uint8_t *key;
    /** To be set: how many bytes of it were written, which must be 32. */
    size_t key_length;
    /** generate_data_key and re_encrypt: where the wrapped key goes. Else NULL. */
    uint8_t *wrapped;
    /** How many bytes that has room for: 6144, which is AWS KMS's longest. */
    size_t wrapped_capacity;
    /** To be set: how many bytes of it were written. */
    size_t wrapped_length;
    /**
     * All but decrypt: where the ARN of the KMS key goes, with its NUL; for generate_data_key of the key that wrapped, for
     * re_encrypt of `to`. It says which key it is, and so must always be the same for the same key. Else NULL.
     */
    char *arn;
    /** How many bytes that has room for: 2048. */
    size_t arn_capacity;
    /** ensure_key and describe_key: to be set to a tablecrypt_kms_state. It is ENABLED unless set. */
    int32_t state;
    /** Where the KMS's id of this request may be written, with its NUL, also where it refused: the audit log has it. */
    char *request_id;
    /** How many bytes that has room for: 256. */
    size_t request_id_capacity;
} tablecrypt_kms_answer;

/**
 * A function of a KMS of the caller's: does what is asked, or says why not.
 *
 * It answers OK, or ACCESS_DENIED, KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION, KMS_REQUEST_INVALID (the wrapped
 * key is none of this KMS key's, or this is no name of a KMS key) or WRONG_CONTEXT: a definite no, for which keys are
 * wiped at once. KEY_UNAVAILABLE and every other number is a failure that may pass (unreachable, throttled, a fault): it
 * is tried again until the deadline. A timeout is the function's own to keep, some seconds at most: a refresh waits for
 * it.
 *
 * It may be called from any thread, also from the library's own and several at once, and no lock of the library is held.
 * In a child of fork() it is called with the same `caller`: it is for the caller to see that the process is another one
 * and to make its client anew there. It must neither throw nor longjmp, nor use what stands on this very KMS.
 */
typedef tablecrypt_status (*tablecrypt_kms_call)(void *caller,
                                                 const tablecrypt_kms_request *request,
                                                 tablecrypt_kms_answer *answer);

/** A KMS of the caller's. What is NULL of it answers ACCESS_DENIED; decrypt must be there. */
typedef struct {
    /** sizeof(tablecrypt_kms_callbacks): a later version may have more members at the end. */
    size_t size;
    /**
     * Makes 32 random bytes, and gives them in clear and wrapped under `key`, bound to the context, and the ARN of that key.
     * KEY_NOT_FOUND for the alias of the default key has it made by ensure_key.
     */
    tablecrypt_kms_call generate_data_key;
    /** Unwraps `wrapped`, if it was wrapped under `key` with this context. */
    tablecrypt_kms_call decrypt;
    /** Wraps again, under `to`, what `key` wrapped, without giving the key; and gives the ARN of `to`. */
    tablecrypt_kms_call re_encrypt;
    /**
     * Gives the ARN of the key that the alias `key` names, and its state. Where there is none it is made, once, however
     * many callers ask at once.
     */
    tablecrypt_kms_call ensure_key;
    /** Gives the ARN of a key, and its state. */
    tablecrypt_kms_call describe_key;
    /**
     * Called once, when nothing will use the KMS any more: the handle and all that was opened over it are freed. It may
     * be called from a thread of the library's. In a child of fork() too, if that frees them. May be NULL.
     */
    void (*release)(void *caller);
} tablecrypt_kms_callbacks;

/**
 * A function that is told an event in one line: what happened, then the fields, such as "the table's key was not refreshed
 * table=1f8b... error=AccessDenied". The words may change, they are for people. No key, no text and no context is in it.
 * `message` is UTF-8, ends with a NUL, and is there until the function returns. A table is told by its id, unless
 * tablecrypt_settings_names_in_log lets its name be told.
 *
 * It may be called from any thread, also from the library's own and several at once, and while the library holds locks: it
 * must not use the service or what came from it, nor take long, and neither throw nor longjmp. In a child of fork() it is
 * called with the same `caller`, so a lock that it takes must be one that the caller makes anew there.
 */
typedef void (*tablecrypt_log_call)(void *caller, tablecrypt_log_level level, const char *message);

/**
 * Called once, when nothing will call the function any more: the settings are freed or have another, and all that was
 * opened with them is freed. It may be called from a thread of the library's; in a child of fork() too, if that frees
 * them. It must use neither the settings nor the service. May be NULL.
 */
typedef void (*tablecrypt_log_release)(void *caller);

/** One text to seal, or one record to open, of tablecrypt_structure_seal_many or tablecrypt_structure_open_many. */
typedef struct {
    /** What the record belongs to. */
    const uint8_t *context;
    /** The length of the context. */
    size_t context_length;
    /** The text to seal, or the record to open. */
    const uint8_t *input;
    /** The length of the input. */
    size_t input_length;
    /** Where the record or the text goes: the first bytes of it. */
    uint8_t *output;
    /** How many bytes the output has room for. */
    size_t output_capacity;
    /** Given: how many bytes the output has; for OUTPUT_TOO_SHORT how many it takes; 0 for any other error. */
    size_t output_length;
    /** Given: what tablecrypt_structure_seal or tablecrypt_structure_open would have answered. */
    tablecrypt_status status;
} tablecrypt_item;

/** One generation of a structure's data key. */
typedef struct {
    /** Set by the caller: sizeof(tablecrypt_generation). A later version may have more members at the end. */
    size_t size;
    /** Whose it is: "base", "local:NAME" or "global:NAME". It lives as long as the list. */
    const char *structure;
    /** When it was made, in milliseconds since 1970, UTC. */
    int64_t created;
    /** From when on it seals; until then it only opens. */
    int64_t seals_from;
    /** What its records begin with: tablecrypt_generation_of_record. Unique in the table, and never given again. */
    uint32_t number;
    /** Whether new records are sealed with it, by now: 1 or 0. */
    int32_t seals;
} tablecrypt_generation;

/** The KMS calls that asked for the same. */
typedef struct {
    /** How many there were. */
    uint64_t calls;
    /** How many of them gave nothing: refused, or failed. */
    uint64_t failures;
    /** How many nanoseconds they took together. */
    uint64_t time;
} tablecrypt_kms_count;

/** What a service has done since it was opened, in this process, and how it stands now. A forked child begins at zero. */
typedef struct {
    /** Set by the caller: sizeof(tablecrypt_metrics). A later version may have more members at the end. */
    size_t size;
    /** Records sealed. */
    uint64_t sealed;
    /** Bytes of their texts. */
    uint64_t sealed_bytes;
    /** Records opened. */
    uint64_t opened;
    /** Bytes of their texts. */
    uint64_t opened_bytes;
    /** Records that did not open, and texts that were not sealed, though the keys were there. */
    uint64_t refused;
    /** Operations that found their keys. */
    uint64_t hits;
    /** Operations that found none, whatever came of it. */
    uint64_t misses;
    /** Those of them that waited for a KMS call of another. */
    uint64_t waits;
    /** Operations that found keys that were due for a refresh, and had it started. */
    uint64_t stale;
    /** For how many milliseconds keys that are in use now have been due for a refresh: the longest. */
    uint64_t stale_for;
    /** Permissions that have their keys now: one a connection and table. */
    uint64_t permissions;
    /** Data keys that are live now, in all their generations. */
    uint64_t generations;
    /** Lines that the audit log could not take. */
    uint64_t audit_lost;
    /** KMS calls: decrypt. */
    tablecrypt_kms_count decrypt;
    /** KMS calls: describe_key. */
    tablecrypt_kms_count describe_key;
    /** KMS calls: ensure_key. */
    tablecrypt_kms_count ensure_key;
    /** KMS calls: generate_data_key. */
    tablecrypt_kms_count generate_data_key;
    /** KMS calls: re_encrypt. */
    tablecrypt_kms_count re_encrypt;
} tablecrypt_metrics;

/** What holds the keys of this process, all services together. */
typedef struct {
    /** Set by the caller: sizeof(tablecrypt_key_memory_use). A later version may have more members at the end. */
    size_t size;
    /** Keys in memory that no other process can reach: memfd_secret. */
    uint64_t secret;
    /** Keys in locked memory. */
    uint64_t locked;
    /** Keys in memory that could not be locked: the system has neither, or RLIMIT_MEMLOCK is used up. */
    uint64_t unlocked;
} tablecrypt_key_memory_use;

/** One message of tablecrypt_gcm_seal_many or tablecrypt_gcm_open_many, which is sealed or opened where it stands. */
typedef struct {
    /** Its nonce; where it is sealed no other message under this key has it. */
    uint8_t nonce[12];
    /** Its tag: given where it is sealed, taken where it is opened. */
    uint8_t tag[16];
    /** Its associated data. */
    const uint8_t *aad;
    /** The length of the associated data. */
    size_t aad_length;
    /** The text, which becomes its ciphertext; or the other way round. */
    uint8_t *text;
    /** The length of the text. */
    size_t text_length;
    /** Given: what the call for one would have answered. */
    tablecrypt_status status;
} tablecrypt_gcm_message;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/** One sentence on a status: what it is and who can put it right. For a number that is no status it says so. Static. */
const char *tablecrypt_status_message(int32_t status);

/**
 * Whether a status says that the KMS refuses the key: ACCESS_DENIED, KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION. 1 or
 * 0. It is a definite no, after which tablecrypt_settings_drain lets a table seal on. A KMS that fails says
 * KEY_UNAVAILABLE, which is none.
 */
int tablecrypt_status_is_refusal(int32_t status);

/**
 * Writes what the last call of this thread that failed said, with names and paths, into `buffer`, cut to `capacity`
 * with its final NUL. Gives the whole length without the NUL; 0 if nothing failed yet.
 *
 * It is text for people: programs take the status. A call that goes well leaves it as it is. `buffer` may be NULL.
 */
size_t tablecrypt_last_error(char *buffer, size_t capacity);

/**
 * Opens a local KMS: keys in files of `folder`, in clear, for development and tests. What is missing is created. A service
 * of tablecrypt_service_open_local has its in `folder`/kms.
 *
 * Errors: NULL_ARGUMENT, IO.
 */
tablecrypt_status tablecrypt_kms_open_local(const char *folder,
                                            tablecrypt_kms **kms);

/**
 * Opens AWS KMS, by the AWS SDK for Rust. Credentials come from the SDK's standard chain: environment, profiles, web
 * identity, containers, instances. So do the region, the endpoint (a URL) and the profile (a name) where they are NULL.
 * Nothing is sent before the first call: without a region or credentials that is KEY_UNAVAILABLE.
 *
 * `attempt_timeout` is what one try may take, `call_timeout` a call with all its tries, in milliseconds; 0 is 2,000 and
 * 10,000.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8; INVALID_SETTING for a time above 86,400,000, a day. NOT_BUILT_IN in a library
 * without the feature aws.
 */
tablecrypt_status tablecrypt_kms_open_aws(const char *region,
                                          const char *endpoint,
                                          const char *profile,
                                          uint64_t attempt_timeout,
                                          uint64_t call_timeout,
                                          tablecrypt_kms **kms);

/**
 * Makes a KMS of functions of the caller's, each called with `caller`, which the library does not look at. The functions
 * are copied. Where this fails, release is not called.
 *
 * Errors: NULL_ARGUMENT, also for decrypt; LENGTH for a size that is no tablecrypt_kms_callbacks's; NOT_BUILT_IN for a
 * member that this version does not know, and that is not 0.
 */
tablecrypt_status tablecrypt_kms_from_callbacks(const tablecrypt_kms_callbacks *callbacks,
                                                void *caller,
                                                tablecrypt_kms **kms);

/** Frees the KMS; nothing for NULL. Services that were opened over it go on. */
void tablecrypt_kms_free(tablecrypt_kms *kms);

/**
 * Gives settings, none of which is set.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_settings_new(tablecrypt_settings **settings);

/**
 * How old a permission is when traffic has it refreshed (300,000 unless set), and how long that may take before the keys
 * are wiped (30,000).
 *
 * Errors: NULL_ARGUMENT; INVALID_SETTING unless both are 1 to 86,400,000, a day.
 */
tablecrypt_status tablecrypt_settings_refresh(tablecrypt_settings *settings,
                                              uint64_t every,
                                              uint64_t within);

/**
 * How much earlier than that the first refresh of a permission may be due, so that connections that were opened at once
 * do not call the KMS at once from then on. A tenth of the refresh's age unless set; never more than half of it.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_settings_jitter(tablecrypt_settings *settings, uint64_t jitter);

/**
 * How much longer than its deadline a table with traffic goes on with its old keys while the KMS fails, but says no no. 0
 * unless set. Somebody who can keep this process from reaching the KMS can so keep a permission that was taken away.
 *
 * Errors: NULL_ARGUMENT; INVALID_SETTING above 43,200,000, 12 hours.
 */
tablecrypt_status tablecrypt_settings_outage_grace(tablecrypt_settings *settings,
                                                   uint64_t grace);

/**
 * How much longer a table whose key the KMS refuses still seals, and opens nothing, with the keys that it had, so that a
 * storage engine can write out what it has acknowledged, and shut down. 0 unless set. Whoever takes a permission away
 * waits this long until the keys are wiped.
 *
 * Errors: NULL_ARGUMENT; INVALID_SETTING above 3,600,000, an hour.
 */
tablecrypt_status tablecrypt_settings_drain(tablecrypt_settings *settings,
                                            uint64_t drain);

/**
 * Who shares a permission. TABLECRYPT_SCOPE_CONNECTION unless set: nobody.
 *
 * Errors: NULL_ARGUMENT; INVALID_SETTING for another number.
 */
tablecrypt_status tablecrypt_settings_scope(tablecrypt_settings *settings, tablecrypt_scope scope);

/**
 * Whose tables they are: the value of tablecrypt:subscriber in every encryption context. "default" unless set.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8.
 */
tablecrypt_status tablecrypt_settings_subscriber(tablecrypt_settings *settings, const char *subscriber);

/**
 * The alias of the service default key. "alias/tablecrypt/default" unless set. The KMS says what is an alias, when the key is
 * to be created: KMS_REQUEST_INVALID then.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8.
 */
tablecrypt_status tablecrypt_settings_default_key(tablecrypt_settings *settings,
                                                  const char *alias);

/**
 * Whether the service default key is never created: where it is missing, whoever administers keys makes it, and until
 * then tables under it cannot be created: KEY_NOT_FOUND. 0, which is no, unless set.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_settings_require_default_key(tablecrypt_settings *settings, int required);

/**
 * Whether the log may tell the names of tables, which are values of the encryption context. 0, which is no and tells their
 * ids, unless set.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_settings_names_in_log(tablecrypt_settings *settings,
                                                   int shown);

/**
 * Records every KMS call and every change of a table in the file `path`, which is created, before the answer is used: a key
 * that cannot be recorded is not used, unless `best_effort` is not 0. `key` is of 32 bytes, and binds the lines so that only
 * who has it can write a log that is taken for whole; NULL is none. `who` is who this process is, in words of the caller;
 * NULL is none. The caller's copy of the key stays the caller's to wipe.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8; NOT_BUILT_IN in a library without the feature full.
 */
tablecrypt_status tablecrypt_settings_audit_log(tablecrypt_settings *settings,
                                                const char *path,
                                                const uint8_t *key,
                                                const char *who,
                                                int best_effort);

/**
 * Has data keys rotated by themselves, as soon as the newest generation is as old as `age`, or one process has sealed about
 * so many records or so many bytes of text with it; 0 is no limit. Not unless set. Each rotation is one KMS call more, in
 * the background.
 *
 * Errors: NULL_ARGUMENT; NOT_BUILT_IN in a library without the feature full.
 */
tablecrypt_status tablecrypt_settings_rotate_after(tablecrypt_settings *settings,
                                                   uint64_t age,
                                                   uint64_t records,
                                                   uint64_t bytes);

/** Frees the settings; nothing for NULL. Services that were opened with them go on. */
void tablecrypt_settings_free(tablecrypt_settings *settings);

/**
 * Has every event of the services that are opened with these settings told to `log`, which is called with `caller`; the
 * library does not look at that. Unless set nobody is told. Where this fails, release is not called.
 *
 * Errors: NULL_ARGUMENT, also for `log`.
 */
tablecrypt_status tablecrypt_settings_log(tablecrypt_settings *settings,
                                          tablecrypt_log_call log,
                                          void *caller,
                                          tablecrypt_log_release release);

/** The interface that the library has: it should be the TABLECRYPT_ABI that the program was compiled with. */
uint32_t tablecrypt_abi(void);

/** The version of the library, such as "0.1.0". Static. */
const char *tablecrypt_version(void);

/**
 * Opens a service on embedded defaults: a local KMS in `folder`/kms, key files in `folder`/tables. What is missing is
 * created. Any number of processes may share a folder.
 *
 * Errors: NULL_ARGUMENT, IO.
 */
tablecrypt_status tablecrypt_service_open_local(const char *folder, tablecrypt_service **service);

/**
 * Opens a service over a KMS, with key files in `key_files`, a folder that is created if it is missing. Any number of
 * processes may share it. `settings` may be NULL: then nothing is set. The KMS is not asked yet.
 *
 * Errors: NULL_ARGUMENT, IO.
 */
tablecrypt_status tablecrypt_service_open(const tablecrypt_kms *kms,
                                          const char *key_files,
                                          const tablecrypt_settings *settings,
                                          tablecrypt_service **service);

/**
 * Creates a table with a base table and these local and global secondary indexes, each encrypted under a data key of
 * its own from then on. `kms_key` is the id, ARN or alias of its KMS key; NULL is the service default key, which is
 * created if it is missing. However the call ends, the table is there or is not.
 *
 * Errors: NULL_ARGUMENT, LENGTH, INVALID_UTF8, INVALID_NAME, TABLE_EXISTS, IO, NO_RANDOM; ACCESS_DENIED,
 * KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION, KEY_UNAVAILABLE; KMS_REQUEST_INVALID where the KMS cannot take its
 * KMS key, or is to create the service default key and was given no alias for it.
 */
tablecrypt_status tablecrypt_service_create_table(const tablecrypt_service *service,
                                                  const char *table,
                                                  const char *const *locals,
                                                  size_t local_count,
                                                  const char *const *globals,
                                                  size_t global_count,
                                                  const char *kms_key);

/**
 * As tablecrypt_service_create_table, under several KMS keys, the first of which is asked first: any of them opens the
 * table, so whoever is to be locked out must be refused by all of them. No key is the service default key.
 *
 * Errors: as tablecrypt_service_create_table.
 */
tablecrypt_status tablecrypt_service_create_table_under(const tablecrypt_service *service,
                                                        const char *table,
                                                        const char *const *locals,
                                                        size_t local_count,
                                                        const char *const *globals,
                                                        size_t global_count,
                                                        const char *const *kms_keys,
                                                        size_t kms_key_count);

/**
 * Writes the ARN of the service default key, with its NUL, and says in `length`, which may be NULL, how long it is without
 * that. The key is created if it is missing. tablecrypt_service_create_table does this by itself when it has to.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP; OUTPUT_TOO_SHORT, and nothing was written but `length`; ACCESS_DENIED, IO,
 * KEY_UNAVAILABLE; KMS_REQUEST_INVALID where it is to be created, and what tablecrypt_settings_default_key named is no
 * alias to the KMS; KEY_NOT_FOUND after tablecrypt_settings_require_default_key. From a KMS of the caller's also
 * KEY_DISABLED and KEY_PENDING_DELETION.
 */
tablecrypt_status tablecrypt_service_default_key(const tablecrypt_service *service,
                                                 char *arn,
                                                 size_t capacity,
                                                 size_t *length);

/**
 * Makes a client connection. It costs nothing before it opens a table.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_service_connect(const tablecrypt_service *service, tablecrypt_connection **connection);

/**
 * Makes a client connection of somebody: of a user or a role, by a name that the caller has authenticated. By
 * tablecrypt_settings_scope it shares the permissions of that principal, and a KMS of the caller's is told who asks.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8.
 */
tablecrypt_status tablecrypt_service_connect_as(const tablecrypt_service *service,
                                                const char *principal,
                                                tablecrypt_connection **connection);

/**
 * Locks all tables of all connections of the service by hand: all their keys are wiped now, and every operation answers
 * LOCKED until tablecrypt_service_unlock. What runs at this moment still ends well. No key of theirs is left in this
 * process then. Tables can be created and described.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_service_lock(const tablecrypt_service *service);

/**
 * Takes back tablecrypt_service_lock; what was locked by itself stays locked. The next operation asks the KMS.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_service_unlock(const tablecrypt_service *service);

/** Frees the service; nothing for NULL. Connections, tables and structures that came from it go on. */
void tablecrypt_service_free(tablecrypt_service *service);

/**
 * Opens a table. The first time that costs one KMS call, for which it waits. Where the KMS refused, this connection
 * pauses before it asks again, a second at first, and answers meanwhile what it was told.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, CLOSED, LOCKED; NO_SUCH_TABLE, KEY_FILE_CORRUPT, UNKNOWN_VERSION,
 * WRONG_CONTEXT, IO for its key file; ACCESS_DENIED, KEY_DISABLED, KEY_NOT_FOUND, KEY_PENDING_DELETION,
 * KEY_UNAVAILABLE for its KMS key.
 */
tablecrypt_status tablecrypt_connection_open_table(const tablecrypt_connection *connection,
                                                   const char *name,
                                                   tablecrypt_table **table);

/**
 * Ends the connection's permissions, also for the tables and structures that it gave: they answer CLOSED from then on,
 * and the keys are wiped unless another connection of this process has them too. Calls that run end well. A second
 * close does nothing. The handle is still to be freed.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_connection_close(const tablecrypt_connection *connection);

/**
 * Locks all tables that the connection opened by hand, and opens none: their permissions' keys are wiped now, and every
 * operation answers LOCKED until tablecrypt_connection_unlock. What runs at this moment still ends well.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_connection_lock(const tablecrypt_connection *connection);

/**
 * Takes back tablecrypt_connection_lock, and tablecrypt_table_lock for each of its tables. The next operation asks the KMS.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_connection_unlock(const tablecrypt_connection *connection);

/** Frees the connection; nothing for NULL. Tables and structures that came from it go on until they are freed. */
void tablecrypt_connection_free(tablecrypt_connection *connection);

/**
 * Gives the base table.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_table_base(const tablecrypt_table *table, tablecrypt_structure **structure);

/**
 * Gives the local secondary index of this name.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, NO_SUCH_STRUCTURE.
 */
tablecrypt_status tablecrypt_table_local(const tablecrypt_table *table,
                                         const char *name,
                                         tablecrypt_structure **structure);

/**
 * Gives the global secondary index of this name.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, NO_SUCH_STRUCTURE.
 */
tablecrypt_status tablecrypt_table_global(const tablecrypt_table *table,
                                          const char *name,
                                          tablecrypt_structure **structure);

/**
 * Gives the structure that one string names: "base", "local:NAME" or "global:NAME".
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, NO_SUCH_STRUCTURE.
 */
tablecrypt_status tablecrypt_table_structure(const tablecrypt_table *table,
                                             const char *name,
                                             tablecrypt_structure **structure);

/**
 * Locks the table by hand: its permission's keys are wiped now, and every operation answers LOCKED until
 * tablecrypt_table_unlock. What runs at this moment still ends well. Where a tablecrypt_settings_scope is shared it locks
 * the table for all connections that share it; others go on.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_table_lock(const tablecrypt_table *table);

/**
 * Takes back tablecrypt_table_lock. The next operation asks the KMS.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_table_unlock(const tablecrypt_table *table);

/** For how many milliseconds the keys stay usable if the KMS does not answer again; 0 while they are locked, and for NULL. */
uint64_t tablecrypt_table_permitted_for(const tablecrypt_table *table);

/** Frees the table; nothing for NULL. Structures that came from it go on. */
void tablecrypt_table_free(tablecrypt_table *table);

/** The length of the record of a text of this length; SIZE_MAX, which no buffer has, where that is no size_t. */
size_t tablecrypt_sealed_size(size_t text_length);

/** The length of the text of a record of this length; 0 where that is no record's. */
size_t tablecrypt_opened_size(size_t record_length);

/**
 * Seals `text` into the first bytes of `record`, TABLECRYPT_OVERHEAD more than the text's, and says in `record_length`
 * how many they are: that may be NULL. The output must not share a byte with the text or the context;
 * tablecrypt_structure_seal_in_place is for that.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, NO_RANDOM, and nothing was written. OUTPUT_TOO_SHORT, and
 * `record_length` says how many bytes it takes.
 */
tablecrypt_status tablecrypt_structure_seal(const tablecrypt_structure *structure,
                                            const uint8_t *context,
                                            size_t context_length,
                                            const uint8_t *text,
                                            size_t text_length,
                                            uint8_t *record,
                                            size_t record_capacity,
                                            size_t *record_length);

/**
 * Opens a record into the first bytes of `text`, TABLECRYPT_OVERHEAD less than the record's, and says in `text_length`
 * how many they are: that may be NULL. The output must not share a byte with the record or the context;
 * tablecrypt_structure_open_in_place is for that.
 *
 * Errors: UNAUTHENTIC, and the output was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, TRUNCATED, UNKNOWN_KEY,
 * UNKNOWN_VERSION, and nothing was written. OUTPUT_TOO_SHORT, and `text_length` says how many bytes it takes.
 */
tablecrypt_status tablecrypt_structure_open(const tablecrypt_structure *structure,
                                            const uint8_t *context,
                                            size_t context_length,
                                            const uint8_t *record,
                                            size_t record_length,
                                            uint8_t *text,
                                            size_t text_capacity,
                                            size_t *text_length);

/**
 * Seals in place: the text stands in `record` from byte TABLECRYPT_TEXT_AT to 16 before its end, and `record` becomes
 * the record. The context must not share a byte with it.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, NO_RANDOM; TRUNCATED if `record` is shorter than
 * TABLECRYPT_OVERHEAD. Nothing was written.
 */
tablecrypt_status tablecrypt_structure_seal_in_place(const tablecrypt_structure *structure,
                                                     const uint8_t *context,
                                                     size_t context_length,
                                                     uint8_t *record,
                                                     size_t record_length);

/**
 * Opens in place: the text then stands in `record` from byte TABLECRYPT_TEXT_AT to 16 before its end. The context must
 * not share a byte with it.
 *
 * Errors: UNAUTHENTIC, and the place of the text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, TRUNCATED,
 * UNKNOWN_KEY, UNKNOWN_VERSION, and nothing was written.
 */
tablecrypt_status tablecrypt_structure_open_in_place(const tablecrypt_structure *structure,
                                                     const uint8_t *context,
                                                     size_t context_length,
                                                     uint8_t *record,
                                                     size_t record_length);

/**
 * Seals many texts, each as tablecrypt_structure_seal does: short ones faster, up to 64 of them together. OK if all are
 * sealed; else the status of the first item that is not, and the others are sealed all the same.
 *
 * No output may share a byte with another one, or with the context or input of any item; no buffer with the items.
 *
 * Errors: each item's own is its status: OUTPUT_TOO_SHORT, TOO_LONG, NO_RANDOM. NULL_ARGUMENT, LENGTH and OVERLAP, of
 * any item, are the status of all of them, and nothing was written but that.
 */
tablecrypt_status tablecrypt_structure_seal_many(const tablecrypt_structure *structure,
                                                 tablecrypt_item *items,
                                                 size_t count);

/**
 * Opens many records, each as tablecrypt_structure_open does: short ones faster, up to 64 of them together. OK if all
 * are opened; else the status of the first item that is not, and the others are opened all the same.
 *
 * No output may share a byte with another one, or with the context or input of any item; no buffer with the items.
 *
 * Errors: each item's own is its status: UNAUTHENTIC, and its output was cleared; OUTPUT_TOO_SHORT, TOO_LONG, TRUNCATED,
 * UNKNOWN_KEY, UNKNOWN_VERSION. NULL_ARGUMENT, LENGTH and OVERLAP, of any item, are the status of all of them, and
 * nothing was written but that.
 */
tablecrypt_status tablecrypt_structure_open_many(const tablecrypt_structure *structure,
                                                 tablecrypt_item *items,
                                                 size_t count);

/** Frees the structure; nothing for NULL. */
void tablecrypt_structure_free(tablecrypt_structure *structure);

/**
 * Asks the key file and not the KMS, so nothing proves yet that nobody changed it; and this service, for what it knows of
 * the table's KMS key.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, NO_SUCH_TABLE, KEY_FILE_CORRUPT, UNKNOWN_VERSION, IO.
 */
tablecrypt_status tablecrypt_service_describe_table(const tablecrypt_service *service,
                                                    const char *table,
                                                    tablecrypt_description **description);

/**
 * Asks the key file, and this table's connection for what it knows of the KMS key.
 *
 * Errors: NULL_ARGUMENT, NO_SUCH_TABLE, KEY_FILE_CORRUPT, UNKNOWN_VERSION, IO.
 */
tablecrypt_status tablecrypt_table_describe(const tablecrypt_table *table, tablecrypt_description **description);

/** The table's name. NULL for NULL. */
const char *tablecrypt_description_table(const tablecrypt_description *description);

/** The table's id, 32 hexadecimal digits: another one for a table that was deleted and created again. NULL for NULL. */
const char *tablecrypt_description_table_id(const tablecrypt_description *description);

/** When the table was created, in milliseconds since 1970, UTC. 0 for NULL. */
int64_t tablecrypt_description_created(const tablecrypt_description *description);

/** SSEDescription.Status. ENABLED for NULL. */
tablecrypt_key_status tablecrypt_description_status(const tablecrypt_description *description);

/** How many KMS keys the table is under: any of them opens it. 0 for NULL. */
size_t tablecrypt_description_kms_key_count(const tablecrypt_description *description);

/** The ARN of a KMS key of the table, from 0, which is asked first. NULL from the count on, and for NULL. */
const char *tablecrypt_description_kms_key(const tablecrypt_description *description, size_t index);

/** While the status is UPDATING, the KMS key that the table moves to, as the mover named it; else NULL. */
const char *tablecrypt_description_switching_to(const tablecrypt_description *description);

/**
 * When the KMS key was found inaccessible, so that the table's keys are locked, in milliseconds since 1970, UTC. 0 before
 * that, once it is accessible again, and for NULL.
 */
int64_t tablecrypt_description_inaccessible_since(const tablecrypt_description *description);

/**
 * Since when the table goes on with old keys, by tablecrypt_settings_outage_grace, in milliseconds since 1970, UTC. 0
 * while it does not, and for NULL.
 */
int64_t tablecrypt_description_grace_since(const tablecrypt_description *description);

/** Whether it was locked by hand: 1 or 0. 0 for NULL. */
int32_t tablecrypt_description_is_locked(const tablecrypt_description *description);

/** How many structures the table has. 0 for NULL. */
size_t tablecrypt_description_structure_count(const tablecrypt_description *description);

/** The name of a structure, from 0, which is "base": "local:NAME" or "global:NAME". NULL from the count on, and for NULL. */
const char *tablecrypt_description_structure(const tablecrypt_description *description,
                                             size_t index);

/** Frees the description; nothing for NULL. */
void tablecrypt_description_free(tablecrypt_description *description);

/**
 * Gives the generations of a table's data keys, as the key file says, without asking the KMS.
 *
 * Errors: as tablecrypt_service_describe_table.
 */
tablecrypt_status tablecrypt_service_generations(const tablecrypt_service *service,
                                                 const char *table,
                                                 tablecrypt_generations **generations);

/** How many they are. 0 for NULL. */
size_t tablecrypt_generations_count(const tablecrypt_generations *generations);

/**
 * Fills `generation` with the one at this index, from 0: those of one structure stand together, the oldest first.
 *
 * Errors: NULL_ARGUMENT; LENGTH from the count on, and for a size that cannot be.
 */
tablecrypt_status tablecrypt_generations_at(const tablecrypt_generations *generations,
                                            size_t index,
                                            tablecrypt_generation *generation);

/** Frees the list; nothing for NULL. */
void tablecrypt_generations_free(tablecrypt_generations *generations);

/**
 * Gives the number of the generation that a record was sealed with. Its first eight bytes are enough, and nothing proves
 * them.
 *
 * Errors: NULL_ARGUMENT, LENGTH, TRUNCATED, UNKNOWN_VERSION.
 */
tablecrypt_status tablecrypt_generation_of_record(const uint8_t *record,
                                                  size_t record_length,
                                                  uint32_t *number);

/**
 * Gives the names of all tables of a service, sorted.
 *
 * Errors: NULL_ARGUMENT, IO.
 */
tablecrypt_status tablecrypt_service_tables(const tablecrypt_service *service, tablecrypt_names **names);

/** How many they are. 0 for NULL. */
size_t tablecrypt_names_count(const tablecrypt_names *names);

/** The name at this index, from 0. NULL from the count on, and for NULL. */
const char *tablecrypt_names_at(const tablecrypt_names *names, size_t index);

/** Frees the list; nothing for NULL. */
void tablecrypt_names_free(tablecrypt_names *names);

/**
 * Adds an index, "local:NAME" or "global:NAME", with a data key of its own, which seals at once. This service finds it
 * when the table is opened again, another process at its next refresh.
 *
 * Errors: STRUCTURE_EXISTS, NO_SUCH_STRUCTURE for a name that begins otherwise; and as tablecrypt_service_rotate.
 */
tablecrypt_status tablecrypt_service_add_structure(const tablecrypt_service *service,
                                                   const char *table,
                                                   const char *structure);

/**
 * Drops an index and destroys its data keys: its records open nowhere any more. Another process that has it open seals
 * and opens until its next refresh. A copy of the key file that was made elsewhere still has the keys.
 *
 * Errors: NO_SUCH_STRUCTURE, INDISPENSABLE for "base"; and as tablecrypt_service_rotate but for NO_RANDOM.
 */
tablecrypt_status tablecrypt_service_drop_structure(const tablecrypt_service *service,
                                                    const char *table,
                                                    const char *structure);

/**
 * Deletes all keys of a table: its records open nowhere any more. It asks no KMS. Another process that has the table
 * open seals and opens until its next refresh. A copy of the key file that was made elsewhere still has the keys.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, INVALID_NAME, NO_SUCH_TABLE, IO.
 */
tablecrypt_status tablecrypt_service_delete_table(const tablecrypt_service *service, const char *table);

/**
 * Makes a new generation of the data key of a structure, or of each where `structure` is NULL. Former ones still open.
 * It seals in six and a half minutes, or as long as a permission lasts and a minute more, in each process from its
 * next refresh on: by then all that have the table open know it. One KMS call. However it ends, the table opens.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, KEY_FILE_BUSY, NO_RANDOM, NO_SUCH_STRUCTURE; and as
 * tablecrypt_connection_open_table but for CLOSED and LOCKED.
 */
tablecrypt_status tablecrypt_service_rotate(const tablecrypt_service *service,
                                            const char *table,
                                            const char *structure);

/**
 * Destroys a former generation, by its number: what was sealed with it and not sealed anew opens nowhere any more.
 * tablecrypt_generation_of_record says what that is. A copy of the key file that was made elsewhere still has the key.
 *
 * Errors: GENERATION_IN_USE for one that seals, is to seal, or may still seal in another process; UNKNOWN_KEY where
 * the table has no such generation; and as tablecrypt_service_rotate but for NO_RANDOM and NO_SUCH_STRUCTURE.
 */
tablecrypt_status tablecrypt_service_retire_generation(const tablecrypt_service *service,
                                                       const char *table,
                                                       uint32_t number);

/**
 * Has the KMS wrap a table's root key anew, under the KMS key `to`, inside the KMS: it comes to nobody, and no Decrypt
 * is asked. `from` is the KMS key that it is under now; NULL is the one that is asked first. Who has the table open
 * does not notice. The root key stays the same one: tablecrypt_service_switch_key makes a new one.
 *
 * Errors: NO_SUCH_KMS_KEY where `from` is none of the table's, ALREADY_UNDER_KMS_KEY where `to` is another of them,
 * KMS_REQUEST_INVALID where the KMS cannot take one of the two; and as tablecrypt_service_rotate but for NO_RANDOM and
 * NO_SUCH_STRUCTURE. The table is as before then. NOT_BUILT_IN in a library without the feature full.
 */
tablecrypt_status tablecrypt_service_rewrap(const tablecrypt_service *service,
                                            const char *table,
                                            const char *from,
                                            const char *to);

/**
 * What stands in the way of tablecrypt_service_rewrap, as far as it can be seen: asks the KMS for the two keys
 * (describe_key), and changes nothing. OK where nothing does.
 *
 * Errors: KEY_DISABLED, KEY_PENDING_DELETION, KEY_NOT_FOUND of either key; and as tablecrypt_service_rewrap but for
 * KEY_FILE_BUSY and WRONG_CONTEXT. NOT_BUILT_IN in a library without the feature full.
 */
tablecrypt_status tablecrypt_service_plan_rewrap(const tablecrypt_service *service,
                                                 const char *table,
                                                 const char *from,
                                                 const char *to);

/**
 * Moves a table to these KMS keys, ids, ARNs or aliases, the first of which is asked first, under a new root key. The
 * data keys stay and are wrapped anew, no data is touched, and who has the table open goes on. The old KMS keys are
 * needed until this has ended; then no file of the store opens with them. Who had their use and a copy of the key file
 * can have the data keys for ever: against that, rotate, and seal the records anew.
 *
 * Errors: LENGTH, INDISPENSABLE where there is no key, KMS_REQUEST_INVALID where the KMS cannot take one; and as
 * tablecrypt_service_rotate but for NO_SUCH_STRUCTURE. The table is as before then. NOT_BUILT_IN in a library without
 * the feature full.
 */
tablecrypt_status tablecrypt_service_switch_key(const tablecrypt_service *service,
                                                const char *table,
                                                const char *const *kms_keys,
                                                size_t kms_key_count);

/**
 * Puts a table under one more KMS key, such as one of another region, which is asked after those that it has: any of
 * them opens it. If it is under that key already, nothing changes.
 *
 * Errors: KMS_REQUEST_INVALID where the KMS cannot take that key; and as tablecrypt_service_rotate but for
 * NO_SUCH_STRUCTURE. NOT_BUILT_IN in a library without the feature full.
 */
tablecrypt_status tablecrypt_service_add_kms_key(const tablecrypt_service *service,
                                                 const char *table,
                                                 const char *kms_key);

/**
 * Takes a KMS key, its ARN as the description has it, from a table that has others. One of those opens the table
 * first, as a proof. Then no file of the store opens with the one that is gone.
 *
 * Errors: NO_SUCH_KMS_KEY, INDISPENSABLE for the last one; and as tablecrypt_service_rotate but for NO_RANDOM and
 * NO_SUCH_STRUCTURE. NOT_BUILT_IN in a library without the feature full.
 */
tablecrypt_status tablecrypt_service_remove_kms_key(const tablecrypt_service *service,
                                                    const char *table,
                                                    const char *kms_key);

/**
 * Fills `metrics`. It costs the data path nothing, and asks neither the KMS nor the store.
 *
 * Errors: NULL_ARGUMENT; LENGTH for a size that cannot be.
 */
tablecrypt_status tablecrypt_service_metrics(const tablecrypt_service *service, tablecrypt_metrics *metrics);

/**
 * Fills `memory` with how many keys stand in which kind of memory now.
 *
 * Errors: NULL_ARGUMENT; LENGTH for a size that cannot be.
 */
tablecrypt_status tablecrypt_key_memory(tablecrypt_key_memory_use *memory);

/**
 * Disables a key of the local KMS of the service in `folder`: tables under it cannot be opened, and those that are open
 * fail at their deadline. `key` is an id, ARN or alias; NULL is the service default key.
 *
 * Errors: NULL_ARGUMENT, INVALID_UTF8, IO, KEY_NOT_FOUND, KEY_PENDING_DELETION.
 */
tablecrypt_status tablecrypt_local_kms_disable_key(const char *folder, const char *key);

/**
 * Enables it again; tables under it work again without a restart.
 *
 * Errors: as tablecrypt_local_kms_disable_key.
 */
tablecrypt_status tablecrypt_local_kms_enable_key(const char *folder, const char *key);

/**
 * Expands a key of 32 bytes. The caller's copy of it stays the caller's to wipe.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_gcm_expand(const uint8_t key[32], tablecrypt_gcm **gcm);

/**
 * Expands a key of 32 bytes for the backend of this name: for tests and measurements.
 *
 * Errors: NULL_ARGUMENT; NO_SUCH_BACKEND, also where this CPU cannot run it.
 */
tablecrypt_status tablecrypt_gcm_expand_on(const char *backend, const uint8_t key[32], tablecrypt_gcm **gcm);

/**
 * Seals `text` into `out`, which is as long, and gives the tag apart. In place where `out` is `text`.
 *
 * Neither `out` nor `tag` may share a byte with each other, the nonce or the AAD, nor lie partly over the text. The
 * AAD is authenticated, not encrypted, and not stored.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP; TOO_LONG over 2^36 - 32 bytes of text. Nothing was written.
 */
tablecrypt_status tablecrypt_gcm_seal(const tablecrypt_gcm *gcm,
                                      const uint8_t nonce[12],
                                      const uint8_t *aad,
                                      size_t aad_length,
                                      const uint8_t *text,
                                      size_t text_length,
                                      uint8_t *out,
                                      uint8_t tag[16]);

/**
 * Opens `text`, a ciphertext, into `out`, which is as long, if `tag` is its tag. In place where `out` is `text`.
 *
 * `out` may share no byte with the nonce, the AAD or the tag, nor lie partly over the text.
 *
 * Errors: UNAUTHENTIC, and `out` was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, and nothing was written.
 */
tablecrypt_status tablecrypt_gcm_open(const tablecrypt_gcm *gcm,
                                      const uint8_t nonce[12],
                                      const uint8_t *aad,
                                      size_t aad_length,
                                      const uint8_t *text,
                                      size_t text_length,
                                      const uint8_t tag[16],
                                      uint8_t *out);

/**
 * Seals many messages, each in place and short ones faster than one by one; gives their tags. All are sealed, or none is.
 *
 * No text may share a byte with another one, with the AAD of any message, or with the messages; nor may an AAD with
 * those.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG. That of any message is the status of all, and nothing else was
 * written.
 */
tablecrypt_status tablecrypt_gcm_seal_many(const tablecrypt_gcm *gcm,
                                           tablecrypt_gcm_message *messages,
                                           size_t count);

/**
 * Opens many messages, each in place and short ones faster than one by one. OK if all are opened; else the status of the
 * first that is not, and the others are opened all the same.
 *
 * No text may share a byte with another one, with the AAD of any message, or with the messages; nor may an AAD with
 * those.
 *
 * Errors: UNAUTHENTIC of a message is its status, and its text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG:
 * that of any message is the status of all, and nothing else was written.
 */
tablecrypt_status tablecrypt_gcm_open_many(const tablecrypt_gcm *gcm,
                                           tablecrypt_gcm_message *messages,
                                           size_t count);

/** The name of the backend that the key was expanded for. Static; NULL for NULL. */
const char *tablecrypt_gcm_backend(const tablecrypt_gcm *gcm);

/** Wipes and frees the key; nothing for NULL. */
void tablecrypt_gcm_free(tablecrypt_gcm *gcm);

/** How many backends this library has, whether or not this CPU can run them. */
size_t tablecrypt_backend_count(void);

/** The name of a backend, from 0, the best first. Static; NULL from tablecrypt_backend_count on. */
const char *tablecrypt_backend_name(size_t index);

/** Whether this CPU can run the backend of this name: 1 or 0. 0 for an unknown name and for NULL. */
int tablecrypt_backend_is_available(const char *name);

/**
 * Expands a key of 32 bytes. The caller's copy of it stays the caller's to wipe.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_xaes_expand(const uint8_t key[32], tablecrypt_xaes **xaes);

/**
 * Seals `text` into `out`, which is as long, and gives the tag apart: as tablecrypt_gcm_seal, with a nonce of 24 bytes.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP; TOO_LONG over 2^36 - 32 bytes of text. Nothing was written.
 */
tablecrypt_status tablecrypt_xaes_seal(const tablecrypt_xaes *xaes,
                                       const uint8_t nonce[24],
                                       const uint8_t *aad,
                                       size_t aad_length,
                                       const uint8_t *text,
                                       size_t text_length,
                                       uint8_t *out,
                                       uint8_t tag[16]);

/**
 * Opens `text`, a ciphertext, into `out`, which is as long, if `tag` is its tag: as tablecrypt_gcm_open, with a nonce of 24
 * bytes.
 *
 * Errors: UNAUTHENTIC, and `out` was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, and nothing was written.
 */
tablecrypt_status tablecrypt_xaes_open(const tablecrypt_xaes *xaes,
                                       const uint8_t nonce[24],
                                       const uint8_t *aad,
                                       size_t aad_length,
                                       const uint8_t *text,
                                       size_t text_length,
                                       const uint8_t tag[16],
                                       uint8_t *out);

/**
 * Gives the key of all nonces that begin with these 12 bytes, whose own nonces are the other 12: a message under it is one
 * of XAES-256-GCM, and costs what plain GCM costs.
 *
 * Errors: NULL_ARGUMENT.
 */
tablecrypt_status tablecrypt_xaes_derive(const tablecrypt_xaes *xaes,
                                         const uint8_t prefix[12],
                                         tablecrypt_gcm **gcm);

/** Wipes and frees the key; nothing for NULL. Keys that were derived from it go on. */
void tablecrypt_xaes_free(tablecrypt_xaes *xaes);

/**
 * Seals in place with a nonce of any length from 1 byte (SP 800-38D section 7.1), and gives the tag. One of 12 bytes is
 * used as it is; any other is hashed, and two such nonces may come to the same after 2^48 messages, as if one had been used
 * twice. Take this only where a format dictates it.
 *
 * No two of the nonce, the AAD, the text and the tag may share a byte.
 *
 * Errors: NULL_ARGUMENT, LENGTH, OVERLAP; TOO_LONG over 2^36 - 32 bytes of text, and for a nonce of no byte. Nothing was
 * written.
 */
tablecrypt_status tablecrypt_gcm_hazmat_seal(const tablecrypt_gcm *gcm,
                                             const uint8_t *nonce,
                                             size_t nonce_length,
                                             const uint8_t *aad,
                                             size_t aad_length,
                                             uint8_t *text,
                                             size_t text_length,
                                             uint8_t tag[16]);

/**
 * Opens in place what tablecrypt_gcm_hazmat_seal sealed, if `tag` is its tag.
 *
 * The text may share no byte with the nonce, the AAD or the tag.
 *
 * Errors: UNAUTHENTIC, and the text was cleared. NULL_ARGUMENT, LENGTH, OVERLAP, TOO_LONG, and nothing was written.
 */
tablecrypt_status tablecrypt_gcm_hazmat_open(const tablecrypt_gcm *gcm,
                                             const uint8_t *nonce,
                                             size_t nonce_length,
                                             const uint8_t *aad,
                                             size_t aad_length,
                                             uint8_t *text,
                                             size_t text_length,
                                             const uint8_t tag[16]);

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif  /* TABLECRYPT_H */
