//! The life of an anon_vma and of a chain entry, root locks, and tree changes.

use super::Port;
use super::arena::{NIL, Ref, Stop};
use super::hooks::Hooks;
use super::interval_tree;
use super::objects::{AnonVma, AnonVmaChain, AnonVmaNotes, Vma};
use super::rbtree::{self, RbRootCached};
use rmap_seam::{Cache, EventKind, Gfp, Point, Rule, stream};

/// A new chain entry has neither VMA nor anon_vma; nothing follows them before it is assigned.
const UNASSIGNED: Stop = Stop::Oops("NULL pointer dereference: an avc that was never assigned");

impl<H: Hooks> Port<H> {
    /// Mirrors `anon_vma_alloc()` (mm/rmap.c).
    pub(super) fn anon_vma_alloc(&mut self) -> Option<Ref<AnonVma>> {
        if !self.attempt(Cache::AnonVma, Gfp::KERNEL) {
            return None;
        }
        // The constructor of a slot runs once: whoever has found a freed anon_vma may have locked it.
        let (write_locked, readers) = match self.anon_vmas.next_free() {
            Some(freed) if H::BESIDE_OTHERS => (freed.write_locked, freed.readers),
            _ => (false, 0),
        };
        // The object is its own root and parent: it must know its place first.
        let placeholder = Ref::new(NIL, 0);
        let anon_vma = self.anon_vmas.insert(|serial| AnonVma {
            serial,
            born: serial,
            root: placeholder,
            parent: placeholder,
            refcount: 1,
            num_children: 0,
            num_active_vmas: 0,
            rb_root: RbRootCached::EMPTY,
            write_locked,
            readers,
            nodes: 0,
        });
        self.anon_vma_slots.push(anon_vma.slot());
        match self.anon_vma_notes.get_mut(anon_vma.slot() as usize) {
            Some(notes) => *notes = AnonVmaNotes::default(),
            None => self.anon_vma_notes.push(AnonVmaNotes::default()),
        }
        self.record_alloc(Cache::AnonVma, Gfp::KERNEL, anon_vma.serial);
        if let Ok(object) = self.anon_vmas.get_mut(anon_vma) {
            object.root = anon_vma;
            object.parent = anon_vma;
        }
        self.touch(anon_vma);
        Some(anon_vma)
    }

    /// What is where an anon_vma was found, freed or not, which may be another by now: `SLAB_TYPESAFE_BY_RCU`.
    #[inline(always)]
    pub(super) fn present(&self, anon_vma: Ref<AnonVma>) -> Ref<AnonVma> {
        match self.anon_vmas.slots().get(anon_vma.slot() as usize) {
            Some(there) if H::BESIDE_OTHERS => Ref::new(anon_vma.slot(), there.born),
            _ => anon_vma,
        }
    }

    /// An anon_vma that may have been freed since it was found, where other tasks run.
    pub(super) fn anon_vma_memory(&mut self, anon_vma: Ref<AnonVma>) -> Result<&mut AnonVma, Stop> {
        if !H::BESIDE_OTHERS {
            return self.anon_vmas.get_mut(anon_vma);
        }
        let there = self.anon_vmas.slots_mut().get_mut(anon_vma.slot() as usize);
        there.ok_or(Stop::UseAfterFree(anon_vma.serial))
    }

    /// Mirrors `anon_vma_free()` (mm/rmap.c).
    fn anon_vma_free(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let object = self.anon_vmas.get(anon_vma)?;
        let root = object.root;
        if object.refcount != 0 {
            return Err(Stop::Bug("VM_BUG_ON(atomic_read(&anon_vma->refcount)) in anon_vma_free()"));
        }
        self.might_sleep();
        if self.anon_vmas.get(root)?.is_locked() {
            self.down_write(root)?;
            self.up_write(root)?;
        }
        self.point(Point::FREE, Point::OF_ANON_VMA, anon_vma.serial);
        // Of several tasks one may have found it before, and sees now that nothing maps the folio any more.
        if !H::BESIDE_OTHERS && self.anon_vmas.get(anon_vma)?.is_locked() {
            self.task.observed.rule(Rule::FreedWhileLocked, anon_vma.serial);
        }
        self.record_free(Cache::AnonVma, anon_vma.serial);
        self.anon_vmas.remove(anon_vma)
    }

    /// Mirrors `get_anon_vma()` (mm/internal.h, include/linux/rmap.h before 7.0).
    pub(super) fn get_anon_vma(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        self.point_of(Point::GET, anon_vma);
        self.count_reference(anon_vma)
    }

