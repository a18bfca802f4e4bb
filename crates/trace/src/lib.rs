//! What is done, and what is expected of it: operations, their text form, their byte form, their generation.
//!
//! Nothing here knows of sides, calls or checks; a [`Trace`] is a list of operations, as a person writes
//! them and as the fuzzer mutates them. The small driver knows some of them, the kernel's own VMA code all.
//!
//! | file | what |
//! | --- | --- |
//! | `op.rs` | the operations |
//! | `table.rs` | the one table that says what each is called, parsed as, printed as, encoded as and asked for as |
//! | `args.rs` | the sorts of arguments: how each is written, what it is drawn from |
//! | `expect.rs` | what a process must have mapped after an operation, and on which kernels |
//! | `text.rs` | the text form: parser and printer |
//! | `bytes.rs` | the byte form: fixed-width records, [`Arbitrary`](arbitrary::Arbitrary) |
//! | `model.rs` | the cheap model of what is alive, for whoever makes operations up; `model/space.rs` of one process |
//! | `random.rs` | random traces, reproducible by a seed |
//! | `mutate.rs` | mutations of the byte form by whole operations |
//! | `user.rs` | how a process asks for an operation: its system call |
//! | `vma_layer.rs` | what is asked of the kernel's own VMA code, and what is seen while it runs |
//! | `recorder.rs` | a side that is asked afterwards what it did |
//! | `agent.rs` | what the host and the agent on a booted kernel say to each other |

pub mod agent;
mod args;
mod bytes;
mod expect;
mod model;
mod mutate;
mod op;
mod random;
mod recorder;
mod scene;
mod table;
mod text;
mod user;
mod vma_layer;

pub use args::{Args, Form};
pub use bytes::{BytesError, RECORD_BYTES};
pub use expect::{Expectation, ExpectedVma, KernelVersion, Properties, Versions};
pub use mutate::{Mutation, crossover, mutate};
pub use op::{Advice, MAX_FILES, MAX_PINS, Op, OpKind, OpSet};
pub use random::{Mix, Rng, random_trace};
pub use recorder::{Log, Recorder};
pub use table::{OPERATION_COUNT, OPERATIONS, Operation};
pub use text::{FORMAT_VERSION, ParseError, help, parse, parse_bytes};
pub use user::{Argument, Constant, SystemCall, SystemCallName, UserAction};
pub use vma_layer::{Mapped, MmCounts, Observation, PageEvent, Request, Seen, VmaLayer, Watched};

/// Page numbers of a trace, ends of ranges included, lie below this, so that they fit a record
/// and a 47-bit address space.
pub const PAGE_LIMIT: u64 = 1 << 32;

/// A sequence of operations. Process 0 exists from the start, with nothing mapped.
///
/// `Display` and `Debug` are the text form, one operation a line; `FromStr` is its inverse. The
/// byte form is [`Trace::from_bytes`] and [`Trace::to_bytes`]; it has no expectations.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Trace {
    /// In order.
    pub ops: Vec<Op>,
    /// In order of the operations after which they must hold.
    pub expectations: Vec<Expectation>,
}

impl Trace {
    /// Whether the small driver knows all of its operations.
    pub fn is_small(&self) -> bool {
        self.ops.iter().all(|op| op.kind.is_small())
    }
}

impl FromIterator<Op> for Trace {
    fn from_iter<I: IntoIterator<Item = Op>>(ops: I) -> Trace {
        Trace { ops: ops.into_iter().collect(), expectations: Vec::new() }
    }
}
