// SPDX-License-Identifier: GPL-2.0-only
/*
 * ctl.c - the control channel: one request at a time, and its reply.
 *
 * The NIC answers in the order of the requests, within milliseconds.  One that
 * does not answer within AGK_TIMEOUT, whatever else it says meanwhile, or whose
 * ring makes no sense, is dead: nic->up becomes false, and every later call
 * fails at once, until the watch sees that it lives and has agreed with it upon
 * another session.  So who holds ovs_mutex or rtnl waits for a dead NIC once,
 * for AGK_TIMEOUT.
 *
 * A virtual function has none; its calls succeed and do nothing.
 *
 * See msg.h for the messages.  agk_ctl_rung() may be called in an interrupt,
 * all else by whoever can sleep.
 */

#include <linux/random.h>

#include "agk.h"

/* Takes the next message that is a reply of this session.  False if there is
 * none among '*budget' messages.
 */
static bool receive(struct agk_nic *nic, u32 *budget, struct agilio_msg *msg,
		    struct agilio_reader *body)
{
	struct agk_ctl *ctl = &nic->ctl;

	while (*budget &&
	       agilio_msg_receive(&ctl->reply, ctl->in, msg, body)) {
		--*budget;
		if (agilio_from_le32(msg->session) != ctl->session)
			continue;
		if (agilio_from_le16(msg->flags) & AGILIO_MSG_F_EVENT) {
			if (agilio_from_le16(msg->type) ==
			    AGILIO_MSG_PORT_EVENT)
				agk_watch_soon(nic);
			continue;
		}
		return true;
	}
	return false;
}

/* What an error reply says, as a negative errno. */
static int read_error(struct agk_ctl *ctl, struct agilio_reader *body)
{
	u32 err = agilio_get_u32(body);
	size_t n = body->end - body->p;

	n = min(n, sizeof(ctl->reason) - 1);
	memcpy(ctl->reason, body->p, n);
	ctl->reason[n] = '\0';
	return err && err < MAX_ERRNO ? -(int)err : -EPROTO;
}

/* Waits for the reply to the last request. */
static int await(struct agk_nic *nic)
{
	unsigned long deadline = jiffies + AGK_TIMEOUT;
	struct agk_ctl *ctl = &nic->ctl;
	struct agilio_msg msg;

	for (;;) {
		u32 budget = ctl->reply.n;
		long left;

		while (receive(nic, &budget, &msg, &ctl->body)) {
			if (agilio_from_le32(msg.id) != ctl->id)
				continue;
			if (agilio_from_le16(msg.flags) & AGILIO_MSG_F_ERROR)
				return read_error(ctl, &ctl->body);
			return 0;
		}
		if (ctl->reply.broken) {
			agk_nic_fail(nic, "the control ring makes no sense",
				     true);
			return -ENODEV;
		}
		cond_resched();
		left = deadline - jiffies;
		if (left <= 0) {
			agk_nic_fail(nic, "it does not answer", false);
			return -ENODEV;
		}
		if (agilio_ring_sleep(&ctl->reply))
			wait_event_timeout(ctl->wq,
					   agilio_ring_ready(&ctl->reply) ||
					   ctl->reply.broken, left);
	}
}

static int call(struct agk_nic *nic, enum agilio_msg_type type,
		const void *body, size_t len)
{
	struct agk_ctl *ctl = &nic->ctl;
	struct agilio_writer w;
	int n, err;

	agilio_msg_start(&w, ctl->out, AGILIO_MAX_MSG, type, 0, ++ctl->id,
			 ctl->session);
	agilio_put_bytes(&w, body, len);
	n = agilio_msg_send(&ctl->request, ctl->out,
			    agilio_msg_end(&w, ctl->out));
	if (n < 0) {
		/* Whoever asked before has its reply, so there was room. */
		agk_nic_fail(nic, "it takes no requests", false);
		return -ENODEV;
	}
	if (n)
		agk_ring_doorbell(nic, AGILIO_VECTOR_CONTROL);
	err = await(nic);
	if (err)
		agk_count(nic, AGK_COUNTER_ctl_errors);
	return err;
}

/* What the NIC has answered: 'err' is what call() returned. */
static void copy_reply(const struct agk_ctl *ctl, int err,
		       struct agk_reply *reply)
{
	reply->refused = err;
	if (err) {
		reply->len = strlen(ctl->reason) + 1;
		memcpy(reply->bytes, ctl->reason, reply->len);
	} else {
		reply->len = ctl->body.end - ctl->body.p;
		memcpy(reply->bytes, ctl->body.p, reply->len);
	}
}

