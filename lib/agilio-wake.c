/* SPDX-License-Identifier: Apache-2.0 */

/* The sleep of the flow offload threads of dpif-netdev.
 *
 * Flows of ours do not take their queue (netdev-offload-agilio.c); those of
 * other ports do, and orders to flush a port, for which the main thread waits.
 *
 * Upstream's threads look into their queue again after 1, 2, 4 ... 64 ms, even
 * if nothing ever comes.  Here, they sleep on a sequence number which every
 * append to a queue changes.
 *
 * Where many flows come, others come soon: who would wake the thread for each
 * of them would spend more on that than the thread on the flows.  So a thread
 * that was woken often of late naps before it sleeps, and only a nap that
 * brought nothing is followed by sleep.  A few flows are taken at once.
 *
 * There is one number for all threads (other_config:n-offload-threads), since
 * the place that appends knows its queue only by index.  A thread that is
 * woken for the sake of another one finds its queue empty, and sleeps again.
 *
 * No wake-up can be lost: the number is read before the queue is looked at,
 * and changed after the item is in the queue.  A queue that a second producer
 * holds in an inconsistent state looks empty; that producer has yet to change
 * the number. */

#include <config.h>

#include "agilio-hooks.h"

#include "mpsc-queue.h"
#include "openvswitch/poll-loop.h"
#include "ovs-thread.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

#define NAP_NS (1000 * 1000)

/* A thread may be woken so often in so long, and does not nap. */
#define N_PROMPT 8
#define PROMPT_MS 8

struct prompt {
    long long int since;        /* time_msec(). */
    uint32_t n;
};
DEFINE_STATIC_PER_THREAD_DATA(struct prompt, prompt, { 0, 0 });

/* Created by whoever comes first, and never destroyed: the threads live as
 * long as the process. */
static struct seq *
appended_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

static bool
was_woken_often(void)
{
    struct prompt *p = prompt_get();
    long long int now = time_msec();

    if (now - p->since >= PROMPT_MS) {
        p->since = now;
        p->n = 0;
    }
    return ++p->n > N_PROMPT;
}

void
agilio_offload_wait(struct mpsc_queue *queue)
{
    if (was_woken_often() && !mpsc_queue_tail(queue)) {
        xnanosleep(NAP_NS);
    }
    for (;;) {
        uint64_t seen = seq_read(appended_seq());

        if (mpsc_queue_tail(queue)) {
            return;
        }
        seq_wait(appended_seq(), seen);
        poll_block();
    }
}

void
agilio_offload_wake(void)
{
    seq_change(appended_seq());
}
