//! What of a trace cannot be said in system calls, and is left out on both sides: by name, and counted.

use std::collections::BTreeMap;
use std::fmt;

use crate::mm::KernelDriver;
use crate::rmap::{Fail, VmaAttributes};
use crate::session::VmaCode;
use crate::trace::agent::Kernel;
use crate::trace::{Op, OpKind, Target, Trace, UserAction};

/// How often each thing was left out, by what it is called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeftOut(BTreeMap<&'static str, u64>);

impl LeftOut {
    /// One more.
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds another count.
    pub fn add(&mut self, other: &LeftOut) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        let parts: Vec<_> = self.0.iter().map(|(what, count)| format!("{what} {count}")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// An operation without the order of its folio. The order says nothing of VMAs; and the administrator of a booted kernel cannot
/// allow one of two pages.
fn without_order(kind: OpKind, vma: VmaCode) -> OpKind {
    match kind {
        OpKind::Fault { order: 2.., .. } if vma == VmaCode::Pages => kind,
        OpKind::Fault { mm, page, read, .. } => OpKind::Fault { mm, page, read, order: 0 },
        other => other,
    }
}

/// Why a process on the booted kernel cannot ask for an operation, if it never can.
fn reason(kind: &OpKind, vma: VmaCode) -> Option<&'static str> {
    if vma != VmaCode::Pages && kind.needs_page_tables() {
        return Some("operations on pages (page tables are not compared)");
    }
    match kind {
        // Their meaning depends on the page: see below.
        OpKind::Touch { .. }
        | OpKind::SwapOut { .. }
        | OpKind::Migrate { .. }
        | OpKind::Split { .. }
        | OpKind::Poison { .. } => None,
        _ => match kind.user_action() {
            UserAction::None(reason) => Some(reason),
            UserAction::UffdMove { .. } => Some("uffdmove (its range must be registered, which changes VMAs)"),
            UserAction::Call(_)
            | UserAction::Fork(_)
            | UserAction::Exit
            | UserAction::Grow { .. }
            | UserAction::UffdProtect { .. } => None,
        },
    }
}

/// Why an operation is left out as the page tables and VMAs are when it comes: then the system call would do something else.
/// `zswap`: the booted kernel has it.
pub fn reason_before(kind: &OpKind, driver: &KernelDriver, zswap: bool) -> Option<&'static str> {
    let (tables, _) = driver.page_tables()?;
    let present = |mm, page| {
        let entry = tables.entry_at(mm, page)?;
        matches!(entry.target, Target::Frame(_) | Target::Zero).then_some(entry)
    };
    let frame = |mm, page| tables.frame_of(present(mm, page)?);
    let large = |head| tables.large.iter().find(|(folio, _)| *folio == head).map(|(_, counts)| counts);
    let is_locked = |mm, page| {
        let vma = driver.mapped_at(mm, page);
        vma.is_some_and(|vma| u64::from(vma.flags) & VmaAttributes::LOCKED != 0)
    };
    match *kind {
        // The booted kernel keeps a folio that it has just read in a batch, whose reference makes it look shared. Only of locked
        // memory does a fault for reading ask whether it is.
        OpKind::Fault { mm, page, read: true, .. } => {
            let entry = tables.entry_at(mm, page)?;
            let Target::Swap { slot, exclusive: false } = entry.target else { return None };
            let reads = tables.slot(slot).is_some_and(|slot| slot.cached.is_none());
            (is_locked(mm, page) && reads).then_some("fault (for reading, of locked memory that is swapped out)")
        }
        OpKind::Touch { mm, page, write } => {
            let allowed = present(mm, page).is_some_and(|entry| entry.writable || !write);
            (!allowed).then_some("touch (where the access would fault)")
        }
        OpKind::SwapOut { mm, page } => match frame(mm, page) {
            None => Some("swapout (of no page that is present)"),
            Some(frame) if !frame.anon => Some("swapout (of a page of a file)"),
            Some(frame) if large(frame.head).is_some() => Some("swapout (of a page of a large folio)"),
            Some(_) if is_locked(mm, page) => Some("swapout (of locked memory, which MADV_PAGEOUT refuses at once)"),
            Some(frame) if frame.mapcount > 1 => {
                Some("swapout (of a page that is mapped twice, which MADV_PAGEOUT leaves)")
            }
            Some(_) => None,
        },
        OpKind::Migrate { mm, page } => match frame(mm, page) {
            None => Some("migrate (of no page that is present)"),
            Some(frame) if frame.file && !frame.not_told => {
                Some("migrate (of a page of a file system that is told of writes: ramfs does not move it)")
            }
            Some(frame) if large(frame.head).is_some_and(|counts| counts.partially_mapped) => {
                Some("migrate (of a large folio that is mapped in part, which move_pages() splits)")
            }
            Some(_) => None,
        },
        OpKind::Split { mm, page } => match frame(mm, page).and_then(|frame| large(frame.head)) {
            None => Some("split (of a folio of one page)"),
            Some(_) => None,
        },
        OpKind::Poison { mm, page } => match tables.entry_at(mm, page).map(|entry| entry.target) {
            Some(Target::Zero) => Some("poison (of the zero page, which is no page of a process)"),
            Some(Target::Frame(_)) => {
                let frame = frame(mm, page)?;
                if frame.file && !frame.not_told {
                    Some("poison (of a page of a file that is written back: the guest's are in memory alone)")
                } else if frame.swapcache && !frame.dirty && zswap {
                    Some("poison (of a clean page of the swap cache: zswap keeps no copy of what it has given back)")
                } else {
                    None
                }
            }
            _ => Some("poison (of no page that is present)"),
        },
        OpKind::UffdWp { mm, start, end, .. } => {
            let (_, vmas) = driver.processes().find(|(process, _)| *process == mm)?;
            let files = || vmas.iter().filter(|vma| vma.file && vma.range.start < end && start < vma.range.end);
            // One of ramfs has all of it refused, on the booted kernel, too.
            let allowed = files().next().is_some() && files().all(|vma| vma.not_told);
            allowed.then_some("uffdwp (of memory of a file of tmpfs, which the booted kernel allows)")
        }
        OpKind::Move { mm, start, end, .. } => {
            let (_, vmas) = driver.processes().find(|(process, _)| *process == mm)?;
            let mut moved = vmas.iter().filter(|vma| vma.range.start < end && start < vma.range.end);
            let several = moved.clone().any(|vma| end > vma.range.end);
            (several && moved.any(|vma| vma.file))
                .then_some("move (beyond a VMA, of a file: the guest's places its mappings itself)")
        }
        _ => None,
    }
}

