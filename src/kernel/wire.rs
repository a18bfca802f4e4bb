//! Calls and operations as they cross the C interface: made of the rows that declare them, with the numbers and structures that
//! bindgen reads from csrc/rmap_abi.h. A row that has no number or no structure there does not compile.

use super::abi;
use crate::rmap::{
    AnonVmaId, Call, Entry, FolioFound, FolioId, MmId, VmaAttributes, VmaId, VmaOperation, VmaRange, WalkFlags,
    WalkMode, for_each_call,
};
use crate::trace::{Advice, Observation, OpKind, PageEvent, Request, for_each_operation};

/// A value as the C structures hold it.
trait Wire<C>: Sized {
    fn to_c(self) -> C;
    fn from_c(value: C) -> Self;
}

macro_rules! id {
    ($($id:ident: $number:ty),*) => {$(
        impl Wire<u32> for $id {
            fn to_c(self) -> u32 {
                u32::from(self.0)
            }
            fn from_c(value: u32) -> Self {
                $id(value as $number)
            }
        }
    )*};
}
id!(MmId: u8, VmaId: u32, AnonVmaId: u32, FolioId: u32);

/// `RMAP_NONE` for none.
const NONE: u32 = u32::MAX;

macro_rules! optional_id {
    ($($id:ident),*) => {$(
        impl Wire<u32> for Option<$id> {
            fn to_c(self) -> u32 {
                self.map_or(NONE, |id| id.0)
            }
            fn from_c(value: u32) -> Self {
                (value != NONE).then_some($id(value))
            }
        }
    )*};
}
optional_id!(VmaId, AnonVmaId);

impl Wire<u32> for bool {
    fn to_c(self) -> u32 {
        self.into()
    }
    fn from_c(value: u32) -> Self {
        value != 0
    }
}

/// Which page of a folio, or how many.
impl Wire<u32> for u32 {
    fn to_c(self) -> u32 {
        self
    }
    fn from_c(value: u32) -> Self {
        value
    }
}

/// A page, or a number of pages.
impl Wire<u64> for u64 {
    fn to_c(self) -> u64 {
        self
    }
    fn from_c(value: u64) -> Self {
        value
    }
}

/// A file of a trace: its number + 1, or 0 for none.
impl Wire<u32> for Option<u8> {
    fn to_c(self) -> u32 {
        self.map_or(0, |file| u32::from(file) + 1)
    }
    fn from_c(value: u32) -> Self {
        value.checked_sub(1).map(|file| file as u8)
    }
}

impl Wire<abi::rmap_range> for VmaRange {
    fn to_c(self) -> abi::rmap_range {
        abi::rmap_range { start: self.start, end: self.end, pgoff: self.pgoff }
    }
    fn from_c(range: abi::rmap_range) -> Self {
        VmaRange { start: range.start, end: range.end, pgoff: range.pgoff }
    }
}

impl Wire<abi::rmap_attributes> for VmaAttributes {
    fn to_c(self) -> abi::rmap_attributes {
        abi::rmap_attributes { anon_pgoff: self.anon_pgoff, flags: self.flags, file: self.file }
    }
    fn from_c(attributes: abi::rmap_attributes) -> Self {
        VmaAttributes { anon_pgoff: attributes.anon_pgoff, flags: attributes.flags, file: attributes.file }
    }
}

impl Wire<abi::rmap_entry> for Entry {
    fn to_c(self) -> abi::rmap_entry {
        abi::rmap_entry { bits: self.bits, number: self.number }
    }
    fn from_c(entry: abi::rmap_entry) -> Self {
        Entry { bits: entry.bits, number: entry.number }
    }
}

impl Wire<u32> for WalkFlags {
    fn to_c(self) -> u32 {
        self.0
    }
    fn from_c(flags: u32) -> Self {
        WalkFlags(flags)
    }
}

