//! How a [`Call`] is written in a report and in a signature.

use std::fmt;

use crate::rmap::{Call, VmaOperation, WalkMode};

/// The kernel function that a call stands for, as a signature names it.
pub fn call_name(call: &Call) -> &'static str {
    match call {
        Call::MmapWriteLock { .. } => "mmap_write_lock",
        Call::MmapReadLock { .. } => "mmap_read_lock",
        Call::MmapUnlock { .. } => "mmap_unlock",
        Call::VmAreaAlloc { .. } => "vm_area_alloc",
        Call::VmAreaDup { .. } => "vm_area_dup",
        Call::VmAreaFree { .. } => "vm_area_free",
        Call::VmaSetRange { .. } => "vma_set_range",
        Call::VmaSetAttributes { .. } => "vma_set_attributes",
        Call::VmaSetMm { .. } => "vma_set_mm",
        Call::VmaSetAnonVma { .. } => "vma_set_anon_vma",
        Call::AnonVmaLockWrite { .. } => "anon_vma_lock_write",
        Call::AnonVmaUnlockWrite { .. } => "anon_vma_unlock_write",
        Call::TreePreUpdateVma { .. } => "tree_pre_update_vma",
        Call::TreePostUpdateVma { .. } => "tree_post_update_vma",
        Call::VmaMarkAttached { .. } => "vma_mark_attached",
        Call::VmaMarkDetached { .. } => "vma_mark_detached",
        Call::AnonVmaPrepare { .. } => "anon_vma_prepare",
        Call::AnonVmaClone { .. } => "anon_vma_clone",
        Call::AnonVmaFork { .. } => "anon_vma_fork",
        Call::UnlinkAnonVmas { .. } => "unlink_anon_vmas",
        Call::PreUpdateVma { .. } => "vma_prepare",
        Call::PostUpdateVma { .. } => "vma_complete",
        Call::FolioSetAnon { .. } => "__folio_set_anon",
        Call::FolioMoveAnonRmap { .. } => "folio_move_anon_rmap",
        Call::FolioSetIndex { .. } => "folio_set_index",
        Call::FolioFree { .. } => "folio_free",
        Call::FolioGetAnonVma { .. } => "folio_get_anon_vma",
        Call::PutAnonVma { .. } => "put_anon_vma",
        Call::RmapWalkAnon { .. } => "rmap_walk_anon",
    }
}

/// A call in the kernel's notation: `anon_vma_fork(vma3, vma1)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallText(pub Call);

impl fmt::Display for CallText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", call_name(&self.0))?;
        match self.0 {
            Call::MmapWriteLock { mm } | Call::MmapReadLock { mm } | Call::MmapUnlock { mm } => write!(f, "{mm}")?,
            Call::VmAreaAlloc { mm, range } => write!(f, "{mm}, {range}")?,
            Call::VmAreaDup { orig, mm, range } => write!(f, "{orig}, {mm}, {range}")?,
            Call::VmaSetRange { vma, range } => write!(f, "{vma}, {range}")?,
            Call::VmaSetAttributes { vma, attributes } => write!(f, "{vma}, {attributes}")?,
            Call::VmAreaFree { vma }
            | Call::VmaMarkAttached { vma }
            | Call::VmaMarkDetached { vma }
            | Call::UnlinkAnonVmas { vma }
            | Call::PreUpdateVma { vma }
            | Call::PostUpdateVma { vma }
            | Call::TreePreUpdateVma { vma }
            | Call::TreePostUpdateVma { vma } => write!(f, "{vma}")?,
            Call::VmaSetMm { vma, mm } => write!(f, "{vma}, {mm}")?,
            Call::VmaSetAnonVma { vma, anon_vma: Some(anon_vma) } => write!(f, "{vma}, {anon_vma}")?,
            Call::VmaSetAnonVma { vma, anon_vma: None } => write!(f, "{vma}, NULL")?,
            Call::AnonVmaLockWrite { anon_vma } | Call::AnonVmaUnlockWrite { anon_vma } => write!(f, "{anon_vma}")?,
            Call::AnonVmaPrepare { vma, prev, next } => {
                write!(f, "{vma}")?;
                if let Some(prev) = prev {
                    write!(f, ", prev {prev}")?;
                }
                if let Some(next) = next {
                    write!(f, ", next {next}")?;
                }
            }
            Call::AnonVmaClone { dst, src, operation } => {
                let operation = match operation {
                    VmaOperation::Split => "VMA_OP_SPLIT",
                    VmaOperation::MergeUnfaulted => "VMA_OP_MERGE_UNFAULTED",
                    VmaOperation::Remap => "VMA_OP_REMAP",
                    VmaOperation::Fork => "VMA_OP_FORK",
                };
                write!(f, "{dst}, {src}, {operation}")?;
            }
            Call::AnonVmaFork { vma, pvma } => write!(f, "{vma}, {pvma}")?,
            Call::FolioSetAnon { folio, vma, page, exclusive } => {
                write!(f, "{folio}, {vma}, {page:#x}{}", if exclusive { ", exclusive" } else { "" })?;
            }
            Call::FolioMoveAnonRmap { folio, vma } => write!(f, "{folio}, {vma}")?,
            Call::FolioSetIndex { folio, vma, page } => write!(f, "{folio}, {vma}, {page:#x}")?,
            Call::FolioFree { folio } => write!(f, "{folio}")?,
            Call::FolioGetAnonVma { folio, mapped } => write!(f, "{folio}{}", unmapped(mapped))?,
            Call::PutAnonVma { anon_vma } => write!(f, "{anon_vma}")?,
            Call::RmapWalkAnon { folio, mapped, mode } => {
                let mode = match mode {
                    WalkMode::Unlocked => "",
                    WalkMode::Locked => ", locked",
                    WalkMode::TryLock => ", trylock",
                    WalkMode::Contended => ", contended",
                };
                write!(f, "{folio}{}{mode}", unmapped(mapped))?;
            }
        }
        f.write_str(")")
    }
}

fn unmapped(mapped: bool) -> &'static str {
    if mapped { "" } else { ", unmapped" }
}
