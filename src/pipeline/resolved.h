/* The recipe with every choice made: what OUT/recipe.ini holds, what results record, what two runs of one folder share.
 * Models appear by file name and SHA-256, never by folder. */
#ifndef MT_RESOLVED_H
#define MT_RESOLVED_H

#include "src/pipeline/contract.h"
#include "tiling/stain_target.h"

#include <microtome/head.h>
#include <microtome/masker.h>

/* [input] plane_axis: the words of mt_plane_axis, ended by NULL. */
extern const char *const mt_plane_axes[];

/* stain NULL: colours as they are.  head NULL: features only.  head_card: with the recipe's overrides applied.  Free with g_free. */
char *mt_resolved_text(const mt_recipe *recipe, const mt_masker *masker, const mt_contract *contract, const mt_encoder *encoder, int batch,
                       const mt_stain_target *stain, const mt_head *head, const mt_head_card *head_card);
/* The precision that such a text names, NULL when it names none; free with g_free. */
char *mt_resolved_precision(const char *text);
/* The same of its head. */
char *mt_resolved_head_sha256(const char *text);

/* Group [head]. */
void mt_resolved_put_head(GString *text, const mt_head *head, const mt_head_card *card, const char *path);
/* Group [stain]: the target by its numbers, for another picture of the same name is another recipe. */
void mt_resolved_put_stain(GString *text, const mt_stain_target *target);

#endif
