/* <microtome/head.h>  What turns a bag into a prediction: a MIL aggregator and its card.
 * Immutable: share between threads freely; mt_head_predict keeps no state. */
#ifndef MICROTOME_HEAD_H
#define MICROTOME_HEAD_H

#include <microtome/bag.h>
#include <microtome/model.h>

G_BEGIN_DECLS

typedef struct mt_head mt_head;

/* How logits become scores, after division by the temperature.
 * SOFTMAX: classes that exclude each other.  SIGMOID: findings, each by itself; what a head with a single logit and one
 * label means.  ORDINAL: C-1 thresholds give C ordered classes, class k has sigmoid(l_{k-1}) - sigmoid(l_k), never below 0; the
 * output's logits are then the logarithms of the class probabilities at temperature 1.  HAZARD: score t is the probability to
 * survive interval t, the product of 1 - sigmoid(l_j) for j <= t. */
typedef enum mt_activation { MT_ACTIVATION_SOFTMAX, MT_ACTIVATION_SIGMOID, MT_ACTIVATION_ORDINAL, MT_ACTIVATION_HAZARD } mt_activation;

/* A corner of a piecewise linear curve. */
typedef struct mt_curve_point {
    double x, y;
} mt_curve_point;

/* What a group of DTFD-MIL hands on: its attention pooled, the k tiles most like the last class, or those and the k least. */
typedef enum mt_distill { MT_DISTILL_AFS, MT_DISTILL_MAXS, MT_DISTILL_MAXMINS } mt_distill;

/* HEAD.card, or the same keys in the safetensors metadata, or ONNX metadata.  All zeros is a card that says nothing. */
typedef struct mt_head_card {
    char         *kind;           /* a name of the aggregator table (docs/formats.md), onnx; NULL: by the keys */
    char         *encoder;        /* name of the encoder it was trained on; NULL: not said */
    char         *encoder_sha256; /* of that encoder's model; NULL: not said */
    double        target_mpp;     /* 0: not said */
    char        **labels;         /* NULL-terminated; never NULL after loading: class_0 .. where nothing names them */
    char         *positive;       /* label whose score is the score; NULL: no decision */
    mt_activation activation;
    char         *logits, *attention; /* graph outputs of an ONNX head; NULL: found by shape or absent */
    double        temperature;        /* logits are divided by it; 1 when absent */
    /* At most one of these three changes scores.  platt: the positive label's score is sigmoid(A m + B), m its log-odds, A > 0; A = 0: absent.
     * isotonic: the score at temperature 1 through this curve, flat outside; n 0: absent.  The others share the rest as before. */
    double          platt[2];
    mt_curve_point *isotonic;
    int             n_isotonic;
    double          threshold;                      /* NAN when absent; the card's threshold_low is another name of it */
    double          threshold_high;                 /* at and above it a case is urgent; 0: absent */
    double          audit_share;                    /* of the clear cases, marked for a second look */
    double          min_tissue_mm2;                 /* less is insufficient; 0: not said */
    double          min_sharpness, min_field_share; /* of the thumbnail (docs/triage.md), likewise; 0: not said */
    /* of the thumbnail by modality (docs/quality.md), likewise */
    double min_exposure, max_exposure, max_clipping, max_blur, max_ghosting, min_illumination, min_field_complete;
    int    min_tiles; /* fewer readable ones are insufficient; 0: not said */
    /* Conformal sets: label c is in the set when its score is at least 1 - conformal[c] (one for all, or one a class), and then the truth is in
     * it with a probability of 1 - conformal_alpha; n 0: absent. */
    double  conformal_alpha;
    double *conformal;
    int     n_conformal;
    char   *reference, *reference_sha256; /* what the training bags looked like: file beside the card; NULL: not known */
    /* Of an ensemble: paths below the card's folder, average | vote | stack, and of stack a weight each and the constant last. */
    char  **members, *combine; /* of a task: max | mean | noisy-or | top-k */
    double *weights;
    int     n_weights;
    /* Of single kinds; one that does not know a key refuses it. */
    bool       average;         /* dsmil: half of sigmoid(bag) + sigmoid(largest tile) */
    mt_distill distill;         /* dtfd */
    int        groups, repeats; /* dtfd; 0: 4 and 1 */
    int        k;               /* topk: tiles that count; dtfd: tiles of a group; 0: 10 and 1 */
    bool       seeded;          /* dtfd: groups by `seed`, else by stride */
    int        seed;
    int        heads; /* stamp_vit, monai_mil: of the attention; 0: as the checkpoint says, else 8 */
    /* Of tasks, whose network classifies each tile itself (docs/tasks.md). */
    bool    probabilities; /* its outputs are what the activation would give: activation=none says so of findings */
    double *op_norm; /* a point of operation for each label, which becomes 0.5 (torchxrayvision); 0: none of that label; n 0: absent */
    int     n_op_norm;
    double *thresholds; /* one for each label, at and above which it is found; n 0: absent */
    int     n_thresholds;
    double  logit_scale; /* zero-shot: a cosine times it is a logit; 0: the file's */
    bool    has_card;    /* false: labels are made up, no decision, status uncalibrated */
    bool    demonstration;
} mt_head_card;

