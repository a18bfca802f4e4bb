//! Traces: operations and expectations, their text form, their byte form, and how they are generated.
//!
//! A [`Trace`] is a list of operations, as a person writes them and as the fuzzer mutates them. The model driver can run
//! some of the operations, and the kernel driver can run all of them. Only `vma_layer.rs` and `recorder.rs` depend on sides
//! and calls. Nothing here depends on checks.
//!
//! | file | what |
//! | --- | --- |
//! | `op.rs` | the operations |
//! | `table.rs` | the one table with the name, the text form, the byte form and the system call of each operation |
//! | `args.rs` | the kinds of arguments: how each is written, and what it is drawn from |
//! | `expect.rs` | what a process must have mapped after an operation, and on which kernels |
//! | `text.rs` | the text form: parser and printer |
//! | `schedule.rs` | which task of a section goes on |
//! | `preemptions.rs` | every schedule with at most so many preemptions |
//! | `together.rs` | operations that run together, and when another of them goes on |
//! | `bytes.rs` | the byte form: fixed-width records, [`Arbitrary`](arbitrary::Arbitrary) |
//! | `model.rs` | a cheap guess of what is mapped, for the code that generates operations; `model/space.rs`: of one process |
//! | `random.rs` | random traces, reproducible by a seed |
//! | `mutate.rs` | mutations of the byte form by whole operations |
//! | `user.rs` | the system call by which a process does an operation |
//! | `vma_layer.rs` | the interface to the kernel's own VMA code, and what can be observed while it runs |
//! | `recorder.rs` | a side with a log of what it did |
//! | `agent.rs` | what the host and the agent on a booted kernel send each other |

pub mod agent;
mod args;
mod bytes;
mod expect;
mod large;
mod magnify;
mod meaning;
mod model;
mod mutate;
mod op;
mod page_tables;
pub mod preemptions;
mod random;
mod recorder;
mod scene;
pub mod schedule;
mod table;
mod text;
pub mod together;
mod user;
mod vma_layer;

pub use args::{Args, Form};
pub use bytes::{BytesError, RECORD_BYTES};
pub use expect::{Expectation, ExpectedVma, KernelVersion, Properties, Versions};
pub use meaning::{Meaning, MemoryKind};
pub use mutate::{Mutation, crossover, mutate};
pub use op::{Advice, HUGE_ORDER, MAX_FILES, MAX_ORDERS, MAX_PINS, Op, OpKind, OpSet};
pub use page_tables::{Frame, MmPages, PageChanges, PageEntry, PageTables, PageTotals, Slot, Target};
pub use random::{Mix, Rng, random_sections, random_trace};
pub use recorder::{Log, Recorder};
pub use table::{OPERATION_COUNT, OPERATIONS, Operation};
pub use text::{FORMAT_VERSION, ParseError, help, parse, parse_bytes};
pub use user::{Argument, Constant, SystemCall, SystemCallName, UserAction};
pub use vma_layer::{
    Mapped, MmCounts, Observation, PageEvent, Request, Seen, TaskEnd, TaskStop, TaskWatcher, VmaLayer, Watched,
};

/// Page numbers of a trace, and ends of ranges, lie below this. So they fit into a record, and into an address space of 47
/// bits.
pub const PAGE_LIMIT: u64 = 1 << 32;

/// A sequence of operations. Process 0 exists from the start, with nothing mapped.
///
/// `Display` and `Debug` are the text form, one operation a line; `FromStr` is its inverse. The
/// byte form is [`Trace::from_bytes`] and [`Trace::to_bytes`]; it has no expectations.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Trace {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// The expectations, in order of the operations after which they must hold.
    pub expectations: Vec<Expectation>,
    /// The operations that run together, in order.
    pub sections: Vec<together::Section>,
}

impl Trace {
    /// Whether the model driver can run all of its operations.
    pub fn is_small(&self) -> bool {
        self.ops.iter().all(|op| op.kind.is_small())
    }

    /// The section in which an operation is, by its index.
    pub fn section_of(&self, at: usize) -> Option<&together::Section> {
        let behind = self.sections.partition_point(|section| section.first <= at);
        self.sections[..behind].last().filter(|section| section.range().contains(&at))
    }
}

impl FromIterator<Op> for Trace {
    fn from_iter<I: IntoIterator<Item = Op>>(ops: I) -> Trace {
        Trace { ops: ops.into_iter().collect(), ..Trace::default() }
    }
}
