/* The contract of a segmentation network: the [segmenter] group of FILE.card beside FILE.onnx.  What pixels it wants and what its
 * outputs mean is written there, never guessed. */
#ifndef MT_SEGMENTER_CARD_H
#define MT_SEGMENTER_CARD_H

#include <microtome/encoder.h>

typedef enum mt_segmenter_activation { MT_SEGMENTER_SOFTMAX, MT_SEGMENTER_SIGMOID, MT_SEGMENTER_NONE } mt_segmenter_activation;

#define MT_SEGMENTER_MAX_CLASSES 256

typedef struct mt_segmenter_card {
    mt_card                *pixels; /* name, ports, size, µm/px, channels, mean, std, interpolation */
    mt_segmenter_activation activation;
    double                  threshold; /* NAN: the largest class decides */
    double                  overlap;   /* share of an edge, up to 0.9; the outer half of it is not used */
    char                  **classes;   /* names, in the order of the output's channels; NULL: none were given */
    char                  **wanted;    /* foreground= as written; NULL: absent */
    /* filled by mt_segmenter_card_fit */
    int  n_classes;
    bool foreground[MT_SEGMENTER_MAX_CLASSES];
} mt_segmenter_card;

/* MT_ERROR_MODEL naming file, key and what is wanted, also when there is no such file. */
mt_segmenter_card *mt_segmenter_card_read(const char *path, GError **error);
void               mt_segmenter_card_free(mt_segmenter_card *card);
/* Hold the card against an output of n_classes channels; one channel is the foreground itself. */
bool mt_segmenter_card_fit(mt_segmenter_card *card, int64_t n_classes, GError **error);
/* Every key with the value in force, as lines key=value. */
void mt_segmenter_card_put(GString *text, const mt_segmenter_card *card);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_segmenter_card, mt_segmenter_card_free)

#endif
