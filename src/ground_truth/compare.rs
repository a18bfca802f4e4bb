//! The two runs side by side, step by step, and where they first differ.
//!
//! Names of objects are canonical on both sides, so what is compared is the graph up to renaming: processes, VMAs with
//! their flags and page offsets, chains in list order, and of each anon_vma its root, parent, counters and the tree
//! node by node; and page tables, if they were read. Then the errno, and of a step with failures the attempts to allocate, cache by cache.

use std::fmt::Write as _;

use similar::TextDiff;

use super::observed::Attempt;
pub use super::observed::Observed;
use crate::rmap::dump::Dump;
use crate::rmap::{EBUSY, EFAULT, EINVAL, ENOMEM, errno_name};
use crate::trace::{Op, OpKind, Trace};

/// What differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DifferingPart {
    /// What the operation returned.
    Errno,
    /// Its attempts to allocate.
    Attempts,
    /// The graph after it.
    Graph,
    /// The page tables after it.
    PageTables,
    /// The booted kernel warned, and the userland run did not. The other way round is no difference: the userland run warns
    /// of what only `CONFIG_DEBUG_VM` warns of, and every time.
    Warning,
}

impl DifferingPart {
    /// As it is said in a report.
    pub fn name(self) -> &'static str {
        match self {
            DifferingPart::Errno => "return value",
            DifferingPart::Attempts => "attempts to allocate",
            DifferingPart::Graph => "graph",
            DifferingPart::PageTables => "page tables",
            DifferingPart::Warning => "warning",
        }
    }
}

/// Where two runs first differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestDifference {
    /// After which operation, from 0.
    pub step: usize,
    /// In what.
    pub what: DifferingPart,
    /// The userland run.
    pub userland: Observed,
    /// The booted kernel.
    pub booted: Observed,
}

/// What a step returned, as far as both sides can say it: a fault is asked for by `madvise()`, whose errno for
/// a page that is not mapped or not writable is another than that of a fault; and growth comes of a memory access, which
/// only works or does not. Where page tables are compared, a fault comes of an access, too.
fn said(op: &Op, errno: i32, before: Option<&Dump>, accesses: bool) -> i32 {
    match op.kind {
        // So does an access that is for a userfaultfd, which gives SIGBUS on the booted kernel and in userland is to wait.
        OpKind::Fault { .. } if accesses && [ENOMEM, EBUSY].contains(&errno) => EFAULT,
        OpKind::Fault { mm, page, .. } => {
            let mapped = before.is_some_and(|dump| {
                let vmas = dump.processes.iter().find(|process| process.id == mm.0);
                vmas.is_some_and(|process| process.vmas.iter().any(|vma| vma.start <= page && page < vma.end))
            });
            match errno {
                EINVAL => EFAULT,
                ENOMEM if !mapped => EFAULT,
                errno => errno,
            }
        }
        OpKind::Grow { .. } if errno == ENOMEM => EFAULT,
        _ => errno,
    }
}

/// The first difference between two runs of a trace.
pub fn first_difference(trace: &Trace, userland: &[Observed], booted: &[Observed]) -> Option<GuestDifference> {
    let mut before = None;
    for (step, (op, (ours, theirs))) in trace.ops.iter().zip(userland.iter().zip(booted)).enumerate() {
        let accesses = ours.dump.pages.is_some();
        let differs = |what| GuestDifference { step, what, userland: ours.clone(), booted: theirs.clone() };
        if said(op, ours.errno, before, accesses) != said(op, theirs.errno, before, accesses) {
            return Some(differs(DifferingPart::Errno));
        }
        if !same_attempts(op, ours.attempts.as_deref(), theirs.attempts.as_deref()) {
            return Some(differs(DifferingPart::Attempts));
        }
        if !same_graph(&ours.dump, &theirs.dump) {
            return Some(differs(DifferingPart::Graph));
        }
        if ours.dump.pages != theirs.dump.pages {
            return Some(differs(DifferingPart::PageTables));
        }
        if ours.warnings.is_empty() && !theirs.warnings.is_empty() {
            return Some(differs(DifferingPart::Warning));
        }
        before = Some(&theirs.dump);
    }
    None
}

fn same_graph(a: &Dump, b: &Dump) -> bool {
    a.processes == b.processes && a.anon_vmas == b.anon_vmas && a.live == b.live
}

/// A fork goes on to copy what the agent has mapped for itself, above the window: there the attempts are those of the
/// userland run and then others.
fn same_attempts(op: &Op, userland: Option<&[Attempt]>, booted: Option<&[Attempt]>) -> bool {
    match (userland, booted) {
        (Some(userland), Some(booted)) if matches!(op.kind, OpKind::Fork { .. }) => booted.starts_with(userland),
        (Some(userland), Some(booted)) => userland == booted,
        _ => true,
    }
}

