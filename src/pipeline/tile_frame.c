#include "src/pipeline/tile_frame.h"

mt_box_frame mt_tile_frame(const mt_case_tiles *tiles, const mt_contract *contract, const mt_card *card, const mt_tile *tile)
{
    const mt_level *level = mt_case_level(tiles->c, 0);
    bool            whole = card->fit != MT_FIT_TILES;
    int64_t         width = whole ? level->width : contract->tile_px, height = whole ? level->height : width;
    mt_box_frame    frame = mt_box_frame_of_card(card, width, height);
    double          edge[2];

    mt_grid_tile_level0(tiles->grid, &edge[0], &edge[1]);
    frame.scale[0] *= edge[0] / (double)width;
    frame.scale[1] *= edge[1] / (double)height;
    frame.origin[0] = (double)tile->x;
    frame.origin[1] = (double)tile->y;
    frame.origin[2] = (double)tile->plane;
    frame.size[0] = (double)level->width;
    frame.size[1] = (double)level->height;
    return frame;
}
