/* The weights of a network that learns, under their published names: as a head keeps them, and as a checkpoint gives them to begin from. */
#ifndef MT_NETWORK_WEIGHTS_H
#define MT_NETWORK_WEIGHTS_H

#include "src/train/bag_pass.h"

typedef struct mt_network_weight {
    char   *name;        /* "classifier.weight" */
    int64_t at, out, in; /* its place in the layout; in 0: a bias */
    bool    classifier;  /* of labels, not of tiles */
} mt_network_weight;

/* All of abmil, clam_sb, clam_mb or max, in the order they are written; free with g_array_unref. */
GArray *mt_network_weights(const char *model, const mt_bag_network *net, const mt_bag_layout *layout);

/* Widths that the checkpoint at `path` has for this model: those that are not 0 are left as they are.  MT_ERROR_MODEL: keys of another model. */
bool mt_network_weights_sizes(const char *path, const char *model, int64_t *hidden, int64_t *attention, GError **error);
/* Fill `values` from the checkpoint at `path`, by name, whatever wrapper stands in front.  A classifier that is not there or has another shape
 * (of other labels) stays as it is and is counted in *kept; anything else that does not fit is MT_ERROR_MODEL, naming key and shapes. */
bool mt_network_weights_read(const char *path, const GArray *weights, float *values, int *kept, GError **error);

#endif
