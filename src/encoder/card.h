/* Reading a card: the [encoder] group of MODEL.card, or the same keys from elsewhere. */
#ifndef MT_CARD_H
#define MT_CARD_H

#include <microtome/encoder.h>
#include <microtome/error.h>

/* Every key of [encoder], NULL-terminated. */
extern const char *const mt_card_keys[];

/* `source` is the path or what stands for it in messages; it is kept in the card.  An absent size_px stays 0 for
 * mt_card_complete.  MT_ERROR_MODEL names source, key, value and what is wanted. */
mt_card *mt_card_read(const char *path, GError **error);
mt_card *mt_card_read_text(const char *text, size_t bytes, const char *source, GError **error);
mt_card *mt_card_new(const char *source);
void     mt_card_free(mt_card *card);

/* Last step of every way to a card: `graph_px`, the edge the graph fixes (0: any), fills an absent size_px; absent sizes follow
 * size_px; then the fields are checked against each other.  `name` is used when the card gives none. */
bool mt_card_complete(mt_card *card, int graph_px, const char *name, GError **error);

/* MT_ERROR_MODEL: "read SOURCE: ..." */
void mt_card_error(GError **error, const char *source, const char *format, ...) G_GNUC_PRINTF(3, 4);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_card, mt_card_free)

#endif