/// Whether the booted kernel migrates the page by `MADV_SOFT_OFFLINE`, which takes the old frame out of use; otherwise by
/// `move_pages()`. So that there are some of both, it is a matter of the page's number. Soft offlining would split a large folio, and
/// drop a page of a file.
pub fn is_soft_offlined(kind: &OpKind, driver: &KernelDriver, booted: &Kernel) -> bool {
    let OpKind::Migrate { mm, page } = *kind else { return false };
    let Some((tables, _)) = driver.page_tables() else { return false };
    let frame = tables.entry_at(mm, page).and_then(|entry| tables.frame_of(entry));
    let is_small_anon =
        frame.is_some_and(|frame| frame.anon && !tables.large.iter().any(|(folio, _)| *folio == frame.head));
    booted.memory_failure && page % 2 == 1 && is_small_anon
}

/// The part of a trace that can be said in system calls, whatever state its operations meet.
pub fn expressible(trace: &Trace, vma: VmaCode, left_out: &mut LeftOut) -> Trace {
    let mut said = Trace::default();
    for op in &trace.ops {
        let kind = without_order(op.kind, vma);
        if let Some(reason) = reason(&kind, vma) {
            left_out.count(reason);
            continue;
        }
        if kind != op.kind {
            left_out.count("order N (the operation is played without)");
        }
        if !op.fail_node.is_never() {
            left_out.count("failnode= (the operation is played without)");
        }
        if !op.fail_page.is_never() {
            left_out.count("failpage= (the operation is played without)");
        }
        said.ops.push(Op { kind, fail_node: Fail::NEVER, fail_page: Fail::NEVER, ..*op });
    }
    said
}

