/* The process that opens results and slides for the desk: one question at a time, a line of JSON each; what is damaged or hostile ends this
 * process and no other. */
#ifndef MT_READER_H
#define MT_READER_H

/* Answer what comes on standard input on descriptor 3, until it ends; nothing is written but below `folder`.  Returns an exit code. */
int mt_reader_run(const char *folder);

#endif
