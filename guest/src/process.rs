//! The test processes: children of the agent that do what they are told over a pipe: a system call by number, a fork, or a few calls
//! of a userfaultfd of their own (`userfault.rs`).
//!
//! A process is born as a copy of the agent or of another one, and then sits in [`serve`] for ever: it touches no memory but its
//! stack, which all of them have touched before, so that a step changes nothing but what its system call changes. What a call is
//! told to change lies in the window, where nothing of this program is; the calls of a userfaultfd also write to a structure on the
//! stack.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rmap_seam::MAX_PROCESSES;

use crate::Error;
use crate::call::{errno, system_call};
use crate::userfault::UserFault;

/// What a process is told, by its first word: a system call by number, or one of these.
const FORK: u64 = u64::MAX;
const EXIT: u64 = u64::MAX - 1;
/// The address of the first byte, how many bytes, and whether it ends.
const PROTECT: u64 = u64::MAX - 2;

/// A first word and six arguments.
type Command = [u64; 7];
/// What a process says when it first runs, so that nothing of its birth happens during a later step. The first of them says an errno
/// below 0 instead if it does not survive failed memory.
const BORN: i64 = 0;

const COMMAND_BYTES: usize = size_of::<Command>();

/// The processes of a trace, by number.
pub struct Processes {
    commands: Vec<(PipeReader, PipeWriter)>,
    results: (PipeReader, PipeWriter),
    pids: [Option<i32>; MAX_PROCESSES],
    /// Where [`Processes::touch`] writes what it reads, and [`Processes::write`] reads what it writes.
    scratch: File,
    /// What was written to memory last, and whether it is something new each time, or 0.
    written: u32,
    contents: bool,
}

/// Where the two do so in the file.
const TOUCHED: u64 = 0;
const WRITTEN: u64 = 4096;

impl Processes {
    /// None alive.
    pub fn new(scratch: File) -> Result<Processes, Error> {
        let io = |error| Error::Io("a pipe".into(), error);
        let commands = (0..MAX_PROCESSES).map(|_| io::pipe()).collect::<io::Result<_>>().map_err(io)?;
        Ok(Processes {
            commands,
            results: io::pipe().map_err(io)?,
            pids: [None; MAX_PROCESSES],
            scratch,
            written: 0,
            contents: true,
        })
    }

    /// Whether one is alive.
    pub fn lives(&self, process: u8) -> bool {
        self.pids.get(usize::from(process)).is_some_and(Option::is_some)
    }

    /// Makes process 0, of the agent itself.
    pub fn begin(&mut self) -> Result<i32, Error> {
        // SAFETY: the agent has one thread, so the child may do what it likes; it goes to `serve` and never comes back.
        let pid = unsafe { libc::fork() };
        match pid {
            0 => serve(&self.commands, &self.results.1, 0),
            1.. => {
                self.pids[0] = Some(pid);
                let born = self.result()?;
                if born != BORN {
                    return Err(Error::Io("sigaction".into(), io::Error::from_raw_os_error(-born as i32)));
                }
                self.settle(0)?;
                Ok(pid)
            }
            _ => Err(Error::Io("fork".into(), io::Error::last_os_error())),
        }
    }

    /// A process does a system call. The result is the kernel's: negative is an errno.
    pub fn call(&mut self, process: u8, number: i64, args: &[u64]) -> Result<i64, Error> {
        let mut command = [0; 7];
        command[0] = number as u64;
        command[1..=args.len()].copy_from_slice(args);
        self.send(process, &command)?;
        self.result()
    }

    fn result(&mut self) -> Result<i64, Error> {
        let mut result = [0; 8];
        self.results.0.read_exact(&mut result).map_err(|error| Error::Io("a result".into(), error))?;
        Ok(i64::from_ne_bytes(result))
    }

    /// A process forks another. The result is its pid, or an errno below 0.
    pub fn fork(&mut self, parent: u8, child: u8) -> Result<i64, Error> {
        let first = self.call(parent, FORK as i64, &[child.into()])?;
        if first < 0 {
            return Ok(first);
        }
        // The parent says a pid and the child BORN, in whichever order they run.
        let pid = first.max(self.result()?);
        self.pids[usize::from(child)] = Some(pid as i32);
        self.settle(child)?;
        Ok(pid)
    }

    /// A process that is new has to fault in the program again. Once it has done one command it has all that it takes to
    /// wait for the next.
    fn settle(&mut self, process: u8) -> Result<(), Error> {
        self.call(process, libc::SYS_getpid, &[]).map(drop)
    }

    /// A process reads the byte at an address. The result is 1, or an errno below 0.
    pub fn touch(&mut self, process: u8, address: u64) -> Result<i64, Error> {
        let scratch = self.scratch.as_raw_fd() as u64;
        self.call(process, libc::SYS_pwrite64, &[scratch, address, 1, TOUCHED])
    }

    /// Whether [`Processes::write`] writes something new each time, or 0.
    pub fn write_contents(&mut self, contents: bool) {
        self.contents = contents;
    }

