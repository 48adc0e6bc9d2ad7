/* Publishes numbered events by a template: bytes with places for numbers of fixed width. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "common.h"

enum replies { NO_REPLIES, RESP_REPLIES, HTTP_REPLIES };

struct publisher {
    int fd;
    enum replies replies;
    char *bytes; /* the template */
    size_t size;
    int places;
    struct { size_t at; int width; char kind; } place[16];
    uint64_t base;      /* the log's last offset before the first event */
    uint64_t sent;      /* events so far */
    uint64_t answered, refused;
    char *in;
    size_t kept;
    char refusal[200];  /* the first reply that isn't as it should be */
};

/* Read a template: a line `<at>:<width>:<kind> …`, then the bytes. Kinds: n and s number the events from 0, o
   counts on from the base, t is the time in ns. */
void publisher_open(struct publisher *p, const char *where, const char *file, const char *replies, uint64_t base);
/* Send so many events now. */
void publisher_send(struct publisher *p, uint64_t count);
/* Read the replies that are there. */
void publisher_read(struct publisher *p);

/* Read RESP replies: returns how many bytes were whole replies; counts them, and those that don't begin as
   the append script's "OK" does. */
size_t resp_replies(const char *p, size_t n, uint64_t *answered, uint64_t *refused, char refusal[200]);

#endif
