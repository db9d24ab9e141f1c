#include "src/result/reason.h"

#include <stdarg.h>

mt_reason *mt_reason_new(mt_reason_kind kind, mt_message message, ...)
{
    mt_reason *reason = g_new0(mt_reason, 1);

    reason->kind = kind;
    for (int l = 0; l < MT_LANGUAGES; l++) {
        va_list pairs;
        va_start(pairs, message);
        reason->text[l] = mt_message_text_of(message, (mt_language)l, pairs);
        va_end(pairs);
    }
    return reason;
}

void mt_reason_free(mt_reason *reason)
{
    for (int l = 0; reason != NULL && l < MT_LANGUAGES; l++)
        g_free(reason->text[l]);
    g_free(reason);
}

const char *mt_reason_kind_name(mt_reason_kind kind)
{
    static const char *const names[MT_REASON_KINDS] = {"what", "where", "sure", "limit", "audit"};

    return names[kind];
}

const char **mt_reason_texts(const GPtrArray *reasons, mt_language language)
{
    const char **texts = g_new0(const char *, reasons->len + 1);

    for (guint i = 0; i < reasons->len; i++)
        texts[i] = ((const mt_reason *)reasons->pdata[i])->text[language];
    return texts;
}

const char **mt_reason_kinds(const GPtrArray *reasons)
{
    const char **kinds = g_new0(const char *, reasons->len + 1);

    for (guint i = 0; i < reasons->len; i++)
        kinds[i] = mt_reason_kind_name(((const mt_reason *)reasons->pdata[i])->kind);
    return kinds;
}
