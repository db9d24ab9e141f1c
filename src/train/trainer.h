/* Learning a network over bags by gradient descent: the graph of one bag and its reverse (kernels/graph/gradient.h), AdamW with
 * decoupled decay, a cosine schedule, dropout, early stopping.  Equal arguments give equal bytes for any number of threads: each
 * bag of a step is one thread's, and the gradients are added in the order of the bags. */
#ifndef MT_TRAINER_H
#define MT_TRAINER_H

#include <microtome/bag.h>
#include <microtome/tensor.h>

/* What the logits mean.
 *   SOFTMAX  targets[0]: index of the class                          cross-entropy
 *   SIGMOID  targets[0 .. n_logits-1] in [0, 1], NAN: not known      binary cross-entropy, mean over the known ones
 *   ORDINAL  targets[0]: the grade, 0 .. n_logits                    binary cross-entropy of the questions "more than grade k"
 *   HAZARD   targets[0]: index of the interval; event                -log of living through those before, and of the event or its lack
 *   COX      time, event                                             -log partial likelihood (Breslow) over the events
 * Cox compares cases: its gradient is taken over all cases, with the risks as they stood when the epoch began for those outside of
 * the step. */
typedef enum mt_loss_kind { MT_LOSS_SOFTMAX, MT_LOSS_SIGMOID, MT_LOSS_ORDINAL, MT_LOSS_HAZARD, MT_LOSS_COX } mt_loss_kind;

/* One case.  The bag is read from the calling thread only. */
typedef struct mt_trainee {
    mt_bag       bag;
    const float *targets;
    double       time;
    bool         event;
} mt_trainee;

/* One epoch, counted from 1; NAN where there are no cases to watch. */
typedef struct mt_trained_epoch {
    int    epoch;
    double train_loss, val_loss;
    double val_metric; /* SOFTMAX: share of right answers; else NAN */
    double lr;         /* of its last step */
} mt_trained_epoch;

typedef struct mt_trainer_params {
    /* abmil     MIL-Lab's keys: patch_embed.0, global_attn.attention_{a.0,b.0,c}, classifier
     * clam_sb   CLAM's keys: attention_net.0, attention_net.3.attention_{a.0,b.0,c}, classifiers, instance_classifiers.{c}
     * clam_mb   the same, classifiers.{c}
     * mean, max, linear  classifier, on the mean or the maximum of the bag */
    const char  *model;
    int64_t      dim;               /* features of a tile */
    int          hidden, attention; /* 0: 512; 256, abmil 384 */
    int          n_logits;
    mt_loss_kind loss;
    double       lr;              /* > 0 */
    double       weight_decay;    /* >= 0; biases are not decayed */
    double       dropout;         /* [0, 1) */
    int          epochs;          /* >= 1 */
    int          batch;           /* bags in a step; 0: 4, 1 for clam */
    int          patience;        /* epochs without a better validation loss; 0: no early stopping */
    const float *class_weights;   /* n_logits, SOFTMAX only; NULL: none */
    double       instance_weight; /* of clam's instance loss against the bag's; 0.3 as published */
    int          instance_k;      /* tiles taken as certain at each end; 8 as published */
    uint64_t     seed;
    int          threads;      /* >= 1 */
    int64_t      memory_bytes; /* of features kept; what is beyond is read again each epoch.  0: 1 GiB */
    /* After each epoch; false stops with MT_ERROR_STOPPED.  NULL: none. */
    bool (*progress)(void *user, const mt_trained_epoch *epoch);
    void *user;
    /* To begin with, instead of drawing (Glorot's uniform, biases 0): name by name; NULL: drawn. */
    const char *const      *initial_names;
    const mt_tensor *const *initial;
    int                     n_initial;
} mt_trainer_params;

typedef struct mt_trained {
    char      **names; /* NULL-terminated */
    mt_tensor **tensors;
    int         n;
    GArray     *curve; /* mt_trained_epoch */
    int         epoch; /* whose weights these are: the best where cases are watched with patience, else the last */
} mt_trained;

/* val may be empty.  MT_ERROR_RANGE: a parameter or a target outside of its range; MT_ERROR_USAGE: an unknown model, a loss that
 * does not go with it; MT_ERROR_MODEL: NaN or another dim in a bag; MT_ERROR_STOPPED; MT_ERROR_MEMORY. */
mt_trained *mt_trainer_fit(const mt_trainee *train, int n_train, const mt_trainee *val, int n_val, const mt_trainer_params *params,
                           GError **error);
void        mt_trained_free(mt_trained *trained);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_trained, mt_trained_free)

#endif
