// SPDX-License-Identifier: GPL-2.0-only
/*
 * follow.c - hears of what of the kernel's tunnels depend on.
 *
 *     endpoints      devices (netdevice), their addresses (inetaddr, inet6addr)
 *     ways into them routes and rules (fib), neighbours (netevent), devices
 *
 * Each change makes the watch of every NIC look at its tunnels again, at once;
 * many in a row are one.  Who is heard of in what context does not matter: no
 * more happens there than that.
 *
 * A neighbour whose packets the NIC sends gets no confirmation from the kernel,
 * and so becomes stale.  That is heard of, too, and to look is to ask for it
 * again, so it is kept alive for as long as there is a flow to it.
 *
 * What has no notifier (a path MTU that was learned, IPsec's policies) is found
 * within AGK_LOOK.
 */

#include <linux/inetdevice.h>
#include <linux/rculist.h>
#include <net/addrconf.h>
#include <net/fib_notifier.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>
#include <net/netevent.h>
#include <net/netns/generic.h>

#include "agk.h"

static LIST_HEAD(nics);			/* Read with RCU. */
static DEFINE_MUTEX(nics_mutex);	/* For changes. */
static unsigned int net_id;

static int moved(void)
{
	struct agk_nic *nic;

	rcu_read_lock();
	list_for_each_entry_rcu(nic, &nics, node) {
		WRITE_ONCE(nic->moved, true);
		agk_watch_soon(nic);
	}
	rcu_read_unlock();
	return NOTIFY_DONE;
}

static int any_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	return moved();
}

/* Of neighbours there is much to hear. */
static int net_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct neighbour *neigh = ptr;

	if (event == NETEVENT_REDIRECT ||
	    (event == NETEVENT_NEIGH_UPDATE && agk_repr_of(neigh->dev)))
		moved();
	return NOTIFY_DONE;
}

static struct notifier_block netdevice_nb = { .notifier_call = any_event };
static struct notifier_block inetaddr_nb = { .notifier_call = any_event };
static struct notifier_block inet6addr_nb = { .notifier_call = any_event };
static struct notifier_block netevent_nb = { .notifier_call = net_event };

/* Routes are each namespace's. */
static int __net_init enter_net(struct net *net)
{
	struct notifier_block *nb = net_generic(net, net_id);

	nb->notifier_call = any_event;
	return register_fib_notifier(net, nb, NULL, NULL);
}

static void __net_exit leave_net(struct net *net)
{
	unregister_fib_notifier(net, net_generic(net, net_id));
}

static struct pernet_operations net_ops = {
	.init = enter_net,
	.exit = leave_net,
	.id = &net_id,
	.size = sizeof(struct notifier_block),
};

void agk_follow_add(struct agk_nic *nic)
{
	mutex_lock(&nics_mutex);
	list_add_tail_rcu(&nic->node, &nics);
	mutex_unlock(&nics_mutex);
	moved();
}

void agk_follow_del(struct agk_nic *nic)
{
	mutex_lock(&nics_mutex);
	list_del_rcu(&nic->node);
	mutex_unlock(&nics_mutex);
	synchronize_rcu();
}

int agk_follow_init(void)
{
	int err = register_pernet_subsys(&net_ops);

	if (err)
		return err;
	err = register_netdevice_notifier(&netdevice_nb);
	if (err)
		goto no_netdevice;
	err = register_inetaddr_notifier(&inetaddr_nb);
	if (err)
		goto no_inetaddr;
	err = register_inet6addr_notifier(&inet6addr_nb);
	if (err)
		goto no_inet6addr;
	err = register_netevent_notifier(&netevent_nb);
	if (err)
		goto no_netevent;
	return 0;

no_netevent:
	unregister_inet6addr_notifier(&inet6addr_nb);
no_inet6addr:
	unregister_inetaddr_notifier(&inetaddr_nb);
no_inetaddr:
	unregister_netdevice_notifier(&netdevice_nb);
no_netdevice:
	unregister_pernet_subsys(&net_ops);
	return err;
}

void agk_follow_exit(void)
{
	unregister_netevent_notifier(&netevent_nb);
	unregister_inet6addr_notifier(&inet6addr_nb);
	unregister_inetaddr_notifier(&inetaddr_nb);
	unregister_netdevice_notifier(&netdevice_nb);
	unregister_pernet_subsys(&net_ops);
}
