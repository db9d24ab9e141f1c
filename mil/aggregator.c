#include "mil/aggregator.h"

#include "src/base/alloc.h"

#include <string.h>

static const mt_aggregator *const table[] = {
    &mt_aggregator_dsmil, /* these before abmil, whose keys some of them have too */
    &mt_aggregator_dtfd,
    &mt_aggregator_multi_head,
    &mt_aggregator_marugoto,
    &mt_aggregator_mil_fc,
    &mt_aggregator_topk,
    &mt_aggregator_noisy_or,
    /* before abmil, which knows attention.0 and MIL-Lab's patch_embed too; one a line */
    &mt_aggregator_stamp_vit, &mt_aggregator_monai_mil, &mt_aggregator_monai_mean, &mt_aggregator_monai_max,
    &mt_aggregator_transmil,  &mt_aggregator_clam_mb,   &mt_aggregator_clam_sb,    &mt_aggregator_abmil,
    &mt_aggregator_mean,      &mt_aggregator_max,       &mt_aggregator_knn,        &mt_aggregator_linear,
};

const mt_aggregator *mt_aggregator_find(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

const mt_aggregator *mt_aggregator_recognise(const mt_state_dict *dict)
{
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i]->recognise != NULL && table[i]->recognise(dict))
            return table[i];
    return NULL;
}

char *mt_aggregator_names(void)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", table[i]->name);
    return g_string_free(names, FALSE);
}

bool mt_aggregator_check_memory(const char *what, int64_t tiles, double bytes, const mt_head_options *options, GError **error)
{
    if (bytes <= (double)options->memory_bytes)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MEMORY,
                "%s needs the whole bag: %" G_GINT64_FORMAT " tiles want %.0f bytes, %" G_GINT64_FORMAT
                " are given; give more with --memory, or use larger or fewer tiles",
                what, tiles, bytes, options->memory_bytes);
    return false;
}

void mt_raw_output_clear(mt_raw_output *raw)
{
    mt_free(raw->logits);
    mt_free(raw->attention_logits);
    mt_free(raw->attention);
    mt_free(raw->tile_logits);
    mt_free(raw->embedding);
    mt_free(raw->member_scores);
    memset(raw, 0, sizeof(*raw));
}
