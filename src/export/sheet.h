/* A sheet of small pictures in rows, each with three lines of text below it. */
#ifndef MT_SHEET_H
#define MT_SHEET_H

#include "src/export/canvas.h"

#define MT_SHEET_SIDE 192 /* px of a picture at most */
#define MT_SHEET_GAP 16
#define MT_SHEET_TEXT 56 /* px below a picture */
#define MT_SHEET_COLUMNS 6

typedef struct mt_sheet_cell {
    const mt_canvas *picture;
    const char      *lines[3]; /* bold, plain, pale */
    bool             marked;   /* framed, its first line coloured */
} mt_sheet_cell;

/* Size in px of n cells. */
int mt_sheet_width(int n);
int mt_sheet_height(int n);
/* Cell `place` of rows that begin at `top`. */
bool mt_sheet_put(mt_canvas *sheet, int top, int place, const mt_sheet_cell *cell, GError **error);

#endif
