/* A box of a volume round a point, at another spacing. */
#ifndef MT_VOLUME_SAMPLE_H
#define MT_VOLUME_SAMPLE_H

#include "src/case/volume.h"

/* size[0] x size[1] x size[2] samples of every channel, their middle at `centre` (voxels), `step` voxels apart; linear between voxels, beyond
 * the edge the last voxel's value.  `out`: channels x z x y x x. */
void mt_volume_sample(const mt_volume *v, const double centre[3], const double step[3], const int64_t size[3], float *out);

#endif
