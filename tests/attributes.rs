//! Flags, file and anonymous page offset of a VMA: who shares an anon_vma, and where its pages lie in the trees.
#![allow(missing_docs)]

use rmap_diff::check::Lockstep;
use rmap_diff::kernel::{Kernel, Reference, SlabMode, references};
use rmap_diff::port::Port;
use rmap_diff::rmap::{Call, Fail, MmId, Rmap, Side, Snapshot, VmaAttributes, VmaId, VmaRange};

const MM: MmId = MmId(0);

fn lockstep(reference: &'static Reference) -> Lockstep<Kernel, Port> {
    let mut both = Lockstep::new(Kernel::new(reference, SlabMode::Reuse), Port::new(reference.revision));
    both.begin_operation(&Fail::NEVER);
    both.call(Call::MmapWriteLock { mm: MM });
    both
}

fn map(both: &mut Lockstep<Kernel, Port>, range: VmaRange, attributes: VmaAttributes) -> VmaId {
    let vma = VmaId(u32::try_from(both.call(Call::VmAreaAlloc { mm: MM, range })).expect("allocated"));
    both.call(Call::VmaSetAttributes { vma, attributes });
    both.call(Call::VmaMarkAttached { vma });
    vma
}

/// Whether the second of two touching VMAs, faulted after the first, takes over its anon_vma.
fn shares(reference: &'static Reference, a: VmaAttributes, b: VmaAttributes) -> bool {
    let mut both = lockstep(reference);
    let below = map(&mut both, VmaRange { start: 16, end: 24, pgoff: 16 }, a);
    let above = map(&mut both, VmaRange { start: 24, end: 32, pgoff: 24 }, b);
    both.call(Call::AnonVmaPrepare { vma: below, prev: None, next: Some(above) });
    both.call(Call::AnonVmaPrepare { vma: above, prev: Some(below), next: None });
    both.finish();
    assert_eq!(both.finding(), None, "{}", reference.name);
    let mut words = Vec::new();
    both.reference().state(&mut words);
    let state = Snapshot::decode(&words).expect("decodes");
    state.vma(below).unwrap().anon_vma == state.vma(above).unwrap().anon_vma
}

#[test]
fn neighbours_share_an_anon_vma_only_if_flags_and_file_are_equal() {
    let plain = |anon_pgoff| VmaAttributes { anon_pgoff, flags: VmaAttributes::READ, file: 0 };
    for reference in references() {
        let (below, above) = (plain(16), plain(24));
        assert!(shares(reference, below, above));
        for ignored in [VmaAttributes::READ, VmaAttributes::WRITE, VmaAttributes::EXEC, VmaAttributes::SOFTDIRTY] {
            let other = VmaAttributes { flags: above.flags ^ ignored, ..above };
            assert!(shares(reference, below, other), "{} {ignored:#x}", reference.name);
        }
        for bit in 4..9 {
            let other = VmaAttributes { flags: above.flags | 1 << bit, ..above };
            assert!(!shares(reference, below, other), "{} bit {bit}", reference.name);
        }
        assert!(!shares(reference, below, VmaAttributes { file: 1, ..above }), "{}", reference.name);
        assert!(!shares(reference, VmaAttributes { file: 2, ..below }, VmaAttributes { file: 1, ..above }));
        let moved = VmaAttributes { anon_pgoff: 100, ..above };
        assert_eq!(shares(reference, below, moved), !reference.revision.compatible_by_anon_pgoff, "{}", reference.name);
    }
}

#[test]
fn trees_are_keyed_by_the_anonymous_page_offset_where_the_kernel_says_so() {
    for reference in references() {
        let mut both = lockstep(reference);
        let attributes = VmaAttributes { anon_pgoff: 1000, flags: VmaAttributes::READ, file: 3 };
        let vma = map(&mut both, VmaRange { start: 16, end: 24, pgoff: 500 }, attributes);
        both.call(Call::AnonVmaPrepare { vma, prev: None, next: None });
        let orig = vma;
        let dup = Call::VmAreaDup { orig, mm: MmId(1), range: VmaRange { start: 16, end: 24, pgoff: 500 } };
        let copy = VmaId(u32::try_from(both.call(dup)).expect("allocated"));
        both.call(Call::VmaSetAttributes { vma: copy, attributes });
        both.call(Call::MmapWriteLock { mm: MmId(1) });
        both.call(Call::AnonVmaFork { vma: copy, pvma: vma });
        both.finish();
        assert_eq!(both.finding(), None, "{}", reference.name);
        let mut words = Vec::new();
        both.reference().state(&mut words);
        let state = Snapshot::decode(&words).expect("decodes");
        assert_eq!(state.vma(copy).unwrap().attributes, attributes, "a copy keeps flags and file");
        let last = if reference.revision.keyed_by_anon_pgoff { 1007 } else { 507 };
        assert_eq!(state.anon_vmas[0].tree[0].subtree_last, last, "{}", reference.name);
    }
}
