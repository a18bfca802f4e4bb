//! Each operation of a trace as the system call that it is.

use std::fs::File;
use std::os::fd::AsRawFd;

use rmap_seam::dump::Dump;
use rmap_seam::{MAX_PROCESSES, MmId};
use rmap_trace::agent::FIRST_PAGE;
use rmap_trace::{Advice, OpKind};

use crate::Error;
use crate::graph::{Graph, PAGE_SHIFT};
use crate::memory::Memory;
use crate::offsets::Offsets;
use crate::process::Processes;

/// More tasks than this there are not.
const MAX_TASKS: usize = 1 << 16;

/// One trace.
pub struct Player<'a> {
    graph: Graph<'a>,
    init_task: u64,
    release: &'a str,
    files: &'a [File],
    processes: &'a mut Processes,
    /// `task_struct.mm` of each process.
    mms: [u64; MAX_PROCESSES],
    last: Option<Dump>,
}

fn address(page: u64) -> u64 {
    (FIRST_PAGE + page) << PAGE_SHIFT
}

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
        processes: &'a mut Processes,
    ) -> Result<Player<'a>, Error> {
        let pid = processes.begin()?;
        let graph = Graph { memory, offsets, files: Vec::new() };
        let mut player = Player { graph, init_task, release, files, processes, mms: [0; MAX_PROCESSES], last: None };
        player.mms[0] = player.mm_of(pid)?;
        Ok(player)
    }

    /// Does one operation; what it returns is 0 or an errno. Of a process that is not there, or that is there already, it
    /// says what the userland driver says.
    pub fn play(&mut self, kind: &OpKind) -> Result<i32, Error> {
        let call = |result: i64| if result < 0 { -result as i32 } else { 0 };
        let (mm, number, args): (MmId, i64, Vec<u64>) = match *kind {
            OpKind::Map { mm, start, end, grows, file } => {
                let backed = file.and_then(|file| self.files.get(usize::from(file)));
                let mut flags = libc::MAP_PRIVATE | libc::MAP_FIXED_NOREPLACE;
                flags |= if grows { libc::MAP_GROWSDOWN } else { 0 };
                flags |= if backed.is_none() { libc::MAP_ANONYMOUS } else { 0 };
                let fd = backed.map_or(u64::MAX, |file| file.as_raw_fd() as u64);
                let offset = if backed.is_none() { 0 } else { address(start) };
                let prot = (libc::PROT_READ | libc::PROT_WRITE) as u64;
                (mm, libc::SYS_mmap, vec![address(start), bytes(start, end), prot, flags as u64, fd, offset])
            }
            OpKind::Fault { mm, page, read } => {
                let advice = if read { libc::MADV_POPULATE_READ } else { libc::MADV_POPULATE_WRITE };
                (mm, libc::SYS_madvise, vec![address(page), bytes(0, 1), advice as u64])
            }
            OpKind::Unmap { mm, start, end } => (mm, libc::SYS_munmap, vec![address(start), bytes(start, end)]),
            OpKind::Protect { mm, start, end, write } => {
                let prot = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
                (mm, libc::SYS_mprotect, vec![address(start), bytes(start, end), prot as u64])
            }
            OpKind::Advise { mm, start, end, advice } => {
                let advice = match advice {
                    Advice::DontFork => libc::MADV_DONTFORK,
                    Advice::DoFork => libc::MADV_DOFORK,
                    Advice::WipeOnFork => libc::MADV_WIPEONFORK,
                    Advice::KeepOnFork => libc::MADV_KEEPONFORK,
                };
                (mm, libc::SYS_madvise, vec![address(start), bytes(start, end), advice as u64])
            }
            OpKind::Move { mm, start, end, to, dontunmap } => {
                let mut flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                flags |= if dontunmap { libc::MREMAP_DONTUNMAP } else { 0 };
                let len = bytes(start, end);
                (mm, libc::SYS_mremap, vec![address(start), len, len, flags as u64, address(to)])
            }
            OpKind::Resize { mm, start, end, pages } => {
                (mm, libc::SYS_mremap, vec![address(start), bytes(start, end), bytes(0, pages), 0, 0])
            }
            OpKind::Fork { parent, child } => return self.fork(parent, child),
            OpKind::Exit { mm } => {
                if !self.processes.lives(mm.0) {
                    return Ok(libc::ESRCH);
                }
                self.processes.exit(mm.0)?;
                return Ok(0);
            }
            OpKind::Grow { mm, page, pages } => return self.grow(mm, page, pages),
            OpKind::Pin { .. } | OpKind::Unpin { .. } | OpKind::Walk { .. } | OpKind::UffdMove { .. } => {
                return Err(Error::Host(format!("{} is no system call", kind.keyword())));
            }
        };
        if !self.processes.lives(mm.0) {
            return Ok(libc::ESRCH);
        }
        let errno = call(self.processes.call(mm.0, number, &args)?);
        if let OpKind::Map { mm, start, file: Some(file), .. } = *kind
            && errno == 0
            && let Some(pointer) = self.graph.file_at(self.mms[usize::from(mm.0)], address(start))?
            && !self.graph.files.iter().any(|(known, _)| *known == pointer)
        {
            self.graph.files.push((pointer, u32::from(file) + 1));
        }
        Ok(errno)
    }

    fn fork(&mut self, parent: MmId, child: MmId) -> Result<i32, Error> {
        if !self.processes.lives(parent.0) {
            return Ok(libc::ESRCH);
        }
        if self.processes.lives(child.0) {
            return Ok(libc::EEXIST);
        }
        match self.processes.fork(parent.0, child.0)? {
            pid @ 1.. => {
                self.mms[usize::from(child.0)] = self.mm_of(pid as i32)?;
                Ok(0)
            }
            errno => Ok(-errno as i32),
        }
    }

    /// A fault below the VMA that holds the page, so that it grows; not where that would be a fault of another VMA.
    fn grow(&mut self, mm: MmId, page: u64, pages: u64) -> Result<i32, Error> {
        if !self.processes.lives(mm.0) {
            return Ok(libc::ESRCH);
        }
        let space = self.mms[usize::from(mm.0)];
        let Some((start, _)) = self.graph.vma_range(space, address(page))? else { return Ok(libc::EFAULT) };
        let Some(below) = start.checked_sub(bytes(0, pages)).filter(|&below| below > address(0)) else {
            return Ok(libc::EFAULT);
        };
        for page in (below..start).step_by(1 << PAGE_SHIFT) {
            if self.graph.vma_range(space, page)?.is_some() {
                return Ok(libc::EFAULT);
            }
        }
        let result = self.processes.touch(mm.0, below)?;
        Ok(if result < 0 { -result as i32 } else { 0 })
    }

    /// The mm of a process that has just been born: the task list is searched from its end.
    fn mm_of(&self, pid: i32) -> Result<u64, Error> {
        let Graph { memory, offsets, .. } = self.graph;
        let [tasks, pid_at, mm] = offsets.task;
        let mut task = self.init_task;
        for _ in 0..MAX_TASKS {
            task = memory.word(task + tasks as u64 + 8)?.wrapping_sub(tasks as u64);
            if memory.read(task + pid_at as u64, 4)?.half(0) == pid as u32 {
                return memory.word(task + mm as u64);
            }
            if task == self.init_task {
                break;
            }
        }
        Err(Error::Graph(format!("process {pid} is not in the task list")))
    }

    /// The graph, if it is not as it was when this was asked last.
    pub fn dump_if_changed(&mut self) -> Result<Option<Dump>, Error> {
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
