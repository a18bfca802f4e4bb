//! A C program that does a trace by system calls, for a running kernel: one process for each of the trace.
//!
//! | operation | system call |
//! | --- | --- |
//! | `map`, `unmap`, `protect`, `advise` | `mmap()`, `munmap()`, `mprotect()`, `madvise()` |
//! | `fault` | `madvise(MADV_POPULATE_WRITE)`, or `_READ`: a fault that reports its error |
//! | `fork`, `exit` | `clone3()`, `_exit()` and a wait until the memory is gone |
//! | `move`, `resize` | `mremap()` |
//! | `mlock`, `munlock` | `mlock2(MLOCK_ONFAULT)`, `munlock()` |
//! | `mlockall`, `munlockall` | `mlockall(MCL_CURRENT \| MCL_ONFAULT)`, `munlockall()` |
//! | `grow` | the kernel reads at the page that the VMA is to grow to |
//! | `uffdmove` | `UFFDIO_MOVE` |
//! | `uffdwp` | `UFFDIO_REGISTER` and `UFFDIO_WRITEPROTECT`; `off`: `UFFDIO_UNREGISTER` |
//! | `walk` | a comment: it changes nothing, and no system call is just that |
//! | `pin`, `unpin` | none: the trace is refused. The kernel holds such references on its own account, and they decide how long an anon_vma lives |
//! | `brk` | none: the trace is refused. A process has one heap, and cannot choose its address |
//!
//! `fail=` becomes an allocation failed by `/proc/self/fail-nth`, which is one attempt: of a list the first. Without it such a
//! step is skipped if it failed in the trace, since it would succeed. `failnode=` has a note alone: fail-nth counts all
//! caches, and the trace counts these apart.

use std::fmt::{self, Write as _};

use super::{Played, PlayedOp};
use crate::fill::fill;
use crate::mm::Outcome;
use crate::rmap::{MmId, errno_name};
use crate::trace::{Argument, OpKind, UserAction};

const PROGRAM: &str = include_str!("program.c");
const UFFD: &str = include_str!("uffd.c");
const WRITE_PROTECT: &str = include_str!("write_protect.c");

/// Lowest page that a user may map: `mmap_min_addr` is 64 KiB in most kernels.
const LOWEST: u64 = 0x10;

/// An operation that no system call does.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{text}`: {why}")]
pub struct NoSystemCall {
    /// Which operation, from 1.
    pub operation: usize,
    /// Its text.
    pub text: String,
    /// Why, and what to do.
    pub why: &'static str,
}

/// The program.
///
/// # Errors
/// For the first operation that no system call does, if it was done in the trace.
pub fn program(played: &Played) -> Result<String, NoSystemCall> {
    let steps: Vec<SystemCalls<'_>> =
        played.ops.iter().enumerate().map(|(at, op)| SystemCalls::new(at, op)).collect::<Result<_, _>>()?;
    let (mut lowest, mut end, mut processes, mut files) = (u64::MAX, 1, 1, 0);
    for PlayedOp { op, .. } in &played.ops {
        let (first, last) = op.kind.pages().unwrap_or((u64::MAX, 0));
        (lowest, end) = (lowest.min(first), end.max(last));
        processes = processes.max(1 + op.kind.process().map_or(0, |mm| mm.0));
        match op.kind.user_action() {
            UserAction::Fork(child) => processes = processes.max(1 + child),
            UserAction::Call(call) => {
                for argument in &call.arguments {
                    if let Argument::File(Some(file)) = argument {
                        files = files.max(1 + file);
                    }
                }
            }
            _ => (),
        }
    }
    let base = if lowest < LOWEST { LOWEST } else { 0 };
    let has = |is: fn(&OpKind) -> bool| played.ops.iter().any(|played| is(&played.op.kind));
    let moves = has(|kind| matches!(kind, OpKind::UffdMove { .. }));
    let protects = has(|kind| matches!(kind, OpKind::UffdWp { .. }));
    let functions = [(moves, UFFD), (protects, WRITE_PROTECT)].into_iter().filter(|(needed, _)| *needed);
    let functions: String = functions.map(|(_, text)| text).collect();
    let constants = format!(
        "/* The trace's page 0, and the end of its pages. */\n#define BASE {base:#x}\n#define END {end:#x}\n#define PROCESSES \
         {processes}\n#define FILES {files}\n"
    );
    let (mut table, mut cases) = (String::new(), String::new());
    for step in &steps {
        // Writing to a string does not fail.
        let _ = step.write_row(&mut table).and_then(|()| step.write_case(&mut cases));
    }
    Ok(fill(
        PROGRAM,
        &[
            ("ABOUT", &about(played)),
            ("INCLUDES", if moves || protects { "#include <linux/userfaultfd.h>\n" } else { "" }),
            ("CONSTANTS", &constants),
            ("UFFD", &functions),
            ("TABLE", &table),
            ("CASES", &cases),
        ],
    ))
}

