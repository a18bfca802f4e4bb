//! I10: what a call promises to have done, or not to have done.

use super::Rules;
use super::model::{Changed, MustNotChange, ShadowState};
use super::record::{NONE, VmaRecord};
use super::words::{Record, Records, VMA_ANON_VMA};
use crate::check::violation::{Invariant, Object, Violation};
use crate::rmap::{AnonVmaId, Call, FolioId, VmaId, VmaRange};

/// Small, for it is nearly always `None`.
pub(super) type Found = Option<Box<Violation>>;

#[cold]
fn broken<const N: usize>(what: &'static str, objects: [Object; N], detail: String) -> Found {
    Some(Box::new(Violation::new(Invariant::I10, what, objects, detail)))
}

/// What must stay as it is, if `call` returned `ret`.
pub(super) fn frozen(call: &Call, ret: i32) -> Option<MustNotChange> {
    if ret >= 0 {
        return None;
    }
    match call {
        Call::AnonVmaClone { dst, .. } => Some(MustNotChange { except: dst.0 }),
        Call::AnonVmaFork { vma, .. } => Some(MustNotChange { except: vma.0 }),
        Call::AnonVmaPrepare { .. } => Some(MustNotChange { except: NONE }),
        _ => None,
    }
}

/// A VMA gets another range while its chain entries are in their trees, which are sorted by it. Not if it is emptied, as
/// 6.1 does with one that it is about to free.
pub(super) fn check_resize(model: &ShadowState, vma: VmaId, range: VmaRange) -> Found {
    let record = model.vma(vma.0).filter(|record| !record.slots.is_empty() && range.start < range.end)?;
    let (_, before) = record.place().filter(|&(_, before)| before != range)?;
    let detail = format!("{vma} was at {before}, is at {range}, and its chain entries were in their trees meanwhile");
    Some(Box::new(Violation::new(Invariant::I8, "range changed in the trees", [vma.into()], detail)))
}

/// The chain entries of a VMA stayed in their trees while its range changed, because its page offset would stay.
pub(super) fn check_offset_stays(vma: VmaId, before: u64, now: u64) -> Found {
    if before == now {
        return None;
    }
    let detail =
        format!("{vma} had page offset {before:#x}, has {now:#x}, and its chain entries were in their trees meanwhile");
    Some(Box::new(Violation::new(Invariant::I8, "page offset changed in the trees", [vma.into()], detail)))
}

/// Both halves of an update are told the same.
pub(super) fn check_halves(vma: VmaId, before: bool, after: bool) -> Found {
    if before == after {
        return None;
    }
    let said = |stays: bool| if stays { "stays" } else { "changes" };
    let detail = format!("{vma}: its page offset {} before the change, and {} after it", said(before), said(after));
    Some(Box::new(Violation::new(Invariant::I8, "halves of an update differ", [vma.into()], detail)))
}

/// A failed call changed something.
pub(super) fn thawed(thawed: &Changed) -> Violation {
    let (what, object, text): (_, Object, _) = match *thawed {
        Changed::Vma(id) => ("failed call changed a VMA", VmaId(id).into(), "is not as it was before the failed call"),
        Changed::AnonVma(id) => {
            ("failed call changed an anon_vma", AnonVmaId(id).into(), "is not as it was before the failed call")
        }
        Changed::NewAnonVma(id) => {
            ("failed call left an anon_vma", AnonVmaId(id).into(), "was made by a call that failed, and is live")
        }
    };
    Violation::new(Invariant::I10, what, [object], format!("{object} {text}"))
}

/// `vma->anon_vma` of a VMA as a stream tells it.
fn told_anon_vma(stream: &[u64], vma: VmaId) -> Option<u32> {
    for record in Records::new(stream) {
        match record {
            Record::Vma(told) if told[0] == u64::from(vma.0) => {
                return told[VMA_ANON_VMA].checked_sub(1).map(|a| a as u32);
            }
            Record::Vma(_) | Record::Folio(..) => {}
            // VMAs come first.
            Record::AnonVma(..) => return None,
        }
    }
    None
}

/// Before the stream of a successful call is taken in: whether an anon_vma is reused that must
/// not be.
pub(super) fn check_reuse(model: &ShadowState, call: &Call, ret: i32, stream: &[u64]) -> Found {
    let (dst, src) = match *call {
        Call::AnonVmaFork { vma, pvma } => (vma, pvma),
        // The destination of a clone keeps the anon_vma that its caller gave it.
        Call::AnonVmaClone { dst, src, .. } if model.vma(dst.0)?.anon_vma().is_none() => (dst, src),
        _ => return None,
    };
    if ret < 0 {
        return None;
    }
    let reused = told_anon_vma(stream, dst)?;
    // One that was not there before is the fork's own.
    let record = model.anon_vma(reused)?;
    let source = model.vma(src.0).and_then(VmaRecord::anon_vma);
    if matches!(call, Call::AnonVmaClone { .. }) && source == Some(reused) {
        return None;
    }
    let holds_it_already = model.vma(dst.0).and_then(VmaRecord::anon_vma) == Some(reused);
    let active = record.active - u32::from(holds_it_already);
    let children = model.children_of_serial(reused);
    let (what, why) = if record.told[0] == u64::from(reused) {
        ("reuse of a root", "it is a root".to_string())
    } else if active > 0 {
        ("reuse of an anon_vma with VMAs", format!("it is the anon_vma of {active} VMAs"))
    } else if children > 1 {
        ("reuse of an anon_vma with children", format!("it has {children} children"))
    } else {
        return None;
    };
    let (dst, reused) = (VmaId(dst.0), AnonVmaId(reused));
    broken(what, [dst.into(), reused.into()], format!("{dst} reuses {reused}, but {why}"))
}

