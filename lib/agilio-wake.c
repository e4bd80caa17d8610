/* SPDX-License-Identifier: Apache-2.0 */

/* The sleep of the flow offload threads of dpif-netdev.
 *
 * Upstream's threads look into their queue again after 1, 2, 4 ... 64 ms.  A
 * flow's first packets would pass through the host for that long; here, they
 * sleep on a sequence number which every append to a queue changes.
 *
 * Where a flow has come, others come soon: who would wake the thread for each
 * of them would spend more on that than the thread on the flows.  So before it
 * sleeps, it naps, and only a nap that brought nothing is followed by sleep.
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
#include "util.h"

#define NAP_NS (1000 * 1000)

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

void
agilio_offload_wait(struct mpsc_queue *queue)
{
    if (!mpsc_queue_tail(queue)) {
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
