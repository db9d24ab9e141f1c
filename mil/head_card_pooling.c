#include "mil/head_card.h"
#include "src/base/key_file.h"
#include "src/base/limits.h"

#include <string.h>

#define GROUP "head"

static const char *const distill_names[] = {"afs", "maxs", "maxmins"};

static bool read_distill(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    g_autofree char *word = NULL;

    if (!mt_key_file_string(file, name, GROUP, "distill", &word, error))
        return false;
    if (word == NULL || *word == '\0')
        return true;
    for (guint i = 0; i < G_N_ELEMENTS(distill_names); i++)
        if (strcmp(word, distill_names[i]) == 0) {
            card->distill = (mt_distill)i;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] distill=%s: afs, maxs or maxmins is wanted", name, word);
    return false;
}

bool mt_head_card_read_pooling(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    card->seeded = g_key_file_has_key(file, GROUP, "seed", NULL);
    return mt_key_file_bool(file, name, GROUP, "average", &card->average, error) && read_distill(file, name, card, error) &&
           mt_key_file_int(file, name, GROUP, "groups", 1, 1024, &card->groups, error) &&
           mt_key_file_int(file, name, GROUP, "repeats", 1, 100, &card->repeats, error) &&
           mt_key_file_int(file, name, GROUP, "k", 1, 1024, &card->k, error) &&
           mt_key_file_int(file, name, GROUP, "seed", 0, G_MAXINT, &card->seed, error) &&
           mt_key_file_int(file, name, GROUP, "heads", 1, MT_LIMIT_ATTENTION_HEADS, &card->heads, error);
}

bool mt_head_card_check_pooling(const mt_head_card *card, const char *kind, const char *known, GError **error)
{
    const char *said[] = {card->average ? "average" : NULL,   card->distill != MT_DISTILL_AFS ? "distill" : NULL,
                          card->groups > 0 ? "groups" : NULL, card->repeats > 0 ? "repeats" : NULL,
                          card->k > 0 ? "k" : NULL,           card->seeded ? "seed" : NULL,
                          card->heads > 0 ? "heads" : NULL};
    g_auto(GStrv) keys = g_strsplit(known != NULL ? known : "", ",", -1);

    for (guint i = 0; i < G_N_ELEMENTS(said); i++)
        if (said[i] != NULL && !g_strv_contains((const char *const *)keys, said[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says %s=: a head of kind %s has no such thing", said[i], kind);
            return false;
        }
    return true;
}