    /// `atomic_inc()` of the reference count.
    pub(super) fn count_reference(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let object = self.anon_vmas.get_mut(anon_vma)?;
        object.refcount = object.refcount.wrapping_add(1);
        self.task.observed.record(EventKind::Get, 0, 0, anon_vma.serial, 0);
        self.touch(anon_vma);
        Ok(())
    }

    /// Mirrors `atomic_dec_and_test(&anon_vma->refcount)`: whether it is zero now.
    pub(super) fn refcount_dec_and_test(&mut self, anon_vma: Ref<AnonVma>) -> Result<bool, Stop> {
        self.point_of(Point::PUT, anon_vma);
        let object = self.anon_vmas.get_mut(anon_vma)?;
        object.refcount = object.refcount.wrapping_sub(1);
        let count = object.refcount;
        let zero = count == 0;
        self.touch(anon_vma);
        self.task.observed.record(EventKind::Put, 0, zero.into(), anon_vma.serial, 0);
        if count < 0 {
            self.task.observed.rule(Rule::RefUnderflow, anon_vma.serial);
        }
        Ok(zero)
    }

    /// Mirrors `put_anon_vma()`.
    pub(super) fn put_anon_vma(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        if !self.refcount_dec_and_test(anon_vma)? {
            return Ok(());
        }
        self.put_last(anon_vma)
    }

    /// Mirrors `__put_anon_vma()` (mm/rmap.c), which drops the reference on the root with the object.
    pub(super) fn put_last(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let root = self.anon_vmas.get(anon_vma)?.root;
        self.anon_vma_free(anon_vma)?;
        if root != anon_vma && self.refcount_dec_and_test(root)? {
            self.anon_vma_free(root)?;
        }
        Ok(())
    }

    /// Mirrors `anon_vma_chain_alloc()` (mm/rmap.c).
    pub(super) fn anon_vma_chain_alloc(&mut self, gfp: u16) -> Option<Ref<AnonVmaChain>> {
        if !self.attempt(Cache::Avc, gfp) {
            return None;
        }
        let avc = self.avcs.insert(AnonVmaChain::new);
        self.record_alloc(Cache::Avc, gfp, avc.serial);
        Some(avc)
    }

    /// Mirrors `anon_vma_chain_free()` (mm/rmap.c). An entry that is still in a tree is not
    /// freed: the tree would be left with a stale link.
    pub(super) fn anon_vma_chain_free(&mut self, avc: Ref<AnonVmaChain>) -> Result<(), Stop> {
        if self.avcs.get(avc)?.rb.is_linked() {
            return Err(Stop::UseAfterFree(avc.serial));
        }
        self.point(Point::FREE, Point::OF_AVC, avc.serial);
        self.record_free(Cache::Avc, avc.serial);
        self.avcs.remove(avc)
    }

    /// Mirrors `anon_vma_chain_assign()` (mm/rmap.c; half of `anon_vma_chain_link()` in 6.1).
    pub(super) fn anon_vma_chain_assign(
        &mut self,
        vma: Ref<Vma>,
        avc: Ref<AnonVmaChain>,
        anon_vma: Ref<AnonVma>,
    ) -> Result<(), Stop> {
        let owner = self.vmas.get_mut(vma)?;
        let entry = self.avcs.get_mut(avc)?;
        entry.vma = Some(vma);
        entry.anon_vma = Some(anon_vma);
        entry.follow(owner, self.revision.keyed_by_anon_pgoff);
        owner.chain.add(self.avcs.slots_mut(), avc.slot());
        Ok(())
    }

    /// The anon_vma of a chain entry: `avc->anon_vma`.
    #[inline]
    pub(super) fn avc_anon_vma(&self, avc: u32) -> Result<Ref<AnonVma>, Stop> {
        self.avcs.linked(avc).anon_vma.ok_or(UNASSIGNED)
    }

    /// `list_del()` of a chain entry, then `anon_vma_chain_free()`.
    pub(super) fn anon_vma_chain_del(&mut self, vma: Ref<Vma>, avc: u32) -> Result<(), Stop> {
        self.vmas.get_mut(vma)?.chain.del(self.avcs.slots_mut(), avc);
        self.anon_vma_chain_free(self.avcs.reference(avc))
    }

    /// Mirrors `anon_vma_lock_write()`: locks the root.
    #[inline]
    pub(super) fn anon_vma_lock_write(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let root = self.anon_vmas.get(anon_vma)?.root;
        self.down_write(root)
    }

    /// Mirrors `anon_vma_unlock_write()`.
    #[inline]
    pub(super) fn anon_vma_unlock_write(&mut self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let root = self.anon_vmas.get(anon_vma)?.root;
        self.up_write(root)
    }

