//! Each operation of a trace as the system call that it is.

use std::fs::File;
use std::os::fd::AsRawFd;

use rmap_seam::dump::Dump;
use rmap_seam::{MAX_PROCESSES, MmId};
use rmap_trace::agent::FIRST_PAGE;
use rmap_trace::{Argument, OpKind, UserAction};

use crate::Error;
use crate::graph::Graph;
use crate::memory::{Memory, PAGE_SHIFT};
use crate::offsets::Offsets;
use crate::pages::{OwnPages, Places};
use crate::paging;
use crate::process::Processes;

/// More tasks than this there are not.
const MAX_TASKS: usize = 1 << 16;
/// So often a process is looked at until it waits.
const MAX_LOOKS: usize = 1 << 20;
/// A bit of `task_struct.__state` (include/linux/sched.h).
const TASK_INTERRUPTIBLE: u32 = 1;

/// One trace.
pub struct Player<'a> {
    graph: Graph<'a>,
    init_task: u64,
    release: &'a str,
    files: &'a [File],
    processes: &'a mut Processes,
    /// The addresses of the `task_struct` of each process, and of its `mm_struct`.
    tasks: [u64; MAX_PROCESSES],
    mms: [u64; MAX_PROCESSES],
    last: Option<Dump>,
}

/// The address at which a page of a trace begins.
fn address(page: u64) -> u64 {
    (FIRST_PAGE + page) << PAGE_SHIFT
}

/// How many bytes there are from one page to another.
fn bytes(start: u64, end: u64) -> u64 {
    end.saturating_sub(start) << PAGE_SHIFT
}