impl Wire<abi::rmap_folio_found> for FolioFound {
    fn to_c(self) -> abi::rmap_folio_found {
        let FolioFound { bits, references, slot, file, index, poisoned } = self;
        abi::rmap_folio_found { bits, references, slot, file, index, poisoned }
    }
    fn from_c(found: abi::rmap_folio_found) -> Self {
        let abi::rmap_folio_found { bits, references, slot, file, index, poisoned } = found;
        FolioFound { bits, references, slot, file, index, poisoned }
    }
}

macro_rules! word {
    ($($type:ident: $first:ident $(, $other:ident)*);*) => {$(
        /// By its number; an unknown one is the first.
        impl Wire<u32> for $type {
            fn to_c(self) -> u32 {
                self as u32
            }
            fn from_c(value: u32) -> Self {
                match value {
                    $(number if number == $type::$other as u32 => $type::$other,)*
                    _ => $type::$first,
                }
            }
        }
    )*};
}
word!(
    VmaOperation: Split, MergeUnfaulted, Remap, Fork;
    WalkMode: Unlocked, Locked, TryLock, Contended;
    Advice: DontFork, DoFork, WipeOnFork, KeepOnFork
);

macro_rules! define_call_wire {
    ($(
        $(#[$doc:meta])*
        $class:ident $variant:ident $number:ident $member:ident $name:literal {
            $($(#[$argument_doc:meta])* $argument:ident: $type:ty,)*
        }
    ),* $(,)?) => {
        /// A call as C takes it.
        #[inline]
        pub(super) fn encode_call(call: Call) -> abi::rmap_call {
            let mut out = abi::rmap_call::default();
            match call {
                $(Call::$variant { $($argument),* } => {
                    out.kind = abi::rmap_call_kind::$number as u32;
                    // SAFETY: every member of the union is made of integers, and all of it is initialised.
                    let arguments = unsafe { &mut out.arguments.$member };
                    $(arguments.$argument = Wire::to_c($argument);)*
                })*
            }
            out
        }

        /// A call as C reports it; none if no side is ever asked for one of that number.
        #[inline]
        fn decode_call(call: &abi::rmap_call) -> Option<Call> {
            $(if call.kind == abi::rmap_call_kind::$number as u32 {
                // SAFETY: every member of the union is made of integers, and C initialises all of it.
                let arguments = unsafe { &call.arguments.$member };
                return Some(Call::$variant { $($argument: Wire::from_c(arguments.$argument)),* });
            })*
            None
        }
    };
}
for_each_call!(define_call_wire);

macro_rules! define_operation_wire {
    ($(
        $(#[$doc:meta])*
        $variant:ident $number:ident $member:ident {
            $(#[$mm_doc:meta])*
            $mm:ident: $mm_type:ty;
            $($(#[$argument_doc:meta])* $argument:ident: $type:ty,)*
        }
    ),* $(,)?) => {
        /// A request as C takes it; none if it is nothing that the VMA code does.
        pub(super) fn encode_request(request: &Request<'_>) -> Option<abi::rmap_operation> {
            let mut out = abi::rmap_operation::default();
            match request.operation {
                $(OpKind::$variant { $mm, $($argument),* } => {
                    out.kind = abi::rmap_operation_kind::$number as u32;
                    out.mm = $mm.to_c();
                    // SAFETY: every member of the union is made of integers, and all of it is initialised.
                    let arguments = unsafe { &mut out.arguments.$member };
                    $(arguments.$argument = Wire::to_c($argument);)*
                    let _ = arguments;
                })*
                OpKind::Unpin { .. } => {
                    out.kind = abi::rmap_operation_kind::RMAP_OP_UNPIN as u32;
                    out.arguments.unpin = abi::rmap_operation_unpin { frame: request.frame };
                }
                OpKind::MigrateEnd { .. } => {
                    out.kind = abi::rmap_operation_kind::RMAP_OP_MIGRATE_END as u32;
                    out.arguments.migrate_end = abi::rmap_operation_migrate_end { frame: request.frame };
                }
                _ => return None,
            }
            if let OpKind::Fault { .. } = request.operation {
                out.arguments.fault.prepare = request.prepare.to_c();
            }
            Some(out)
        }
    };
}
for_each_operation!(define_operation_wire);

/// What C says of a folio.
pub(super) fn decode_found(found: &abi::rmap_folio_found) -> FolioFound {
    FolioFound::from_c(*found)
}

/// What C reports. A number that it never reports is nothing in particular.
pub(super) fn decode_observation(call: &abi::rmap_call) -> Observation {
    use abi::rmap_call_kind as kind;
    let is = |k: kind| call.kind == k as u32;
    if let Some(call) = decode_call(call) {
        return Observation::Call(call);
    }
    if is(kind::RMAP_PAGES_ZAP) {
        // SAFETY: every member of the union is made of integers, and C initialises all of it.
        let zap = unsafe { &call.arguments.pages_zap };
        return Observation::Pages(PageEvent::Zap { mm: MmId::from_c(zap.mm), start: zap.start, end: zap.end });
    }
    if is(kind::RMAP_PAGES_COPY) {
        // SAFETY: as above.
        let copy = unsafe { &call.arguments.pages_copy };
        let (mm, from) = (MmId::from_c(copy.mm), MmId::from_c(copy.from));
        return Observation::Pages(PageEvent::Copy { mm, from, start: copy.start, end: copy.end });
    }
    if is(kind::RMAP_PAGES_MOVE) {
        // SAFETY: as above.
        let moved = unsafe { &call.arguments.pages_move };
        let (mm, to) = (MmId::from_c(moved.mm), moved.to);
        return Observation::Pages(PageEvent::Move { mm, start: moved.start, end: moved.end, to });
    }
    Observation::Outside
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every call comes back from C's form, arguments and all.
    #[test]
    fn calls_survive_the_interface() {
        let range = VmaRange { start: 1, end: 5, pgoff: 9 };
        let attributes = VmaAttributes { anon_pgoff: 3, flags: 0x83, file: 2 };
        for call in [
            Call::MmapUnlock { mm: MmId(3) },
            Call::VmAreaDup { orig: VmaId(1), mm: MmId(2), range },
            Call::VmaSetAttributes { vma: VmaId(7), attributes },
            Call::VmaSetAnonVma { vma: VmaId(7), anon_vma: None },
            Call::VmaSetAnonVma { vma: VmaId(7), anon_vma: Some(AnonVmaId(0)) },
            Call::AnonVmaPrepare { vma: VmaId(1), prev: None, next: Some(VmaId(2)) },
            Call::AnonVmaClone { dst: VmaId(1), src: VmaId(2), operation: VmaOperation::Remap },
            Call::FolioSetAnon { folio: FolioId(4), vma: VmaId(5), page: 1 << 40, exclusive: true },
            Call::RmapWalkAnon { folio: FolioId(4), mapped: false, mode: WalkMode::Contended },
            Call::EntrySet { mm: MmId(2), page: 1 << 30, entry: Entry { bits: Entry::PRESENT, number: 7 } },
            Call::TryToUnmap {
                folio: FolioId(8),
                flags: WalkFlags(WalkFlags::BATCH_FLUSH),
                found: FolioFound { bits: FolioFound::DIRTY, references: 3, slot: 5, ..FolioFound::default() },
            },
            Call::FolioMakeDeviceExclusive {
                folio: FolioId(8),
                mm: MmId(3),
                page: 1 << 35,
                found: FolioFound { bits: FolioFound::SWAPCACHE, references: 2, slot: 6, ..FolioFound::default() },
            },
            Call::FolioMkclean {
                folio: FolioId(8),
                found: FolioFound { file: 2, index: 1 << 33, ..FolioFound::default() },
            },
        ] {
            assert_eq!(decode_observation(&encode_call(call)), Observation::Call(call));
        }
    }
}
