/* What happens to servers and processes as a whole, as often as the plan says. */
#ifndef RSVPD_SIM_FAULTS_H
#define RSVPD_SIM_FAULTS_H

struct world;

void faults_start(struct world *world);

/* Everything is up and fast again, and stays so. */
void faults_heal(struct world *world);

#endif
