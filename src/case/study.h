/* What the files of src/case/study*.c share. */
#ifndef MT_STUDY_PRIVATE_H
#define MT_STUDY_PRIVATE_H

#include <microtome/error.h>
#include <microtome/study.h>

struct mt_study {
    char      *path;
    GPtrArray *series;  /* mt_series */
    GPtrArray *damaged; /* char *, "NAME: reason" */
    GPtrArray *broken;  /* char *, their paths */
};

/* Fill in series and damaged files of study->path. */
bool mt_study_read(mt_study *study, GError **error);

/* What tells the file's study from others, hashed; NULL: it is not said, or the file is no DICOM. */
char *mt_study_of_file(const char *path);

/* `word` stands in lower-case `text` with no letter or digit beside it. */
bool mt_series_has_word(const char *text, const char *word);
/* Description and protocol, lower case. */
char *mt_series_words(const mt_series *series);

/* Roles of MR sequences as bits. */
typedef enum mt_series_role {
    MT_ROLE_T1 = 1,
    MT_ROLE_T1C = 2,
    MT_ROLE_T2 = 4,
    MT_ROLE_FLAIR = 8,
    MT_ROLE_PD = 16,
    MT_ROLE_DWI = 32,
    MT_ROLE_OTHER = 64,
    MT_ROLE_ANY = 127
} mt_series_role;

/* 0: no such word */
unsigned mt_series_role_parse(const char *word);
/* The roles that it may have, by its words, times and contrast; one bit: it is decided. */
unsigned mt_series_roles(const mt_series *series);
/* What an agent in the header (`agent`) and the words say together. */
mt_series_contrast mt_series_contrast_of(const mt_series *series, bool agent);

typedef enum mt_series_fit { MT_FITS, MT_FITS_NOT, MT_FITS_UNSURE } mt_series_fit;

/* Whether the rule takes the series; `why` tells what speaks against it, or what cannot be told. */
mt_series_fit mt_series_rule_fits(const mt_series_rule *rule, const mt_series *series, char **why);
/* "[series]", "[series.t1c]" */
char *mt_series_rule_name(const mt_series_rule *rule);
/* NULL for [series] */
const char *mt_series_rule_role(const mt_series_rule *rule);
/* By prefer=: negative: `a` goes first; 0: the rule does not say. */
int mt_series_rule_order(const mt_series_rule *rule, const mt_series *a, const mt_series *b);

#endif
