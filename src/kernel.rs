//! One side of the seam: the kernel's own C, as `build.rs` cut and compiled it.
//!
//! Every unsafe block of the crate is in this module. What crosses the border is the table of
//! csrc/rmap_abi.h: integers, and pointers to integers that C owns until the next call.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::ptr::NonNull;

use crate::rmap::{Call, Event, Fail, Revision, Rmap, Side};

pub mod accesses;
pub mod coverage;
pub mod mutants;
mod page_tables;
mod tasks;
mod vma_layer;
mod wire;

/// The C interface, as bindgen reads it.
#[allow(missing_docs, non_camel_case_types, dead_code, unused)]
mod abi {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

mod references {
    //! The table of references, written by `build.rs`.
    use super::{Reference, abi};
    use crate::rmap::Revision;
    include!(concat!(env!("OUT_DIR"), "/references.rs"));
}

/// One kernel's compiled anon_vma code.
pub struct Reference {
    /// Its name in the cache.
    pub name: &'static str,
    /// The kernel version that its Makefile states.
    pub version: &'static str,
    /// How it behaves, as detected from its source.
    pub revision: Revision,
    /// Where the tree came from.
    pub origin: &'static str,
    /// What was applied on top, in order.
    pub patches: &'static [&'static str],
    /// What was cut, what is a stub, and the text that was compiled.
    pub extract: &'static str,
    /// Every piece that was cut, as JSON: symbol, file, lines, text.
    pub pieces: &'static str,
    /// The lines that its patches changed, by function, as JSON.
    pub changed: &'static str,
    counters: Result<&'static [coverage::Counters], &'static str>,
    ops: fn() -> &'static abi::rmap_ops,
    /// Whether it has `UFFDIO_MOVE`.
    moves_pages: bool,
    /// Whether `vma_is_fork_child()` decides on both sides of a merge.
    merges_either_way: bool,
    /// The same with the kernel's VMA code above it, or why there is none.
    vma_layer: Result<fn() -> &'static abi::rmap_ops, &'static str>,
    /// The same with the kernel's page-table code too, or why there is none.
    pages_layer: Result<fn() -> &'static abi::rmap_ops, &'static str>,
    /// The table of its mutants, as JSON.
    #[cfg(rmap_mutants)]
    mutants: &'static str,
}

impl Reference {
    /// Why the kernel driver is not there, if it is not.
    pub fn without_vma_layer(&self) -> Option<&'static str> {
        self.vma_layer.err()
    }

    /// Why the kernel's page-table code is not there, if it is not.
    pub fn without_pages_layer(&self) -> Option<&'static str> {
        self.pages_layer.err()
    }
}

/// Every reference that this binary was built with, oldest first.
pub fn references() -> &'static [Reference] {
    references::REFERENCES
}

/// The names of the references that the cache had and this binary does not, each with the reason.
pub fn left_out() -> &'static [(&'static str, &'static str)] {
    references::LEFT_OUT
}

/// This binary has no reference of that name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoReference {
    /// Its text does not compile.
    #[error("reference `{name}` was left out of this binary: {reason}")]
    LeftOut {
        /// Its name.
        name: String,
        /// The first error of the extractor, the compiler or the linker.
        reason: &'static str,
    },
    /// The cache did not have it when this binary was built.
    #[error(
        "no reference `{name}` in this binary; it has {}. If `rmap-kernels list` has it, build again: cargo build --release. \
         Else add it first: make kernel NAME={name} TREE=...",
        references().iter().map(|r| r.name).collect::<Vec<_>>().join(", ")
    )]
    Absent {
        /// What was asked for.
        name: String,
    },
}

/// The reference of that name.
///
/// # Errors
/// If this binary has none, with the reason.
pub fn reference(name: &str) -> Result<&'static Reference, NoReference> {
    let name_of = || name.to_owned();
    references().iter().find(|r| r.name == name).ok_or_else(|| {
        match left_out().iter().find(|(left_out, _)| *left_out == name) {
            Some((_, reason)) => NoReference::LeftOut { name: name_of(), reason },
            None => NoReference::Absent { name: name_of() },
        }
    })
}

