/* A case and the tiles to read from it, as recipe and card want them: what a run encodes, and what verifying samples. */
#ifndef MT_CASE_TILES_H
#define MT_CASE_TILES_H

#include "src/pipeline/contract.h"
#include "tiling/stain_target.h"

#include <microtome/masker.h>
#include <microtome/pipeline.h>

typedef struct mt_case_tiles {
    mt_case     *c;
    bool         off_contract; /* it left the card's contract, with leave */
    mt_mask     *mask;
    mt_grid     *grid;
    mt_intensity intensity; /* where mt_case_tiles_intensity gave it */
    mt_stain    *stain;     /* NULL: colours as they are */
} mt_case_tiles;

/* For decoded tiles: a quarter of what the process may use, as far as more of it helps. */
int64_t mt_pipeline_cache_bytes(int64_t memory_bytes, int halvings);
/* Open the job's case as the recipe wants it. */
mt_case *mt_pipeline_open_case(const mt_recipe *recipe, const mt_job *job, GError **error);
/* The cases of the recipe's sequences, mt_case each, chosen out of a study; NULL without an error where the job is none, or has no rules. */
GPtrArray *mt_pipeline_open_roles(const mt_recipe *recipe, const mt_job *job, GError **error);
/* The same against a contract with compat: through OpenSlide where tiles would lie between the pixels of a level, which OpenSlide then
 * interpolates, unless the recipe names a backend. */
mt_case *mt_pipeline_open_compat(const mt_recipe *recipe, const mt_contract *contract, const mt_job *job, bool *degraded, GError **error);

mt_grid_params mt_pipeline_grid_params(const mt_recipe *recipe, const mt_contract *contract);

/* First step: open the case and hold it against the contract.  tiles is zeroed by the caller, and cleared by it also after a
 * failure. */
/* What the card requires to have been done, against what recipe and job say was. */
bool mt_case_tiles_check_prepared(const char *required, const mt_recipe *recipe, const mt_job *job, GError **error);
bool mt_case_tiles_open(mt_case_tiles *tiles, const mt_recipe *recipe, const mt_contract *contract, const mt_card *card, const mt_job *job,
                        GError **error);
/* Second step: mask and grid.  id: the case's, NULL when it has none. */
bool mt_case_tiles_lay(mt_case_tiles *tiles, mt_masker *masker, const char *id, const mt_recipe *recipe, const mt_contract *contract,
                       GError **error);
/* What a session's or a preprocess's set_intensity wants; *intensity is NULL where the card does not ask. */
bool mt_case_tiles_intensity(mt_case_tiles *tiles, const mt_card *card, const mt_intensity **intensity, GError **error);
/* What the recipe's [stain] names; *target is NULL where it names none. */
bool mt_pipeline_load_stain(const mt_recipe *recipe, mt_stain_target **target, GError **error);
/* Third step: fit the case's colours for mt_stain_apply; nothing with target NULL or without tiles. */
bool mt_case_tiles_fit_stain(mt_case_tiles *tiles, const mt_stain_target *target, mt_filter filter, GError **error);
void mt_case_tiles_clear(mt_case_tiles *tiles);

#endif