/// For a person: both sides, what differs, and the trace up to there.
pub fn report(trace: &Trace, difference: &GuestDifference) -> String {
    let mut text = String::new();
    let GuestDifference { step, what, userland, booted } = difference;
    // Writing to a string does not fail.
    let _ = writeln!(text, "differ {} after operation {}: {}", what.name(), step + 1, trace.ops[*step]);
    let returned = |step: &Observed| match step.errno {
        0 => "0".to_owned(),
        errno => format!("-{} ({errno})", errno_name(errno)),
    };
    let attempts = |step: &Observed| match &step.attempts {
        None => "not watched".to_owned(),
        Some(attempts) => attempts
            .iter()
            .map(|attempt| format!("{}{}", attempt.cache, if attempt.failed { " fails" } else { "" }))
            .collect::<Vec<_>>()
            .join(", "),
    };
    for (name, side) in [("userland", userland), ("booted", booted)] {
        let _ = writeln!(text, "\n{name}: returned {}; attempts: {}", returned(side), attempts(side));
        for warning in &side.warnings {
            let _ = writeln!(text, "warned: {warning}");
        }
        text.push_str(&side.dump.text());
    }
    // The first line is whose dump it is.
    let body = |step: &Observed| step.dump.text().split_once('\n').map(|(_, body)| body.to_owned()).unwrap_or_default();
    let (ours, theirs) = (body(userland), body(booted));
    let _ = writeln!(text, "\n--- userland\n+++ booted\n{}", TextDiff::from_lines(&ours, &theirs).unified_diff());
    let _ = writeln!(text, "trace");
    for op in &trace.ops[..=*step] {
        let _ = writeln!(text, "  {op}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rmap::Cache;
    use crate::rmap::dump::{AnonVma, Live, Process, Vma};

    fn step() -> Observed {
        let vma = Vma { start: 1, end: 3, pgoff: None, attributes: Some((1, 3, 0)), anon_vma: Some(0), chain: vec![0] };
        let anon_vma = AnonVma {
            id: 0,
            root: Some(0),
            parent: Some(0),
            refcount: 1,
            num_children: 1,
            num_active_vmas: 1,
            tree: Some(vec!["p0 0x1 black -- last 0x2".into()]),
        };
        let dump = Dump {
            kernel: "k".into(),
            side: "s".into(),
            processes: vec![Process { id: 0, vmas: vec![vma] }],
            anon_vmas: vec![anon_vma],
            live: Live { anon_vma: 1, anon_vma_chain: 1 },
            pages: None,
        };
        Observed { errno: 0, dump, attempts: None, warnings: Vec::new() }
    }

    fn trace() -> Trace {
        "map p0 1..3\nfault p0 1".parse().unwrap()
    }

    fn compare(change: impl FnOnce(&mut Observed)) -> Option<DifferingPart> {
        let mut booted = step();
        change(&mut booted);
        let found = first_difference(&trace(), &[step(), step()], &[step(), booted]);
        found.map(|difference| {
            assert_eq!(difference.step, 1);
            assert!(report(&trace(), &difference).contains("fault p0 0x1"));
            difference.what
        })
    }

    #[test]
    fn every_part_of_a_graph_is_compared() {
        assert_eq!(compare(|_| ()), None);
        assert_eq!(compare(|step| (step.dump.kernel, step.dump.side) = ("other".into(), "other".into())), None);
        let changes: [fn(&mut Observed); 13] = [
            |step| step.dump.processes[0].id = 1,
            |step| step.dump.processes[0].vmas[0].start = 0,
            |step| step.dump.processes[0].vmas[0].end = 4,
            |step| step.dump.processes[0].vmas[0].pgoff = Some(7),
            |step| step.dump.processes[0].vmas[0].attributes = Some((1, 1, 0)),
            |step| step.dump.processes[0].vmas[0].anon_vma = None,
            |step| step.dump.processes[0].vmas[0].chain = vec![],
            |step| step.dump.anon_vmas[0].parent = None,
            |step| step.dump.anon_vmas[0].refcount = 2,
            |step| step.dump.anon_vmas[0].num_children = 2,
            |step| step.dump.anon_vmas[0].num_active_vmas = 2,
            |step| step.dump.anon_vmas[0].tree = Some(vec!["p0 0x1 red -- last 0x2".into()]),
            |step| step.dump.live.anon_vma_chain = 2,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_eq!(compare(change), Some(DifferingPart::Graph), "change {number}");
        }
        assert_eq!(compare(|step| step.warnings.push("WARNING: ".into())), Some(DifferingPart::Warning));
    }

    #[test]
    fn an_errno_is_translated_only_where_the_system_call_says_less() {
        assert_eq!(compare(|step| step.errno = ENOMEM), Some(DifferingPart::Errno));
        let errno = |text: &str, errno, before: Option<&Dump>| {
            said(&text.parse::<Trace>().unwrap().ops[0], errno, before, false)
        };
        let before = step().dump;
        assert_eq!(errno("fault p0 1", ENOMEM, Some(&before)), ENOMEM);
        assert_eq!(errno("fault p0 9", ENOMEM, Some(&before)), EFAULT);
        assert_eq!(errno("fault p0 1", EINVAL, Some(&before)), EFAULT);
        assert_eq!(errno("unmap p0 1..2", ENOMEM, None), ENOMEM);
        assert_eq!(errno("grow p0 1 1", ENOMEM, Some(&before)), EFAULT);
        let access = |text: &str, errno| said(&text.parse::<Trace>().unwrap().ops[0], errno, Some(&before), true);
        assert_eq!((access("fault p0 1", ENOMEM), access("fault p0 1", EBUSY)), (EFAULT, EFAULT));
        assert_eq!((errno("fault p0 1", EBUSY, Some(&before)), access("split p0 1", EBUSY)), (EBUSY, EBUSY));
    }

    #[test]
    fn attempts_are_equal_but_for_what_a_fork_copies_of_the_agent() {
        let of = |caches: &[Cache]| caches.iter().map(|&cache| Attempt { cache, failed: false }).collect::<Vec<_>>();
        let (short, long) = (of(&[Cache::Vma, Cache::Avc]), of(&[Cache::Vma, Cache::Avc, Cache::Vma]));
        let fork: Trace = "fork p0 p1".parse().unwrap();
        let unmap: Trace = "unmap p0 1..2".parse().unwrap();
        assert!(same_attempts(&fork.ops[0], Some(&short), Some(&long)));
        assert!(!same_attempts(&fork.ops[0], Some(&long), Some(&short)));
        assert!(!same_attempts(&unmap.ops[0], Some(&short), Some(&long)));
        assert!(same_attempts(&unmap.ops[0], Some(&short), None));
    }
}
