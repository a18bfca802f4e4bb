//! The agent: the only process, beside its children, of a kernel that was booted to play traces. It plays them as system
//! calls and tells after each what the kernel's own graph looks like.
//!
//! | file | what |
//! | --- | --- |
//! | `main.rs` | the session with the host |
//! | `play.rs` | each operation as the system call that it is |
//! | `process.rs` | the test processes |
//! | `userfault.rs` | the userfaultfd of a test process |
//! | `graph.rs` | the graph: VMAs, chains, anon_vmas, interval trees |
//! | `maple.rs` | the VMAs of an mm |
//! | `pages.rs` | page tables and frames |
//! | `entry.rs` | one entry of a page table |
//! | `paging.rs` | swap, nodes, and what the kernel puts off |
//! | `memory.rs` | the kernel's memory and symbols |
//! | `offsets.rs` | where the kernel keeps what |
//! | `serial.rs` | the line to the host |

mod call;
mod entry;
mod graph;
mod maple;
mod memory;
mod offsets;
mod pages;
mod paging;
mod play;
mod process;
mod serial;
mod userfault;

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use rmap_seam::FILES_NOT_TOLD;
use rmap_trace::agent::{FIRST_PAGE, Kernel, Reply, Request};
use rmap_trace::{MAX_FILES, PAGE_LIMIT};

use memory::Memory;
use offsets::Offsets;
use pages::Places;
use play::Player;
use process::Processes;
use serial::Serial;

/// The agent cannot go on.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("BTF: {0}")]
    Btf(String),
    #[error("/proc/kcore: {0}")]
    Kcore(String),
    #[error("/proc/kallsyms has no {0}")]
    Symbol(String),
    #[error("the kernel's graph: {0}")]
    Graph(String),
    #[error("the host: {0}")]
    Host(String),
}

fn main() {
    if let Err(error) = run() {
        println!("agent: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Error> {
    mount("devtmpfs", "/dev")?;
    mount("proc", "/proc")?;
    mount("sysfs", "/sys")?;
    let mut serial = Serial::open(Path::new("/dev/vport0p1"))?;
    match session(&mut serial) {
        // The host is told, too.
        Err(error) => serial.send(&Reply::Error(error.to_string())).and(Err(error)),
        done => done,
    }
}

fn session(serial: &mut Serial) -> Result<(), Error> {
    let btf = Path::new("/sys/kernel/btf/vmlinux");
    let offsets = Offsets::read(btf)?;
    let memory = Memory::open()?;
    let symbols: [&[&str]; 5] = [
        &["init_task"],
        &["kmem_cache_alloc_noprof", "kmem_cache_alloc"],
        &["vm_area_cachep"],
        &["anon_vma_cachep"],
        &["anon_vma_chain_cachep"],
    ];
    let [init_task, kmem_cache_alloc, caches @ ..] = memory::symbols(symbols)?;
    let caches = [memory.word(caches[0])?, memory.word(caches[1])?, memory.word(caches[2])?];
    unlimited_stack()?;
    let files_at = |place: &str| {
        (0..MAX_FILES).map(|number| file(&format!("{place}/file{number}"))).collect::<Result<Vec<_>, _>>()
    };
    let files = files_at("")?;
    // Where page tables are read, the first files are of a file system that is told of the first write to a page.
    mount("ramfs", "/told")?;
    let mut files_of_pages = files_at("/told")?;
    files_of_pages.truncate(FILES_NOT_TOLD as usize);
    for file in &files[FILES_NOT_TOLD as usize..] {
        files_of_pages.push(file.try_clone().map_err(|error| Error::Io("a file".into(), error))?);
    }
    let mut processes = Processes::new(file("/scratch")?)?;
    let release = memory::release()?;
    serial.send(&Reply::Ready(Kernel {
        release: release.clone(),
        kmem_cache_alloc,
        caches,
        zswap: paging::has_zswap(),
        memory_failure: paging::has_memory_failure(),
        userfaultfd: paging::has_userfaultfd(),
        soft_dirty: paging::has_soft_dirty(),
    }))?;
    let mut places = None;
    while let Some(line) = serial.line()? {
        let request: Request = serde_json::from_str(&line).map_err(|error| Error::Host(error.to_string()))?;
        let trace = rmap_trace::parse(&request.trace).map_err(|error| Error::Host(error.to_string()))?;
        if request.pages && places.is_none() {
            paging::begin()?;
            places = Some(Places::read(&memory, btf)?);
        }
        let pages = places.as_ref().filter(|_| request.pages);
        let files = if request.pages { &files_of_pages } else { &files };
        processes.write_contents(request.contents);
        let mut player = Player::begin(&memory, &offsets, init_task, &release, files, pages, &mut processes)?;
        for (step, op) in trace.ops.iter().enumerate() {
            let marked = request.marked.contains(&step);
            if marked {
                serial.send(&Reply::Before(step))?;
                serial.line()?;
            }
            let errno = player.play(&op.kind, request.soft_offlined.contains(&step))?;
            if marked {
                serial.send(&Reply::After(step))?;
                serial.line()?;
            }
            let dump = player.dump_if_changed()?;
            serial.send(&Reply::Step { step, errno, dump })?;
        }
        processes.end()?;
        if request.pages {
            files.iter().try_for_each(empty).map_err(|error| Error::Io("a file".into(), error))?;
        }
        serial.send(&Reply::End)?;
    }
    Ok(())
}

/// A file that has all pages of the window, none of which takes memory until it is used.
fn file(path: &str) -> Result<fs::File, Error> {
    let io = |error| Error::Io(path.to_owned(), error);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map_err(io)?;
    empty(&file).map_err(io)?;
    Ok(file)
}

/// No page of a file is in memory any more.
fn empty(file: &fs::File) -> io::Result<()> {
    file.set_len(0)?;
    file.set_len((FIRST_PAGE + PAGE_LIMIT) << memory::PAGE_SHIFT)
}

fn mount(kind: &str, at: &str) -> Result<(), Error> {
    let io = |error| Error::Io(at.to_owned(), error);
    fs::create_dir_all(at).map_err(io)?;
    let [kind, at] = [kind, at].map(|text| CString::new(text).unwrap_or_default());
    // SAFETY: three strings that end in NUL, and no data.
    let done = unsafe { libc::mount(kind.as_ptr(), at.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    if done == 0 { Ok(()) } else { Err(io(io::Error::last_os_error())) }
}

/// What grows down grows as far as it is told; the userland run has no limit either.
fn unlimited_stack() -> Result<(), Error> {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is valid for the call.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_STACK, &limit) };
    if done == 0 { Ok(()) } else { Err(Error::Io("setrlimit".into(), io::Error::last_os_error())) }
}