/* A head whose encoder does the work: its rows are scores already (classify, tiles), or are compared with what is in a file (zero-shot,
 * embed).  Zeros stand for what the card says. */
typedef struct mt_head_task {
    const char                        *name;      /* "classify", "tiles", "zero-shot", "embed" */
    int64_t                            dim;       /* of the encoder's rows */
    const char                        *combine;   /* max, mean, noisy-or or top-k tiles of a case */
    int                                k;         /* of top-k */
    const char                        *reference; /* of embed: path of what normal cases look like */
    const struct mt_feature_reference *normal;    /* of embed: the same, fitted already; NULL: from the path */
    const char                        *card;      /* text of a card in place of the one beside `path` */
    int64_t   first, width; /* of classify: its columns of the row, where the graph has several outputs; width 0: all */
    mt_model *model;        /* whose metadata speak where there is no card; NULL: nobody's */
} mt_head_task;

/* Where the features came from, to be compared with what the head was made for. */
typedef struct mt_feature_origin {
    const char *encoder, *encoder_sha256;
    double      target_mpp;
    int64_t     dim;
} mt_feature_origin;

/* What a prediction may use; NULL stands for zeros. */
typedef struct mt_head_options {
    int64_t memory_bytes; /* of a head that needs all of a bag at once; 0: MT_HEAD_MEMORY_BYTES */
    int     threads;      /* 0 and 1: one.  The output is the same bytes for any number */
} mt_head_options;

#define MT_HEAD_MEMORY_BYTES (INT64_C(4) << 30)

typedef struct mt_head_output {
    int64_t n, n_classes, n_attention; /* N, C, K (1, C or heads; 0: the head has no attention) */
    int64_t dim;                       /* of embedding; 0: none */
    bool    attention_heads;           /* a column of the attention per head of a transformer, not per class */
    float  *logits, *scores;           /* C each; NULL when the head is a slide embedding */
    float  *attention;                 /* N x K, softmax over tiles */
    float  *attention_logits;          /* N x K */
    float  *tile_scores;               /* N x C: scores of each tile as a bag of one; NULL where undefined */
    float  *embedding;                 /* dim: the pooled vector, of CLAM-MB one after the other; NULL where undefined */
    int64_t n_members;                 /* M heads of an ensemble; 0: a head alone */
    float  *member_scores;             /* M x C */
    /* How far the bag's mean feature lies from those of the training bags, of which distance_share are within distance_limit; limit 0: the card
     * names no reference. */
    double distance, distance_limit, distance_share;
} mt_head_output;

/* "mean", "max", FILE.safetensors, FILE.pt, FILE.pth, FILE.ckpt, FILE.onnx or ENSEMBLE.card.  Architecture and sizes come from keys and shapes.  MT_ERROR_MODEL names
 * the key or shape that does not fit. */
MT_PUBLIC mt_head *mt_head_load(const char *path, GError **error);
/* The head of a task.  `path`: of classify, tiles and embed the model's, whose card may have a group [head]; of zero-shot the file of text
 * embeddings.  MT_ERROR_USAGE for another task or rule. */
MT_PUBLIC mt_head            *mt_head_load_task(const char *path, const mt_head_task *task, GError **error);
MT_PUBLIC mt_head            *mt_head_ref(mt_head *head);
MT_PUBLIC void                mt_head_unref(mt_head *head);
MT_PUBLIC const mt_head_card *mt_head_get_card(const mt_head *head);
MT_PUBLIC const char         *mt_head_kind(const mt_head *head);
/* SHA-256 of its file, 64 hex digits; "" for mean and max. */
MT_PUBLIC const char *mt_head_sha256(const mt_head *head);
/* Expected feature width; -1: any. */
MT_PUBLIC int64_t mt_head_dim(const mt_head *head);
/* MT_ERROR_MODEL with both sides when encoder, hash, µm/px (by more than 2 %) or width differ.  What one side does not say (NULL,
 * "", 0) is not held against the other; the width always is. */
MT_PUBLIC bool mt_head_accepts(const mt_head *head, const mt_feature_origin *origin, GError **error);
/* Stream the bag once or twice in blocks, or take all of it where attention joins tiles with tiles: MT_ERROR_MEMORY with the
 * bytes that wants where they are more than the options give.  An empty bag is MT_ERROR_INPUT; NaN in scores or attention
 * MT_ERROR_MODEL; options below zero MT_ERROR_RANGE. */
MT_PUBLIC mt_head_output *mt_head_predict(const mt_head *head, const mt_bag *bag, const mt_head_options *options, GError **error);
MT_PUBLIC void            mt_head_output_free(mt_head_output *output);
/* The column of the encoder's row that speaks for a label, of task classify and tiles; false: of this head the rows are features. */
MT_PUBLIC bool mt_head_class_column(const mt_head *head, int label, int64_t *column);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_head, mt_head_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_head_output, mt_head_output_free)

G_END_DECLS

#endif
