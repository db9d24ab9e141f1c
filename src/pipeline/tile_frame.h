/* Where the network's square lies in a case. */
#ifndef MT_TILE_FRAME_H
#define MT_TILE_FRAME_H

#include "src/pipeline/case_tiles.h"
#include "src/result/box_nms.h"

/* The network's px to level-0 px: through the card's fit to the tile's px, through the tile's size and place to the case. */
mt_box_frame mt_tile_frame(const mt_case_tiles *tiles, const mt_contract *contract, const mt_card *card, const mt_tile *tile);

#endif
