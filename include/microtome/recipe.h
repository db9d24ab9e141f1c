/* <microtome/recipe.h>  The key file that names all of a run: input, mask, grid, encoder, head, labels, thresholds.
 * A plain structure; the command line overwrites what the file says, the card fills what both leave open. */
#ifndef MICROTOME_RECIPE_H
#define MICROTOME_RECIPE_H

#include <microtome/grid.h>
#include <microtome/study.h>

G_BEGIN_DECLS

/* What is asked of a case.  MIL: a bag of tiles to one answer (or features alone).  SEGMENT, DETECT and RECONSTRUCT work on the case as a
 * whole: a map of it, then objects and measures. */
typedef enum mt_recipe_task {
    MT_RECIPE_MIL,
    MT_RECIPE_EMBED,
    MT_RECIPE_CLASSIFY,
    MT_RECIPE_TILES,
    MT_RECIPE_ZERO_SHOT,
    MT_RECIPE_MULTI,
    MT_RECIPE_SEGMENT,
    MT_RECIPE_DETECT,
    MT_RECIPE_RECONSTRUCT,
    MT_RECIPE_N_TASKS
} mt_recipe_task;

/* [stage.N], N = 2, 3, ..: what the objects of the stage before go through, cropped. */
typedef struct mt_recipe_stage {
    mt_recipe_task task;    /* CLASSIFY or SEGMENT */
    char          *model;   /* path */
    char          *objects; /* class of the objects that it takes; NULL: all */
    double         crop_mm; /* edge of the cube or square round an object's centre; 0: the object's box */
    char         **labels;  /* of the model's outputs; NULL: the card's */
} mt_recipe_stage;

/* [series], [series.ROLE]: which series of a study is the case, or the sequence (docs/studies.md). */
typedef struct mt_series_group {
    char  *role;  /* NULL: [series], whose keys hold for every role that lacks them */
    char **rules; /* "KEY=VALUE" each */
} mt_series_group;

/* [explain]: where in a case its score comes from (docs/explanations.md). */
struct mt_recipe_explain {
    char *method;         /* auto, cam, gradcam, saliency, rollout, occlusion, none; NULL: nothing is asked */
    char *label;          /* class; NULL: the positive one, else that of the highest score */
    char *layer;          /* gradcam: node or value of the graph; NULL: the last picture of features */
    int   window, stride; /* occlusion, px of the network's input; 0: an eighth of it, half a window */
    int   tiles;          /* the strongest so many of a case; 0: all */
};

