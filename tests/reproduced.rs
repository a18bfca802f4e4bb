//! nothing is found with this trace on 6.12
//!
//! Made by `rmap-diff reproduce --as test`: it fails as long as something is found with this trace.

use rmap_diff::check::{self, Lockstep};
use rmap_diff::kernel::{self, Kernel, SlabMode};
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::report::{Report, text};
use rmap_diff::trace::Trace;

const KERNEL: &str = "6.12";

const TRACE: &str = "\
map p0 0x10..0x14
fault p0 0x10
fork p0 p1
fork p1 p2
exit p1
fork p2 p3 fail=2
fork p2 p3 fail=3
fork p2 p3 fail=4+
fork p2 p3
";

#[test]
fn nothing_is_found_with_this_trace_on_6_12() {
    let trace: Trace = TRACE.parse().unwrap();
    let reference = kernel::reference(KERNEL).expect("the reference is in the cache: make kernel NAME=...");
    let side = Kernel::with_pages(reference, SlabMode::Reuse).expect("its VMA code is built");
    let mut lockstep = Lockstep::new(side, Port::new(reference.revision));
    let result = check::run_trace(&mut lockstep, &mut KernelDriver::new(), &trace);
    if let Some(finding) = result.finding {
        panic!("{}", text::plain(&Report::new(&finding, &trace, KERNEL)));
    }
}
