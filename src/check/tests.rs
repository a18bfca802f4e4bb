//! The checks against planted faults: what holds passes, and each fault is caught.

mod calls;
mod defects;
mod expect;
mod fake;
mod following;
mod invariants;
mod lockstep;
mod pages;
mod paths;
mod run;
mod signatures;
mod state_diff;
mod world;