impl<'a> Player<'a> {
    /// As a trace begins: process 0 is alive, and the window empty.
    pub fn begin(
        memory: &'a Memory,
        offsets: &'a Offsets,
        init_task: u64,
        release: &'a str,
        files: &'a [File],
        pages: Option<&'a Places>,
        processes: &'a mut Processes,
    ) -> Result<Player<'a>, Error> {
        let pid = processes.begin()?;
        let graph = Graph { memory, offsets, files: Vec::new(), pages, own_pages: OwnPages::default() };
        let tasks = [0; MAX_PROCESSES];
        let mms = tasks;
        let mut player = Player { graph, init_task, release, files, processes, tasks, mms, last: None };
        (player.tasks[0], player.mms[0]) = player.task_of(pid)?;
        Ok(player)
    }

    /// Does one operation; what it returns is 0 or an errno. Of a process that is not there, or that is there already, it
    /// says what the userland driver says. `soft_offlined`: a migration is done by soft offlining.
    pub fn play(&mut self, kind: &OpKind, soft_offlined: bool) -> Result<i32, Error> {
        let mm = kind.process().ok_or_else(|| Error::Host(format!("{} is of no process", kind.keyword())))?;
        if !self.processes.lives(mm.0) {
            return Ok(libc::ESRCH);
        }
        if let Some(places) = self.graph.pages
            && let Some(errno) = self.on_page(kind, soft_offlined, mm, places)?
        {
            return Ok(errno);
        }
        let call = match kind.user_action() {
            UserAction::Call(call) => call,
            UserAction::Fork(child) => return self.fork(mm, MmId(child)),
            UserAction::Exit => {
                self.processes.exit(mm.0)?;
                return Ok(0);
            }
            UserAction::Grow { page, pages } => return self.grow(mm, page, pages),
            UserAction::UffdProtect { start, end, off } => {
                let result = self.processes.protect(mm.0, address(start), bytes(start, end), off)?;
                return Ok(-result as i32);
            }
            UserAction::UffdMove { .. } | UserAction::None(_) => {
                return Err(Error::Host(format!("{} is no system call", kind.keyword())));
            }
        };
        let arguments: Vec<u64> = call.arguments.iter().map(|argument| self.number(argument)).collect();
        let result = self.processes.call(mm.0, call.name.number, &arguments)?;
        if result < 0 {
            return Ok(-result as i32);
        }
        for argument in &call.arguments {
            if let (Argument::File(Some(file)), Some(start)) = (argument, call.returns)
                && let Some(pointer) = self.graph.file_at(self.mms[usize::from(mm.0)], address(start))?
                && !self.graph.files.iter().any(|(known, _)| *known == pointer)
            {
                self.graph.files.push((pointer, u32::from(*file) + 1));
            }
        }
        Ok(0)
    }

    /// An operation on one page, where page tables are read; none: it is a plain system call.
    fn on_page(&mut self, kind: &OpKind, soft_offlined: bool, mm: MmId, places: &Places) -> Result<Option<i32>, Error> {
        let space = self.mms[usize::from(mm.0)];
        let result = match *kind {
            // Where nothing is mapped an access could make what lies above grow.
            OpKind::Fault { page, .. } if self.graph.vma_range(space, address(page))?.is_none() => return Ok(None),
            OpKind::Fault { page, read, order, .. } => {
                paging::allow_order(order, true)?;
                let result = self.access(mm, page, !read)?;
                paging::allow_order(order, false)?;
                result
            }
            OpKind::Touch { page, write, .. } => self.access(mm, page, write)?,
            OpKind::Split { page, .. } => {
                let Some(pid) = self.processes.pid(mm.0) else { return Ok(Some(libc::ESRCH)) };
                paging::split(pid, address(page))?;
                match self.graph.page_reader(places).is_of_large_folio(space, address(page))? {
                    true => i64::from(-libc::EAGAIN),
                    false => 0,
                }
            }
            OpKind::SwapOut { page, .. } => {
                let UserAction::Call(call) = kind.user_action() else { return Ok(None) };
                let arguments: Vec<u64> = call.arguments.iter().map(|argument| self.number(argument)).collect();
                let result = self.processes.call(mm.0, call.name.number, &arguments)?;
                paging::wait_for_writeback()?;
                let stays = self.graph.page_reader(places).is_present(space, address(page))?;
                if stays && result == 0 { i64::from(-libc::EBUSY) } else { result }
            }
            OpKind::Poison { page, .. } => self.advise_page(mm, page, libc::MADV_HWPOISON)?,
            OpKind::Migrate { page, .. } if soft_offlined => self.advise_page(mm, page, libc::MADV_SOFT_OFFLINE)?,
            OpKind::Migrate { page, .. } => match self.processes.pid(mm.0) {
                Some(pid) => paging::move_to_other_node(pid, address(page)),
                None => i64::from(-libc::ESRCH),
            },
            _ => return Ok(None),
        };
        Ok(Some(if result < 0 { -result as i32 } else { 0 }))
    }

    /// `madvise()` of one page.
    fn advise_page(&mut self, mm: MmId, page: u64, advice: i32) -> Result<i64, Error> {
        self.processes.call(mm.0, libc::SYS_madvise, &[address(page), bytes(0, 1), advice as u64])
    }

    /// A process reads or writes a page.
    fn access(&mut self, mm: MmId, page: u64, write: bool) -> Result<i64, Error> {
        match write {
            true => self.processes.write(mm.0, address(page)),
            false => self.processes.touch(mm.0, address(page)),
        }
    }

    /// An argument of a system call as the kernel takes it.
    fn number(&self, argument: &Argument) -> u64 {
        match argument {
            Argument::Address(page) => address(*page),
            Argument::Length(pages) => bytes(0, *pages),
            Argument::Flags(constants) => constants.iter().fold(0, |sum, (_, value)| sum | value),
            Argument::File(file) => {
                let file = file.and_then(|file| self.files.get(usize::from(file)));
                file.map_or(u64::MAX, |file| file.as_raw_fd() as u64)
            }
            Argument::Offset(page) => page.map_or(0, address),
        }
    }

    fn fork(&mut self, parent: MmId, child: MmId) -> Result<i32, Error> {
        if self.processes.lives(child.0) {
            return Ok(libc::EEXIST);
        }
        match self.processes.fork(parent.0, child.0)? {
            pid @ 1.. => {
                let place = usize::from(child.0);
                (self.tasks[place], self.mms[place]) = self.task_of(pid as i32)?;
                Ok(0)
            }
            errno => Ok(-errno as i32),
        }
    }

    /// A fault below the VMA that holds the page, so that it grows; not where that would be a fault of another VMA.
    fn grow(&mut self, mm: MmId, page: u64, pages: u64) -> Result<i32, Error> {
        let space = self.mms[usize::from(mm.0)];
        let Some((start, _)) = self.graph.vma_range(space, address(page))? else { return Ok(libc::EFAULT) };
        let Some(below) = start.checked_sub(bytes(0, pages)).filter(|&below| below > address(0)) else {
            return Ok(libc::EFAULT);
        };
        for address in (below..start).step_by(1 << PAGE_SHIFT) {
            if self.graph.vma_range(space, address)?.is_some() {
                return Ok(libc::EFAULT);
            }
        }
        let result = self.processes.touch(mm.0, below)?;
        if self.graph.pages.is_some() {
            // The access leaves a page behind, and in userland the VMA does no more than grow.
            let advice = libc::MADV_DONTNEED_LOCKED as u64;
            self.processes.call(mm.0, libc::SYS_madvise, &[below, 1 << PAGE_SHIFT, advice])?;
        }
        Ok(if result < 0 { -result as i32 } else { 0 })
    }

    /// The addresses of the `task_struct` and the `mm_struct` of a process that has just been born: the task list is searched from
    /// its end.
    fn task_of(&self, pid: i32) -> Result<(u64, u64), Error> {
        let Graph { memory, offsets, .. } = self.graph;
        let [tasks, pid_at, mm, _] = offsets.task;
        let mut task = self.init_task;
        for _ in 0..MAX_TASKS {
            task = memory.word(task + tasks as u64 + 8)?.wrapping_sub(tasks as u64);
            if memory.read(task + pid_at as u64, 4)?.half(0) == pid as u32 {
                return Ok((task, memory.word(task + mm as u64)?));
            }
            if task == self.init_task {
                break;
            }
        }
        Err(Error::Graph(format!("process {pid} is not in the task list")))
    }

    /// Waits until a process waits for the next command. It says a result before, and may then still touch its own memory.
    fn wait_for(&self, process: u8) -> Result<(), Error> {
        let Graph { memory, offsets, .. } = self.graph;
        let [.., state] = offsets.task;
        for _ in 0..MAX_LOOKS {
            let state = memory.read(self.tasks[usize::from(process)] + state as u64, 4)?.half(0);
            if state & TASK_INTERRUPTIBLE != 0 {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(Error::Graph(format!("process {process} does not wait for its next command")))
    }

    /// The graph, if it is not as it was when this was asked last.
    pub fn dump_if_changed(&mut self) -> Result<Option<Dump>, Error> {
        if self.graph.pages.is_some() {
            (0..MAX_PROCESSES as u8)
                .filter(|&process| self.processes.lives(process))
                .try_for_each(|process| self.wait_for(process))?;
            paging::drain_lru()?;
        }
        let alive = (0..MAX_PROCESSES as u8).filter(|&process| self.processes.lives(process));
        let alive: Vec<_> = alive.map(|process| (MmId(process), self.mms[usize::from(process)])).collect();
        let dump = self.graph.dump(self.release, &alive)?;
        if self.last.as_ref() == Some(&dump) {
            return Ok(None);
        }
        self.last = Some(dump.clone());
        Ok(Some(dump))
    }
}
