/* <microtome/contact_sheet.h>  What a search found, as one picture: the query first, then the hits, nearest first. */
#ifndef MICROTOME_CONTACT_SHEET_H
#define MICROTOME_CONTACT_SHEET_H

#include <microtome/search.h>

G_BEGIN_DECLS

#define MT_CONTACT_SHEET_HITS 100 /* more are not drawn */

/* A PNG that appears whole, over an older one.  Under each picture: score, case, tile and its place.  `slides` names the folder of the
 * slides (ID.* of each case): tiles are read from there; NULL: a tile is marked on the stored thumbnail.  Cases are thumbnails either way.
 * MT_ERROR_MISSING for a slide that is not there. */
MT_PUBLIC bool mt_contact_sheet_write(const mt_search *search, const char *slides, const char *path, GError **error);

G_END_DECLS

#endif
