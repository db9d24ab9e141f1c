/* <microtome/encoder.h>  A model and its card: the contract of its input, and which output is the feature.
 * An encoder is immutable: share it between threads freely.  A session belongs to one thread at a time. */
#ifndef MICROTOME_ENCODER_H
#define MICROTOME_ENCODER_H

#include <microtome/model.h>
#include <microtome/tile_reader.h>

G_BEGIN_DECLS

typedef enum mt_fit { MT_FIT_TILES, MT_FIT_STRETCH, MT_FIT_PAD, MT_FIT_CROP } mt_fit;
typedef enum mt_pool { MT_POOL_NONE, MT_POOL_CLS, MT_POOL_MEAN, MT_POOL_CLS_MEAN, MT_POOL_RAW } mt_pool;
typedef enum mt_channels { MT_CHANNELS_RGB, MT_CHANNELS_BGR, MT_CHANNELS_GRAY } mt_channels;
typedef enum mt_value_rule { MT_VALUE_RGB8, MT_VALUE_HU, MT_VALUE_PERCENTILE, MT_VALUE_ZSCORE, MT_VALUE_RANGE } mt_value_rule;

/* The card beside the model, field by field as in its key file. */
typedef struct mt_card {
    char         *name;
    char         *input, *output; /* graph ports; NULL: the only ones */
    mt_pool       pool;
    int           prefix_tokens; /* tokens before the patch tokens (cls, registers) */
    int           size_px;       /* edge of the graph's input */
    int           tile_px;       /* edge of the tile read at mpp */
    int           resize_px;     /* the tile's edge after resizing */
    int           crop_px;       /* centre crop after resizing */
    double        mpp;           /* wanted µm/px; 0: none (whole plane, or level 0) */
    mt_fit        fit;
    mt_channels   channels;
    mt_value_rule value;
    double        range[2]; /* LO, HI of value = range:LO,HI */
    int           n_mean;   /* 1 or 3 */
    double        mean[3], std[3];
    mt_filter     interpolation;
    int           batch;
    char        **verified;           /* precisions that may be used; NULL-terminated, NULL when absent */
    char         *verified_sha256;    /* of the model they were verified with; NULL: not said */
    double        verified_cosine[3]; /* by mt_precision: the smallest that was seen; NAN: not said */
    char *requires;                   /* what must have been done: "skull_stripped;bias_corrected"; NULL: nothing */
    char *licence;
    bool  demonstration; /* every picture and table made with it says so */
    char *source;        /* where the contract was found: path of card or config.json, "metadata", "builtin" */
} mt_card;

/* Intensities of a case, for value = percentile or zscore. */
typedef struct mt_intensity {
    double low, high; /* 0.5 and 99.5 percentile over the whole case */
    double mean, std; /* over the whole case */
} mt_intensity;

typedef struct mt_encoder         mt_encoder;
typedef struct mt_encoder_session mt_encoder_session;

/* Load FILE.onnx and its contract: FILE.card beside it, else timm's or Hugging Face's config.json in its folder, else the
 * ONNX metadata.  "builtin:demo" is the embedded demonstration encoder.  MT_ERROR_MODEL without a contract: the message
 * says which three were looked for. */
MT_PUBLIC mt_encoder *mt_encoder_load(const char *model_path, GError **error);
/* The same with several outputs of the graph, one behind the other in a feature row; the card's `output` does not count then. */
MT_PUBLIC mt_encoder *mt_encoder_load_outputs(const char *model_path, const char *const *outputs, GError **error);
/* Where output `name` of mt_encoder_load_outputs lies in a row; false: it is none of them. */
MT_PUBLIC bool           mt_encoder_columns(const mt_encoder *encoder, const char *name, int64_t *first, int64_t *width);
MT_PUBLIC mt_encoder    *mt_encoder_ref(mt_encoder *encoder);
MT_PUBLIC void           mt_encoder_unref(mt_encoder *encoder);
MT_PUBLIC const mt_card *mt_encoder_card(const mt_encoder *encoder);
MT_PUBLIC mt_model      *mt_encoder_model(const mt_encoder *encoder);
/* A card's text under another name, every key written out but `verified`: that is measured for each model.  Free with g_free. */
MT_PUBLIC char *mt_card_to_text(const mt_card *card, const char *name);
/* Of pool=raw: the output of one tile as the graph gives it, without the batch; the rank, 0 for another pool. */
MT_PUBLIC int mt_encoder_raw_shape(const mt_encoder *encoder, int64_t shape[MT_MAX_RANK]);
/* Width of a feature row. */
MT_PUBLIC int64_t mt_encoder_dim(const mt_encoder *encoder);

/* The card as a key file, every key with the value in force, what was verified apart; free with g_free. */
MT_PUBLIC char *mt_encoder_card_text(const mt_encoder *encoder);
/* The card lists the precision as verified, and for this very model file where it names one; fp32 always is. */
MT_PUBLIC bool mt_encoder_is_verified(const mt_encoder *encoder, mt_precision precision);
/* What `auto` means: the fastest precision that this CPU has natively among the verified ones (int8: of a quantised model);
 * else fp32.  *why (may be NULL; free with g_free) says of each faster one why it is not, "" when there is none faster. */
MT_PUBLIC mt_precision mt_encoder_auto_precision(const mt_encoder *encoder, char **why);
/* Why `precision` is not native: "this CPU has no AVX-512 BF16"; NULL when it is. */
MT_PUBLIC const char *mt_precision_why_slow(mt_precision precision);

/* A session for `batch` tiles with `threads` oneDNN threads. */
MT_PUBLIC mt_encoder_session *mt_encoder_session_new(mt_encoder *encoder, mt_backend backend, mt_precision precision, int batch,
                                                     int threads, GError **error);
MT_PUBLIC void                mt_encoder_session_free(mt_encoder_session *session);
/* The case's intensities; needed before put() when the card's value rule is percentile or zscore. */
MT_PUBLIC void mt_encoder_session_set_intensity(mt_encoder_session *session, const mt_intensity *intensity);
/* Resize, crop, scale and normalise one tile into slot `slot` of the batch.  MT_ERROR_INPUT when the pixels do not fit the
 * card's value rule (a 16-bit plane and rgb8): refused, not guessed. */
MT_PUBLIC bool mt_encoder_session_put(mt_encoder_session *session, int slot, const mt_tile_pixels *pixels, GError **error);
/* The same with an input that is ready: planes x size x size floats, normalised as the graph wants them. */
MT_PUBLIC bool mt_encoder_session_put_input(mt_encoder_session *session, int slot, const float *input, GError **error);
/* What is in a slot: planes x size x size floats, until the next put. */
MT_PUBLIC const float *mt_encoder_session_input(const mt_encoder_session *session, int slot);
/* Encode the first n slots (the rest are padding): features gets n x dim floats.  NaN or infinity in them is MT_ERROR_MODEL. */
MT_PUBLIC bool mt_encoder_session_run(mt_encoder_session *session, int n, float *features, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_encoder, mt_encoder_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_encoder_session, mt_encoder_session_free)

G_END_DECLS

#endif
