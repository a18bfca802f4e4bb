//! How often the lines of a reference ran that was made by patches. gcc counts them; its counters are told in the form of a `.gcda`
//! file, which `gcov` reads beside the notes that gcc wrote when it compiled the text.

use std::ffi::{c_uint, c_void};

use super::Reference;

/// What is told the next bytes.
pub(super) type Write = unsafe extern "C" fn(bytes: *const c_void, count: c_uint, to: *mut c_void);

/// The counters of one object file of a reference.
pub struct Counters {
    /// Its name, unique in the binary.
    pub name: &'static str,
    /// Whether it has the kernel's page-table code.
    pub of_pages: bool,
    /// The `.gcno` file.
    pub notes: &'static [u8],
    pub(super) tell: unsafe extern "C" fn(write: Write, to: *mut c_void),
}

impl Counters {
    /// The `.gcda` file, as of now: all runs in this process.
    pub fn read(&self) -> Vec<u8> {
        unsafe extern "C" fn append(bytes: *const c_void, count: c_uint, to: *mut c_void) {
            if count > 0 {
                // SAFETY: gcc's library hands over `count` readable bytes for the length of the call.
                let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count as usize) };
                // SAFETY: `to` is the vector of `read`, which nobody else uses meanwhile.
                unsafe { &mut *to.cast::<Vec<u8>>() }.extend_from_slice(bytes);
            }
        }
        let mut bytes: Vec<u8> = Vec::new();
        // SAFETY: it calls `append` with the vector, and keeps neither.
        unsafe { (self.tell)(append, (&raw mut bytes).cast()) };
        bytes
    }
}

impl Reference {
    /// The counters of its lines.
    ///
    /// # Errors
    /// Why its lines are not counted.
    pub fn counters(&self) -> Result<&'static [Counters], &'static str> {
        self.counters
    }
}
