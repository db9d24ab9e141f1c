#ifndef MT_PIPELINE_PRIVATE_H
#define MT_PIPELINE_PRIVATE_H

#include "src/encoder/dense.h"
#include "src/pipeline/contract.h"
#include "src/result/box_decode.h"
#include "src/result/messages.h"
#include "tiling/stain_target.h"

#include <microtome/head.h>
#include <microtome/masker.h>
#include <microtome/pipeline.h>

struct mt_pipeline {
    mt_recipe               *recipe;
    mt_encoder              *encoder;                   /* NULL: the task works on whole cases */
    mt_dense                *dense;                     /* NULL: the task works on tiles */
    struct mt_box_model     *box_model;                 /* of explicit boxes: it works on whole cases; NULL: another task */
    mt_box_card             *boxes;                     /* of task=detect; NULL: another task */
    struct mt_normal_errors *normal;                    /* of task=reconstruct; NULL: nothing to compare with */
    GPtrArray               *stages;                    /* mt_object_stage *, one for each of the recipe's */
    struct mt_finding_rules *rules;                     /* of dense */
    char                    *model_name, *model_sha256; /* of either */
    mt_masker               *masker;
    mt_head                 *head;      /* NULL: features only */
    GPtrArray               *named;     /* mt_named_head * of task multi, `head` is the primary; NULL: none */
    mt_head_card             head_card; /* with the recipe's overrides; strings are borrowed from head and recipe */
    mt_contract              contract;
    mt_stain_target         *stain;    /* NULL: colours as they are */
    mt_language              language; /* of the reasons */
    int                      threads, batch;
    char                    *resolved, *recipe_sha256;
};

/* The recipe's own thresholds and limits over the card's. */
void mt_recipe_override_triage(const mt_recipe *recipe, mt_head_card *card);
/* What decides about a case; NULL: nothing does. */
const mt_head_card *mt_pipeline_card(const mt_pipeline *p);
/* "clam_sb", "segment", ..; NULL: features only. */
const char *mt_pipeline_head_kind(const mt_pipeline *p);

#endif
