//! A differential fuzzer for the Linux kernel's reverse map (`mm/rmap.c`).
//!
//! The build script extracts the kernel's own C from each tree of the kernel cache and compiles it. This crate plays
//! sequences of memory operations on that C and on a Rust port, compares the two after every call, and checks a set of
//! invariants on each. README.md and docs/ are for users of the command; this page is for users of the crate.
//!
//! # One trace, in lockstep
//!
//! A [`Trace`](trace::Trace) is text. A driver ([`mm`]) plays it: here the kernel's own VMA code. [`Lockstep`](check::Lockstep) makes
//! each rmap call on the reference ([`kernel`]) and on the port ([`port`]).
//!
//! ```
//! use rmap_diff::check::{Lockstep, run_trace};
//! use rmap_diff::kernel::{Kernel, SlabMode, default_reference};
//! use rmap_diff::mm::KernelDriver;
//! use rmap_diff::port::Port;
//! use rmap_diff::trace::Trace;
//!
//! let trace: Trace = "map p0 0x10..0x14\nfault p0 0x11\nfork p0 p1\nexit p0".parse()?;
//! let reference = default_reference().expect("the build has at least one reference");
//! let kernel = Kernel::with_vma_layer(reference, SlabMode::Reuse)?;
//! let mut lockstep = Lockstep::new(kernel, Port::new(reference.revision));
//!
//! let result = run_trace(&mut lockstep, &mut KernelDriver::new(), &trace);
//! assert_eq!(result.finding, None);
//! assert_eq!(result.stats.done, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The port alone
//!
//! A side is anything that makes rmap calls ([`rmap::Rmap`]). The small driver needs nothing else, so it plays on the port
//! without any kernel. A [`Revision`](rmap::Revision) says which generation the port behaves as.
//!
//! ```
//! use rmap_diff::mm::{Outcome, SmallDriver};
//! use rmap_diff::port::Port;
//! use rmap_diff::rmap::{Revision, Side};
//! use rmap_diff::trace::Trace;
//!
//! let mut port = Port::new(Revision::of_generation("6.12").expect("a generation known by name"));
//! let mut driver = SmallDriver::new();
//! let trace: Trace = "map p0 0x10..0x14\nfault p0 0x11\nfork p0 p1 fail=2,3\nfork p0 p1".parse()?;
//! let outcomes: Vec<Outcome> = trace.ops.iter().map(|op| driver.apply(&mut port, op)).collect();
//!
//! // 6.12 tries twice for a chain entry. In the first fork both attempts fail, and the fork with them: ENOMEM.
//! assert_eq!(outcomes, [Outcome::Done, Outcome::Done, Outcome::Failed(12), Outcome::Done]);
//! // VMAs, anon_vmas and chain entries that are alive.
//! assert_eq!(port.live(), [2, 2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One finding
//!
//! What a run stops for is a [`Finding`](check::Finding). Its signature stays the same when objects are renamed. Known findings
//! ([`known`]) are told apart by it. [`report`] writes a finding for a person, [`minimize()`](minimize::minimize) makes its trace small,
//! and [`show`] and [`reproduce`] draw it and write it as a program.
//!
//! ```
//! use rmap_diff::check::{Lockstep, run_trace};
//! use rmap_diff::kernel::{Kernel, SlabMode, default_reference};
//! use rmap_diff::known::KnownFindings;
//! use rmap_diff::mm::KernelDriver;
//! use rmap_diff::port::Port;
//! use rmap_diff::report::{Report, text};
//!
//! let reference = default_reference().expect("the build has at least one reference");
//! let findings = KnownFindings::embedded();
//! if let Some(known) = findings.of(reference.name, reference.version).first() {
//!     let trace = findings.trace(known)?;
//!     let kernel = Kernel::with_vma_layer(reference, SlabMode::Reuse)?;
//!     let mut lockstep = Lockstep::new(kernel, Port::new(reference.revision));
//!
//!     let result = run_trace(&mut lockstep, &mut KernelDriver::new(), &trace);
//!     let finding = result.finding.expect("it is not tolerated here");
//!     assert_eq!(finding.signature(), known.signature);
//!     let report = text::plain(&Report::new(&finding, &trace, reference.name));
//!     assert!(report.starts_with(&known.signature));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What stands above that
//!
//! [`exhaust`] tries every sequence in a small scope. [`review`] plays two references side by side (both compare states as a
//! [`world`]; a [`digest`] is one number of a state, kept up). [`prove`] plays a tree without a fix beside the tree with it. [`ground_truth`] compares a booted kernel with a reference. `mutants` measures what is found. The way of the
//! data is in docs/architecture.md.

#[cfg(all(feature = "address-sanitizer", not(rmap_sanitize_address)))]
compile_error!("the feature address-sanitizer is for builds with AddressSanitizer alone");

pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod coverage;
pub mod digest;
pub mod exhaust;
mod fill;
pub mod fuzzing;
pub mod ground_truth;
pub mod kernel;
pub mod known;
pub mod minimize;
pub mod mm;
pub mod mutants;
pub mod pages;
pub use rmap_port as port;
pub mod prove;
pub mod report;
pub mod reproduce;
pub mod review;
pub use rmap_seam as rmap;
pub mod session;
pub mod show;
pub use rmap_trace as trace;
pub mod world;
