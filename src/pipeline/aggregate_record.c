#include "src/pipeline/aggregate_record.h"

#include "src/base/hash.h"
#include "src/pipeline/resolved.h"
#include "src/result/headline.h"
#include "src/store/provenance.h"
#include "src/store/schema.h"

#include <microtome/engine.h>

#include <string.h>

char *mt_aggregate_resolved(const mt_scorer *scorer)
{
    GString *text = g_string_new("# microtome: a head over stored features, every choice made\n");

    mt_resolved_put_head(text, scorer->head, &scorer->card, scorer->path);
    if (scorer->language != NULL)
        g_string_append_printf(text, "\n[report]\nlanguage=%s\n", scorer->language);
    return g_string_free(text, FALSE);
}

static char *provenance(const mt_scorer *scorer, const mt_aggregate_facts *facts, const char *resolved, const char *sha256, GError **error)
{
    GArray *libraries = g_array_new(TRUE, TRUE, sizeof(mt_fact));
    mt_fact hashes[] = {{"recipe", sha256},
                        {"head", mt_head_sha256(scorer->head)},
                        {"input", facts->input_sha256},
                        {facts->encoder_sha256 != NULL ? "model" : NULL, facts->encoder_sha256},
                        {facts->source_sha256 != NULL ? "source" : NULL, facts->source_sha256},
                        {NULL, NULL}};
    mt_fact texts[] = {{"head", mt_head_kind(scorer->head)},
                       {"aggregated", facts->rule != NULL ? facts->rule : "case"},
                       {facts->encoder != NULL ? "encoder" : NULL, facts->encoder},
                       {facts->precision != NULL ? "precision" : NULL, facts->precision},
                       {NULL, NULL}};

    for (const mt_engine_library *l = mt_engine_libraries(); l->name != NULL; l++)
        g_array_append_vals(libraries, &(mt_fact){l->name, l->version}, 1);
    mt_provenance record = {.isa = mt_engine_isa(),
                            .libraries = (const mt_fact *)(const void *)libraries->data,
                            .hashes = hashes,
                            .facts = texts,
                            .recipe = resolved,
                            .demonstration = facts->demonstration,
                            .off_contract = facts->off_contract};
    char         *json = mt_provenance_json(&record, error);
    g_array_unref(libraries);
    return json;
}

bool mt_aggregate_publish(const mt_scorer *scorer, const mt_aggregate_facts *facts, const mt_prediction *prediction,
                          const mt_head_output *output, const uint8_t *valid, mt_store *store, GError **error)
{
    g_autofree char  *resolved = mt_aggregate_resolved(scorer), *sha256 = mt_hash_bytes(resolved, strlen(resolved));
    g_autofree char  *json = provenance(scorer, facts, resolved, sha256, error), *headline = NULL;
    mt_headline_facts line = {.id = facts->id,
                              .tissue_mm2 = facts->tissue_mm2,
                              .mpp_x = facts->mpp_x,
                              .mpp_y = facts->mpp_y,
                              .mpp_source = facts->mpp_source,
                              .encoder = facts->encoder,
                              .head = mt_head_kind(scorer->head),
                              .precision = facts->precision,
                              .recipe_sha256 = sha256,
                              .model_sha256 = facts->encoder_sha256,
                              .head_sha256 = mt_head_sha256(scorer->head),
                              .input_sha256 = facts->input_sha256,
                              .demonstration = facts->demonstration};

    if (json == NULL || !mt_prediction_store(prediction, output, &scorer->card, valid, store, error) ||
        !mt_store_write_string(store, MT_OBJECT_PROVENANCE, json, error))
        return false;
    headline = mt_headline_json(prediction, &line, error);
    return headline != NULL && mt_store_publish(store, headline, error);
}