/// After the stream of an unlink was taken in. `had_anon_vma` says whether the VMA had one before.
pub(super) fn check_unlink(model: &ShadowState, vma: VmaId, had_anon_vma: bool, rules: Rules) -> Found {
    let record = model.vma(vma.0)?;
    if rules.unlink_keeps_anon_vma && record.slots.is_empty() {
        return None;
    }
    // A chain without an anon_vma is left alone by some kernels: that VMA was broken before (I1).
    if record.anon_vma().is_none() && (record.slots.is_empty() || !had_anon_vma) {
        return None;
    }
    let detail = format!("{vma} has {} after it was unlinked", has(record));
    broken("unlink left something", [vma.into()], detail)
}

/// After the stream of a call was taken in that gave a folio an anon_vma: it is the VMA's, or the root if others have
/// the folio, too; and the index is where the VMA's page lies in its trees.
pub(super) fn check_folio(model: &ShadowState, call: &Call) -> Found {
    let (folio, vma, exclusive) = match *call {
        Call::FolioSetAnon { folio, vma, exclusive, .. } | Call::FolioAddNewAnonRmap { folio, vma, exclusive, .. } => {
            (folio, vma, exclusive)
        }
        Call::FolioMoveAnonRmap { folio, vma } => (folio, vma, true),
        _ => return None,
    };
    let (record, owner) = (model.folio(folio.0)?, model.vma(vma.0)?);
    let own = model.anon_vma(owner.anon_vma()?)?;
    let want = if exclusive { own.serial } else { own.told[0] as u32 };
    if record.mapping == want {
        return None;
    }
    let detail = format!("{folio} of {vma} was given {}, not {}", AnonVmaId(record.mapping), AnonVmaId(want));
    Some(Box::new(Violation::new(Invariant::I9, "folio's anon_vma", [folio.into(), vma.into()], detail)))
}

/// After the owner of a mapped page has said that it is one process's alone: the folio got the anon_vma of that process's VMA
/// just before, so that a walk does not search the relatives (mm/rmap.c, `folio_move_anon_rmap()`). The pages of a large folio
/// may belong to several.
pub(super) fn check_exclusive(model: &ShadowState, folio: FolioId) -> Found {
    if model.moved == Some(folio.0) || model.folio(folio.0)?.large {
        return None;
    }
    let detail = format!("{folio} became exclusive, and was not given the anon_vma of its VMA before");
    Some(Box::new(Violation::new(
        Invariant::Exclusive,
        "exclusive page keeps its old anon_vma",
        [folio.into()],
        detail,
    )))
}

/// After the stream of a prepare, clone or fork was taken in.
pub(super) fn check_result(model: &ShadowState, call: &Call, ret: i32) -> Found {
    match *call {
        Call::AnonVmaClone { dst, src, .. } if ret >= 0 => same_set(model, dst, src, false),
        Call::AnonVmaFork { vma, pvma } if ret >= 0 => same_set(model, vma, pvma, true),
        Call::AnonVmaClone { dst: vma, .. } | Call::AnonVmaFork { vma, .. } => {
            let record = model.vma(vma.0)?;
            let what = match (record.slots.is_empty(), record.anon_vma()) {
                (true, None) => return None,
                (true, Some(_)) => "failed call left vma->anon_vma",
                (false, _) => "failed call left a chain",
            };
            let detail = format!("the call failed, but {vma} has {}", has(record));
            broken(what, [vma.into()], detail)
        }
        Call::AnonVmaPrepare { vma, .. } if ret >= 0 => {
            let record = model.vma(vma.0)?;
            if record.anon_vma().is_some() && !record.slots.is_empty() {
                return None;
            }
            let detail = format!("the call succeeded, but {vma} has {}", has(record));
            broken("prepare without effect", [vma.into()], detail)
        }
        _ => None,
    }
}

fn has(record: &VmaRecord) -> String {
    let anon_vma = record.anon_vma().map_or("no anon_vma".to_string(), |a| AnonVmaId(a).to_string());
    format!("{anon_vma} and {} chain entries", record.slots.len())
}

/// The destination's chain set is the source's, and its own anon_vma if `may_add` and it is not
/// the source's.
fn same_set(model: &ShadowState, dst: VmaId, src: VmaId, may_add: bool) -> Found {
    let (record, source) = (model.vma(dst.0)?, model.vma(src.0)?);
    let (own, ours, theirs) = (record.anon_slot, &record.slots[..], &source.slots[..]);
    let stamp = model.new_stamp();
    for &slot in theirs {
        model.anons[slot as usize].stamp.set(stamp);
    }
    let is_new = |slot: u32| model.anons[slot as usize].stamp.get() != stamp;
    let adds = may_add && !theirs.is_empty() && own != NONE && is_new(own);
    let strange = ours.iter().any(|&slot| is_new(slot) && !(adds && slot == own));
    if !strange && ours.len() == theirs.len() + usize::from(adds) {
        return None;
    }
    let serials = |slots: &[u32]| -> String {
        let names: Vec<String> = slots.iter().map(|&s| AnonVmaId(model.anons[s as usize].serial).to_string()).collect();
        names.join(" ")
    };
    let detail = format!("the chain of {dst} is [{}], the source {src} has [{}]", serials(ours), serials(theirs));
    broken("destination's chain is not the source's", [dst.into(), src.into()], detail)
}