/// The reference to use where none is named: the newest release after the January 2026 series; without one, the
/// newest tree.
pub fn default_reference() -> Option<&'static Reference> {
    let all = references();
    let after = || all.iter().rev().filter(|r| r.revision.chains_preallocated);
    // A tree that somebody added under a name of its own is used where it is named, never by default.
    let plain = |r: &&Reference| r.patches.is_empty() && r.version.starts_with(&format!("{}.", r.name));
    after().find(plain).or_else(|| after().next()).or(all.last())
}

/// Whether the C was compiled with the fuzzer's instrumentation.
pub fn instrumented() -> bool {
    !references().is_empty() && references().iter().all(|r| (r.ops)().instrumented == 1)
}

/// How the slab treats freed objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SlabMode {
    /// The next allocation gets the object freed last, as in the kernel: confusion of old and new shows.
    #[default]
    Reuse,
    /// Freed objects are poisoned and kept until the reset: use after free shows. A build with AddressSanitizer knows this
    /// mode alone, and has it from `malloc` and `free`, whose report tells the access, the allocation and the free.
    Poison,
}

/// How large an object of a reference is, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectSize {
    /// The kernel's own structure, as it is compiled here: without what the configuration leaves out.
    pub structure: u32,
    /// What lies beside it, so that it can be observed.
    pub added: u32,
}

/// A world of one reference.
pub struct Kernel {
    reference: &'static Reference,
    ops: &'static abi::rmap_ops,
    world: NonNull<abi::rmap_world>,
    /// Which reading of the page tables was the last; 0: what has changed since one is not known.
    page_reading: u64,
    /// Room to read them.
    told_pages: page_tables::Told,
}

// SAFETY: a world is reached through its `Kernel` alone, and the C finds the running world through a
// thread-local that every entry sets; nothing else in the C depends on the thread.
unsafe impl Send for Kernel {}

/// Calls one function of the table.
macro_rules! ops {
    ($kernel:expr, $function:ident ( $($arg:expr),* )) => {{
        let function = $kernel.ops.$function.expect("the table of a reference is complete");
        // SAFETY: the world is alive as long as the Kernel, and used by one thread at a time, as
        // `&mut self` or the C function's const pointer demand; other arguments are valid references for the call.
        unsafe { function($kernel.world.as_ptr() $(, $arg)*) }
    }};
}

impl Kernel {
    /// A fresh world of `reference`.
    ///
    /// # Panics
    /// When the host's memory is out.
    pub fn new(reference: &'static Reference, mode: SlabMode) -> Kernel {
        Self::of((reference.ops)(), reference, mode)
    }

