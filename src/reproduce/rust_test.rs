//! A Rust file with one `#[test]`, for this crate's `tests/`: it passes when nothing is found with the trace.

use super::Played;
use crate::fill::fill;
use crate::session::VmaCode;

/// Which sides, and what makes the rmap calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The C runs.
    pub reference: bool,
    /// The port runs.
    pub port: bool,
    /// What makes the calls.
    pub vma: VmaCode,
    /// The C's freed objects are poisoned and kept, else the next allocation gets them.
    pub poison: bool,
}

const FILE: &str = r#"//! {{HEADLINE}}
//!
//! Made by `rmap-diff reproduce --as test`: it fails as long as something is found with this trace.

use rmap_diff::check::{{CHECK}};
use rmap_diff::kernel{{KERNEL}};
use rmap_diff::mm::{{DRIVER}};
{{PORT_USE}}use rmap_diff::report::{Report, text};
use rmap_diff::trace::Trace;

const KERNEL: &str = "{{NAME}}";

const TRACE: &str = "\
{{TRACE}}";

#[test]
fn {{FUNCTION}}() {
    let trace: Trace = TRACE.parse().unwrap();
    let reference = kernel::reference(KERNEL).expect("the reference is in the cache: make kernel NAME=...");
{{SIDES}}    let result = check::run_trace(&mut lockstep, &mut {{DRIVER}}::new(), {{PLAYED}});
    if let Some(finding) = result.finding {
        panic!("{}", text::plain(&Report::new(&finding, &trace, KERNEL)));
    }
}
"#;

/// The file.
pub fn file(played: &Played, subject: Subject) -> String {
    let slab = if subject.poison { "SlabMode::Poison" } else { "SlabMode::Reuse" };
    let built = |function: &str| {
        format!("    let side = Kernel::{function}(reference, {slab}).expect(\"its VMA code is built\");\n")
    };
    let kernel = match (subject.reference, subject.vma) {
        (false, _) => String::new(),
        (true, VmaCode::Model) => format!("    let side = Kernel::new(reference, {slab});\n"),
        (true, VmaCode::Kernel) => built("with_vma_layer"),
        (true, VmaCode::Pages) => built("with_pages"),
    };
    let port = "Port::new(reference.revision)";
    let (lockstep, check) = match (subject.reference, subject.port) {
        (true, true) => (format!("Lockstep::new(side, {port})"), "{self, Lockstep}"),
        (true, false) => ("Lockstep::solo(side, Sides::Reference)".to_owned(), "{self, Lockstep, Sides}"),
        (false, _) => (format!("Lockstep::solo({port}, Sides::Port)"), "{self, Lockstep, Sides}"),
    };
    let of_version = if played.expectations.is_empty() { "&trace" } else { "&trace.of_version(reference.version)" };
    fill(
        FILE,
        &[
            ("HEADLINE", &played.headline()),
            ("CHECK", check),
            ("KERNEL", if subject.reference { "::{self, Kernel, SlabMode}" } else { "" }),
            ("DRIVER", if subject.vma == VmaCode::Model { "SmallDriver" } else { "KernelDriver" }),
            ("PORT_USE", if subject.port { "use rmap_diff::port::Port;\n" } else { "" }),
            ("NAME", &played.kernel),
            ("TRACE", &played.trace().to_string()),
            ("PLAYED", of_version),
            ("FUNCTION", &function(&played.headline())),
            ("SIDES", &format!("{kernel}    let mut lockstep = {lockstep};\n")),
        ],
    )
}

/// The headline as the name of a function.
fn function(headline: &str) -> String {
    let words = headline.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
    // A signature can be long; the file has it whole.
    name.chars().take(80).collect::<String>().trim_end_matches('_').to_owned()
}
