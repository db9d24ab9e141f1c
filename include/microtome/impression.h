/* <microtome/impression.h>  A case in words, as a report would have it: what was found, where, how large, how sure, what limits it, what would
 * change it, what to do next.  Everything is read from the result; nothing is computed anew, nothing is made up: a question that the result
 * does not answer has no sentence.  Single-threaded (HDF5). */
#ifndef MICROTOME_IMPRESSION_H
#define MICROTOME_IMPRESSION_H

#include <microtome/result.h>
#include <microtome/search.h>

G_BEGIN_DECLS

typedef enum mt_question {
    MT_QUESTION_WHAT,   /* decision, labels found, objects */
    MT_QUESTION_WHERE,  /* the tiles and regions that speak for it, in mm from the upper left of the slide or picture */
    MT_QUESTION_SIZE,   /* areas, volumes, measures */
    MT_QUESTION_SURE,   /* intervals, sets, members, calibration */
    MT_QUESTION_LIMIT,  /* quality, tissue, unread tiles, unlike training */
    MT_QUESTION_CHANGE, /* how far the score is from the next decision, what was removed to change it, sizes of the next step */
    MT_QUESTION_NEXT,   /* what to do */
    MT_QUESTION_LIKE,   /* the stored cases that are most like it */
    MT_QUESTIONS
} mt_question;

typedef struct mt_impression {
    char  *id, *language;           /* "en", "ko" */
    char **sentences[MT_QUESTIONS]; /* NULL-terminated, never NULL */
} mt_impression;

typedef struct mt_impression_params {
    const char      *language; /* "en" or "ko"; others: en */
    const char      *withheld; /* why the score of its folder is not given (mt_folder_case); NULL: it is */
    const mt_search *like;     /* the nearest cases; NULL: none are told */
} mt_impression_params;

/* `params` NULL: zeros.  MT_ERROR_INPUT where the result's parts do not fit each other. */
MT_PUBLIC mt_impression *mt_impression_new(const mt_result *result, const mt_impression_params *params, GError **error);
MT_PUBLIC void           mt_impression_free(mt_impression *impression);

/* "what", "where", "size", "sure", "limits", "change", "next", "like"; and as a heading in a language. */
MT_PUBLIC const char *mt_question_name(mt_question question);
MT_PUBLIC const char *mt_question_heading(mt_question question, const char *language);

/* One line a sentence below headings, ending in the sentence on intended use; an object of JSON with an array for each question.  g_free. */
MT_PUBLIC char *mt_impression_text(const mt_impression *impression);
MT_PUBLIC char *mt_impression_json(const mt_impression *impression);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_impression, mt_impression_free)

G_END_DECLS

#endif
