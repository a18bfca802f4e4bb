//! What the guest is set up with so that operations on pages do what they do in userland: a swap area, no fault-around, no
//! read-ahead of swap; and how the kernel is made to do at once what it puts off.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::call::errno;
use crate::memory::PAGE_SHIFT;
use crate::{Error, mount};

/// The disk that the host gives, with the header of a swap area.
const SWAP: &CStr = c"/dev/nvme0n1";
/// What is written to files of the kernel: a fault maps one page, and one page is read from swap.
/// Of huge pages: a fault for reading brings in one, too; and khugepaged sleeps for days once it has looked around.
const SETTINGS: [(&str, &str); 5] = [
    ("/debug/fault_around_bytes", "4096"),
    ("/proc/sys/vm/page-cluster", "0"),
    ("/sys/kernel/mm/transparent_hugepage/use_zero_page", "0"),
    ("/sys/kernel/mm/transparent_hugepage/defrag", "always"),
    ("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "1000000000"),
];
const FULL_SCANS: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans";
/// The order of a huge page, and how many bytes have room for one wherever they begin.
const HUGE_ORDER: u32 = 9;
const ROOM_FOR_HUGE: usize = 4 << 20;
/// With it a page is as good as written when it is given away.
const ZSWAP: &str = "/sys/module/zswap/parameters/enabled";
/// A page takes fewer looks than this to be written.
const LOOKS: u32 = 1 << 16;
const PAUSE: Duration = Duration::from_millis(1);
/// As mempolicy.h has it: pages that others map move, too.
const MPOL_MF_MOVE_ALL: i32 = 1 << 2;
/// Nodes of the guest.
const NODES: i32 = 2;

/// A page of the agent's own, which nothing is written to.
static OWN_PAGE: OnceLock<usize> = OnceLock::new();

fn io_error(what: &str) -> Error {
    Error::Io(what.to_owned(), io::Error::last_os_error())
}

/// Sets it up.
pub fn begin() -> Result<(), Error> {
    mount("debugfs", "/debug")?;
    for (file, setting) in SETTINGS {
        write_setting(file, setting)?;
    }
    if has_zswap() {
        write_setting(ZSWAP, "1")?;
    }
    let room = map(ROOM_FOR_HUGE, libc::PROT_READ | libc::PROT_WRITE)?;
    put_khugepaged_to_sleep(room)?;
    // SAFETY: what was mapped above, and nothing points there.
    if unsafe { libc::munmap(room, ROOM_FOR_HUGE) } != 0 {
        return Err(io_error("munmap"));
    }
    // SAFETY: a string that ends in NUL.
    if unsafe { libc::swapon(SWAP.as_ptr(), 0) } != 0 {
        return Err(io_error("swapon"));
    }
    let page = map(1 << PAGE_SHIFT, libc::PROT_READ)?;
    // It is set once.
    let _ = OWN_PAGE.set(page as usize);
    Ok(())
}

/// New memory, wherever there is room.
fn map(bytes: usize, protection: i32) -> Result<*mut libc::c_void, Error> {
    // SAFETY: nothing that is mapped is changed.
    let at = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if at == libc::MAP_FAILED { Err(io_error("mmap")) } else { Ok(at) }
}

/// Otherwise khugepaged collapses what a test process has, whenever it gets to run. It sleeps between two scans, and while it sleeps it
/// hears of nothing. So it is given a reason for a first scan: memory that was written to, and that may have huge pages.
fn put_khugepaged_to_sleep(room: *mut libc::c_void) -> Result<(), Error> {
    allow_order(HUGE_ORDER, false)?;
    // SAFETY: the first byte of memory of our own.
    unsafe { room.cast::<u8>().write_volatile(1) };
    // SAFETY: memory of our own, which keeps what is in it.
    if unsafe { libc::madvise(room, ROOM_FOR_HUGE, libc::MADV_HUGEPAGE) } != 0 {
        return Err(io_error("madvise"));
    }
    for _ in 0..LOOKS {
        let scans = fs::read_to_string(FULL_SCANS).map_err(|error| Error::Io(FULL_SCANS.to_owned(), error))?;
        thread::sleep(PAUSE);
        if scans.trim() != "0" {
            return Ok(());
        }
    }
    Err(Error::Graph("khugepaged does not look around".to_owned()))
}

/// Whether the kernel can keep what it swaps out in memory, compressed. Without it a page that is swapped out stays in the swap cache
/// for as long as it takes to write it, and after that until reclaim comes by; unless it is all 0, since that is not written.
pub fn has_zswap() -> bool {
    Path::new(ZSWAP).exists()
}

/// Whether the kernel can be told that memory has failed.
pub fn has_memory_failure() -> bool {
    Path::new("/proc/sys/vm/memory_failure_recovery").exists()
}

/// Whether the kernel has userfaultfd.
pub fn has_userfaultfd() -> bool {
    Path::new("/proc/sys/vm/unprivileged_userfaultfd").exists()
}

/// Whether the kernel tracks what is written to: then new memory has a flag, which `smaps` calls `sd`.
pub fn has_soft_dirty() -> bool {
    let text = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut flags = text.lines().filter_map(|line| line.strip_prefix("VmFlags:")).flat_map(str::split_whitespace);
    flags.any(|flag| flag == "sd")
}

fn write_setting(file: &str, setting: &str) -> Result<(), Error> {
    fs::write(file, setting).map_err(|error| Error::Io(file.to_owned(), error))
}

/// Has faults bring in folios of `1 << order` pages, where one fits, or no longer; 0: it is always so. If huge pages were never
/// allowed, khugepaged would end, and begin anew when they are.
pub fn allow_order(order: u32, allowed: bool) -> Result<(), Error> {
    if order == 0 {
        return Ok(());
    }
    let kilobytes = 4u64 << order;
    let file = format!("/sys/kernel/mm/transparent_hugepage/hugepages-{kilobytes}kB/enabled");
    write_setting(
        &file,
        if allowed {
            "always"
        } else if order == HUGE_ORDER {
            "madvise"
        } else {
            "never"
        },
    )
}

/// Splits the large folio at an address of a process, which is that of a page.
pub fn split(pid: i32, address: u64) -> Result<(), Error> {
    let end = address + (1 << PAGE_SHIFT);
    write_setting("/debug/split_huge_pages", &format!("{pid},{address:#x},{end:#x}"))
}

/// Has the kernel do what it gathers in batches: folios come onto the lists of reclaim, and lose `PG_swapbacked`.
/// `MADV_COLD` does so first, whatever it is asked for.
pub fn drain_lru() -> Result<(), Error> {
    let Some(&page) = OWN_PAGE.get() else { return Ok(()) };
    // SAFETY: a page of our own, which nothing is in.
    match unsafe { libc::madvise(page as *mut libc::c_void, 1 << PAGE_SHIFT, libc::MADV_COLD) } {
        0 => Ok(()),
        _ => Err(io_error("madvise")),
    }
}

/// Waits until what goes to the swap area is there.
pub fn wait_for_writeback() -> Result<(), Error> {
    const FILE: &str = "/proc/vmstat";
    for _ in 0..LOOKS {
        let text = fs::read_to_string(FILE).map_err(|error| Error::Io(FILE.to_owned(), error))?;
        if text.lines().any(|line| line == "nr_writeback 0") {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(Error::Graph("pages are being written back without an end".to_owned()))
}

/// Has the page at an address of a process go to the other node, whoever else maps it. The result is 0, or an errno below 0.
pub fn move_to_other_node(pid: i32, address: u64) -> i64 {
    let pages = [address];
    let mut status = [-1i32];
    let move_pages = |nodes: *const i32, status: &mut [i32; 1], flags: i32| {
        // SAFETY: one page, one node if there are any, and one status, each in an array of one.
        unsafe { libc::syscall(libc::SYS_move_pages, pid, 1, pages.as_ptr(), nodes, status.as_mut_ptr(), flags) }
    };
    if move_pages(ptr::null(), &mut status, 0) < 0 {
        return -errno();
    }
    if status[0] < 0 {
        return status[0].into();
    }
    let other = [(status[0] + 1) % NODES];
    if move_pages(other.as_ptr(), &mut status, MPOL_MF_MOVE_ALL) < 0 {
        return -errno();
    }
    match status[0] {
        node if node == other[0] => 0,
        node if node < 0 => node.into(),
        _ => i64::from(-libc::EBUSY),
    }
}
