//! The userfaultfd of a test process, which write-protects its pages (include/uapi/linux/userfaultfd.h).
//!
//! Nobody answers it. With `UFFD_FEATURE_SIGBUS` who writes to a protected page does not wait for an answer: the access fails.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::call::system_call;

const UFFD_API: u64 = 0xaa;
const UFFD_FEATURE_SIGBUS: u64 = 1 << 7;
const UFFDIO_REGISTER_MODE_WP: u64 = 1 << 1;
const UFFDIO_WRITEPROTECT_MODE_WP: u64 = 1 << 0;

/// What the calls are named by: what they read or write, how many bytes, and which.
const UFFDIO_API: u64 = request(READ | WRITE, size_of::<Api>(), 0x3f);
const UFFDIO_REGISTER: u64 = request(READ | WRITE, size_of::<Register>(), 0x00);
const UFFDIO_UNREGISTER: u64 = request(READ, size_of::<Range>(), 0x01);
const UFFDIO_WRITEPROTECT: u64 = request(READ | WRITE, size_of::<WriteProtect>(), 0x06);

/// `_IOC_WRITE` and `_IOC_READ`
const WRITE: u64 = 1;
const READ: u64 = 2;

/// `_IOC()`
const fn request(direction: u64, bytes: usize, number: u64) -> u64 {
    direction << 30 | (bytes as u64) << 16 | UFFD_API << 8 | number
}

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    len: u64,
}

#[repr(C)]
struct Register {
    range: Range,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct WriteProtect {
    range: Range,
    mode: u64,
}

/// What one call takes.
trait Argument {
    /// The number of the call.
    const REQUEST: u64;
}

impl Argument for Api {
    const REQUEST: u64 = UFFDIO_API;
}

impl Argument for Register {
    const REQUEST: u64 = UFFDIO_REGISTER;
}

impl Argument for Range {
    const REQUEST: u64 = UFFDIO_UNREGISTER;
}

impl Argument for WriteProtect {
    const REQUEST: u64 = UFFDIO_WRITEPROTECT;
}

/// Of one process. It is opened when it is needed first, and the same as long as the process lives, as VMAs merge only if they are
/// registered with the same.
#[derive(Default)]
pub struct UserFault(Option<OwnedFd>);

impl UserFault {
    /// Registers so many bytes from an address on and write-protects what is there; or `off`: they are not registered any more. The
    /// result is 0, or an errno below 0.
    pub fn protect(&mut self, start: u64, len: u64, off: bool) -> i64 {
        self.try_protect(Range { start, len }, off).err().unwrap_or(0)
    }

    fn try_protect(&mut self, mut range: Range, off: bool) -> Result<(), i64> {
        let fd = self.open()?;
        if off {
            return control(fd, &mut range);
        }
        control(fd, &mut Register { range, mode: UFFDIO_REGISTER_MODE_WP, ioctls: 0 })?;
        control(fd, &mut WriteProtect { range, mode: UFFDIO_WRITEPROTECT_MODE_WP })
    }

    fn open(&mut self) -> Result<&OwnedFd, i64> {
        let fd = match self.0.take() {
            Some(fd) => fd,
            None => {
                // SAFETY: it opens a file, and changes no memory.
                let fd = checked(unsafe { system_call(libc::SYS_userfaultfd, [0; 6]) })?;
                // SAFETY: it has just been opened, and nobody else has it.
                let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
                control(&fd, &mut Api { api: UFFD_API, features: UFFD_FEATURE_SIGBUS, ioctls: 0 })?;
                fd
            }
        };
        Ok(self.0.insert(fd))
    }
}

/// One call. What it takes is of the size that its number says, and integers alone.
fn control<T: Argument>(fd: &OwnedFd, argument: &mut T) -> Result<(), i64> {
    let argument = std::ptr::from_mut(argument) as u64;
    // SAFETY: the kernel reads and writes the structure, which is the caller's alone and of the type that the number is made of.
    // Any bytes are a value of it. What the call does to memory beyond that is in the window, where nothing of this program is.
    let result = unsafe { system_call(libc::SYS_ioctl, [fd.as_raw_fd() as u64, T::REQUEST, argument, 0, 0, 0]) };
    checked(result).map(drop)
}

fn checked(result: i64) -> Result<i64, i64> {
    if result < 0 { Err(result) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_have_the_numbers_of_the_kernel() {
        assert_eq!(UFFDIO_API, 0xc018_aa3f);
        assert_eq!(UFFDIO_REGISTER, 0xc020_aa00);
        assert_eq!(UFFDIO_UNREGISTER, 0x8010_aa01);
        assert_eq!(UFFDIO_WRITEPROTECT, 0xc018_aa06);
    }
}