fn about(played: &Played) -> String {
    let mut about = format!(" * {}\n *\n", comment(&played.headline()));
    let _ = writeln!(about, " * The trace, as played on {}:\n *", played.kernel);
    for op in &played.ops {
        let _ = writeln!(about, " *\t{}", op.op);
    }
    let swaps_out = |played: &PlayedOp| matches!(played.op.kind, OpKind::SwapOut { .. }) && played.alive;
    if played.ops.iter().any(swaps_out) {
        about += " *\n * It needs a swap area (swapon), or MADV_PAGEOUT leaves anonymous memory where it is.\n";
    }
    about
}

/// Without what ends a comment.
fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace("/*", "/ *")
}

/// One step of the program.
struct SystemCalls<'a> {
    at: usize,
    played: &'a PlayedOp,
    /// Why it does nothing; empty if it does something, or may be skipped for its failures.
    note: String,
    /// An expression or a statement; none if the step does nothing.
    code: Option<String>,
}

impl<'a> SystemCalls<'a> {
    fn new(at: usize, played: &'a PlayedOp) -> Result<SystemCalls<'a>, NoSystemCall> {
        let refused = match played.outcome {
            Some(Outcome::Refused(errno)) => Some(errno_name(errno)),
            _ => None,
        };
        let op = &played.op;
        let mut step = SystemCalls { at, played, note: String::new(), code: None };
        let by_number = !played.alive || played.child_alive;
        if let (Some(errno), true) = (&refused, by_number) {
            step.note = format!("refused in the trace for the number of a process: {errno}");
            return Ok(step);
        }
        let no_call = |why| NoSystemCall { operation: at + 1, text: op.to_string(), why };
        let code = match op.kind {
            OpKind::Pin { .. } | OpKind::Unpin { .. } => {
                if let Some(errno) = refused {
                    step.note = format!("refused in the trace: {errno}");
                    return Ok(step);
                }
                return Err(no_call(
                    "no system call holds a reference to an anon_vma, and it decides how long that lives; `rmap-diff \
                     minimize` leaves it out where it does not matter, and --as test keeps it",
                ));
            }
            OpKind::Walk { .. } => {
                step.note = "no system call is just a walk, and it changes nothing".into();
                return Ok(step);
            }
            kind => call(&kind, played).map_err(no_call)?,
        };
        step.code = Some(code);
        let others_fail = !op.fail_node.is_never() || !op.fail_page.is_never();
        if others_fail && matches!(played.outcome, Some(Outcome::Failed(_))) {
            step.note = "failnode=, failpage=: fail-nth counts all allocations, the trace counts these apart".into();
            step.code = None;
        } else if !op.fail.is_never() {
            step.note = format!("needs fail-nth: fail={}", op.fail);
        }
        Ok(step)
    }

    /// The attempt that fail-nth lets fail.
    fn nth(&self) -> u16 {
        self.played.op.fail.list().next().or(self.played.op.fail.from()).unwrap_or(0)
    }

    fn write_row(&self, out: &mut String) -> fmt::Result {
        let (kind, child) = match (&self.code, self.played.op.kind) {
            (None, _) => ("NOTHING", 0),
            (_, OpKind::Fork { child, .. }) => ("FORKS", child.0),
            (_, OpKind::Exit { .. }) => ("EXITS", 0),
            _ => ("DOES", 0),
        };
        let expect = match self.played.outcome {
            None => "ANYTHING",
            Some(Outcome::Done) => "DONE",
            Some(Outcome::Refused(_) | Outcome::Failed(_)) => "FAILS",
        };
        let process = self.played.op.kind.process().map_or(0, |MmId(p)| p);
        let nth = if self.code.is_some() { self.nth() } else { 0 };
        writeln!(out, "\t{{ \"{}\", {kind}, {process}, {child}, {expect}, {nth}, \"{}\" }},", self.played.op, self.note)
    }

    fn write_case(&self, out: &mut String) -> fmt::Result {
        let Some(code) = &self.code else {
            return writeln!(out, "\t/* {}: {} */", self.played.op, self.note);
        };
        if matches!(self.played.op.kind, OpKind::Exit { .. }) {
            return writeln!(out, "\t/* {}: the first process sees to it */", self.played.op);
        }
        writeln!(out, "\tcase {}: /* {} */", self.at, self.played.op)?;
        let (list, from) = (self.played.op.fail.list().count(), self.played.op.fail.from());
        if list > 1 || from.is_some() {
            writeln!(
                out,
                "\t\t/*\n\t\t * fail={}: fail-nth fails the first of these attempts alone. Where the kernel tries again and\n\t\t \
                 * succeeds, use a probe on should_failslab() that fails the others, too.\n\t\t */",
                self.played.op.fail
            )?;
        }
        writeln!(out, "\t\treturn {code};")
    }
}

/// The expression that does an operation, and is 0 or an errno.
fn call(kind: &OpKind, played: &PlayedOp) -> Result<String, &'static str> {
    Ok(match kind.user_action() {
        UserAction::Call(call) => {
            let arguments: Vec<String> = call.arguments.iter().map(argument).collect();
            let made = format!("{}({})", call.name.name(), arguments.join(", "));
            match call.returns {
                Some(page) => format!("mapped({made},\n\t\t\t      at({page:#x}))"),
                None => format!("failed({made})"),
            }
        }
        UserAction::Fork(child) => format!("spawn({child}, child)"),
        UserAction::Exit => "0".to_owned(),
        UserAction::Grow { page, pages } => {
            let top = played.vma.map_or(page, |vma| vma.start);
            match top.checked_sub(pages) {
                Some(to) => format!("grow_to(at({to:#x}))"),
                None => return Err("it grows below page 0, which no system call can ask for"),
            }
        }
        UserAction::UffdMove { from, to } => {
            let (start, end) = played.vma.map_or((to, to + 1), |vma| (vma.start, vma.end));
            format!("move_page(at({start:#x}), len({:#x}), at({from:#x}), at({to:#x}))", end - start)
        }
        UserAction::UffdProtect { start, end, off } => {
            format!("write_protect(at({start:#x}), len({:#x}), {})", end - start, i32::from(off))
        }
        UserAction::None(reason) => return Err(reason),
    })
}

/// An argument of a system call, as C writes it.
fn argument(argument: &Argument) -> String {
    match argument {
        Argument::Address(page) => format!("at({page:#x})"),
        Argument::Length(pages) => format!("len({pages:#x})"),
        Argument::Flags(constants) if constants.is_empty() => "0".to_owned(),
        Argument::Flags(constants) => constants.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | "),
        Argument::File(file) => file.map_or("-1".to_owned(), |file| format!("files[{file}]")),
        Argument::Offset(page) => page.map_or("0".to_owned(), |page| format!("(off_t)len({page:#x})")),
    }
}
