/* reload.h: tables that are read again. */
#pragma once

struct wr_error;
struct wr_run;

int reloads_init(struct wr_run *run, struct wr_error *err);
/* Reads some, where the time has come. *busy: there is more to do at once. */
int reloads_step(struct wr_run *run, int *busy, struct wr_error *err);
void reloads_free(struct wr_run *run);
