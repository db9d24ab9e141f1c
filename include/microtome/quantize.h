/* <microtome/quantize.h>  Post-training quantisation to 8-bit integers.
 * Reads a float model, watches its activations over calibration samples, and writes a model with QuantizeLinear and
 * DequantizeLinear nodes that any ONNX engine runs: weights int8 symmetric per output channel, activations uint8 per tensor. */
#ifndef MICROTOME_QUANTIZE_H
#define MICROTOME_QUANTIZE_H

#include <microtome/model.h>

G_BEGIN_DECLS

/* How the range of an activation follows from what the samples showed. */
typedef enum mt_range_method {
    MT_RANGE_MSE,        /* the range with the least squared error of rounding and clipping */
    MT_RANGE_PERCENTILE, /* leaves the share 1 - percentile / 100 outside, on either side of 0 */
    MT_RANGE_MINMAX,     /* all of it */
} mt_range_method;

#define MT_BALANCE_OFF (-1.0)    /* weights and activations keep their ranges */
#define MT_BALANCE_SEARCH (-2.0) /* the exponent with the least expected error, layer by layer */

/* Work done of a stage ("observe", "measure", ..). */
typedef void (*mt_quantize_progress)(void *user, const char *stage, int64_t done, int64_t total);

typedef struct mt_quantize_params {
    mt_range_method      method;
    double               percentile; /* (50, 100]; 0: 99.99 */
    double               balance;    /* exponent in [0, 1] that moves range from activations behind a layer norm to the weights */
    const char *const   *keep;       /* names of nodes that stay float, NULL-terminated; may be NULL */
    double               min_cosine; /* [0, 1): layers stay float until each sample's outputs reach it; 0: none do */
    int                  output;     /* that is compared; -1: every one */
    int                  threads;
    bool                 replace; /* the target may exist */
    mt_quantize_progress progress;
    void                *progress_user;
} mt_quantize_params;

typedef struct mt_quantized_layer {
    char  *node, *op;
    bool   quantized;
    bool   by_measure; /* kept float by min_cosine, not by name or kind */
    double snr_db;     /* of its output when it alone is quantised; NaN: not measured */
} mt_quantized_layer;

typedef struct mt_quantize_report {
    int                 n_layers, n_quantized; /* convolutions and products with constant weights */
    int                 n_balanced;            /* layer norms whose range went to the weights */
    double              cosine; /* smallest over the samples, of the quantised model's outputs to the float model's; NaN: not measured */
    mt_quantized_layer *layers;
} mt_quantize_report;

/* samples: n_samples x inputs of the model, sample after sample.  Publishes `target`.  *report (may be NULL) is the caller's.
 * MT_ERROR_RANGE for a parameter, MT_ERROR_USAGE without samples or for an unknown name in keep, MT_ERROR_MODEL when the model is
 * quantised already, has no layer with constant weights, has an opset below 13, or cannot reach min_cosine, MT_ERROR_INPUT when a
 * sample or an activation is not finite. */
MT_PUBLIC bool mt_model_quantize(mt_model *model, const mt_quantize_params *params, mt_tensor *const *samples, int n_samples,
                                 const char *target, mt_quantize_report **report, GError **error);
MT_PUBLIC void mt_quantize_report_free(mt_quantize_report *report);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_quantize_report, mt_quantize_report_free)

G_END_DECLS

#endif