typedef struct mt_recipe {
    char                    *path;       /* the file it came from; NULL: the command line alone */
    char                    *modality;   /* [input] modality; NULL: what the case says */
    bool                     unit_mm;    /* [input] unit=mm: of volumes whose file names no unit of length */
    mt_plane_axis            plane_axis; /* [input] plane_axis=axial|coronal|sagittal */
    char                   **sequences;  /* [input] sequences: of a folder, as the network's channels; NULL: a case is one file or series */
    mt_series_group         *series;     /* of a study; NULL: a case is one series */
    int                      n_series;
    char                    *mask_method; /* [mask] method; NULL: the default of the case's kind */
    double                   min_share;   /* [mask] min_share: smallest share of mask in a tile, 0..1; negative: mt_recipe_min_share */
    unsigned                 exclude; /* [mask] exclude: artefacts to take out of the mask, bits of mt_artefact; 0: none is looked for */
    char                    *stain_method;     /* [stain] method: "macenko", "reinhard"; NULL: colours as they are */
    char                    *stain_target;     /* [stain] target: path of a picture; NULL: the default */
    double                   mpp;              /* [grid] mpp: wanted µm/px, 0 = level 0 as it is; negative: the card's */
    int                      tile_px;          /* [grid] tile; 0: the card's */
    double                   overlap;          /* [grid] overlap, share of an edge, [0, 1) */
    mt_compat                compat;           /* [grid] compat=trident|clam: that tool's tiles */
    int                      patch_level;      /* [grid] patch_level, for clam; negative: by mpp */
    char                    *encoder;          /* [encoder] model: path or "builtin:demo"; NULL: none */
    int                      batch;            /* [encoder] batch; 0: the card's */
    char                    *precision;        /* [encoder] precision: "fp32", "bf16", "int8"; NULL or "auto": mt_encoder_auto_precision */
    char                    *folder_precision; /* of the results that the output folder holds: what `auto` follows; NULL: none yet */
    mt_recipe_task           task;             /* [head] task */
    char                    *registering; /* [input] register: none (NULL), header, stated: how sequences of other grids come together */
    char                    *preparation; /* [input] preparation: what was done to every case; NULL: nothing is said */
    char                   **places;      /* [head] location: labels of the network by which others are placed; NULL: none */
    double                   min_mm;      /* [head] min_mm: a smaller longest diameter is no finding; 0: any is */
    double                   min_score;   /* [head] min_score: likewise of its score */
    char                   **measures;    /* [measure], "NAME=RULE" each (docs/objects.md); NULL: none */
    char                   **actions;     /* [action], likewise; NULL: none */
    mt_recipe_stage         *stages;      /* [stage.2], [stage.3], .. */
    int                      n_stages;
    char                    *combine;          /* [head] combine=max|mean|noisy-or|top-k tiles of a case; NULL: the card's */
    int                      top_k;            /* [head] k, of top-k; 0: the card's */
    char                    *reference;        /* [head] reference of task embed: path; NULL: the card's */
    char                    *heads;            /* [head.NAME] of task multi, as key file text with groups [NAME]; NULL: none */
    char                    *head;             /* [head] model: path, "mean", "max"; NULL: features only */
    char                   **label_names;      /* [labels] names; NULL: the head card's */
    char                    *positive;         /* [labels] positive; NULL: the head card's */
    double                   threshold;        /* [thresholds] <positive>=value; NAN: the head card's */
    double                   threshold_high;   /* [thresholds] high: at and above it urgent; NAN: the head card's */
    double                   audit_share;      /* [triage] audit_share of the clear cases; NAN: the head card's */
    double                   min_tissue_mm2;   /* [triage] min_tissue_mm2; NAN: the head card's */
    int                      min_tiles;        /* [triage] min_tiles; negative: the head card's */
    char                    *language;         /* [report] language=en|ko: of the reasons; NULL: en */
    double                   degraded_invalid; /* [quality] above this share of unreadable tiles a case is degraded; 0.01 when absent */
    double                   withheld_invalid; /* [quality] above this share its score is withheld; 0.1 when absent */
    struct mt_recipe_explain explain;
    char                    *backend;     /* of the case; NULL: choose */
    bool                     approximate; /* [grid] approximate: levels between the stored ones, cut in the DCT domain (docs/numerics.md) */
    int64_t
         memory_bytes; /* of a process that runs cases; 0: as much as it likes.  No result depends on it, but a head that needs all of a bag may refuse it */
    bool off_contract; /* run although µm/px or tile differ from the card's: results are degraded */
} mt_recipe;

MT_PUBLIC mt_recipe *mt_recipe_new(void);
MT_PUBLIC void       mt_recipe_free(mt_recipe *recipe);
/* MT_ERROR_MISSING; MT_ERROR_MODEL for an unknown key or value, with file, group and key.  Paths inside are relative to
 * the file and stay below its folder. */
MT_PUBLIC mt_recipe *mt_recipe_load(const char *path, GError **error);
/* "METHOD[:IMAGE]", as --stain takes it: "none", "macenko", "reinhard:target.png".  MT_ERROR_USAGE for another method. */
MT_PUBLIC bool mt_recipe_set_stain(mt_recipe *recipe, const char *text, GError **error);
/* [explain] method.  MT_ERROR_USAGE for another word. */
MT_PUBLIC bool mt_recipe_set_explain(mt_recipe *recipe, const char *method, GError **error);
/* The smallest share of mask in a tile: the recipe's, else 0.5, with compat=trident 0 as there. */
MT_PUBLIC double mt_recipe_min_share(const mt_recipe *recipe);
/* The mask's method: the recipe's, else with compat=clam "clam:default"; NULL: the default of the case's kind. */
MT_PUBLIC const char *mt_recipe_mask_method(const mt_recipe *recipe);
/* "mil", "segment", ..  Parse: false for another word. */
MT_PUBLIC const char *mt_recipe_task_name(mt_recipe_task task);
MT_PUBLIC bool        mt_recipe_task_parse(const char *text, mt_recipe_task *task);
/* The task works on the case as a whole. */
MT_PUBLIC bool mt_recipe_task_is_dense(mt_recipe_task task);
/* The words of [head] combine; NULL-terminated. */
MT_PUBLIC const char *const *mt_recipe_rules(void);
/* Whether a bag ends in scores: a head is named, or a task that makes one of the encoder (docs/tasks.md). */
MT_PUBLIC bool mt_recipe_has_head(const mt_recipe *recipe);
/* Choose the series of a study by the recipe's rules: [series], or one for each of the sequences. */
MT_PUBLIC bool mt_recipe_choose_series(const mt_recipe *recipe, mt_study *study, GError **error);
/* As JSON and back, for worker processes.  Free with g_free. */
MT_PUBLIC char      *mt_recipe_to_json(const mt_recipe *recipe);
MT_PUBLIC mt_recipe *mt_recipe_from_json(const char *json, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_recipe, mt_recipe_free)

G_END_DECLS

#endif
