/* What an MR series is for, by its words, its times and the contrast: T1, T1c, T2, FLAIR.  Words and times that disagree leave it
 * undecided: nothing is guessed. */
#include "src/case/study.h"

#include <string.h>

bool mt_series_has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        if ((at == text || !g_ascii_isalnum(at[-1]) || !g_ascii_isalnum(*word)) &&
            (!g_ascii_isalnum(at[n]) || !g_ascii_isalnum(word[n - 1])))
            return true;
    return false;
}

char *mt_series_words(const mt_series *s)
{
    g_autofree char *both = g_strconcat(s->description != NULL ? s->description : "", " ", s->protocol != NULL ? s->protocol : "", NULL);

    return g_ascii_strdown(both, -1);
}

static bool has_any(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (mt_series_has_word(text, *words))
            return true;
    return false;
}

/* Take a phrase out of the text. */
static bool take_out(char *text, const char *phrase)
{
    bool found = false;

    for (char *at; (at = strstr(text, phrase)) != NULL; found = true)
        memset(at, ' ', strlen(phrase));
    return found;
}

static const char *const t1_contrast[] = {"t1c", "t1ce", "t1gd", "t1post", "t1pc", NULL};

mt_series_contrast mt_series_contrast_of(const mt_series *s, bool agent)
{
    static const char *const without[] = {"without contrast", "w/o contrast", "no contrast", "non contrast", "non-contrast", "noncontrast"};
    static const char *const before[] = {"pre", "native", "unenhanced", "precontrast", "w/o", "wo", NULL};
    static const char *const after[] = {"post",       "postcontrast", "contrast", "gd", "gad", "gado",
                                        "gadolinium", "ce",           "+c",       "c+", "km",  NULL};
    static const char *const surgery[] = {"post op", "post-op", "postop", "post rt", "post surg", "pre op", "pre-op", "preop"};
    g_autofree char         *text = mt_series_words(s);
    bool                     no = false;

    for (size_t i = 0; i < G_N_ELEMENTS(without); i++)
        no |= take_out(text, without[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(surgery); i++)
        take_out(text, surgery[i]);
    no |= has_any(text, before);
    bool yes = has_any(text, after) || has_any(text, t1_contrast);
    if (no && (yes || agent))
        return MT_CONTRAST_UNSURE;
    return yes || agent ? MT_CONTRAST_GIVEN : MT_CONTRAST_NONE;
}

static const struct {
    const char *name;
    unsigned    bit;
} roles[] = {{"t1", MT_ROLE_T1}, {"t1c", MT_ROLE_T1C},     {"t1ce", MT_ROLE_T1C}, {"t1gd", MT_ROLE_T1C},
             {"t2", MT_ROLE_T2}, {"flair", MT_ROLE_FLAIR}, {"pd", MT_ROLE_PD},    {"dwi", MT_ROLE_DWI}};

unsigned mt_series_role_parse(const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(roles); i++)
        if (g_ascii_strcasecmp(word, roles[i].name) == 0)
            return roles[i].bit;
    return 0;
}

/* T1 stands for both, with and without contrast, until the end. */
static unsigned by_words(const mt_series *s)
{
    static const char *const others[] = {"swi", "swan", "asl", "perf",   "perfusion", "dsc",  "dce",    "bold", "fmri",  "tof",
                                         "mra", "mrv",  "t2*", "t2star", "gre",       "ciss", "fiesta", "mrs",  "phase", NULL};
    static const char *const diffusion[] = {"dwi", "diffusion", "adc", "dti", "trace", "tracew", "diff", NULL};
    static const char *const flair[] = {"flair", "dark fluid", "dark-fluid", "darkfluid", "t2flair", NULL};
    static const char *const t1[] = {"t1", "t1w", "mprage", "mp-rage", "spgr", "fspgr", "bravo", "mp2rage", "t1wi", NULL};
    static const char *const t2[] = {"t2", "t2w", "t2wi", NULL}, *const pd[] = {"pd", "pdw", "proton", NULL};
    g_autofree char *text = mt_series_words(s);
    unsigned         found = 0;

    if (has_any(text, others))
        return MT_ROLE_OTHER;
    if (has_any(text, diffusion) || s->b_value > 0)
        return MT_ROLE_DWI;
    if (has_any(text, t1) || has_any(text, t1_contrast))
        found |= MT_ROLE_T1;
    if (has_any(text, flair))
        found |= MT_ROLE_FLAIR;
    else if (has_any(text, t2)) /* "T2 FLAIR" is a FLAIR */
        found |= MT_ROLE_T2;
    if (has_any(text, pd))
        found |= MT_ROLE_PD;
    return found;
}

/* Textbook ranges at 1.5 and 3 T; 0: between them, or no times. */
static unsigned by_times(const mt_series *s)
{
    double tr = s->repetition_ms, te = s->echo_ms, ti = s->inversion_ms;
    bool   gradient = s->scanning != NULL && strstr(s->scanning, "GR") != NULL;

    if (tr <= 0 || te <= 0)
        return 0;
    if (ti >= 1500 && te >= 60)
        return MT_ROLE_FLAIR;
    if (gradient)
        return te <= 12 ? MT_ROLE_T1 : 0;
    if (te <= 35 && (tr <= 1200 || (ti >= 400 && ti < 1500)))
        return MT_ROLE_T1;
    if (ti < 1500 && tr >= 2000 && te >= 60)
        return MT_ROLE_T2;
    return tr >= 1800 && te <= 45 && ti <= 0 ? MT_ROLE_PD : 0;
}

unsigned mt_series_roles(const mt_series *s)
{
    unsigned words = by_words(s), times = by_times(s), found;

    if (s->modality == NULL || strcmp(s->modality, "MR") != 0 || words == MT_ROLE_OTHER || words == MT_ROLE_DWI)
        return words == MT_ROLE_DWI ? MT_ROLE_DWI : MT_ROLE_OTHER;
    if (words == 0 || times == 0)
        found = words | times;
    else
        found = (words & times) != 0 ? words & times : words | times;
    if (found == 0)
        return MT_ROLE_ANY;
    if ((found & MT_ROLE_T1) == 0 || s->contrast == MT_CONTRAST_NONE)
        return found;
    return (found & ~(unsigned)MT_ROLE_T1) | (s->contrast == MT_CONTRAST_GIVEN ? MT_ROLE_T1C : MT_ROLE_T1 | MT_ROLE_T1C);
}
