// SPDX-License-Identifier: GPL-2.0-only
/*
 * leak.c - loses something whenever it is loaded, by which test_load.py knows
 * that it would see such a thing.
 */

#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static char *from = "";
module_param(from, charp, 0);
MODULE_PARM_DESC(from, "the allocator: slab, vmalloc or percpu");

static int __init leak_init(void)
{
	bool given = false;

	if (!strcmp(from, "slab"))
		given = kmalloc(64, GFP_KERNEL);
	else if (!strcmp(from, "vmalloc"))
		given = vmalloc(64);
	else if (!strcmp(from, "percpu"))
		given = alloc_percpu(u64);
	return given ? 0 : -ENOMEM;
}

static void __exit leak_exit(void)
{
}

module_init(leak_init);
module_exit(leak_exit);
MODULE_DESCRIPTION("Loses memory, for a test");
MODULE_LICENSE("GPL");