    /// A process writes to an address what nobody wrote before, or 0. The result is how many bytes, or an errno below 0. The kernel
    /// copies so few bytes one by one, so that a fault that fails is not tried again.
    pub fn write(&mut self, process: u8, address: u64) -> Result<i64, Error> {
        self.written += 1;
        let bytes = if self.contents { self.written } else { 0 }.to_ne_bytes();
        let io = |error| Error::Io("the scratch file".into(), error);
        self.scratch.write_all_at(&bytes, WRITTEN).map_err(io)?;
        let scratch = self.scratch.as_raw_fd() as u64;
        self.call(process, libc::SYS_pread64, &[scratch, address, bytes.len() as u64, WRITTEN])
    }

    /// A process has its userfaultfd write-protect so many bytes from an address on, or ends that. The result is 0, or an errno
    /// below 0.
    pub fn protect(&mut self, process: u8, start: u64, bytes: u64, off: bool) -> Result<i64, Error> {
        self.call(process, PROTECT as i64, &[start, bytes, off.into()])
    }

    /// The pid of a process that is alive.
    pub fn pid(&self, process: u8) -> Option<i32> {
        self.pids.get(usize::from(process)).copied().flatten()
    }

    /// A process ends; it is gone when this returns.
    pub fn exit(&mut self, process: u8) -> Result<(), Error> {
        let Some(pid) = self.pids[usize::from(process)].take() else { return Ok(()) };
        self.send(process, &[EXIT, 0, 0, 0, 0, 0, 0])?;
        let mut status = 0;
        // SAFETY: the status is a place of our own.
        match unsafe { libc::waitpid(pid, &mut status, 0) } {
            reaped if reaped == pid && status == 0 => Ok(()),
            _ => Err(Error::Graph(format!("process {pid} ended with status {status:#x}"))),
        }
    }

    /// All end.
    pub fn end(&mut self) -> Result<(), Error> {
        (0..MAX_PROCESSES as u8).try_for_each(|process| self.exit(process))
    }

    fn send(&mut self, process: u8, command: &Command) -> Result<(), Error> {
        let mut bytes = [0; COMMAND_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(command) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        let pipe = &mut self.commands[usize::from(process)].1;
        pipe.write_all(&bytes).map_err(|error| Error::Io("a command".into(), error))
    }
}

/// What a test process does until it is told to end.
fn serve(commands: &[(PipeReader, PipeWriter)], results: &PipeWriter, first: usize) -> ! {
    let mut me = first;
    let mut userfault = UserFault::default();
    let say = |mut results: &PipeWriter, result: i64| {
        if results.write_all(&result.to_ne_bytes()).is_err() {
            // SAFETY: ends the process, and nothing of it is left to be undone.
            unsafe { libc::_exit(2) };
        }
    };
    // Those that it forks have the handler, too.
    say(results, survive_failed_memory());
    loop {
        let mut bytes = [0; COMMAND_BYTES];
        let read = commands.get(me).map(|(pipe, _)| (&mut &*pipe).read_exact(&mut bytes));
        let mut command: Command = [0; 7];
        for (word, place) in command.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(place.try_into().unwrap_or_default());
        }
        if !matches!(read, Some(Ok(()))) || command[0] == EXIT {
            // SAFETY: ends the process, and nothing of it is left to be undone.
            unsafe { libc::_exit(i32::from(command[0] != EXIT)) };
        }
        let result = match command[0] {
            // Its parent is the agent, which reaps it, whoever of the two lives longer.
            // SAFETY: it makes a copy of a process that has one thread, and changes no memory.
            FORK => unsafe {
                system_call(libc::SYS_clone, [(libc::CLONE_PARENT | libc::SIGCHLD) as u64, 0, 0, 0, 0, 0])
            },
            PROTECT => userfault.protect(command[1], command[2], command[3] != 0),
            // SAFETY: the agent asks for calls that change memory of the window alone, where nothing of this program is.
            number => unsafe { system_call(number as i64, [1, 2, 3, 4, 5, 6].map(|i: usize| command[i])) },
        };
        if command[0] == FORK && result == 0 {
            me = command[1] as usize;
            // The child's memory is none of the parent's userfaultfd.
            userfault = UserFault::default();
            say(results, BORN);
        } else {
            say(results, result);
        }
    }
}

/// Memory that fails under a process that has just said so gives SIGBUS, which would end it. The handler runs before the system call
/// returns, and the process goes on. The result is [`BORN`], or an errno below 0.
fn survive_failed_memory() -> i64 {
    extern "C" fn go_on(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel gives a handler that asks for it (SA_SIGINFO) what the signal is about.
        let code = unsafe { (*info).si_code };
        if code != libc::BUS_MCEERR_AR && code != libc::BUS_MCEERR_AO {
            // SAFETY: no handler is installed. The access that gave the signal is tried again, and ends the process.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        }
    }
    // SAFETY: a structure of integers and of a pointer that may be null.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = go_on as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the handler reads what it is given and calls what is safe in one; the action before is not asked for.
    match unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) } {
        0 => BORN,
        _ => -errno(),
    }
}
