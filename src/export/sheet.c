/* A sheet of small pictures in rows. */
#include "src/export/sheet.h"

#include <string.h>

static const mt_color ink = {32, 32, 38}, soft = {96, 96, 104}, marked = {190, 30, 45};

int mt_sheet_width(int n)
{
    return MT_SHEET_GAP + MIN(n, MT_SHEET_COLUMNS) * (MT_SHEET_SIDE + MT_SHEET_GAP);
}

int mt_sheet_height(int n)
{
    return MT_SHEET_GAP + (n + MT_SHEET_COLUMNS - 1) / MT_SHEET_COLUMNS * (MT_SHEET_SIDE + MT_SHEET_TEXT + MT_SHEET_GAP);
}

static void paste(mt_canvas *sheet, const mt_canvas *picture, int x, int y)
{
    for (int row = 0; row < picture->height; row++)
        memcpy(sheet->rgb + ((size_t)(y + row) * (size_t)sheet->width + (size_t)x) * 3,
               picture->rgb + (size_t)row * (size_t)picture->width * 3, (size_t)picture->width * 3);
}

bool mt_sheet_put(mt_canvas *sheet, int top, int place, const mt_sheet_cell *cell, GError **error)
{
    const mt_text_style styles[] = {{.size_px = 13, .bold = true, .color = cell->marked ? marked : ink, .width = MT_SHEET_SIDE},
                                    {.size_px = 12, .color = ink, .width = MT_SHEET_SIDE},
                                    {.size_px = 11, .color = soft, .width = MT_SHEET_SIDE}};
    int                 x = MT_SHEET_GAP + place % MT_SHEET_COLUMNS * (MT_SHEET_SIDE + MT_SHEET_GAP);
    int                 y = top + MT_SHEET_GAP + place / MT_SHEET_COLUMNS * (MT_SHEET_SIDE + MT_SHEET_TEXT + MT_SHEET_GAP);
    int                 left = x + (MT_SHEET_SIDE - cell->picture->width) / 2, low = y + MT_SHEET_SIDE - cell->picture->height;
    bool                ok = true;

    paste(sheet, cell->picture, left, low);
    if (cell->marked)
        mt_canvas_frame(sheet, left - 3, low - 3, cell->picture->width + 6, cell->picture->height + 6, 2, marked);
    y += MT_SHEET_SIDE + 6;
    for (int i = 0; ok && i < 3; i++, y += 18 - i / 2)
        ok = mt_canvas_text(sheet, x, y, cell->lines[i], &styles[i], error);
    return ok;
}