    /// A fresh world of `reference` in which the kernel's own VMA code makes the calls.
    ///
    /// # Errors
    /// If its VMA code could not be cut or compiled: why.
    ///
    /// # Panics
    /// When the host's memory is out.
    pub fn with_vma_layer(reference: &'static Reference, mode: SlabMode) -> Result<Kernel, &'static str> {
        Ok(Self::of(reference.vma_layer?(), reference, mode))
    }

    /// A fresh world of `reference` in which the kernel's own VMA code makes the calls, and its page-table code keeps the
    /// page tables.
    ///
    /// # Errors
    /// If its page-table code could not be cut or compiled: why.
    ///
    /// # Panics
    /// When the host's memory is out.
    pub fn with_pages(reference: &'static Reference, mode: SlabMode) -> Result<Kernel, &'static str> {
        Ok(Self::of(reference.pages_layer?(), reference, mode))
    }

    fn of(ops: &'static abi::rmap_ops, reference: &'static Reference, mode: SlabMode) -> Kernel {
        assert_eq!(ops.abi_version, abi::RMAP_ABI_VERSION, "{}: other version of csrc/rmap_abi.h", reference.name);
        let create = ops.create.expect("the table of a reference is complete");
        let mode = match mode {
            SlabMode::Reuse => abi::rmap_slab_mode::RMAP_SLAB_REUSE,
            SlabMode::Poison => abi::rmap_slab_mode::RMAP_SLAB_POISON,
        };
        // SAFETY: `create` takes a number and returns a world or NULL.
        let world = unsafe { create(mode as u32) };
        let world = NonNull::new(world).expect("out of memory");
        Kernel { reference, ops, world, page_reading: 0, told_pages: page_tables::Told::default() }
    }

    /// Which reference it is.
    pub fn reference(&self) -> &'static Reference {
        self.reference
    }

    /// How large its VMAs, anon_vmas and chain entries are, in this order.
    pub fn object_sizes(&self) -> [ObjectSize; 3] {
        let (mut structures, mut added) = ([0; 3], [0; 3]);
        let sizes = self.ops.sizes.expect("the table of a reference is complete");
        // SAFETY: it writes three numbers to each.
        unsafe { sizes(structures.as_mut_ptr(), added.as_mut_ptr()) };
        std::array::from_fn(|i| ObjectSize { structure: structures[i], added: added[i] })
    }

    /// Appends a stream that C owns until the next call.
    fn append_stream(&mut self, out: &mut Vec<u64>, teller: Teller) {
        let mut count = 0;
        let words = match teller {
            Teller::Touched => ops!(self, touched(&mut count)),
            Teller::State => ops!(self, state(&mut count)),
        };
        if count > 0 {
            // SAFETY: the C wrote `count` words there and does not touch them until the next call.
            out.extend_from_slice(unsafe { std::slice::from_raw_parts(words, count as usize) });
        }
    }
}

enum Teller {
    Touched,
    State,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        ops!(self, destroy());
    }
}

// Event and Fail are laid out as their C structures; a change of either breaks the build here.
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Event>() == size_of::<abi::rmap_event>());
    assert!(align_of::<Event>() == align_of::<abi::rmap_event>());
    assert!(offset_of!(Event, arg) == offset_of!(abi::rmap_event, arg));
    assert!(offset_of!(Event, flags) == offset_of!(abi::rmap_event, flags));
    assert!(offset_of!(Event, object) == offset_of!(abi::rmap_event, object));
    assert!(offset_of!(Event, other) == offset_of!(abi::rmap_event, other));
    assert!(size_of::<Fail>() == size_of::<abi::rmap_fail>());
    assert!(align_of::<Fail>() == align_of::<abi::rmap_fail>());
};

impl Rmap for Kernel {
    fn revision(&self) -> Revision {
        self.reference.revision
    }

    fn begin_operation(&mut self, fail: &Fail) {
        let fail: *const Fail = fail;
        ops!(self, begin_operation(fail.cast()));
    }

    fn attempts(&self) -> u32 {
        ops!(self, attempts())
    }

    fn call(&mut self, call: Call) -> i32 {
        let call = wire::encode_call(call);
        ops!(self, call(&call))
    }
}

impl Side for Kernel {
    fn events(&self) -> &[Event] {
        let mut count = 0;
        let events = ops!(self, events(&mut count));
        if count == 0 {
            return &[];
        }
        // SAFETY: the C wrote `count` events there, laid out as Event (asserted above), and does not
        // touch them until the next call, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(events.cast::<Event>(), count as usize) }
    }

    fn touched(&mut self, out: &mut Vec<u64>) {
        self.append_stream(out, Teller::Touched);
    }

    fn state(&mut self, out: &mut Vec<u64>) {
        self.append_stream(out, Teller::State);
    }

    fn live(&self) -> [u32; 3] {
        let mut counts = [0; 3];
        ops!(self, live(counts.as_mut_ptr()));
        counts
    }

    fn reset(&mut self) {
        ops!(self, reset());
        self.page_reading = 0;
    }

    fn last_warning(&self) -> Option<String> {
        let text = ops!(self, last_warning());
        // SAFETY: a NUL-terminated buffer inside the world.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        (!text.is_empty()).then(|| text.into_owned())
    }
}
