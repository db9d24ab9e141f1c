/* A chest whose measures follow from the field of view, with nodules in its lungs. */
#ifndef PHANTOM_CHEST_H
#define PHANTOM_CHEST_H

#include "samples/phantoms.h"

#define CHEST_MAX_NODULES 8
#define CHEST_MAX_TUBES 400

typedef struct chest_nodule {
    double   at[3], radius; /* mm, patient's frame about the isocentre */
    bool     malignant;     /* mottled, with spicules; else even and smooth */
    uint64_t seed;          /* of its texture */
} chest_nodule;

typedef struct chest_tube {
    double a[3], b[3], ra, rb;
} chest_tube;

typedef struct chest {
    uint64_t     seed;
    double       field[3];                /* mm */
    double       body[2], lung[3], apart; /* semi-axes; lungs' middles stand `apart` from the middle plane */
    double       heart[3], heart_at[3], rib_pitch, rib_phase, fat;
    double       isocentre[3];
    chest_nodule nodules[CHEST_MAX_NODULES];
    int          n_nodules, n_tubes;
    chest_tube   tubes[CHEST_MAX_TUBES];
} chest;

chest *chest_new(uint64_t seed, const double field[3]);
/* A nodule of this diameter, somewhere inside a lung and apart from the others; false when there is no room. */
bool chest_add_nodule(chest *c, ph_random *r, double diameter, bool malignant);
/* Vessels; call after the nodules, since none goes through one. */
void chest_grow_vessels(chest *c);
/* Hounsfield units on the grid, noise of `noise_seed` included; `shares` gets each nodule's share of the voxels (n_nodules volumes). */
float *chest_render(const chest *c, const ph_grid *g, uint64_t noise_seed, float *shares);

#endif