int agk_ctl_ask(struct agk_nic *nic, enum agilio_msg_type type,
		const void *body, size_t len, struct agk_reply *reply)
{
	struct agk_ctl *ctl = &nic->ctl;
	int err = -ENODEV;

	if (!READ_ONCE(nic->up))
		return err;		/* Whoever has the mutex may wait. */
	mutex_lock(&ctl->mutex);
	if (nic->up)
		err = call(nic, type, body, len);
	if (nic->up && reply)
		copy_reply(ctl, err, reply);
	/* Events shall ring; what has come meanwhile may be one. */
	if (nic->up && !agilio_ring_sleep(&ctl->reply))
		agk_watch_soon(nic);
	mutex_unlock(&ctl->mutex);
	return err;
}

int agk_ctl_call(struct agk_nic *nic, enum agilio_msg_type type,
		 const void *body, size_t len)
{
	return agk_ctl_ask(nic, type, body, len, NULL);
}

void agk_ctl_rung(struct agk_nic *nic)
{
	wake_up(&nic->ctl.wq);
	/* If nobody waits, it is an event. */
	if (!mutex_is_locked(&nic->ctl.mutex))
		agk_watch_soon(nic);
}

void agk_ctl_drain(struct agk_nic *nic)
{
	u32 budget = nic->ctl.reply.n;
	struct agilio_reader body;
	struct agilio_msg msg;

	if (!agk_is_pf(nic))
		return;
	mutex_lock(&nic->ctl.mutex);
	while (budget && nic->up && nic->ctl.in && !nic->ctl.reply.broken &&
	       (receive(nic, &budget, &msg, &body) ||
		!agilio_ring_sleep(&nic->ctl.reply)))
		continue;
	mutex_unlock(&nic->ctl.mutex);
	if (!budget && nic->up)
		agk_watch_soon(nic);
}

int agk_ctl_hello(struct agk_nic *nic)
{
	struct agk_ctl *ctl = &nic->ctl;
	u64 epoch = get_random_u64() | 1;
	/* All tags that openvswitch.ko knows; for actions.c, a hash. */
	const agilio_le32 options[] = { agilio_to_le32(2),
					agilio_to_le32(AGILIO_OPTION_HASH) };
	struct agilio_writer w;
	u8 body[24];
	int err;

	mutex_lock(&ctl->mutex);
	w = (struct agilio_writer) { body, body + sizeof(body), false };
	agilio_put_u16(&w, AGILIO_ABI_MIN);
	agilio_put_u16(&w, AGILIO_ABI_MAX);
	agilio_put_u32(&w, 0);
	agilio_put_u64(&w, AGILIO_FEATURES);
	agilio_put_u64(&w, epoch);
	ctl->session = (u32)epoch;
	err = call(nic, AGILIO_MSG_HELLO, body, sizeof(body));
	if (!err)
		err = call(nic, AGILIO_MSG_FLOW_FLUSH, NULL, 0);
	if (!err)
		err = call(nic, AGILIO_MSG_OPTIONS, options,
			   sizeof(options));
	if (err) {
		dev_err_ratelimited(&nic->pdev->dev,
				    "no session with the NIC: %d (%s)\n", err,
				    ctl->reason);
	} else {
		agilio_store_relaxed(&nic->region->host_epoch,
				     agilio_to_le64(epoch));
		WRITE_ONCE(nic->up, true);
	}
	mutex_unlock(&ctl->mutex);
	return err;
}

void agk_ctl_init(struct agk_nic *nic)
{
	mutex_init(&nic->ctl.mutex);
	init_waitqueue_head(&nic->ctl.wq);
}

int agk_ctl_open(struct agk_nic *nic)
{
	struct agilio_region *region = nic->region;
	struct agk_ctl *ctl = &nic->ctl;
	int err;

	if (!agk_ring_at(nic, &region->control[0], true, &ctl->request) ||
	    !agk_ring_at(nic, &region->control[1], false, &ctl->reply) ||
	    !ctl->request.n || !ctl->reply.n) {
		dev_err(&nic->pdev->dev, "bad control rings\n");
		return -EPROTO;
	}
	ctl->out = kmalloc(AGILIO_MAX_MSG, GFP_KERNEL);
	ctl->in = kmalloc(AGILIO_MAX_MSG, GFP_KERNEL);
	if (!ctl->out || !ctl->in) {
		agk_ctl_close(nic);
		return -ENOMEM;
	}
	err = agk_ctl_hello(nic);
	if (err)
		agk_ctl_close(nic);
	return err;
}

void agk_ctl_close(struct agk_nic *nic)
{
	if (agk_is_pf(nic)) {
		agk_ctl_call(nic, AGILIO_MSG_FLOW_FLUSH, NULL, 0);
		agilio_store_relaxed(&nic->region->host_epoch,
				     agilio_to_le64(0));
	}
	mutex_lock(&nic->ctl.mutex);
	WRITE_ONCE(nic->up, false);
	mutex_unlock(&nic->ctl.mutex);
	kfree(nic->ctl.out);
	kfree(nic->ctl.in);
	nic->ctl.out = nic->ctl.in = NULL;
}
