package docs

import (
	"regexp"
	"strings"
	"testing"
)

// What the two documents declare, define or change, by name.
var declared = map[string]string{
	"2008": `HOTPLUG_CPU kernel_stat.h xen_init_lock_cpu xen_cpu_initialized_map resched_irq
		struct_xen_spinlock lock spinners struct_raw_spinlock
		xen_spin_is_locked xen_spin_is_contended xen_spin_trylock xchgb
		lock_kicker_irq lock_spinners DEFINE_PER_CPU per_cpu __get_cpu_var spinning_lock
		unspinning_lock wmb LOCK_PREFIX incw decw goto
		xen_spin_lock_slow xen_clear_irq_pending xen_poll_irq kstat_this_cpu
		xen_spin_lock timeout testb rep;nop cmpb dec unlikely
		xen_spin_unlock_slow for_each_online_cpu xen_send_IPI_one XEN_SPIN_UNLOCK_VECTOR break
		xen_spin_unlock smp_wmb barrier
		kasprintf GFP_KERNEL spinlock%d bind_ipi_to_irqhandler xen_reschedule_interrupt
		IRQF_DISABLED IRQF_PERCPU IRQF_NOBALANCING disable_irq printk
		xen_init_spinlocks spin_is_locked spin_is_contended spin_lock spin_trylock spin_unlock
		xen_smp_ops xen_fill_possible_map paravirt_use_bytelocks __cpuinit __init __initdata
		noinline`,
	"2015": `PARAVIRT_DEBUG PARAVIRT_SPINLOCKS PARAVIRT SMP UNINLINE_SPIN_UNLOCK QUEUED_SPINLOCK
		CONFIG_SMP CONFIG_PARAVIRT_SPINLOCKS CONFIG_QUEUED_SPINLOCK CONFIG_QUEUED_SPINLOCKS
		pv_queued_spin_lock_slowpath pv_queued_spin_unlock pv_wait pv_kick PVOP_VCALL1 PVOP_VCALL2
		PVOP_VCALLEE1 __always_inline
		__ticket_lock_spinning __ticket_unlock_kick __set_fixmap CONFIG_X86_32 PV_SAVE_REGS
		struct_qspinlock struct_pv_lock_ops queued_spin_lock_slowpath queued_spin_unlock
		struct_paravirt_callee_save wait kick
		lock_spinning unlock_kick struct_arch_spinlock __ticket_t
		asm/paravirt.h native_queued_spin_unlock smp_store_release native_queued_spin_lock_slowpath
		__pv_init_lock_hash
		__pv_queued_spin_lock_slowpath __raw_callee_save___pv_queued_spin_unlock
		virt_queued_spin_lock
		__ASM_QSPINLOCK_PARAVIRT_H PV_CALLEE_SAVE_REGS_THUNK __pv_queued_spin_unlock
		__visible __native_queued_spin_unlock __raw_callee_save___native_queued_spin_unlock
		pv_is_native_spin_unlock pv_lock_ops
		PV_CALLEE_SAVE __PV_IS_CALLEE_SAVE paravirt_nop EXPORT_SYMBOL
		DEF_NATIVE movb start_pv_lock_ops_queued_spin_unlock end_pv_lock_ops_queued_spin_unlock
		native_patch PARAVIRT_PATCH PATCH_SITE patch_site paravirt_patch_insns
		paravirt_patch_default paravirt_patch_ident_32 paravirt_patch_ident_64`,
}

// Files and headers of the documents have a heading each.
var changed = []string{
	"arch/x86/xen/smp.c", "arch/x86/Kconfig", "asm/paravirt.h", "asm/paravirt_types.h",
	"asm/qspinlock.h", "asm/qspinlock_paravirt.h",
	"kernel/paravirt-spinlocks.c", "kernel/paravirt_patch_32.c", "_64.c",
}

var word = regexp.MustCompile("[A-Za-z0-9_%;./-]+")

// parts returns the words in code quotes of the tables' first columns, by the document that the
// heading above names.
func parts(page string) map[string]map[string]bool {
	all := map[string]map[string]bool{"2008": {}, "2015": {}}
	year := ""
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			year, _, _ = strings.Cut(title, ":")
			continue
		}
		cells := strings.Split(line, "|")
		if len(cells) < 4 || all[year] == nil {
			continue
		}
		for i, quoted := range strings.Split(cells[1], "`") {
			if i%2 == 0 {
				continue
			}
			for _, w := range word.FindAllString(strings.ReplaceAll(quoted, "struct ", "struct_"),
				-1) {
				all[year][w] = true
				for part := range strings.SplitSeq(w, ".") {
					all[year][part] = true
				}
			}
		}
	}
	return all
}

func TestEachPartOfTheTwoDocumentsHasARow(t *testing.T) {
	page := read(t, "seeds.md")
	rows := parts(page)
	for year, names := range declared {
		for name := range strings.FieldsSeq(names) {
			if !rows[year][name] &&
				!(strings.Contains(name, "/") || strings.HasSuffix(name, ".h")) {
				t.Errorf("%s: no row has %s", year, name)
			}
			if (strings.Contains(name, "/") || strings.HasSuffix(name, ".h")) &&
				!strings.Contains(page, name) {
				t.Errorf("%s: nothing about %s", year, name)
			}
		}
	}
	for _, file := range changed {
		if !regexp.MustCompile("(?m)^## .*`[^`]*" + regexp.QuoteMeta(file) + "`").
			MatchString(page) {
			t.Errorf("no heading has %s", file)
		}
	}
}
