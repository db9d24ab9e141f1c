/* The contract of a dense network, which answers for every voxel: the [encoder] group of MODEL.card, or what an nnU-Net folder says.
 * Axes are x, y, z of the volume as the network gets it. */
#ifndef MT_DENSE_CARD_H
#define MT_DENSE_CARD_H

#include "src/case/intensity_scheme.h"
#include "src/case/volume_turn.h"

#include <microtome/model.h>

typedef enum mt_dense_activation {
    MT_DENSE_SOFTMAX, /* outputs are logits of classes that exclude each other */
    MT_DENSE_SIGMOID, /* outputs are logits, each by itself */
    MT_DENSE_NONE,    /* outputs are what they are: probabilities, or a reconstructed picture */
} mt_dense_activation;

#define MT_DENSE_MAX_CHANNELS 64 /* of the input; a label map holds 256 labels at most */
#define MT_DENSE_MAX_LABELS 256

typedef struct mt_dense_card {
    char   *name, *input, *output; /* ports NULL: the only ones */
    char *requires; /* what must have been done: "skull_stripped;template"; NULL: nothing */
    char   *source, *licence;
    bool    demonstration;
    int64_t patch[3]; /* size_px; z = 1: a network of two dimensions, run slice by slice */
    bool stretch; /* every slice is resized to the patch's x and y as Pillow does (bilinear, over all pixels): no windows there, no µm/px */
    int  slices;  /* neighbouring slices as channels, odd: 1 none, 3 a triplet; the edge slice is repeated */
    /* The case's channels: sequences of an MR, "rgb" stands as three. */
    int                 n_channels;
    char              **channels; /* NULL-terminated */
    mt_intensity_scheme scheme[MT_DENSE_MAX_CHANNELS];
    double mean[MT_DENSE_MAX_CHANNELS], std[MT_DENSE_MAX_CHANNELS]; /* after the scheme: (x - mean) / std; 0 and 1 where none are given */
    double spacing_mm[3];                                           /* wanted; 0: as the case has it */
    bool   crop_nonzero;                                            /* to the box around what is not 0, before anything else */
    mt_volume_order order;                                          /* in which the case's axes are read */
    int             axes[3];                                        /* then: the axis that stands as the network's x, y, z */
    /* How the case comes to spacing_mm (0, 1, 3) and the logits back (0, 1); across an axis apart the nearest is taken. */
    int image_order, logits_order;
    int apart; /* 1: the coarse axis always apart, 0: never, -1: where one is over three times as coarse as the others */

    double step;     /* share of the patch */
    bool   monai;    /* windows as MONAI lays them */
    bool   constant; /* weight of a window's voxels; else Gaussian */
    bool   mirror[3];

    mt_dense_activation activation;
    int                 n_labels; /* channels of the output */
    char              **labels;   /* NULL-terminated; names of the output's channels */
    uint8_t            *values;   /* what the label map says where the channel wins; of a region: what it is painted with */
    bool                regions;  /* a channel each, above one half: painted in their order, later ones over earlier */
    uint8_t (*members)[32];       /* n_labels bit sets: the label map's values that are this label's */
    char **verified;              /* precisions; NULL when absent */
} mt_dense_card;

/* MT_ERROR_MODEL naming file, key, value and what is wanted, also when there is no such file. */
mt_dense_card *mt_dense_card_read(const char *path, GError **error);
mt_dense_card *mt_dense_card_read_text(const char *text, size_t bytes, const char *source, GError **error);
/* What every way to a card begins with. */
mt_dense_card *mt_dense_card_new(const char *source);
void           mt_dense_card_free(mt_dense_card *card);
/* n labels that exclude each other, with the values 0 to n - 1; names are taken. */
void mt_dense_card_set_labels(mt_dense_card *card, char **names);
bool mt_dense_card_is_member(const mt_dense_card *card, int label, uint8_t value);
void mt_dense_card_add_member(mt_dense_card *card, int label, uint8_t value);
/* As a key file with the values in force, what was verified apart; what plans say and cards cannot stands in comments.  Free with g_free. */
char *mt_dense_card_text(const mt_dense_card *card);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dense_card, mt_dense_card_free)

#endif
