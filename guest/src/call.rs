//! System calls as the kernel answers them, and what the C library makes of its answers.

use std::io;

/// Of the call of the C library that has just failed.
pub fn errno() -> i64 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO).into()
}

/// A system call as the kernel answers it: negative is an errno.
///
/// # Safety
/// The call may change memory of this program only where the caller may, such as a structure that an argument is the address of and
/// that the caller has for itself. It may not make a second thread.
pub unsafe fn system_call(number: i64, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller answers for what the call does.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result != -1 {
        return result;
    }
    -errno()
}
