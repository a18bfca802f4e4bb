//! The target that plays traces on two references. What has a name of its own is counted; that the references are different, or
//! that one breaks an invariant, is a panic.

use std::cell::RefCell;
use std::sync::OnceLock;

use super::figures::Figures;
use super::{SetupError, environment};
use crate::check::Sides;
use crate::kernel::{self, Kernel, Reference};
use crate::known;
use crate::report::{self, review::Replay};
use crate::review::{Class, Names, Pair, Reviewed, Verdict};
use crate::session::{Session, VmaCode};
use crate::trace::Trace;

static TARGET: OnceLock<Target> = OnceLock::new();

struct Target {
    sessions: [Session; 2],
}

impl Target {
    fn names(&self) -> Names<'static> {
        let [base, changed] = &self.sessions;
        Names { base: base.reference.name, changed: changed.reference.name }
    }

    fn side(&self, at: usize) -> Reviewed<Kernel> {
        Reviewed::open(&self.sessions[at]).expect("announce_review() has looked")
    }
}

/// Chooses the references (`$RMAP_BASE`, else the newest before the January 2026 series; `$RMAP_CHANGED`, else the newest after
/// it) and the VMA code (`$RMAP_VMA`; else the model, for what is compared is the reverse map), and says what runs.
///
/// # Errors
/// If they are not there, or if the C carries no coverage counters: the target cannot run.
pub fn announce_review() -> Result<(), SetupError> {
    let before = kernel::references().iter().rev().find(|r| !r.revision.chains_preallocated && r.patches.is_empty());
    let named = |variable: &str, default: Option<&'static Reference>| {
        let missing = || SetupError::new(format!("no reference for a review: name one by {variable}"));
        environment::reference(variable)?.or(default).ok_or_else(missing)
    };
    let sides = [named("RMAP_BASE", before)?, named("RMAP_CHANGED", kernel::default_reference())?];
    environment::check_instrumented()?;
    if environment::together()? {
        return Err(SetupError::new("RMAP_TOGETHER: two references are not compared operations together"));
    }
    let asked = environment::vma()?.unwrap_or(VmaCode::Model);
    let vma = VmaCode::choose(Some(asked), Sides::Reference, &sides)?;
    let known = environment::known()?;
    eprintln!("rmap-diff: review of {} against {}, vma={}", sides[0].name, sides[1].name, vma.name());
    let sessions = sides.map(|side| {
        let session = Session::new(side).with_sides(Sides::Reference).with_vma(vma);
        Session { slab: super::slab(), ..session }.tolerating(known::signatures(&known.of(side.name, side.version)))
    });
    TARGET.get_or_init(|| Target { sessions });
    super::set_operations(vma.operations());
    super::set_mutator()
}

fn target() -> &'static Target {
    TARGET.get().expect("announce_review() has chosen")
}

struct Harness {
    pair: Pair<Kernel>,
    figures: Figures,
    executions: u64,
    operations: u64,
}

impl Harness {
    fn run(&mut self, trace: &Trace) {
        self.pair.play(trace);
        self.executions += 1;
        self.operations += trace.ops.len() as u64;
        let worst = self.pair.seen.iter().map(|(class, _)| class.clone()).last();
        let found = worst.filter(|class| !matches!(class, Class::Except(_)));
        let (Names { base, changed }, executions, operations) = (target().names(), self.executions, self.operations);
        self.figures.write(found.is_some(), || {
            format!("kernel={base}..{changed}\nexecutions={executions}\noperations={operations}\n")
        });
        let Some(class) = found else { return };
        let names = target().names();
        let verdict =
            Verdict { seen: std::mem::take(&mut self.pair.seen), random: self.operations, ..Verdict::default() };
        let replay = Replay {
            names,
            vma: target().sessions[0].vma.name(),
            traces: &[],
            given: None,
            alone: &[],
            known: "",
            preemptions: "",
        };
        eprint!("{}", report::review::plain(&verdict, &replay));
        panic!("{}", class.text(names));
    }
}

/// Plays the trace on both references.
///
/// # Panics
/// When they are different, or one breaks an invariant.
pub fn review(trace: &Trace) {
    thread_local! {
        static HARNESS: RefCell<Option<Harness>> = const { RefCell::new(None) };
    }
    let new = || Harness {
        pair: Pair::new(target().side(0), target().side(1)),
        figures: Figures::from_env(),
        executions: 0,
        operations: 0,
    };
    HARNESS.with_borrow_mut(|harness| harness.get_or_insert_with(new).run(trace));
}
