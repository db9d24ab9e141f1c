/* <microtome/verify.h>  How far the features of one precision, or of a changed model, are from those of another.
 * Every function may be called by any thread. */
#ifndef MICROTOME_VERIFY_H
#define MICROTOME_VERIFY_H

#include <microtome/encoder.h>

G_BEGIN_DECLS

/* One way to compute features. */
typedef struct mt_verify_side {
    mt_encoder  *encoder;
    mt_backend   backend;
    mt_precision precision;
} mt_verify_side;

typedef struct mt_verify_figures {
    int64_t tiles;
    int64_t worst;      /* the tile of min_cosine */
    double  min_cosine; /* of the two features of a tile; the smallest and the mean over the tiles */
    double  mean_cosine;
    double  relative_error; /* ||a - b|| / ||b|| over all features together */
} mt_verify_figures;

/* Two encoders whose features may be compared: cards that make the same input of a tile and the same feature of the output, and
 * features of one width.  MT_ERROR_MODEL names both files and the first difference. */
MT_PUBLIC bool mt_verify_agree(const mt_encoder *encoder, const mt_encoder *reference, GError **error);
/* Features of `inputs`, float32 N x D.  inputs: float32 N x planes x size x size as the graph wants them, after normalisation
 * (mt_pipeline_sample makes them of real cases).  MT_ERROR_INPUT for another shape or type. */
MT_PUBLIC mt_tensor *mt_verify_encode(const mt_verify_side *side, const mt_tensor *inputs, int threads, GError **error);
/* Two features are compared as rows of float32 N x D.  Two rows of zeros have cosine 1, one of the two 0.  MT_ERROR_INPUT for
 * shapes that differ and for what is not a finite number. */
MT_PUBLIC bool mt_verify_compare(const mt_tensor *features, const mt_tensor *reference, mt_verify_figures *figures, GError **error);
/* Both in one: encode `inputs` by each side, then compare. */
MT_PUBLIC bool mt_verify(const mt_verify_side *side, const mt_verify_side *reference, const mt_tensor *inputs, int threads,
                         mt_verify_figures *figures, GError **error);
/* The smallest cosine that a precision may reach and be called verified: 0.9995 (bf16), 0.99 (int8), 0.99999 (fp32). */
MT_PUBLIC double mt_verify_limit(mt_precision precision);

/* What verifying one precision gave. */
typedef struct mt_verify_result {
    mt_precision      precision;
    mt_verify_figures figures;
} mt_verify_result;

MT_PUBLIC bool mt_verify_holds(const mt_verify_result *result);
/* Write the precisions that hold into the encoder's card, with their cosines and the model's hash, and strike those that do not;
 * all else in the file stays.  Without a card file one is made of the contract that was found.  *path (free with g_free) is the file,
 * NULL where nothing holds and nothing was to be struck.  The loaded encoder keeps its card.  MT_ERROR_IO; MT_ERROR_USAGE for a
 * built-in one. */
MT_PUBLIC bool mt_verify_write_card(const mt_encoder *encoder, const mt_verify_result *results, int n, char **path, GError **error);

G_END_DECLS

#endif