/// What of a trace can be played on a kernel without zswap: large folios, or pages that are swapped out, whichever comes first.
/// Pages must be all 0 there to be out of memory at once; and the split of a large folio frees those that are.
pub fn without_zswap(trace: &Trace, left_out: &mut LeftOut) -> Trace {
    let (mut large, mut swapped) = (false, false);
    let mut said = Trace::default();
    for op in &trace.ops {
        let kind = match op.kind {
            OpKind::SwapOut { .. } if large => {
                left_out.count("swapout (after a large folio, on a kernel without zswap)");
                continue;
            }
            OpKind::Fault { order: 1.., .. } if swapped => {
                left_out.count("order N (after swapout, on a kernel without zswap: the operation is played without)");
                without_order(op.kind, VmaCode::Kernel)
            }
            kind => kind,
        };
        swapped |= matches!(kind, OpKind::SwapOut { .. });
        large |= matches!(kind, OpKind::Fault { order: 1.., .. });
        said.ops.push(Op { kind, ..*op });
    }
    said
}

/// What of a trace can be played on a kernel without `CONFIG_MEMORY_FAILURE`, or without `CONFIG_USERFAULTFD`.
pub fn without_options(trace: &Trace, kernel: &Kernel, left_out: &mut LeftOut) -> Trace {
    let mut said = Trace::default();
    for op in &trace.ops {
        let reason = match op.kind {
            OpKind::Poison { .. } if !kernel.memory_failure => {
                "poison (the booted kernel has no CONFIG_MEMORY_FAILURE)"
            }
            OpKind::UffdWp { .. } if !kernel.userfaultfd => "uffdwp (the booted kernel has no CONFIG_USERFAULTFD)",
            _ => {
                said.ops.push(*op);
                continue;
            }
        };
        left_out.count(reason);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_page_tables_is_left_out_and_a_fault_loses_its_order() {
        let text = "map p0 1..3\nmap p0 5..6 shared file 0\nfault p0 1 order 2\nswapout p0 1\nlazyfree p0 1..3\ndontneed p0 1..3";
        let mut left_out = LeftOut::default();
        assert_eq!(
            expressible(&text.parse().unwrap(), VmaCode::Kernel, &mut left_out),
            "map p0 1..3\nfault p0 1".parse().unwrap()
        );
        let counted = left_out.to_string();
        assert!(counted.contains("page tables are not compared) 4") && counted.contains("without) 1"), "{counted}");
    }

    #[test]
    fn what_is_left_out_is_counted_by_name() {
        let text =
            "map p0 1..3\nfault p0 1\npin p0 1\nwalk p0 1\nunmap p0 1..2 fail=1 failnode=1\nunpin 0\nuffdmove p0 2 1";
        let mut left_out = LeftOut::default();
        let said = expressible(&text.parse().unwrap(), VmaCode::Kernel, &mut left_out);
        assert_eq!(said, "map p0 1..3\nfault p0 1\nunmap p0 1..2 fail=1".parse().unwrap());
        let counted = left_out.to_string();
        for name in ["pin (", "unpin (", "walk (", "uffdmove (", "failnode= ("] {
            assert_eq!(counted.matches(name).count(), if name == "pin (" { 2 } else { 1 }, "{name} in {counted}");
        }
        left_out.add(&left_out.clone());
        assert!(left_out.to_string().contains("walk (only the kernel itself walks) 2"));
    }
}