    /// Mirrors `lock_anon_vma_root()` (mm/rmap.c before 7.0): the root that is locked afterwards.
    pub(super) fn lock_anon_vma_root(
        &mut self,
        root: Option<Ref<AnonVma>>,
        anon_vma: Ref<AnonVma>,
    ) -> Result<Option<Ref<AnonVma>>, Stop> {
        let new_root = self.anon_vmas.get(anon_vma)?.root;
        if root != Some(new_root) {
            if let Some(root) = root {
                self.task.observed.warn_on(true, "WARN_ON_ONCE(root) in lock_anon_vma_root()");
                self.up_write(root)?;
            }
            self.down_write(new_root)?;
        }
        Ok(Some(new_root))
    }

    /// Mirrors `unlock_anon_vma_root()` (mm/rmap.c before 7.0).
    pub(super) fn unlock_anon_vma_root(&mut self, root: Option<Ref<AnonVma>>) -> Result<(), Stop> {
        root.map_or(Ok(()), |root| self.up_write(root))
    }

    /// The wrapper around both tree changes: the event, and the rule that the root is locked.
    #[inline]
    fn tree_changes(&mut self, kind: EventKind, avc: u32, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let serial = self.avcs.linked(avc).serial;
        self.task.observed.record(kind, 0, 0, anon_vma.serial, serial);
        let object = self.anon_vmas.get_mut(anon_vma)?;
        let root = object.root;
        self.touch(anon_vma);
        if !self.anon_vmas.get(root)?.write_locked {
            self.task.observed.rule(Rule::TreeUnlocked, anon_vma.serial);
        }
        if self.orphans != 0 { self.check_owners(anon_vma) } else { Ok(()) }
    }

    /// `anon_vma_interval_tree_insert()` (`anon_rmap_tree_insert()` in 7.3), observed.
    pub(super) fn anon_vma_tree_insert(&mut self, avc: u32, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        self.tree_changes(EventKind::TreeInsert, avc, anon_vma)?;
        if self.avcs.linked(avc).rb.is_linked() {
            return Err(Stop::Oops("an avc enters a tree that is in one already"));
        }
        let object = self.anon_vmas.get_mut(anon_vma)?;
        interval_tree::insert(self.avcs.slots_mut(), &mut object.rb_root, avc);
        object.nodes += 1;
        self.marks(anon_vma).add(avc);
        Ok(())
    }

    /// After 7.3: an entry stays in the tree, and its last page offset has changed.
    pub(super) fn anon_vma_tree_update(&mut self, avc: u32, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        self.tree_changes(EventKind::TreeUpdate, avc, anon_vma)?;
        interval_tree::update_in_place(self.avcs.slots_mut(), avc);
        self.marks(anon_vma).add(avc);
        Ok(())
    }

    /// `anon_vma_interval_tree_remove()` (`anon_rmap_tree_remove()` in 7.3), observed.
    pub(super) fn anon_vma_tree_remove(&mut self, avc: u32, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        self.tree_changes(EventKind::TreeRemove, avc, anon_vma)?;
        if !self.avcs.linked(avc).rb.is_linked() {
            return Err(Stop::Oops("an avc leaves a tree that is in none"));
        }
        let object = self.anon_vmas.get_mut(anon_vma)?;
        let avcs = self.avcs.slots_mut();
        let marks = &mut self.anon_vma_notes[anon_vma.slot() as usize].marks;
        object.nodes -= 1;
        marks.drop_mark(avc);
        // Marks are read of large trees only, and no call inserts into a tree after removing.
        if u64::from(object.nodes) > stream::WHOLE_TREE_MAX {
            for neighbour in [rbtree::prev(avcs, avc), rbtree::next(avcs, avc)] {
                if neighbour != NIL {
                    marks.add(neighbour);
                }
            }
        }
        interval_tree::remove(avcs, &mut object.rb_root, avc);
        Ok(())
    }

    /// Looks at every VMA of a tree. The kernel would follow those on its path; the port keeps
    /// their ranges at hand, so it looks here, and only when some VMA was freed too early.
    #[cold]
    fn check_owners(&self, anon_vma: Ref<AnonVma>) -> Result<(), Stop> {
        let mut at = self.anon_vmas.get(anon_vma)?.rb_root.leftmost;
        while at != NIL {
            self.vmas.get(self.avcs.linked(at).vma.ok_or(UNASSIGNED)?)?;
            at = rbtree::next(self.avcs.slots(), at);
        }
        Ok(())
    }
}
