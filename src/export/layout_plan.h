/* What an export of one slide consists of: its files, and its lines in the files that list all slides. */
#ifndef MT_LAYOUT_PLAN_H
#define MT_LAYOUT_PLAN_H

#include "src/export/layout_source.h"

typedef bool (*mt_layout_write)(const mt_layout_source *source, const char *path, GError **error);

typedef struct mt_layout_file {
    char           *path; /* below the folder */
    mt_layout_write write;
} mt_layout_file;

typedef struct mt_layout_line {
    char *path; /* of the list, below the folder */
    char *head; /* what the list begins with */
    char *key;  /* what the line begins with: the slide and the comma or colon behind it; NULL: the list is its head alone */
    char *line;
} mt_layout_line;

typedef struct mt_layout_plan {
    GPtrArray *files, *lines; /* mt_layout_file *, mt_layout_line * */
} mt_layout_plan;

/* In the order in which they appear. */
void mt_layout_plan_file(mt_layout_plan *plan, mt_layout_write write, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Takes `path`, `key` and `line`. */
void mt_layout_plan_line(mt_layout_plan *plan, char *path, const char *head, char *key, char *line);

/* Say what there is to write; false where the layout cannot be true of the source. */
bool mt_layout_clam_plan(const mt_layout_source *source, mt_layout_plan *plan, GError **error);
bool mt_layout_trident_plan(const mt_layout_source *source, mt_layout_plan *plan, GError **error);
bool mt_layout_stamp_plan(const mt_layout_source *source, mt_layout_plan *plan, GError **error);
bool mt_layout_wsinfer_plan(const mt_layout_source *source, mt_layout_plan *plan, GError **error);
bool mt_layout_h5ad_plan(const mt_layout_source *source, mt_layout_plan *plan, GError **error);

/* Pictures of the stored thumbnail, as JPEG: as it is, with the outlines of the tissue, and the tiles on black. */
bool mt_layout_thumbnail(const mt_layout_source *source, const char *path, GError **error);
bool mt_layout_contours(const mt_layout_source *source, const char *path, GError **error);
bool mt_layout_stitch(const mt_layout_source *source, const char *path, GError **error);

#endif
