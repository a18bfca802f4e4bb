//! The faults of a build that has them (`RMAP_MUTANTS`, build.rs): which there are, and which is chosen.
//!
//! In any other build there are none. See `crates/extract/src/mutants.rs` for what they are.

use super::Reference;

/// A reference's table of mutants, as JSON; none in an ordinary build.
pub fn table(reference: &Reference) -> Option<&'static str> {
    #[cfg(rmap_mutants)]
    return Some(reference.mutants);
    #[cfg(not(rmap_mutants))]
    {
        let _ = reference;
        None
    }
}

#[cfg(rmap_mutants)]
mod chosen {
    use std::sync::atomic::{AtomicU8, AtomicU32};

    unsafe extern "C" {
        pub static rmap_mutant: AtomicU32;
        pub static rmap_mutants_reached: [AtomicU8; 16384];
    }
}

/// From now on, in this process, the C of every reference has this fault; 0: none. Does nothing in an ordinary build.
pub fn choose(number: u32) {
    #[cfg(rmap_mutants)]
    // SAFETY: an aligned word that lives as long as the process and that the C only reads.
    unsafe { &chosen::rmap_mutant }.store(number, std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(rmap_mutants))]
    let _ = number;
}

/// Whether a run of this process came to the place of a mutant. Always false in an ordinary build.
pub fn reached(number: u32) -> bool {
    #[cfg(rmap_mutants)]
    {
        // SAFETY: bytes that live as long as the process, which the C writes on one thread at a time; any value is valid.
        let all = unsafe { &chosen::rmap_mutants_reached };
        all.get(number as usize).is_some_and(|byte| byte.load(std::sync::atomic::Ordering::Relaxed) != 0)
    }
    #[cfg(not(rmap_mutants))]
    {
        let _ = number;
        false
    }
}
