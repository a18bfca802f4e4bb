//! Traces of huge pages. Operations are made up in a window of few pages, too few for a huge page. In a trace that faults one in,
//! each page of the window stands for a quarter of a huge page, at the same place of every quarter.

use super::args::{Args, Form};
use super::model::WINDOW_START;
use super::op::{HUGE_ORDER, Op, OpKind};

/// Pages for which a page of the window stands.
const PAGES: u64 = 1 << HUGE_ORDER >> 2;
/// Where the window begins then.
const START: u64 = 2 << HUGE_ORDER;

impl OpKind {
    /// Whether it faults in a huge page.
    pub(super) fn is_huge_fault(&self) -> bool {
        matches!(self, OpKind::Fault { order, .. } if *order == u32::from(HUGE_ORDER))
    }

    /// The operation with each page number changed, and each number of pages; none if one of them cannot.
    fn with_pages(&self, page: impl Fn(u64) -> Option<u64>, pages: impl Fn(u64) -> Option<u64>) -> Option<OpKind> {
        let (_, old) = self.split();
        let mut args = Args { ..old };
        for form in self.forms() {
            match form {
                Form::Page => args.a = page(old.a)?,
                Form::Range => (args.a, args.b) = (page(old.a)?, page(old.b)?),
                Form::Place => args.c = page(old.c)?,
                Form::Count => args.c = pages(old.c)?,
                _ => {}
            }
        }
        Some(self.with(args))
    }

    /// Of the window, as it is in a trace of huge pages.
    fn magnified(&self) -> Option<OpKind> {
        self.with_pages(|page| Some(page.checked_sub(WINDOW_START)? * PAGES + START), |pages| Some(pages * PAGES))
    }

    /// Of a trace of huge pages, as it is in the window; none if it is not in it.
    pub(super) fn reduced(&self) -> Option<OpKind> {
        let whole = |pages: u64| pages.is_multiple_of(PAGES).then_some(pages / PAGES);
        self.with_pages(|page| Some(whole(page.checked_sub(START)?)? + WINDOW_START), whole)
    }
}

/// Operations of the window, as they are in a trace of huge pages. What does not lie in the window stays.
pub(super) fn magnify<'a>(ops: impl IntoIterator<Item = &'a mut Op>) {
    for op in ops {
        if let Some(kind) = op.kind.magnified() {
            op.kind = kind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpSet, Trace};

    #[test]
    fn what_is_magnified_comes_back() {
        let text =
            "map p0 0x10..0x18\nfault p0 0x10 huge\nfork p0 p1\nmove p1 0x12..0x14 0x20\nresize p0 0x17..0x18 2\n";
        let mut trace: Trace = text.parse().unwrap();
        magnify(&mut trace.ops);
        let lines = "map p0 0x400..0x800\nfault p0 0x400 huge\nfork p0 p1\nmove p1 0x500..0x600 0xc00\nresize p0 0x780..0x800 256\n";
        assert_eq!(trace.to_string(), lines);
        let reduced: Vec<_> = trace.ops.iter().map(|op| op.kind.reduced().unwrap()).collect();
        assert_eq!(reduced, text.parse::<Trace>().unwrap().ops.iter().map(|op| op.kind).collect::<Vec<_>>());
        assert_eq!(OpKind::fault(rmap_seam::MmId(0), 0x401).reduced(), None);
        let bytes = trace.to_bytes_of(OpSet::Pages);
        assert_eq!(Trace::from_bytes_of(OpSet::Pages, &bytes), trace);
    }
}
