//! Loads and stores of the kernel's text, in a build that tells them (the feature `accesses`): points of a section.

use std::ffi::c_void;

/// Whether this build tells them where they are asked for.
pub const TOLD: bool = cfg!(feature = "accesses");

/// What the places in the code are counted from: a number is small, and the same in each run.
static FIRST: u8 = 0;

fn first() -> usize {
    &raw const FIRST as usize
}

/// The number of the place of an access, an address in the code.
pub(super) fn number(place: *const c_void) -> u32 {
    (place as usize).wrapping_sub(first()) as u32
}

/// The function and the line of the kernel's tree at a place; none if this build does not know.
#[cfg(feature = "accesses")]
pub fn place(number: u32) -> Option<String> {
    let mut told = None;
    // It is where the call returns to; resolve() looks at the instruction before.
    let at = first().wrapping_add_signed(number as i32 as isize);
    backtrace::resolve(at as *mut c_void, |symbol| {
        // An inlined function comes before the one that it is part of.
        let Some(name) = symbol.name() else { return };
        let name = name.to_string();
        told = Some(match told.take() {
            None => match (symbol.filename(), symbol.lineno()) {
                (Some(file), Some(line)) => {
                    let file = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(file);
                    format!("{name} ({}:{line})", file.display())
                }
                _ => name,
            },
            Some(inner) => format!("{inner} in {name}"),
        });
    });
    told
}

/// The function and the line of the kernel's tree at a place; none, since this build tells no accesses.
#[cfg(not(feature = "accesses"))]
pub fn place(_: u32) -> Option<String> {
    None
}
