//! What the tests share: the references that they need, and how to run sides.
#![allow(dead_code)]

pub mod layer;

use rmap_diff::check::{self, Driver, Lockstep, RunResult, Sides};
use rmap_diff::kernel::{self, Kernel, Reference};
use rmap_diff::mm::SmallDriver;
use rmap_diff::port::Port;
use rmap_diff::report::{Report, text};
use rmap_diff::rmap::{Side, Snapshot};
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Mix, Rng, Trace, random_trace};

/// One reference of each generation, and 6.12 with the one change of the series that alone makes a generation of its own. The
/// names are as `make test` brings them; 7.3 stands for the newest 7.x.
pub const GENERATIONS: [&str; 5] = ["6.1", "6.12", "6.12-fork-preallocates", "7.2", NEWEST];

/// The newest generation.
pub const NEWEST: &str = "newest 7.x";

/// The reference of that name.
pub fn reference(name: &str) -> &'static Reference {
    let found = match name {
        NEWEST => kernel::default_reference().filter(|r| r.revision.chains_preallocated),
        name => kernel::reference(name).ok(),
    };
    let there: Vec<&str> = kernel::references().iter().map(|r| r.name).collect();
    found.unwrap_or_else(|| {
        panic!("no reference `{name}` in this build (it has {there:?}): run the tests by `make test`")
    })
}

/// A reference and the port, under the model of the VMA code.
pub fn session(reference: &'static Reference) -> Session {
    Session::new(reference).with_vma(VmaCode::Model)
}

/// A reference and the port at its revision.
pub fn lockstep(reference: &'static Reference) -> Lockstep<Kernel, Port> {
    let kernel = session(reference).kernel().expect("the model wants no VMA code");
    Lockstep::new(kernel, Port::new(reference.revision))
}

/// Plays a trace on a reference and the port.
pub fn run(reference: &'static Reference, trace: &Trace) -> RunResult {
    session(reference).player().expect("the model wants no VMA code").play(trace)
}

/// Fails with the report if anything was found.
pub fn assert_nothing_found(reference: &Reference, result: &RunResult, trace: &Trace) {
    if let Some(finding) = &result.finding {
        panic!("{}", text::plain(&Report::new(finding, trace, reference.name)));
    }
}

/// Plays at least `ops` random operations of these mixes from empty worlds, and fails with the report if anything is found
/// or left. Returns how many there were, and the seed that was the last.
pub fn play_random<P: Side, D: Driver<Kernel, P>>(
    reference: &Reference,
    lockstep: &mut Lockstep<Kernel, P>,
    driver: &mut D,
    mixes: &[Mix],
    ops: usize,
) -> (usize, u64) {
    let mut done = 0;
    for seed in 1.. {
        let mut rng = Rng::new(seed);
        // Short traces reset often; long ones pile objects up.
        for (mix, length) in mixes.iter().flat_map(|mix| [16, 64, 250, 1000].map(|length| (mix, length))) {
            let trace = random_trace(&mut rng, length, mix);
            let met = |lockstep: &Lockstep<Kernel, P>| lockstep.met().iter().sum::<u64>();
            let before = met(lockstep);
            let result = check::run_trace(lockstep, driver, &trace);
            assert_nothing_found(reference, &result, &trace);
            // A known finding may end a trace where it is.
            if met(lockstep) == before {
                assert_eq!(lockstep.reference().live(), [0; 3]);
            }
            done += trace.ops.len();
        }
        if done >= ops {
            return (done, seed);
        }
    }
    unreachable!("there are seeds enough")
}

/// A trace from its text form.
pub fn trace(text: &str) -> Trace {
    text.parse().unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The state of the compiled C after a trace, before the exits.
pub fn state_after(reference: &'static Reference, trace: &Trace) -> (Snapshot, SmallDriver) {
    let mut solo = Lockstep::solo(session(reference).kernel().expect("the model wants no VMA code"), Sides::Reference);
    let mut driver = SmallDriver::new();
    check::play_trace(&mut solo, &mut driver, trace, |_, _, _, _| {});
    if let Some(finding) = solo.finding() {
        panic!("{}", text::plain(&Report::new(finding, trace, reference.name)));
    }
    (snapshot(solo.reference()), driver)
}

/// The whole state of a side.
pub fn snapshot(side: &mut impl rmap_diff::rmap::Side) -> Snapshot {
    let mut words = Vec::new();
    side.state(&mut words);
    Snapshot::decode(&words).expect("a side tells its state in words that decode")
}
