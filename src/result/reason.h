/* One sentence of why a decision is what it is, in every language, and what question it answers. */
#ifndef MT_REASON_H
#define MT_REASON_H

#include "src/result/messages.h"

typedef enum mt_reason_kind {
    MT_REASON_WHAT,  /* was found */
    MT_REASON_WHERE, /* it is */
    MT_REASON_SURE,  /* how sure that is */
    MT_REASON_LIMIT, /* what limits it */
    MT_REASON_AUDIT, /* a second look */
    MT_REASON_KINDS
} mt_reason_kind;

typedef struct mt_reason {
    mt_reason_kind kind;
    char          *text[MT_LANGUAGES];
} mt_reason;

/* NAME, VALUE, .. as strings, ended by NULL, as of mt_message_text. */
mt_reason *mt_reason_new(mt_reason_kind kind, mt_message message, ...) G_GNUC_NULL_TERMINATED;
void       mt_reason_free(mt_reason *reason);
/* "what", "where", "sure", "limit", "audit" */
const char *mt_reason_kind_name(mt_reason_kind kind);

/* Of n reasons, in their order: their texts; NULL-terminated, the texts stay theirs; g_free. */
const char **mt_reason_texts(const GPtrArray *reasons, mt_language language);
const char **mt_reason_kinds(const GPtrArray *reasons);

#endif
