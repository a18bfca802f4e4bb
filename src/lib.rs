//! A differential fuzzer for the Linux kernel's anonymous reverse map (`mm/rmap.c`).
//!
//! The way of the data: bytes or text become a [`trace::Trace`]; a driver ([`mm`]) decides the
//! geometry once and makes rmap calls ([`rmap`]); [`check::Lockstep`] lets the reference
//! (`kernel`) do each call and the port ([`port`]) do it after, and compares the two;
//! [`minimize()`](minimize::minimize) makes its trace small, and [`report`], [`show`] and [`reproduce`] show it to a person.
//!
//! Above that: [`exhaust`] tries every sequence in a small scope, [`review`] plays two references side by side (both compare
//! states as a [`world`]), [`ground_truth`] a booted kernel beside a reference, and `mutants` measures what is found.

pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
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
pub mod report;
pub mod reproduce;
pub mod review;
pub use rmap_seam as rmap;
pub mod session;
pub mod show;
pub use rmap_trace as trace;
pub mod world;
