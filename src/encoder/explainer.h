/* Where in its input a classifier finds a class, from its graph alone.
 * CAM (Zhou et al. 2016), Grad-CAM (Selvaraju et al. 2017), gradient saliency (Simonyan et al. 2013), attention rollout (Abnar and Zuidema 2020).
 * In float32, whatever the classifier runs in.  One thread at a time. */
#ifndef MT_EXPLAINER_H
#define MT_EXPLAINER_H

#include <microtome/encoder.h>

typedef enum mt_explain_method {
    MT_EXPLAIN_NONE,
    MT_EXPLAIN_AUTO, /* CAM where the graph allows it, rollout of a transformer, else Grad-CAM, else occlusion */
    MT_EXPLAIN_CAM,
    MT_EXPLAIN_GRADCAM,
    MT_EXPLAIN_SALIENCY,
    MT_EXPLAIN_ROLLOUT,
    MT_EXPLAIN_OCCLUSION, /* of any classifier: no explainer, see occlusion.h */
    MT_EXPLAIN_METHODS
} mt_explain_method;

const char *mt_explain_method_name(mt_explain_method method);
bool        mt_explain_method_parse(const char *name, mt_explain_method *method);

typedef struct mt_explainer mt_explainer;

typedef struct mt_explainer_params {
    mt_explain_method
        method; /* other than NONE and OCCLUSION; AUTO: an explainer of NULL without an error means that nothing but occlusion is left */
    const char *layer; /* Grad-CAM: name of a node or value; NULL: the last picture of features */
    int         threads;
} mt_explainer_params;

/* MT_ERROR_MODEL says what the graph lacks for the method. */
mt_explainer     *mt_explainer_new(const mt_encoder *encoder, const mt_explainer_params *params, GError **error);
void              mt_explainer_free(mt_explainer *explainer);
mt_explain_method mt_explainer_method(const mt_explainer *explainer);
/* The value whose places are told; NULL: the input's. */
const char *mt_explainer_layer(const mt_explainer *explainer);
/* A map: rows and columns, and which px of the network's input (rows, columns) a place is centred on: start + i jump. */
typedef struct mt_explain_grid {
    int64_t size[2];
    double  start[2], jump[2];
} mt_explain_grid;

/* Places that share the input evenly. */
mt_explain_grid mt_explain_grid_even(const int64_t size[2], int64_t size_px);
/* Of a map, bilinear between the centres of its places, at input px (x, y), whose centres are whole. */
double mt_explain_grid_at(const mt_explain_grid *grid, const float *map, double x, double y);

mt_explain_grid mt_explainer_grid(const mt_explainer *explainer);
/* input: planes x size x size as the graph takes it; column: of the feature row.  map: what speaks for the class in each place, 0 and more
 * (of CAM and Grad-CAM what is below 0 speaks against it, and is 0).  Rollout is of no class.  MT_ERROR_MODEL where a value is no number. */
bool mt_explainer_run(mt_explainer *explainer, const float *input, int64_t column, float *map, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_explainer, mt_explainer_free)

#endif
