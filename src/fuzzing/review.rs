//! The target that plays traces on two references. What has a name of its own is counted; that the references are different, or
//! that one breaks an invariant, is a panic.

use std::cell::RefCell;
use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::ADDRESS_SANITIZER;
use super::figures::Figures;
use crate::kernel::{self, Kernel, Reference, SlabMode};
use crate::known::KnownFindings;
use crate::report;
use crate::review::{Class, Names, Pair, Reviewed, Verdict};
use crate::trace::Trace;

static CHOSEN: OnceLock<Chosen> = OnceLock::new();

struct Chosen {
    sides: [&'static Reference; 2],
    known: [Vec<String>; 2],
    vma_layer: bool,
}

impl Chosen {
    fn names(&self) -> Names<'static> {
        Names { base: self.sides[0].name, changed: self.sides[1].name }
    }

    fn side(&self, at: usize) -> Reviewed<Kernel> {
        let mode = if ADDRESS_SANITIZER { SlabMode::Poison } else { SlabMode::Reuse };
        let mut side = match self.vma_layer {
            true => Reviewed::with_vma_layer(
                Kernel::with_vma_layer(self.sides[at], mode).expect("announce_review() has looked"),
            ),
            false => Reviewed::small(Kernel::new(self.sides[at], mode)),
        };
        side.tolerate(self.known[at].iter().cloned());
        side
    }
}

/// Chooses the references (`$RMAP_BASE`, else the newest before the January 2026 series; `$RMAP_CHANGED`, else the newest after
/// it) and the driver (`$RMAP_DRIVER`; else the small one, for what is compared is the reverse map), and says what runs. Ends the
/// process with status 2 if they are not there, or if the C carries no coverage counters.
pub fn announce_review() {
    let refuse = |why: String| -> ! {
        eprintln!("rmap-diff: {why}");
        std::process::exit(2);
    };
    let before = || kernel::references().iter().rev().find(|r| !r.revision.chains_preallocated && r.patches.is_empty());
    let named = |variable: &str, default: Option<&'static Reference>| match env::var(variable) {
        Ok(name) => kernel::reference(&name)
            .unwrap_or_else(|| refuse(format!("{variable}={name}: no such reference in this binary"))),
        Err(_) => default.unwrap_or_else(|| refuse(format!("no reference for a review: name one by {variable}"))),
    };
    let sides = [named("RMAP_BASE", before()), named("RMAP_CHANGED", kernel::default_reference())];
    if !kernel::instrumented() {
        refuse("the C of this binary has no coverage counters: build it with cargo fuzz (clang is needed)".into());
    }
    let vma_layer = match env::var("RMAP_DRIVER").as_deref() {
        Ok("kernel") => {
            if let Some((side, why)) = sides.iter().find_map(|side| Some((side, side.without_vma_layer()?))) {
                refuse(format!("{} has no kernel driver: {why}", side.name));
            }
            true
        }
        Ok("rust") | Err(_) => false,
        Ok(other) => refuse(format!("RMAP_DRIVER={other}: expected kernel or rust")),
    };
    let known = KnownFindings::read(env::var_os("RMAP_KNOWN").map(PathBuf::from).as_deref())
        .unwrap_or_else(|error| refuse(format!("RMAP_KNOWN: {error}")));
    let known = sides.map(|side| known.of(side.name, side.version).into_iter().map(|k| k.signature).collect());
    let driver = if vma_layer { "kernel" } else { "rust" };
    eprintln!("rmap-diff: review of {} against {}, driver={driver}", sides[0].name, sides[1].name);
    CHOSEN.get_or_init(|| Chosen { sides, known, vma_layer });
    super::set_operations(vma_layer);
}

fn chosen() -> &'static Chosen {
    CHOSEN.get().expect("announce_review() has chosen")
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
        let (Names { base, changed }, executions, operations) = (chosen().names(), self.executions, self.operations);
        self.figures.write(found.is_some(), || {
            format!("kernel={base}..{changed}\nexecutions={executions}\noperations={operations}\n")
        });
        let Some(class) = found else { return };
        let names = chosen().names();
        let verdict =
            Verdict { seen: std::mem::take(&mut self.pair.seen), random: self.operations, ..Verdict::default() };
        eprint!("{}", report::review::plain(&verdict, names));
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
        pair: Pair::new(chosen().side(0), chosen().side(1)),
        figures: Figures::from_env(),
        executions: 0,
        operations: 0,
    };
    HARNESS.with_borrow_mut(|harness| harness.get_or_insert_with(new).run(trace));
}
