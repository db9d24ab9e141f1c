#ifndef MT_PIPELINE_PRIVATE_H
#define MT_PIPELINE_PRIVATE_H

#include "src/pipeline/contract.h"
#include "src/result/messages.h"
#include "tiling/stain_target.h"

#include <microtome/head.h>
#include <microtome/masker.h>
#include <microtome/pipeline.h>

struct mt_pipeline {
    mt_recipe       *recipe;
    mt_encoder      *encoder;
    mt_masker       *masker;
    mt_head         *head;      /* NULL: features only */
    mt_head_card     head_card; /* with the recipe's overrides; strings are borrowed from head and recipe */
    mt_contract      contract;
    mt_stain_target *stain;    /* NULL: colours as they are */
    mt_language      language; /* of the reasons */
    int              threads, batch;
    char            *resolved, *recipe_sha256;
};

#endif
