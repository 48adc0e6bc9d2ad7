/* What the load generator is asked for, and what it has done: shared by its modes and its report. */
#ifndef LOAD_H
#define LOAD_H

#include "watcher.h"

struct options {
    struct request request;
    const char *mode, *to, *template_file, *replies, *until, *ready_when, *mark;
    long conns, count, total, window, base, core, others;
    double rate, hold, seconds;
    int pids[16], pid_count;
};

struct course {
    uint64_t done, closed, late;     /* requests, or events that all have; streams that ended early; begun too late */
    uint64_t begun, ended;           /* when */
    uint64_t cpu, core, irq, own;    /* CPU before: the processes', their core's, in interrupts, this program's */
    uint64_t events, bytes;          /* what was read before */
    long rss;                        /* memory of the processes before */
};

extern struct options options;
extern struct course course;

uint64_t processes_ns(void);
long processes_rss(void);

/* The modes; each ends when all is done, or at its deadline. */
void watch(uint64_t deadline);
void ask(uint64_t deadline);

#endif
