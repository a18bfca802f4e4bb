//! The checks can fail: faults planted in the C and in the port are found.
//!
//! A fault of the kernel's own history is named with the commit that put it right. A fault in the C is looked for
//! by the lockstep, and by the invariants alone, which is how a fault is seen that the port has too. Where a
//! replacement does not find its place in a newer tree or port, the test says so: adapt the table.

#[path = "common/historical.rs"]
#[allow(dead_code, reason = "what was planted in each generation is for the benchmark")]
mod historical;
#[path = "common/planted.rs"]
mod planted;

use std::sync::LazyLock;

use planted::{AFTER, BEFORE, Fault, Found, Hunt, Planted, Workshop};
use rmap_extract::edit::Edit;

/// What a search must come to: the signature begins with one of these, and which is met first is up to the random
/// operations. Without one it must find nothing: no invariant says what the port shows.
struct Finds(&'static [&'static str]);

/// A fault in the C of a reference.
struct InC {
    of: &'static str,
    fault: Fault,
    hunts: &'static [InCHunt],
}

/// How a fault in the C is looked for.
struct InCHunt {
    vma: &'static str,
    mix: &'static str,
    /// The C beside the port.
    lockstep: Finds,
    /// The C by itself.
    alone: Finds,
    /// The minimised trace has at most so many operations.
    at_most: Option<usize>,
}

/// Driven by the model of the VMA code.
const fn small(mix: &'static str, lockstep: Finds, alone: Finds) -> InCHunt {
    InCHunt { vma: "model", mix, lockstep, alone, at_most: None }
}

/// Driven by the kernel's own VMA code.
const fn kernel(mix: &'static str, lockstep: Finds, alone: Finds) -> InCHunt {
    InCHunt { vma: "kernel", mix, lockstep, alone, at_most: None }
}

/// Driven by the kernel's own VMA code, which its own page-table code serves, in a call that the port has not.
const fn pages(finds: Finds) -> InCHunt {
    let Finds(signatures) = finds;
    pages_in_lockstep(finds, Finds(signatures))
}

/// Likewise, in a call that the port has.
const fn pages_in_lockstep(lockstep: Finds, alone: Finds) -> InCHunt {
    InCHunt { vma: "pages", mix: "full", lockstep, alone, at_most: Some(9) }
}

/// Likewise, with every mix and its short sequences.
const fn pages_varied(lockstep: Finds, alone: Finds) -> InCHunt {
    InCHunt { vma: "pages", mix: "varied", lockstep, alone, at_most: Some(10) }
}

/// Likewise, with huge pages.
const fn pages_of_huge(lockstep: Finds, alone: Finds) -> InCHunt {
    InCHunt { vma: "pages", mix: "huge-pages", lockstep, alone, at_most: Some(10) }
}

/// Likewise, by operations that run together, on the kernel's side alone; minimised, it has at most three switches.
const fn together(alone: Finds) -> InCHunt {
    InCHunt { vma: "pages", mix: planted::TOGETHER, lockstep: Finds(&[]), alone, at_most: Some(3) }
}

/// Driven by the kernel's own VMA code, and what is found is minimised.
const fn minimised(mix: &'static str, lockstep: Finds, alone: Finds, at_most: usize) -> InCHunt {
    InCHunt { vma: "kernel", mix, lockstep, alone, at_most: Some(at_most) }
}

/// Operations within which a fault in the C is found.
const OPS_IN_C: u64 = 50_000;
/// Operations within which a race is found.
const OPS_TOGETHER: u64 = 1_000_000;
/// Operations in which nothing is found, of a fault that no invariant knows.
const OPS_OF_NOTHING: u64 = 10_000;
/// Operations within which a fault in the port is found.
const OPS_IN_PORT: u64 = 20_000;

/// What a race comes to: the lock of another is given back or never had, or an anon_vma is used that is gone.
const RACE: Finds = Finds(&[
    "violate I11 unlock of a lock not held",
    "violate I11 use after free",
    "violate I11 freed while locked",
    "violate I11 lock of a freed anon_vma behind the read section",
    "violate I11 lock held on return",
    "violate I11 tasks wait for each other",
]);

/// Of a merge whose VMA a fault could use meanwhile, which one task alone shows.
const MERGED: Finds = Finds(&["violate I11 VMA lock not held", CHANGED_UNLOCKED]);

/// The kernel asserts it in more places than before the series.
const LOCK_NOT_HELD: Finds = Finds(&["violate I11 VMA lock not held"]);

const CHANGED_UNLOCKED: &str = "violate I11 VMA changed without its lock";

/// What was moved is missed.
const MISSED: Finds = Finds(&["violate I11 mapping missed by a walk", "violate I11 migration entry left behind"]);

/// A VMA that is still on trees of which its anon_vma says nothing.
const LINKED: Finds = Finds(&["violate I8 range changed in the trees", "violate I8 tree order"]);

/// A page of which a TLB may still hold the translation.
const FREED_TOO_EARLY: Finds = Finds(&[
    "violate I11 freed before the TLB was flushed",
    "violate I11 written out before the TLB was flushed",
    "violate I11 TLB not flushed",
]);

/// A page that was used, after a migration or a move. A walk that only takes entries out and puts them back has its own check.
const USE_LOST: Finds = Finds(&["violate Asked page lost its accessed bit", "violate Asked walk changed a page table"]);

/// A page table to which a walk can still come.
const TABLE_STILL_FOUND: Finds = Finds(&["violate I11 page table freed before its VMAs left the reverse map"]);

/// What a driver is told when it asks for a page.
const DEVICE_ANSWER: Finds = Finds(&["violate I11 wrong answer to who wants a page for a device"]);
/// A page that a device gets, and that was written to.
const FORGOTTEN_FOR_A_DEVICE: Finds =
    Finds(&["violate Asked written page ", "violate I11 wrong answer to who wants a page for a device"]);

/// A page of a file after it was written back.
const LEFT_BY_WRITEBACK: Finds = Finds(&[
    "violate Asked entry that is writable or dirty after writeback",
    "violate I11 page left writable or dirty by writeback",
]);

/// An entry that nobody noted, so that it is not found where it is looked for.
const ENTRY_NOT_FOUND: Finds = Finds(&["violate Rss ", "violate Mapcount "]);

const WRITE_FORGOTTEN: Finds = Finds(&["violate Dirty written page of a file that is clean"]);

/// An entry that is write-protected for nobody.
const UNREGISTERED: Finds = Finds(&[
    "violate Uffd write-protected entry of a VMA that is not registered",
    "violate Asked write protection is not as asked",
]);

const PROTECTION_LOST: Finds = Finds(&["violate Asked page lost its write protection"]);

const NOT_PARTIALLY_MAPPED: Finds = Finds(&["violate I11 folio marked partially mapped that is not"]);

const MARKED: Finds = Finds(&["violate Mapcount folio marked partially mapped that is not"]);

const OTHERS_QUEUED: Finds = Finds(&["violate Mapcount list of folios to split has others"]);

const SOFT_DIRTY_LOST: Finds = Finds(&["violate Asked page lost its soft-dirty bit"]);

const NEW_NOT_SOFT_DIRTY: Finds = Finds(&["violate Asked new memory that is not soft-dirty"]);

const NOT_SOFT_DIRTY: Finds = Finds(&["violate Asked page was moved and is not soft-dirty"]);

const SWAP_WITHOUT_CACHE: Finds =
    Finds(&["violate I11 WARN WARN_ON(folio_test_swapbacked(folio) != folio_test_swapcache(folio))"]);

const SHOULD_BE_ONE: &[&str] = &["violate Asked VMAs that should be one ("];
const MOVED_SHOULD_BE_ONE: &[&str] = &["violate Asked VMAs that should be one (move)"];
const HEAP_SHOULD_BE_ONE: &[&str] = &["violate Asked VMAs that should be one (brk)"];
/// The oracle sees the merge of two VMAs, the kernel's assertion that of three.
const MERGES_A_MOVED_CHILD: &[&str] = &[
    "violate Asked VMAs that should stay two (move)",
    "violate I11 WARN WARN_ON(operation == VMA_OP_MERGE_UNFAULTED && !list_is_singular",
];
const SHOULD_STAY_TWO: &[&str] = &["violate Asked VMAs that should stay two ("];

static IN_C: &[InC] = &[
    InC {
        of: AFTER,
        fault: Fault {
            name: "lock-of-another-life",
            about: "eee0f252c653, f18194275c39: who has got the lock looks at the count, which may be that of the next \
                    anon_vma there, and gives back the lock of the root that this one has",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_lock_anon_vma_read",
                from: "if (!folio_mapped(folio)) {\n\t\t\tup_read(&root_anon_vma->rwsem);",
                to: "if (!atomic_read(&anon_vma->refcount)) {\n\t\t\tup_read(&anon_vma->root->rwsem);",
            }],
        },
        hunts: &[together(RACE)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "put-in-a-read-section",
            about: "the last reference is dropped in an RCU read section, and freeing sleeps",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_get_anon_vma",
                from: "rcu_read_unlock();\n\t\tput_anon_vma(anon_vma);\n\t\treturn NULL;",
                to: "put_anon_vma(anon_vma);\n\t\trcu_read_unlock();\n\t\treturn NULL;",
            }],
        },
        hunts: &[together(Finds(&["violate I11 sleeps in atomic context"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "chain-entry-of-the-slower-prepare",
            about: "of two faults that prepare a VMA, the slower one keeps its chain entry",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__anon_vma_prepare",
                from: "if (unlikely(avc))",
                to: "if (unlikely(avc && allocated))",
            }],
        },
        hunts: &[together(Finds(&["violate I12 anon_vma_chain left"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "merge-without-the-lock-of-its-vma",
            about: "d8ab9f7b644a: memory that was not written to gets an anon_vma by a merge, which then fails, while a fault \
                    maps a page there",
            file: "mm/vma.c",
            edits: &[
                Edit {
                    within: "vma_merge_existing_range",
                    from: "vma_start_write(prev);\n\t\tvmg->target = prev;",
                    to: "vmg->target = prev;",
                },
                Edit {
                    within: "vma_merge_existing_range",
                    from: "vma_start_write(next);\n\t\tvmg->target = next;",
                    to: "vmg->target = next;",
                },
            ],
        },
        hunts: &[pages_in_lockstep(MERGED, MERGED)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "merge-without-the-lock-of-its-vma-before",
            about: "d8ab9f7b644a, before the series",
            file: "mm/vma.c",
            edits: &[
                Edit {
                    within: "vma_merge_existing_range",
                    from: "if (merge_left)\n\t\tvma_start_write(prev);",
                    to: "",
                },
                Edit {
                    within: "vma_merge_existing_range",
                    from: "if (merge_right)\n\t\tvma_start_write(next);",
                    to: "",
                },
                Edit { within: "dup_anon_vma", from: "vma_assert_write_locked(dst);", to: "" },
            ],
        },
        hunts: &[pages_in_lockstep(MERGED, MERGED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "grows-without-the-lock-of-its-vma",
            about: "a stack grows down and does not lock its VMA, which faults may have found",
            file: "mm/vma.c",
            edits: &[Edit { within: "expand_downwards", from: "vma_start_write(vma);", to: "" }],
        },
        hunts: &[kernel("full", LOCK_NOT_HELD, LOCK_NOT_HELD)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "grows-without-the-lock-of-its-vma-before",
            about: "a stack grows down and does not lock its VMA, which faults may have found, before the series",
            file: "mm/mmap.c",
            edits: &[Edit { within: "expand_downwards", from: "vma_start_write(vma);", to: "" }],
        },
        hunts: &[kernel("full", Finds(&[CHANGED_UNLOCKED]), Finds(&[CHANGED_UNLOCKED]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "move-back-without-locks",
            about: "as until 2011: pages are moved in front of where they were while a walk has passed there",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "copy_vma",
                from: "*need_rmap_locks =\n\t\t\t(vma_start_pgoff(new_vma) <= vma_start_pgoff(vma));",
                to: "*need_rmap_locks = false;",
            }],
        },
        hunts: &[together(MISSED)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "move-back-without-locks-before",
            about: "as until 2011, before the series",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "copy_vma",
                from: "*need_rmap_locks = (new_vma->vm_pgoff <= vma->vm_pgoff);",
                to: "*need_rmap_locks = false;",
            }],
        },
        hunts: &[together(MISSED)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "lock-of-another-life-before",
            about: "eee0f252c653, f18194275c39, before the series",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_lock_anon_vma_read",
                from: "if (!folio_mapped(folio)) {\n\t\t\tup_read(&root_anon_vma->rwsem);",
                to: "if (!atomic_read(&anon_vma->refcount)) {\n\t\t\tup_read(&anon_vma->root->rwsem);",
            }],
        },
        hunts: &[together(RACE)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "put-in-a-read-section-before",
            about: "the last reference is dropped in an RCU read section, before the series",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_get_anon_vma",
                from: "rcu_read_unlock();\n\t\tput_anon_vma(anon_vma);\n\t\treturn NULL;",
                to: "put_anon_vma(anon_vma);\n\t\trcu_read_unlock();\n\t\treturn NULL;",
            }],
        },
        hunts: &[together(Finds(&["violate I11 sleeps in atomic context"]))],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "chain-entry-of-the-slower-prepare-before",
            about: "of two faults that prepare a VMA, the slower one keeps its chain entry, before the series",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__anon_vma_prepare",
                from: "if (unlikely(avc))",
                to: "if (unlikely(avc && allocated))",
            }],
        },
        hunts: &[together(Finds(&["violate I12 anon_vma_chain left"]))],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "walk-of-what-is-unmapped-before",
            about: "67b9509b2c68, 3f6c82728f4e, before the series",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_lock_anon_vma_read",
                from: "if (!folio_mapped(folio)) {\n\t\t\tup_read(&root_anon_vma->rwsem);",
                to: "if (0) {\n\t\t\tup_read(&root_anon_vma->rwsem);",
            }],
        },
        hunts: &[together(RACE)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "locks-the-file-behind-its-anon_vma",
            about: "a VMA that changes takes the lock of its anon_vma before that of its file's VMAs",
            file: "mm/vma.c",
            edits: &[
                Edit {
                    within: "vma_prepare",
                    from: "\t\ti_mmap_lock_write(vp->mapping);\n",
                    to: "\t\tif (!vp->anon_vma)\n\t\t\ti_mmap_lock_write(vp->mapping);\n",
                },
                Edit {
                    within: "vma_prepare",
                    from: "anon_vma_lock_write(vp->anon_vma);",
                    to: "anon_vma_lock_write(vp->anon_vma);\n\t\tif (vp->file)\n\t\t\ti_mmap_lock_write(vp->mapping);",
                },
            ],
        },
        hunts: &[pages(Finds(&[
            "violate I11 tree of a file changed without its lock",
            "violate I11 locks taken out of order",
        ]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "chain-entry-named-late",
            about: "the chain entry of a new anon_vma names it only when others may have found the entry in the tree",
            file: "mm/rmap.c",
            edits: &[
                Edit {
                    within: "__anon_vma_prepare",
                    from: "\tstruct anon_vma_chain *avc;",
                    to: "\tstruct anon_vma_chain *avc, *late = NULL;",
                },
                Edit {
                    within: "__anon_vma_prepare",
                    from: "\t\tanon_vma->num_active_vmas++;",
                    to: "\t\tanon_vma->num_active_vmas++;\n\t\tlate = avc;\n\t\tavc->anon_vma = NULL;",
                },
                Edit {
                    within: "__anon_vma_prepare",
                    from: "\tanon_vma_unlock_write(anon_vma);",
                    to: "\tanon_vma_unlock_write(anon_vma);\n\tcond_resched();\n\tif (late)\n\t\tlate->anon_vma = anon_vma;",
                },
            ],
        },
        hunts: &[together(Finds(&["violate I11 tree left half changed without its lock"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "active-vma-uncounted-late",
            about: "who unlinks a VMA counts it as active until others may have taken the lock",
            file: "mm/rmap.c",
            edits: &[
                Edit { within: "unlink_anon_vmas", from: "\tactive_anon_vma->num_active_vmas--;\n", to: "" },
                Edit {
                    within: "unlink_anon_vmas",
                    from: "\tanon_vma_unlock_write(active_anon_vma);",
                    to: "\tanon_vma_unlock_write(active_anon_vma);\n\tcond_resched();\n\tactive_anon_vma->num_active_vmas--;",
                },
            ],
        },
        hunts: &[together(Finds(&["violate I11 counters of an anon_vma left wrong without its lock"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "child-uncounted-late",
            about: "who unlinks the last VMA of a child counts it until others may have taken the lock",
            file: "mm/rmap.c",
            edits: &[
                Edit { within: "unlink_anon_vmas", from: "\t\t\tanon_vma->parent->num_children--;\n", to: "" },
                Edit {
                    within: "unlink_anon_vmas",
                    from: "\tanon_vma_unlock_write(active_anon_vma);",
                    to: "\tanon_vma_unlock_write(active_anon_vma);\n\tcond_resched();\n\tlist_for_each_entry(avc, &vma->anon_vma_chain, same_vma)\n\t\tavc->anon_vma->parent->num_children--;",
                },
            ],
        },
        hunts: &[together(Finds(&["violate I11 counters of an anon_vma left wrong without its lock"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "root-referenced-late",
            about: "a fork takes its reference to the root when others may have found its anon_vma in the tree",
            file: "mm/rmap.c",
            edits: &[
                Edit { within: "anon_vma_fork", from: "\tget_anon_vma(anon_vma->root);\n", to: "" },
                Edit {
                    within: "anon_vma_fork",
                    from: "\tanon_vma_unlock_write(anon_vma);",
                    to: "\tanon_vma_unlock_write(anon_vma);\n\tget_anon_vma(anon_vma->root);",
                },
            ],
        },
        hunts: &[together(Finds(&["violate I11 fewer references to an anon_vma than are in use"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "subtree-known-late",
            about: "the first entry of a tree knows the last page offset below it when others may have found it",
            file: "mm/rmap.c",
            edits: &[
                Edit {
                    within: "__anon_vma_prepare",
                    from: "\tstruct anon_vma_chain *avc;",
                    to: "\tstruct anon_vma_chain *avc, *late = NULL;\n\tunsigned long last = 0;",
                },
                Edit {
                    within: "__anon_vma_prepare",
                    from: "\t\tanon_vma->num_active_vmas++;",
                    to: "\t\tanon_vma->num_active_vmas++;\n\t\tlate = avc;\n\t\tlast = avc->rb_subtree_last;\n\t\tavc->rb_subtree_last = last + 1;",
                },
                Edit {
                    within: "__anon_vma_prepare",
                    from: "\tanon_vma_unlock_write(anon_vma);",
                    to: "\tanon_vma_unlock_write(anon_vma);\n\tcond_resched();\n\tif (late)\n\t\tlate->rb_subtree_last = last;",
                },
            ],
        },
        hunts: &[together(Finds(&["violate I11 tree left half changed without its lock"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "chain-without-its-first-entry",
            about: "MADV_DONTNEED takes an entry from the chain of a VMA for as long as it unmaps pages",
            file: "mm/madvise.c",
            edits: &[
                Edit {
                    within: "madvise_dontneed_single_vma",
                    from: "\tzap_vma_range_batched(",
                    to: "\tstruct list_head *chain = &madv_behavior->vma->anon_vma_chain, *kept = chain->next;\n\n\tif (kept != chain)\n\t\tlist_del(kept);\n\tzap_vma_range_batched(",
                },
                Edit {
                    within: "madvise_dontneed_single_vma",
                    from: "\treturn 0;",
                    to: "\tif (kept != chain)\n\t\tlist_add(kept, chain);\n\treturn 0;",
                },
            ],
        },
        hunts: &[together(Finds(&["violate I11 chain of a VMA left half changed without its lock"]))],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "chain-without-its-first-entry-before",
            about: "MADV_DONTNEED takes an entry from the chain of a VMA for as long as it unmaps pages, before the series",
            file: "mm/madvise.c",
            edits: &[Edit {
                within: "madvise_dontneed_single_vma",
                from: "\tzap_page_range_single(vma, start, end - start, NULL);\n",
                to: "\tstruct list_head *chain = &vma->anon_vma_chain, *kept = chain->next;\n\n\tif (kept != chain)\n\t\tlist_del(kept);\n\tzap_page_range_single(vma, start, end - start, NULL);\n\tif (kept != chain)\n\t\tlist_add(kept, chain);\n",
            }],
        },
        hunts: &[together(Finds(&["violate I11 chain of a VMA left half changed without its lock"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "reference-of-another-dropped",
            about: "who unlinks one of the VMAs of an anon_vma drops the reference of who has found that by a folio",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "unlink_anon_vmas",
                from: "\t\t\tcontinue;\n\t\t}\n",
                to: "\t\t\tcontinue;\n\t\t}\n\t\tif (runs_beside_others() && anon_vma->root != anon_vma && atomic_read(&anon_vma->refcount) > 1)\n\t\t\tatomic_dec_and_test(&anon_vma->refcount);\n",
            }],
        },
        hunts: &[together(Finds(&["violate I11 fewer references to an anon_vma than are in use after operation"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unlink-keeps-the-lock-of-its-file",
            about: "who takes VMAs out of the tree of a file does not give its lock back",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "unlink_file_vma_batch_process",
                from: "\ti_mmap_unlock_write(mapping);",
                to: "\t;",
            }],
        },
        hunts: &[pages(Finds(&["violate I11 lock held on return"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-entry-stays-where-others-run",
            about: "a migration puts no entry back while other tasks run",
            file: "mm/migrate.c",
            edits: &[Edit {
                within: "remove_migration_pte",
                from: "pte = mk_pte(new, READ_ONCE(vma->vm_page_prot));",
                to: "pte = mk_pte(new, READ_ONCE(vma->vm_page_prot));\n\t\tif (runs_beside_others())\n\t\t\tcontinue;",
            }],
        },
        hunts: &[together(Finds(&["violate I11 migration entry left behind"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "freed-under-a-walk",
            about: "an anon_vma is freed and nobody waits for who has its lock",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "anon_vma_free",
                from: "if (rwsem_is_locked(&anon_vma->root->rwsem))",
                to: "if (0)",
            }],
        },
        hunts: &[together(RACE)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "freed-under-a-walk-before",
            about: "an anon_vma is freed and nobody waits for who has its lock, before the series",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "anon_vma_free",
                from: "if (rwsem_is_locked(&anon_vma->root->rwsem))",
                to: "if (0)",
            }],
        },
        hunts: &[together(RACE)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "walk-of-what-is-unmapped",
            about: "67b9509b2c68, 3f6c82728f4e: who has got the lock does not look whether the folio is still mapped",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_lock_anon_vma_read",
                from: "if (!folio_mapped(folio)) {\n\t\t\tup_read(&root_anon_vma->rwsem);",
                to: "if (0) {\n\t\t\tup_read(&root_anon_vma->rwsem);",
            }],
        },
        hunts: &[together(RACE)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "moved-stack-grows-below-zero",
            about: "a stack that was moved up grows down past page offset 0",
            file: "mm/mmap.c",
            edits: &[Edit { within: "expand_downwards", from: "if (grow <= vma->vm_pgoff) {", to: "if (1) {" }],
        },
        hunts: &[kernel(
            "varied",
            Finds(&["violate I9 walk misses a mapping"]),
            Finds(&["violate I9 walk misses a mapping"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "child-keeps-the-anon_vma-of-its-parent",
            about: "fork does not forget the anon_vma that the copied VMA has, and takes it for one that was reused",
            file: "mm/rmap.c",
            edits: &[Edit { within: "anon_vma_fork", from: "\tvma->anon_vma = NULL;\n", to: "" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_fork events"]),
            Finds(&["violate I7 one anon_vma in two processes", "violate I10"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "dontunmap-keeps-the-page-offset",
            about: "what MREMAP_DONTUNMAP leaves behind is untouched, and has the page offset from before the VMA moved",
            file: "mm/mremap.c",
            edits: &[Edit { within: "move_vma", from: "vma->vm_pgoff = pgoff_unfaulted;", to: ";" }],
        },
        hunts: &[kernel(
            "full",
            Finds(&["violate Asked page offset of untouched memory (move dontunmap)"]),
            Finds(&["violate Asked page offset of untouched memory (move dontunmap)"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "resize-keeps-a-page-free",
            about: "mremap in place says ENOMEM where a VMA begins right behind the new end",
            file: "mm/mremap.c",
            edits: &[Edit { within: "vma_expandable", from: "vma->vm_end, end)", to: "vma->vm_end, end + PAGE_SIZE)" }],
        },
        hunts: &[kernel(
            "full",
            Finds(&["violate Asked ENOMEM and no allocation failed (resize)"]),
            Finds(&["violate Asked ENOMEM and no allocation failed (resize)"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "touched-stack-does-not-grow",
            about: "expand_downwards says EFAULT of a VMA that has an anon_vma",
            file: "mm/mmap.c",
            edits: &[Edit {
                within: "expand_downwards",
                from: "if (!(vma->vm_flags & VM_GROWSDOWN))",
                to: "if (!(vma->vm_flags & VM_GROWSDOWN) || vma->anon_vma)",
            }],
        },
        hunts: &[kernel(
            "full",
            Finds(&["violate Asked EFAULT and the memory is there (grow)"]),
            Finds(&["violate Asked EFAULT and the memory is there (grow)"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "fork-keeps-the-clone",
            about: "4946d54cb55e: fork does not undo the clone when its own anon_vma or chain entry cannot be had",
            file: "mm/rmap.c",
            edits: historical::KEEPS_THE_CLONE,
        },
        hunts: &[
            small(
                "default",
                Finds(&["differ anon_vma_fork events"]),
                Finds(&["violate I10 failed call", "violate I4", "violate I12"]),
            ),
            kernel("full", Finds(&["differ anon_vma_fork events"]), Finds(&["violate I10 failed call"])),
        ],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "prepare-shares-what-was-forked",
            about: "d0e9fe1758f2: prepare shares the anon_vma of a neighbour with more than one chain entry",
            file: "mm/vma.c",
            edits: historical::SHARES_WHAT_WAS_FORKED,
        },
        hunts: &[
            small(
                "default",
                Finds(&["differ anon_vma_prepare events"]),
                Finds(&["violate I1 root not on the chain", "violate I7 same anon_vma, different chains"]),
            ),
            kernel("varied", Finds(&["differ anon_vma_prepare events"]), Finds(&["violate I1 root not on the chain"])),
        ],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "prepare-shares-what-was-forked-7",
            about: "d0e9fe1758f2, in the newest generation",
            file: "mm/vma.c",
            edits: &[Edit { within: "reusable_anon_vma", from: " && list_is_singular(&old->anon_vma_chain)", to: "" }],
        },
        hunts: &[
            small(
                "default",
                Finds(&["differ anon_vma_prepare events"]),
                Finds(&["violate I1 root not on the chain", "violate I7 same anon_vma, different chains"]),
            ),
            kernel("varied", Finds(&["differ anon_vma_prepare events"]), Finds(&["violate I1 root not on the chain"])),
        ],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "failed-clone-keeps-the-anon_vma",
            about: "3fe89b3e2a7b: a failed clone leaves dst->anon_vma set, so that undoing it counts down what was not counted up",
            file: "mm/rmap.c",
            edits: historical::KEEPS_THE_ANON_VMA,
        },
        hunts: &[
            small(
                "default",
                Finds(&["differ anon_vma_clone events: enter unlink_anon_vmas anon_vma"]),
                Finds(&["violate I10 failed call changed an anon_vma", "violate I5 num_active_vmas"]),
            ),
            kernel(
                "full",
                Finds(&["differ anon_vma_clone events: enter unlink_anon_vmas anon_vma"]),
                Finds(&["violate I10 failed call changed an anon_vma"]),
            ),
        ],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "degree",
            about: "2555283eb40d (CVE-2022-42703): one degree counts children and VMAs together, so an anon_vma is reused twice",
            file: "mm/rmap.c",
            edits: historical::DEGREE,
        },
        hunts: &[
            small(
                "fork-heavy",
                Finds(&["differ anon_vma_fork"]),
                Finds(&["violate I10 reuse of an anon_vma with VMAs", "violate I7 same anon_vma, different chains"]),
            ),
            kernel(
                "full-fork-heavy",
                Finds(&["differ anon_vma_fork"]),
                Finds(&["violate I10 reuse of an anon_vma with VMAs"]),
            ),
        ],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "degree-7",
            about: "2555283eb40d (CVE-2022-42703), in the newest generation",
            file: "mm/rmap.c",
            edits: historical::DEGREE_7,
        },
        hunts: &[
            small(
                "fork-heavy",
                Finds(&["differ anon_vma_fork"]),
                Finds(&["violate I10 reuse of an anon_vma with VMAs", "violate I7 same anon_vma, different chains"]),
            ),
            kernel(
                "full-fork-heavy",
                Finds(&["differ anon_vma_fork"]),
                Finds(&["violate I10 reuse of an anon_vma with VMAs"]),
            ),
        ],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "never-reuses",
            about: "7a3ef208e662: nothing is reused, so fork and exit in a loop grow the hierarchy without end",
            file: "mm/rmap.c",
            edits: historical::NEVER_REUSES,
        },
        hunts: &[
            small(
                "fork-heavy",
                Finds(&["differ anon_vma_fork events: alloc anon_vma"]),
                // Nothing dangles: only growth shows it.
                Finds(&["violate Growth chain without end"]),
            ),
            kernel(
                "full-fork-heavy",
                Finds(&["differ anon_vma_fork events: alloc anon_vma"]),
                Finds(&["violate Growth chain without end"]),
            ),
        ],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "sleeps-under-the-lock",
            about: "dd34739c03f2: clone allocates a chain entry with GFP_KERNEL under the anon_vma lock",
            file: "mm/rmap.c",
            edits: &[Edit { within: "anon_vma_clone", from: "GFP_NOWAIT | __GFP_NOWARN", to: "GFP_KERNEL" }],
        },
        hunts: &[small(
            "default",
            Finds(&[
                "differ anon_vma_fork events: alloc anon_vma_chain GFP_KERNEL vs",
                "differ anon_vma_clone events: alloc anon_vma_chain GFP_KERNEL vs",
            ]),
            Finds(&["violate I11 sleeps in atomic context"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "clone-in-the-wrong-order",
            about: "clone turns the chain round, so that the root is not the last to go (put right in 2010)",
            file: "mm/rmap.c",
            edits: &[Edit { within: "anon_vma_clone", from: "list_for_each_entry_reverse", to: "list_for_each_entry" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_fork events: tree_insert", "differ anon_vma_clone events: tree_insert"]),
            // Nothing dangles, for the root is pinned; a split VMA and its other half show it.
            Finds(&["violate I7"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "root-not-pinned",
            about: "fork does not take a reference on the root, where the lock is",
            file: "mm/rmap.c",
            edits: &[Edit { within: "anon_vma_fork", from: "get_anon_vma(anon_vma->root);", to: "" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_fork events: down_write vs get"]),
            Finds(&["violate I6 refcount"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "cleanup-keeps-the-anon_vma",
            about: "3a206a8649f8: cleanup_partial_anon_vmas() leaves vma->anon_vma set",
            file: "mm/rmap.c",
            edits: historical::KEEPS_THE_ANON_VMA_7,
        },
        hunts: &[
            small(
                "default",
                // A kernel of the series had it, so it is a revision, which the port follows: the sides agree, and the
                // invariants find it on both.
                Finds(&["violate I10 failed call left vma->anon_vma"]),
                Finds(&["violate I10 failed call left vma->anon_vma"]),
            ),
            kernel(
                "full",
                Finds(&["violate I10 failed call left vma->anon_vma"]),
                Finds(&["violate I10 failed call left vma->anon_vma"]),
            ),
        ],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "child-not-counted",
            about: "fork does not count the child of the parent's anon_vma, which is then reused too early",
            file: "mm/rmap.c",
            edits: &[Edit { within: "anon_vma_fork", from: "anon_vma->parent->num_children++;", to: "" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_fork state: anon_vma.num_children"]),
            Finds(&["violate I5 num_children"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "child-counted-for-ever",
            about: "unlink does not count an emptied anon_vma off its parent",
            file: "mm/rmap.c",
            edits: &[Edit { within: "unlink_anon_vmas", from: "anon_vma->parent->num_children--;", to: "" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ unlink_anon_vmas state: anon_vma.num_children"]),
            Finds(&["violate I5 num_children"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "links-unlocked",
            about: "fork puts its own chain entry into the tree without the root's lock",
            file: "mm/rmap.c",
            edits: &[
                Edit { within: "anon_vma_fork", from: "anon_vma_lock_write(anon_vma);", to: "" },
                Edit { within: "anon_vma_fork", from: "anon_vma_unlock_write(anon_vma);", to: "" },
            ],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_fork events: tree_insert vs down_write"]),
            Finds(&["violate I11 tree changed without"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "counter-not-set",
            about: "a new anon_vma keeps whatever its memory held as the number of its children",
            file: "mm/rmap.c",
            edits: &[Edit { within: "anon_vma_alloc", from: "anon_vma->num_children = 0;", to: "" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_prepare state: anon_vma.num_children"]),
            Finds(&["violate I5"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "sleeps-under-the-spinlock",
            about: "prepare takes the anon_vma's lock, which may sleep, under the page_table_lock",
            file: "mm/rmap.c",
            edits: &[
                Edit { within: "__anon_vma_prepare", from: "anon_vma_lock_write(anon_vma);", to: "" },
                Edit {
                    within: "__anon_vma_prepare",
                    from: "spin_lock(&mm->page_table_lock);",
                    to: "spin_lock(&mm->page_table_lock); anon_vma_lock_write(anon_vma);",
                },
            ],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_prepare events: "]),
            Finds(&["violate I11 sleeps in atomic"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "spare-not-freed",
            about: "fork keeps the anon_vma that it allocated ahead, when it is not needed",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "anon_vma_fork",
                from: "if (rc || vma->anon_vma) {\n\t\tput_anon_vma(anon_vma);",
                to: "if (rc || vma->anon_vma) {",
            }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ anon_vma_fork events: free anon_vma_chain vs put"]),
            Finds(&["violate I4 live without a VMA", "violate I10 failed call l"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unlink-leaves-the-tree-as-it-is",
            about: "unlink frees chain entries that are still in a tree",
            file: "mm/rmap.c",
            edits: &[Edit { within: "unlink_anon_vmas", from: "anon_rmap_tree_remove(avc, anon_vma);", to: "" }],
        },
        hunts: &[small(
            "default",
            Finds(&["differ unlink_anon_vmas events: free anon_vma_chain vs tree_remove"]),
            Finds(&["violate I4 tree size", "violate I2", "violate I11"]),
        )],
    },
    InC {
        of: "7.3-updates-in-place",
        fault: Fault {
            name: "in-place-forgets-the-last-page",
            about: "an update in place does not make the largest last page right",
            file: "mm/interval_tree.c",
            edits: &[Edit {
                within: "anon_rmap_tree_entry_in_place",
                from: "__anon_rmap_tree_augment.propagate(&avc->rb, NULL);",
                to: "__anon_rmap_tree_augment.propagate(&avc->rb, &avc->rb);",
            }],
        },
        hunts: &[kernel(
            "full",
            Finds(&["differ tree_post_update_vma state", "violate I8 rb_subtree_last"]),
            Finds(&["violate I8 rb_subtree_last"]),
        )],
    },
    InC {
        of: "7.3-updates-in-place",
        fault: Fault {
            name: "in-place-though-the-offset-changes",
            about: "a split says that the page offset stays where it changes",
            file: "mm/vma.c",
            edits: &[
                Edit { within: "__split_vma", from: "vma_prepare(&vp, !new_below);", to: "vma_prepare(&vp, true);" },
                Edit {
                    within: "__split_vma",
                    from: "vma_complete(&vp, vmi, vma->vm_mm, !new_below);",
                    to: "vma_complete(&vp, vmi, vma->vm_mm, true);",
                },
            ],
        },
        hunts: &[kernel("full", Finds(&["violate I8 "]), Finds(&["violate I8 "]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "rotated-node-stays-black",
            about: "a rotation of the red-black tree does not give the lower node its new colour",
            file: "lib/rbtree.c",
            edits: &[Edit {
                within: "__rb_rotate_set_parents",
                from: "rb_set_parent_color(old, new, color);",
                to: "rb_set_parent_color(old, new, RB_BLACK);",
            }],
        },
        hunts: &[small("wide", Finds(&["differ "]), Finds(&["violate I8 "]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "merge-forgets-the-copied-anon_vma",
            about: "January 2026: a VMA that mremap copies merges with an unfaulted neighbour, which does not get its anon_vma",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "vma_expand",
                from: "\tif (!ret && vmg->copied_from)\n\t\tret = dup_anon_vma(target, vmg->copied_from, &anon_dup);\n",
                to: "",
            }],
        },
        hunts: &[minimised(
            "varied",
            Finds(&["violate I9 folio's anon_vma not on the chain", "violate I9 mapped folio of a freed anon_vma"]),
            Finds(&["violate I9 folio's anon_vma not on the chain", "violate I9 mapped folio of a freed anon_vma"]),
            8,
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "merges-a-copy-of-a-forked-vma",
            about: "January 2026: a VMA that mremap copies merges with an unfaulted neighbour though it was forked",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "is_mergeable_anon_vma",
                from: "\t\tif (vma_is_fork_child(copied_from))\n\t\t\treturn false;\n",
                to: "",
            }],
        },
        hunts: &[kernel("varied", Finds(MERGES_A_MOVED_CHILD), Finds(MERGES_A_MOVED_CHILD))],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "dontunmap-keeps-the-links",
            about: "2021: mremap with MREMAP_DONTUNMAP leaves the old VMA on the anon_vmas of pages that moved away",
            file: "mm/mremap.c",
            edits: &[Edit { within: "move_vma", from: "\t\t\tunlink_anon_vmas(vma);\n", to: "" }],
        },
        hunts: &[minimised("merges", LINKED, LINKED, 8)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "dontunmap-keeps-the-links-7",
            about: "2021, in the newest generation",
            file: "mm/mremap.c",
            edits: &[Edit { within: "dontunmap_complete", from: "\t\tunlink_anon_vmas(vma);\n", to: "" }],
        },
        hunts: &[minimised("merges", LINKED, LINKED, 8)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "split-not-counted",
            about: "a split does not count the new VMA",
            file: "mm/vma.c",
            edits: &[Edit { within: "vma_complete", from: "mm->map_count++;", to: "" }],
        },
        hunts: &[kernel("full", Finds(&["violate VmaTree map_count"]), Finds(&["violate VmaTree map_count"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "pin-without-a-reference",
            about: "folio_get_anon_vma() hands out an anon_vma without taking a reference",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_get_anon_vma",
                from: "!atomic_inc_not_zero(&anon_vma->refcount)",
                to: "!atomic_read(&anon_vma->refcount)",
            }],
        },
        hunts: &[kernel(
            "full",
            Finds(&["differ folio_get_anon_vma events: nothing vs get"]),
            Finds(&["violate I6 refcount"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "new-memory-apart-from-what-was-written-to",
            about: "new memory is not merged with what was written to, which no fork made",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "is_mergeable_anon_vma",
                from: "return !vma_is_fork_child(tgt);",
                to: "return false;",
            }],
        },
        hunts: &[kernel("varied", Finds(SHOULD_BE_ONE), Finds(SHOULD_BE_ONE))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "made-alike-and-apart",
            about: "memory that was never written to is not merged with what was, when its flags become the same",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "is_mergeable_anon_vma",
                from: "if (!tgt_anon && src_anon) {",
                to: "if (!tgt_anon && src_anon && src) return false; if (!tgt_anon && src_anon) {",
            }],
        },
        hunts: &[kernel("varied", Finds(SHOULD_BE_ONE), Finds(SHOULD_BE_ONE))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "moved-and-apart",
            about: "what was written to is not merged, where it is moved to, with what was not",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "is_mergeable_anon_vma",
                from: "if (vma_is_fork_child(copied_from))",
                to: "if (copied_from)",
            }],
        },
        hunts: &[kernel("varied", Finds(MOVED_SHOULD_BE_ONE), Finds(MOVED_SHOULD_BE_ONE))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "one-anon-vma-and-apart",
            about: "pieces that have one anon_vma do not become one VMA again",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "is_mergeable_anon_vma",
                from: "return src_anon == tgt_anon;",
                to: "return src_anon == tgt_anon && !(src && src_anon);",
            }],
        },
        hunts: &[kernel("varied", Finds(SHOULD_BE_ONE), Finds(SHOULD_BE_ONE))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "heap-apart",
            about: "a heap never makes the VMA below it longer",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "do_brk_flags",
                from: "if (vma && vma->vm_end == addr) {",
                to: "if (vma && vma->vm_end == addr && !vma) {",
            }],
        },
        hunts: &[kernel("varied", Finds(HEAP_SHOULD_BE_ONE), Finds(HEAP_SHOULD_BE_ONE))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "mlockall-forgets-where-it-was",
            about: "mlockall goes on after a VMA that failed as if it were still at the one before",
            file: "mm/mlock.c",
            edits: &[Edit { within: "apply_mlockall_flags", from: "prev = vma;", to: "(void)vma;" }],
        },
        hunts: &[kernel("varied", Finds(&["violate "]), Finds(&["violate "]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "child-merged-with-new-memory",
            about: "what a fork made is merged with memory that was never written to",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "vma_is_fork_child",
                from: "return vma && vma->anon_vma",
                to: "return false && vma->anon_vma",
            }],
        },
        hunts: &[kernel("merges", Finds(SHOULD_STAY_TWO), Finds(SHOULD_STAY_TWO))],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "child-merged-with-new-memory-before-6.19",
            about: "what a fork made is merged with memory that was never written to",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "is_mergeable_anon_vma",
                from: "list_is_singular(&vma->anon_vma_chain)",
                to: "!list_empty(&vma->anon_vma_chain)",
            }],
        },
        hunts: &[kernel("varied", Finds(SHOULD_STAY_TWO), Finds(SHOULD_STAY_TWO))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "moved-without-its-anon_vma",
            about: "the VMA that mremap copies does not take the anon_vma along, which is freed under the moved pages",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "copy_vma",
                from: "anon_vma_clone(new_vma, vma, VMA_OP_REMAP)",
                to: "(new_vma->anon_vma = NULL, 0)",
            }],
        },
        hunts: &[kernel(
            "varied",
            Finds(&[
                "violate I9 mapped folio of a freed anon_vma",
                "violate Asked page offset of untouched memory (move",
            ]),
            Finds(&[
                "violate I9 mapped folio of a freed anon_vma",
                "violate Asked page offset of untouched memory (move",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unlinked-when-nobody-is-active",
            about: "unlink frees an anon_vma as soon as no VMA is active in it, though VMAs are attached",
            file: "mm/rmap.c",
            edits: &[
                Edit {
                    within: "unlink_anon_vmas",
                    from: "RB_EMPTY_ROOT(&anon_vma->rb_root.rb_root)",
                    to: "RB_EMPTY_ROOT(&anon_vma->rb_root.rb_root) || (!anon_vma->num_active_vmas && anon_vma->root != anon_vma)",
                },
                Edit { within: "unlink_anon_vmas", from: "VM_WARN_ON(anon_vma->num_children);", to: "" },
            ],
        },
        hunts: &[kernel(
            "full-fork-heavy",
            Finds(&[
                "differ unlink_anon_vmas events: up_write vs free anon_vma_chain",
                "differ unlink_anon_vmas events: tree_remove vs free anon_vma_chain",
            ]),
            // Which of its effects comes first is up to the random operations.
            Finds(&[
                "violate I4 anon_vma freed while attached",
                "violate I6 refcount after unlink_anon_vmas",
                "violate I11 use after free",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "copy-on-write-keeps-the-old-mapping",
            about: "the page that was copied is not taken out of the reverse map",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "wp_page_copy",
                from: "folio_remove_rmap_pte(old_folio, vmf->page, vma);",
                to: ";",
            }],
        },
        hunts: &[pages(Finds(&["violate Mapcount mapcount is not the number of entries"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "copy-on-write-forgets-the-lru",
            about: "the page that copy-on-write makes is put on no LRU list, so that reclaim never finds it",
            file: "mm/memory.c",
            edits: &[Edit { within: "wp_page_copy", from: "folio_add_lru_vma(new_folio, vma);", to: ";" }],
        },
        hunts: &[pages(Finds(&["violate I11 anonymous folio that was not put on an LRU list once"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-leaves-the-page-exclusive",
            about: "a page that parent and child share stays marked exclusive",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "copy_present_ptes",
                from: "rss[MM_ANONPAGES]++;\n\t\tVM_WARN_ON_FOLIO(PageAnonExclusive(page), folio);",
                to: "rss[MM_ANONPAGES]++;\n\t\tSetPageAnonExclusive(page);",
            }],
        },
        hunts: &[pages(Finds(&[
            "violate Exclusive exclusive page with several entries",
            "violate Exclusive exclusive page keeps its old anon_vma",
        ]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-leaves-the-parent-writable",
            about: "the parent's entry is not write-protected",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "__copy_present_ptes",
                from: "wrprotect_ptes(src_mm, addr, src_pte, nr);",
                to: ";",
            }],
        },
        hunts: &[pages(Finds(&["violate Exclusive writable entry of a page that is not exclusive"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "zap-does-not-count",
            about: "the counter of anonymous pages of an mm is not lowered",
            file: "mm/memory.c",
            edits: &[Edit { within: "zap_present_folio_ptes", from: "rss[MM_ANONPAGES] -= nr;", to: ";" }],
        },
        hunts: &[pages(Finds(&["violate Rss MM_ANONPAGES is not what is mapped"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "statistics-do-not-count",
            about: "NR_ANON_MAPPED and NR_FILE_MAPPED stay as they are",
            file: "mm/rmap.c",
            edits: &[Edit { within: "__folio_mod_stat", from: "lruvec_stat_mod_folio(folio, idx, nr);", to: ";" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ folio_add_new_anon_rmap events: nothing vs NR_ANON_MAPPED +1"]),
            Finds(&[
                "violate Rss NR_ANON_MAPPED is not what is mapped",
                "violate Rss NR_FILE_MAPPED is not what is mapped",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unmap-leaves-the-folio-locked-in-memory",
            about: "what is unmapped from a locked VMA is not unlocked",
            file: "mm/rmap.c",
            edits: &[Edit { within: "__folio_remove_rmap", from: "munlock_vma_folio(folio, vma);", to: ";" }],
        },
        hunts: &[InCHunt {
            at_most: None,
            ..pages_in_lockstep(
                Finds(&[
                    "differ folio_remove_rmap_ptes events: nothing vs munlock_folio",
                    "differ try_to_migrate events: notify end vs munlock_folio",
                ]),
                Finds(&[]),
            )
        }],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-does-not-count-file-pages",
            about: "a fork copies the entries of file pages, and their mapcounts stay",
            file: "include/linux/rmap.h",
            edits: &[Edit { within: "__folio_dup_file_rmap", from: "atomic_inc(&folio->_mapcount);", to: ";" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ folio_dup_file_rmap_ptes state: folio.mapcount"]),
            Finds(&["violate Mapcount mapcount is not the number of entries"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "partially-mapped-folio-is-not-queued",
            about: "a large folio of which a page was unmapped does not wait to be split",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__folio_remove_rmap",
                from: "partially_mapped = nr && atomic_read(mapped);",
                to: "partially_mapped = false;",
            }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ folio_remove_rmap_ptes state: folio.large", "differ try_to_migrate state: folio.large"]),
            Finds(&["violate Mapcount partially mapped folio that is not queued"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "pages-come-back-uncounted",
            about: "what maps pages of a large folio again is not counted for the folio",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__folio_add_rmap",
                from: "\tfolio_add_large_mapcount(folio, orig_nr_pages, vma);\n\t\tbreak;",
                to: "\tbreak;",
            }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&[
                "differ folio_add_anon_rmap_ptes state: folio.large",
                "differ remove_migration_ptes state: folio.large",
            ]),
            Finds(&[
                "violate Mapcount mapcount of a large folio",
                "violate I11 WARN WARN_ON(\"bad page map\" != NULL) at mm/memory.c",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "reclaim-forgets-what-was-written",
            about: "an entry that says that the page was written to does not make the folio dirty",
            file: "mm/rmap.c",
            edits: &[Edit { within: "try_to_unmap_one", from: "\t\t\t\tfolio_mark_dirty(folio);", to: "\t\t\t\t;" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ try_to_unmap events: "]),
            Finds(&["violate Asked content of a page changed (swapout)", "violate Asked page lost (swapout)"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "reclaim-drops-what-was-written",
            about: "a page that was written to after MADV_FREE is dropped",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "ttu_anon_lazyfree_folio",
                from: "if (folio_test_dirty(folio) &&",
                to: "if (0 && folio_test_dirty(folio) &&",
            }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ try_to_unmap events: "]),
            Finds(&["violate Asked page lost (swapout)"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-does-not-count-swap",
            about: "a child's swap entry is not counted in its slot",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "copy_nonpresent_pte",
                from: "if (swap_dup_entry_direct(entry) < 0)",
                to: "if (0)",
            }],
        },
        hunts: &[pages(Finds(&["violate Swap count is not the number of swap entries"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-leaves-the-swap-entry-exclusive",
            about: "the parent's swap entry stays marked exclusive",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "copy_nonpresent_pte",
                from: "pte = pte_swp_clear_exclusive(orig_pte);\n\t\t\tset_pte_at(src_mm, addr, src_pte, pte);",
                to: "pte = pte_swp_clear_exclusive(orig_pte);",
            }],
        },
        hunts: &[pages(Finds(&["violate Swap exclusive swap entry of a slot with several"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "reclaim-does-not-count-swap",
            about: "the counter of swap entries of an mm is not raised",
            file: "mm/rmap.c",
            edits: &[Edit { within: "ttu_anon_swapbacked_folio", from: "inc_mm_counter(mm, MM_SWAPENTS);", to: ";" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&[
                "differ try_to_unmap events: entry swap exclusive vs MM_SWAPENTS",
                "differ try_to_unmap events: entry swap exclusive soft-dirty vs MM_SWAPENTS",
                "differ try_to_unmap events: entry swap soft-dirty vs MM_SWAPENTS",
                "differ try_to_unmap events: entry swap vs MM_SWAPENTS",
            ]),
            Finds(&["violate Rss MM_SWAPENTS is not what is mapped"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-forgets-what-was-written",
            about: "an entry that said that the page was written to comes back clean",
            file: "mm/migrate.c",
            edits: &[Edit { within: "remove_migration_pte", from: "pte = pte_mkdirty(pte);", to: ";" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ remove_migration_ptes events: entry present"]),
            Finds(&[
                "violate Asked entry of a page changed (migrate)",
                "violate Asked entry of a page changed (walk)",
                "violate Asked walk changed a page table (walk)",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "page-table-is-not-freed",
            about: "a page table that nothing is in leaves its tree, and is not freed",
            file: "mm/memory.c",
            edits: &[Edit { within: "free_pte_range", from: "pte_free_tlb(tlb, token, addr);", to: ";" }],
        },
        hunts: &[pages(Finds(&["violate I12 frames or page tables left"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "exit-keeps-a-reference",
            about: "a page that the exit of a process unmaps keeps its reference",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "zap_present_folio_ptes",
                from: "if (unlikely(__tlb_remove_folio_pages(",
                to: "if (tlb->fullmm)\n\t\tfolio_get(folio);\n\tif (unlikely(__tlb_remove_folio_pages(",
            }],
        },
        // The second where another process still has the page.
        hunts: &[pages(Finds(&[
            "violate I12 frames or page tables left",
            "violate Mapcount references are not those of entries",
        ]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "exit-keeps-a-swap-slot",
            about: "an entry of the swap device that the exit of a process takes away stays counted in its slot",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "zap_nonpresent_ptes",
                from: "swap_put_entries_direct(entry, nr);",
                to: "if (!tlb->fullmm)\n\t\t\tswap_put_entries_direct(entry, nr);",
            }],
        },
        hunts: &[pages(Finds(&[
            "violate I12 frames or page tables left",
            "violate Swap count is not the number of swap entries",
        ]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "page-table-goes-before-its-pages",
            about: "munmap frees the page tables of a range, and then looks for the pages that they map",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "unmap_region",
                from: "unmap_vmas(&tlb, unmap);\n\tmas_set(unmap->mas, unmap->tree_reset);\n\tfree_pgtables(&tlb, unmap);",
                to: "free_pgtables(&tlb, unmap);\n\tmas_set(unmap->mas, unmap->tree_reset);\n\tunmap_vmas(&tlb, unmap);",
            }],
        },
        // The others where a table stays, for another VMA is there: its pages lose their anon_vma before they are unmapped.
        hunts: &[pages_in_lockstep(
            Finds(&[
                "violate I11 page table freed with entries in it",
                "differ folio_remove_rmap_ptes events: WARN vs NR_ANON_MAPPED",
            ]),
            Finds(&[
                "violate I11 page table freed with entries in it",
                "violate I11 WARN WARN_ON(atomic_read(&anon_vma->refcount) == N)",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "page-table-goes-before-its-vma",
            about: "the page tables of a range are freed while walks of anonymous folios still find its VMA",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "free_pgtables",
                from: "unlink_anon_vmas(vma);\n\n\t\tunlink_file_vma_batch_init(&vb);",
                to: "free_pgd_range(tlb, addr, vma->vm_end, unmap->pg_start,\n\
                     \t\t\t       next ? next->vm_start : unmap->pg_end);\n\
                     \t\tunlink_anon_vmas(vma);\n\n\t\tunlink_file_vma_batch_init(&vb);",
            }],
        },
        hunts: &[pages(TABLE_STILL_FOUND)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "page-table-goes-before-its-files-vma",
            about: "the page tables of a range are freed while walks of a file's folios still find its VMA",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "free_pgtables",
                from: "unlink_file_vma_batch_final(&vb);",
                to: "free_pgd_range(tlb, addr, vma->vm_end, unmap->pg_start,\n\
                     \t\t\t       next ? next->vm_start : unmap->pg_end);\n\
                     \t\tunlink_file_vma_batch_final(&vb);",
            }],
        },
        hunts: &[pages(TABLE_STILL_FOUND)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "reuse-keeps-the-old-anon_vma",
            about: "a page that is one process's alone by now is not given the anon_vma of its VMA",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "wp_can_reuse_anon_folio",
                from: "\tfolio_move_anon_rmap(folio, vma);\n\tfolio_unlock",
                to: "\tfolio_unlock",
            }],
        },
        hunts: &[pages(Finds(&["violate Exclusive exclusive page keeps its old anon_vma"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-comes-back-shared",
            about: "a page that came back from migration is not marked exclusive",
            file: "mm/migrate.c",
            edits: &[Edit { within: "remove_migration_pte", from: "rmap_flags |= RMAP_EXCLUSIVE;", to: ";" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ remove_migration_ptes state: folio.mapcount"]),
            Finds(&[
                "violate Exclusive writable entry of a page that is not exclusive",
                "violate Asked entry of a page changed",
                "violate Asked walk changed a page table",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unmapping-puts-off-no-flush",
            about: "an entry that was taken out is neither flushed nor noted for the flush of the batch",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_unmap_one",
                from: "set_tlb_ubc_flush_pending(mm, pteval, address, end_addr);",
                to: ";",
            }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ try_to_unmap events: slot taken vs flush put off"]),
            FREED_TOO_EARLY,
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-shares-a-pinned-page",
            about: "a child is given the page that its parent has pinned, and not a copy",
            file: "include/linux/rmap.h",
            edits: &[Edit {
                within: "__folio_try_dup_anon_rmap",
                from: "unlikely(folio_needs_cow_for_dma(src_vma, folio));",
                to: "0;",
            }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ folio_try_dup_anon_rmap_ptes return: 0 vs -EBUSY"]),
            Finds(&["violate Exclusive pinned page that is not exclusive"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "swap-takes-a-pinned-page",
            about: "an entry of a page that is pinned goes to swap",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "ttu_anon_swapbacked_folio",
                from: "if (anon_exclusive && folio_try_share_anon_rmap_pte(folio, page)) {",
                to: "if (anon_exclusive && folio_try_share_anon_rmap_pte(folio, page) && !anon_exclusive) {",
            }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ try_to_unmap events: MM_ANONPAGES vs slot dropped"]),
            Finds(&["violate I11 BUG BUG_ON(folio_test_anon(folio) && PageAnonExclusive(page))"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-shares-a-migration-entry-as-it-is",
            about: "a child's migration entry, and its parent's, come back as if the page was the process's alone",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "copy_nonpresent_pte",
                from: "if (!softleaf_is_migration_read(entry) &&\n",
                to: "if (!entry.val &&\n",
            }],
        },
        hunts: &[pages(Finds(&["violate Exclusive exclusive migration entry of a page with several"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "zapped-migration-entry-stays-counted",
            about: "what unmap zaps while it is migrated stays in the counters of the mm",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "zap_nonpresent_ptes",
                from: "\t\trss[mm_counter(folio)]--;\n\t} else if (softleaf_is_uffd_wp_marker(entry)) {",
                to: "\t} else if (softleaf_is_uffd_wp_marker(entry)) {",
            }],
        },
        hunts: &[pages(Finds(&["violate Rss MM_ANONPAGES is not what is mapped"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "protect-leaves-a-writable-migration-entry",
            about: "a page that is migrated comes back writable where its process may not write any more",
            file: "mm/mprotect.c",
            edits: &[Edit {
                within: "change_softleaf_pte",
                from: "if (softleaf_is_migration_write(entry)) {",
                to: "if (!pte) {",
            }],
        },
        hunts: &[pages(Finds(&[
            "violate Exclusive writable entry of a VMA that is not",
            "violate Uffd write-protected entry that is writable",
        ]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "lazyfree-gives-back-more-than-it-took",
            about: "CVE-2026-31398: entries that could not be written to come back writable with those before them",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_unmap_pte_batch",
                from: "FPB_RESPECT_WRITE | FPB_RESPECT_SOFT_DIRTY",
                to: "0",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["differ try_to_unmap events: "]),
            Finds(&["violate Exclusive writable entry of a page that is not exclusive"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "batch-leaves-its-vma",
            about: "CVE-2025-38447: a batch of entries goes past the end of the VMA, or of the page table",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_unmap_pte_batch",
                from: "max_nr = (end_addr - addr) >> PAGE_SHIFT;",
                to: "max_nr = folio_nr_pages(folio);",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ try_to_unmap events: "]), Finds(&[]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-leaves-writable-translations",
            about: "fork does not flush what its parent could write to",
            file: "mm/mmap.c",
            edits: &[Edit { within: "dup_mmap", from: "flush_tlb_mm(oldmm);", to: ";" }],
        },
        hunts: &[pages(Finds(&["violate I11 TLB not flushed"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "pages-are-freed-before-the-flush",
            about: "what a batch gathered is freed, and then the TLB is flushed",
            file: "mm/mmu_gather.c",
            edits: &[Edit {
                within: "tlb_flush_mmu",
                from: "\ttlb_flush_mmu_tlbonly(tlb);\n\ttlb_flush_mmu_free(tlb);",
                to: "\ttlb_flush_mmu_free(tlb);\n\ttlb_flush_mmu_tlbonly(tlb);",
            }],
        },
        hunts: &[pages(FREED_TOO_EARLY)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "written-out-before-the-flush",
            about: "the content of a page is written to swap while a TLB may still let the process write to it",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_unmap_flush_dirty",
                from: "if (tlb_ubc->writable)",
                to: "if (!tlb_ubc->writable)",
            }],
        },
        hunts: &[pages(Finds(&["violate I11 written out before the TLB was flushed"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "address-of-the-first-page",
            about: "who asks for the address of a page of a large folio is told that of its first page",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "page_address_in_vma",
                from: "return vma_anon_address(vma, page_pgoff(folio, page), 1);",
                to: "return vma_anon_address(vma, folio_pgoff(folio), 1);",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["violate I11 page found at another address"]),
            Finds(&["violate I11 page found at another address"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "clean-pages-count-as-cleaned",
            about: "who makes the pages of a file clean by their frames is told that it did, where they were clean",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "mapping_wrprotect_range_one",
                from: "state->cleaned += page_vma_mkclean_one(&pvmw);",
                to: "state->cleaned += pvmw.nr_pages;",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["violate I11 page left writable or dirty by writeback"]),
            Finds(&["violate I11 page left writable or dirty by writeback"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-use-ends-the-walk",
            about: "who asks who used a folio is told of the first process that did",
            file: "mm/rmap.c",
            edits: &[Edit { within: "folio_referenced_one", from: "if (!pra->mapcount)", to: "if (pra->referenced)" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ folio_referenced "]),
            Finds(&["violate Asked entry that is still marked used"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "writeback-leaves-pages-writable",
            about: "a page of a file that is written back stays writable, so that the next write is not seen",
            file: "mm/rmap.c",
            edits: &[Edit { within: "page_vma_mkclean_one", from: "entry = pte_wrprotect(entry);", to: ";" }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_mkclean events: "]), LEFT_BY_WRITEBACK)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "writeback-ends-after-one-mapping",
            about: "writeback makes the first mapping of a page clean, and no other",
            file: "mm/rmap.c",
            edits: &[Edit { within: "page_mkclean_one", from: "return true;", to: "return false;" }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_mkclean "]), LEFT_BY_WRITEBACK)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "writeback-comes-to-private-memory-too",
            about: "writeback comes to private mappings of the file as well, in which it finds nothing to do",
            file: "mm/rmap.c",
            edits: &[Edit { within: "invalid_mkclean_vma", from: "return true;", to: "return false;" }],
        },
        hunts: &[pages_in_lockstep(Finds(&["differ folio_mkclean events: visit"]), Finds(&[]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fault-stores-an-entry-by-itself",
            about: "a fault stores the entry of a new page, and not by a function of the architecture",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "map_anon_folio_pte_nopf",
                from: "set_ptes(vma->vm_mm, addr, pte, entry, nr_pages);",
                to: "*pte = entry;",
            }],
        },
        hunts: &[pages_in_lockstep(Finds(&["differ ", "violate Rss ", "violate Mapcount "]), ENTRY_NOT_FOUND)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "writeback-visits-private-memory",
            about: "writeback makes private mappings clean, and no shared one",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "invalid_mkclean_vma",
                from: "if (vma->vm_flags & VM_SHARED)",
                to: "if (!(vma->vm_flags & VM_SHARED))",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_mkclean "]), LEFT_BY_WRITEBACK)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "reclaim-forgets-a-write",
            about: "an entry that says that its page was written to goes, and the folio is not told",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_unmap_one",
                from: "if (pte_dirty(pteval))\n\t\t\t\tfolio_mark_dirty(folio);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["differ try_to_unmap events: "]),
            Finds(&["violate Dirty written page of a file that is clean", "violate Asked page lost"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-write-is-forgotten-for-a-device",
            about: "a device gets a page, and the folio is not told that its entry said that it was written to",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "make_device_exclusive",
                from: "if (pte_dirty(fw.pte))\n\t\tfolio_mark_dirty(folio);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(FORGOTTEN_FOR_A_DEVICE, FORGOTTEN_FOR_A_DEVICE)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-device-gets-no-page",
            about: "a driver is refused every page, whoever has it",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "make_device_exclusive",
                from: "if (!folio_test_anon(folio) || folio_test_hugetlb(folio)) {",
                to: "if (1) {",
            }],
        },
        hunts: &[pages(DEVICE_ANSWER)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-device-gets-no-page-of-a-huge-one",
            about: "the entry that maps a huge page is not split for a device, so that its page is asked for again and again",
            file: "mm/rmap.c",
            edits: &[Edit { within: "make_device_exclusive", from: " | FOLL_SPLIT_PMD", to: "" }],
        },
        hunts: &[pages_of_huge(DEVICE_ANSWER, DEVICE_ANSWER)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "a-write-is-forgotten-for-a-devices-folio",
            about: "a device gets a folio, and the folio is not told that an entry said that it was written to",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "page_make_device_exclusive_one",
                from: "if (pte_dirty(pteval))\n\t\t\tfolio_mark_dirty(folio);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_make_device_exclusive events: left"]), FORGOTTEN_FOR_A_DEVICE)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "a-devices-folio-is-not-soft-dirty",
            about: "a page of a folio that a device has for itself is not soft-dirty",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "page_make_device_exclusive_one",
                from: "if (pte_soft_dirty(pteval))",
                to: "if (pte_none(pteval))",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_make_device_exclusive events: entry"]), SOFT_DIRTY_LOST)],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "a-devices-folio-stays-mapped",
            about: "a device gets a folio, whose mappings are counted as before",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "page_make_device_exclusive_one",
                from: "folio_remove_rmap_pte(folio, subpage, vma);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["differ folio_make_device_exclusive "]),
            Finds(&[
                "violate Mapcount mapcount is not the number of entries",
                "violate I11 WARN WARN_ON((atomic_read(&cur_page->_mapcount) > N",
                "violate I11 wrong answer to who wants a page for a device",
            ]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "a-walk-for-a-device-never-ends",
            about: "what maps pages besides is told that a folio goes to a device, and never that it is done",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "page_make_device_exclusive_one",
                from: "mmu_notifier_invalidate_range_end(&range);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["differ folio_make_device_exclusive events: "]),
            Finds(&["violate I11 MMU notifier without its counterpart"]),
        )],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "a-device-gets-what-is-mapped",
            about: "a driver gets a folio of which a page is still mapped",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_make_device_exclusive",
                from: "return args.valid && !folio_mapcount(folio);",
                to: "return args.valid;",
            }],
        },
        hunts: &[InCHunt {
            mix: "large-folios",
            ..pages_varied(Finds(&["differ folio_make_device_exclusive return"]), DEVICE_ANSWER)
        }],
    },
    InC {
        of: BEFORE,
        fault: Fault {
            name: "a-device-gets-no-first-page",
            about: "a driver is refused the page that it may have of a folio",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "make_device_exclusive_range",
                from: "if (PageTail(pages[i]) || !folio_trylock(folio)) {",
                to: "if (!PageTail(pages[i]) || !folio_trylock(folio)) {",
            }],
        },
        hunts: &[pages(DEVICE_ANSWER)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-locked-vma-is-not-told-of",
            about: "who asks who used a folio is not told that a VMA locks it",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_referenced_one",
                from: "vma_flags_set(&pra->vma_flags, VMA_LOCKED_BIT);",
                to: ";",
            }],
        },
        hunts: &[InCHunt {
            vma: "pages",
            mix: "large-folios",
            lockstep: Finds(&["differ folio_referenced events: used_by"]),
            alone: Finds(&[]),
            at_most: Some(10),
        }],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-use-is-asked-of-page-by-page",
            about: "who used a large folio is asked of each of its entries for itself",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "folio_referenced_one",
                from: "nr = folio_pte_batch(folio, pvmw.pte, pteval, max_nr);",
                to: ";",
            }],
        },
        hunts: &[InCHunt {
            vma: "pages",
            mix: "large-folios",
            lockstep: Finds(&["differ folio_referenced events: young"]),
            alone: Finds(&[]),
            at_most: Some(10),
        }],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "every-flush-is-of-a-written-page",
            about: "a flush that is put off counts as one of an entry that was written to",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_unmap_one",
                from: "set_tlb_ubc_flush_pending(mm, pteval, address, end_addr)",
                to: "set_tlb_ubc_flush_pending(mm, pte_mkdirty(pteval), address, end_addr)",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ try_to_unmap events: left"]), Finds(&[]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-walk-does-not-count-down",
            about: "who asks who used a folio goes on to VMAs after all of its mappings were seen",
            file: "mm/rmap.c",
            edits: &[Edit { within: "folio_referenced_one", from: "pra->mapcount -= nr;", to: ";" }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_referenced events: "]), Finds(&[]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-device-never-hears-the-end",
            about: "what maps pages besides is told that a page goes to a device, and never that it is done",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "make_device_exclusive",
                from: "folio_walk_end(&fw, vma);\n\tmmu_notifier_invalidate_range_end(&range);\n\t*foliop",
                to: "folio_walk_end(&fw, vma);\n\t*foliop",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["violate I11 MMU notifier without its counterpart"]),
            Finds(&["violate I11 MMU notifier without its counterpart"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "a-devices-page-stays-mapped",
            about: "a page that a device has is unmapped, and is still counted as mapped",
            file: "mm/memory.c",
            edits: &[Edit { within: "zap_nonpresent_ptes", from: "folio_remove_rmap_pte(folio, page, vma);", to: ";" }],
        },
        hunts: &[pages_varied(
            Finds(&["violate Mapcount ", "violate I", "differ "]),
            Finds(&["violate Mapcount ", "violate I"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unmapping-forgets-a-write",
            about: "a page of a file is unmapped, and its folio is not told that it was written to",
            file: "mm/memory.c",
            edits: &[Edit { within: "zap_present_folio_ptes", from: "folio_mark_dirty(folio);", to: ";" }],
        },
        hunts: &[InCHunt { mix: "merges", ..pages_varied(WRITE_FORGOTTEN, WRITE_FORGOTTEN) }],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "file-walk-keeps-its-lock",
            about: "a walk of the mappings of a file's page does not release the lock of the file's tree",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__rmap_walk_file",
                from: "if (!locked)\n\t\ti_mmap_unlock_read(mapping);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(
            Finds(&[
                "differ folio_mkclean events: rule lock held on return vs i_mmap_unlock_read",
                "differ try_to_unmap events: rule lock held on return vs i_mmap_unlock_read",
            ]),
            Finds(&["violate I11 lock held on return"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-comes-back-used",
            about: "a page that nobody used counts as used when it comes back from migration",
            file: "mm/migrate.c",
            edits: &[Edit { within: "remove_migration_pte", from: "pte = pte_mkold(pte);", to: ";" }],
        },
        hunts: &[pages_in_lockstep(
            Finds(&["differ remove_migration_ptes events: entry present"]),
            Finds(&["violate Asked walk changed a page table", "violate Asked page that nobody used counts as used"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-entry-forgets-a-use",
            about: "2e3468778dbe: the entry of a migration does not say that its page was used",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_migrate_one",
                from: "if (pte_young(pteval))\n\t\t\t\t\tentry",
                to: "if (pte_none(pteval))\n\t\t\t\t\tentry",
            }],
        },
        hunts: &[pages_in_lockstep(Finds(&["differ try_to_migrate events: entry migration"]), USE_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-forgets-a-use",
            about: "2e3468778dbe: a page that was used does not count as used when it comes back from migration",
            file: "mm/migrate.c",
            edits: &[Edit {
                within: "remove_migration_pte",
                from: "if (!softleaf_is_migration_young(entry))",
                to: "if (folio)",
            }],
        },
        hunts: &[pages_in_lockstep(Finds(&["differ remove_migration_ptes events: entry present"]), USE_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "move-forgets-a-use",
            about: "a page that was used does not count as used where it is moved to",
            file: "mm/mremap.c",
            edits: &[Edit {
                within: "move_ptes",
                from: "pte = move_soft_dirty_pte(pte);",
                to: "pte = move_soft_dirty_pte(pte_present(pte) ? pte_mkold(pte) : pte);",
            }],
        },
        hunts: &[pages(USE_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "huge-page-moves-and-forgets-a-use",
            about: "a huge page that was used does not count as used where it is moved to",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "move_huge_pmd",
                from: "pmd = move_soft_dirty_pmd(pmd);",
                to: "pmd = move_soft_dirty_pmd(pmd_present(pmd) ? pmd_mkold(pmd) : pmd);",
            }],
        },
        hunts: &[pages_of_huge(USE_LOST, USE_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "swapped-in-page-is-old",
            about: "a page that a fault brings back from the swap device does not count as used",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "do_swap_page",
                from: "pte = mk_pte(page, vma->vm_page_prot);",
                to: "pte = pte_mkold(mk_pte(page, vma->vm_page_prot));",
            }],
        },
        hunts: &[pages(Finds(&["violate I11 page faulted in that does not count as used"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "huge-page-moves-and-the-tlb-keeps-it",
            about: "the entry of a huge page goes elsewhere, and the TLB is not flushed",
            file: "mm/huge_memory.c",
            edits: &[Edit { within: "move_huge_pmd", from: "force_flush = true;", to: "force_flush = false;" }],
        },
        hunts: &[pages_of_huge(Finds(&["violate I11 TLB not flushed"]), Finds(&["violate I11 TLB not flushed"]))],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "fork-leaves-a-huge-page-exclusive",
            about: "a huge page that a child shares is still marked as its parent's alone",
            file: "include/linux/rmap.h",
            edits: &[Edit {
                within: "__folio_try_dup_anon_rmap",
                from: "\t\t\t\treturn -EBUSY;\n\t\t\tClearPageAnonExclusive(page);\n",
                to: "\t\t\t\treturn -EBUSY;\n",
            }],
        },
        hunts: &[pages_of_huge(
            Finds(&["differ folio_try_dup_anon_rmap_ptes state: folio.mapcount"]),
            Finds(&["violate Exclusive exclusive page with several entries"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "huge-page-comes-back-shared",
            about: "a huge page that was a process's alone comes back from migration as if others had it",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "remove_migration_pmd",
                from: "rmap_flags |= RMAP_EXCLUSIVE;",
                to: "rmap_flags |= RMAP_NONE;",
            }],
        },
        hunts: &[pages_of_huge(
            Finds(&["differ remove_migration_ptes "]),
            Finds(&["violate I11 WARN WARN_ON(pmd_write(pmde) &&", "violate Asked entry of a page changed"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "huge-page-in-parts-is-not-queued",
            about: "a huge page of which only parts are mapped still does not wait to be split",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__folio_remove_rmap",
                from: "partially_mapped = nr && nr < nr_pmdmapped;",
                to: "partially_mapped = false;",
            }],
        },
        hunts: &[pages_of_huge(
            Finds(&["differ folio_remove_rmap_ptes state: folio.large", "differ try_to_migrate state: folio.large"]),
            Finds(&["violate Mapcount partially mapped folio that is not queued"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-leaves-a-huge-page-to-others",
            about: "939080834fef: a huge page that two processes map does not migrate, for the walk ends after the first",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_migrate_one",
                from: "if (set_pmd_migration_entry(&pvmw, subpage)) {",
                to: "if (!set_pmd_migration_entry(&pvmw, subpage)) {",
            }],
        },
        hunts: &[pages_of_huge(
            Finds(&["differ try_to_migrate events: "]),
            Finds(&["violate Asked folio did not migrate, and nobody else has it"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "split-gives-all-the-same-index",
            about: "the folios that a folio is split into all have its page offset",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "__split_folio_to_order",
                from: "new_folio->index = folio->index + i;",
                to: "new_folio->index = folio->index;",
            }],
        },
        hunts: &[pages_of_huge(
            Finds(&["differ remove_migration_ptes ", "differ folio_"]),
            Finds(&["violate I9 ", "violate Mapcount ", "violate Rss "]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "split-maps-the-first-folio-alone",
            about: "only the first of the folios that a folio is split into is mapped again",
            file: "mm/huge_memory.c",
            edits: &[Edit { within: "remap_page", from: "if (i >= nr)", to: "if (i)" }],
        },
        hunts: &[pages_of_huge(
            Finds(&["violate Rss MM_ANONPAGES is not what is mapped"]),
            Finds(&["violate Rss MM_ANONPAGES is not what is mapped"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "moved-pages-stay-write-protected",
            about: "CVE-2025-21696: what was moved is not registered with userfaultfd, and its entries stay write-protected",
            file: "mm/mremap.c",
            edits: &[Edit {
                within: "move_ptes",
                from: "bool need_clear_uffd_wp = vma_has_uffd_without_event_remap(vma);",
                to: "bool need_clear_uffd_wp = false;",
            }],
        },
        hunts: &[pages_varied(UNREGISTERED, UNREGISTERED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "registration-ends-and-protection-stays",
            about: "c88033efe9a3 (CVE-2024-36881), and its like for UFFDIO_UNREGISTER: entries stay write-protected",
            file: "mm/userfaultfd.c",
            edits: &[Edit {
                within: "userfaultfd_clear_vma",
                from: "if (userfaultfd_protected(vma)) {",
                to: "if (!vma) {",
            }],
        },
        hunts: &[pages_varied(UNREGISTERED, UNREGISTERED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "zero-page-is-not-write-protected",
            about: "9658d698a8a8: a page that becomes the zero page in a split is not write-protected any more",
            file: "mm/migrate.c",
            edits: &[Edit { within: "try_to_map_unused_to_zeropage", from: "newpte = pte_mkuffd(newpte);", to: ";" }],
        },
        hunts: &[pages_varied(Finds(&["differ remove_migration_ptes "]), PROTECTION_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "swap-entry-is-not-write-protected",
            about: "a page comes back from the swap device, and userfaultfd is not told of writes any more",
            file: "mm/rmap.c",
            edits: &[Edit { within: "swp_pte_prepare", from: "if (pte_uffd(old_pte))", to: "if (pte_none(old_pte))" }],
        },
        hunts: &[pages_varied(Finds(&["differ try_to_unmap events: entry swap"]), PROTECTION_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "swap-entry-is-not-soft-dirty",
            about: "a page that was written to goes to the swap device, and whoever tracks writes is not told",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "swp_pte_prepare",
                from: "if (pte_soft_dirty(old_pte))",
                to: "if (pte_none(old_pte))",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ try_to_unmap events: entry swap"]), SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "swapped-in-page-is-not-soft-dirty",
            about: "a page comes back from the swap device, and whoever tracks writes is not told",
            file: "mm/memory.c",
            edits: &[Edit {
                within: "do_swap_page",
                from: "if (pte_swp_soft_dirty(vmf->orig_pte))",
                to: "if (pte_none(vmf->orig_pte))",
            }],
        },
        hunts: &[pages_varied(SOFT_DIRTY_LOST, SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-entry-is-not-soft-dirty",
            about: "the entry of a migration does not say that the page is soft-dirty",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_migrate_one",
                from: "if (pte_soft_dirty(pteval))",
                to: "if (pte_none(pteval))",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ try_to_migrate events: entry migration"]), SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migrated-page-is-not-soft-dirty",
            about: "a page comes back from migration, and whoever tracks writes is not told",
            file: "mm/migrate.c",
            edits: &[Edit { within: "remove_migration_pte", from: "pte = pte_mksoft_dirty(pte);", to: ";" }],
        },
        hunts: &[pages_varied(Finds(&["differ remove_migration_ptes events: entry present"]), SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "split-huge-page-is-not-soft-dirty",
            about: "pages of a huge page are not soft-dirty after it was split",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "__split_huge_pmd_locked",
                from: "soft_dirty = pmd_soft_dirty(old_pmd);",
                to: "soft_dirty = false;",
            }],
        },
        hunts: &[pages_of_huge(Finds(&["differ try_to_migrate events: entry migration"]), SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "device-page-is-not-soft-dirty",
            about: "a page that a device has for itself is not soft-dirty",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "make_device_exclusive",
                from: "if (pte_soft_dirty(fw.pte))",
                to: "if (pte_none(fw.pte))",
            }],
        },
        hunts: &[pages_varied(SOFT_DIRTY_LOST, SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "moved-page-is-not-soft-dirty",
            about: "memory that is new where it was moved to is not soft-dirty",
            file: "mm/mremap.c",
            edits: &[Edit {
                within: "move_soft_dirty_pte",
                from: "if (pgtable_supports_soft_dirty()) {",
                to: "if (!pte_val(pte)) {",
            }],
        },
        hunts: &[pages_varied(NOT_SOFT_DIRTY, NOT_SOFT_DIRTY)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "new-memory-is-not-soft-dirty",
            about: "whoever tracks writes does not learn that memory was unmapped and mapped again",
            file: "mm/vma.c",
            edits: &[Edit {
                within: "__mmap_complete",
                from: "if (pgtable_supports_soft_dirty())",
                to: "if (!pgtable_supports_soft_dirty())",
            }],
        },
        hunts: &[pages_varied(NEW_NOT_SOFT_DIRTY, NEW_NOT_SOFT_DIRTY)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "zero-page-is-not-soft-dirty",
            about: "9658d698a8a8: a page that becomes the zero page in a split is not soft-dirty any more",
            file: "mm/migrate.c",
            edits: &[Edit {
                within: "try_to_map_unused_to_zeropage",
                from: "newpte = pte_mksoft_dirty(newpte);",
                to: ";",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ remove_migration_ptes "]), SOFT_DIRTY_LOST)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "unmapped-folio-is-queued",
            about: "7491f3f34891: a folio that loses its last mappings is marked partially mapped",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__folio_remove_rmap",
                from: "partially_mapped = nr && atomic_read(mapped);",
                to: "partially_mapped = nr;",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_remove_rmap"]), NOT_PARTIALLY_MAPPED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "mapped-folio-is-queued",
            about: "a folio that loses a mapping, and no page, is marked partially mapped",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "__folio_remove_rmap",
                from: "partially_mapped = nr && atomic_read(mapped);",
                to: "partially_mapped = atomic_read(mapped);",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ folio_remove_rmap"]), NOT_PARTIALLY_MAPPED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "queued-folio-is-never-marked",
            about: "a folio that waits to be split is not marked partially mapped",
            file: "mm/huge_memory.c",
            edits: &[Edit { within: "deferred_split_folio", from: "if (partially_mapped) {", to: "if (!folio) {" }],
        },
        hunts: &[pages_varied(
            Finds(&["differ folio_remove_rmap"]),
            Finds(&["violate Mapcount partially mapped folio that is not queued"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "queued-folio-is-always-marked",
            about: "a huge page that may be underused is marked partially mapped",
            file: "mm/huge_memory.c",
            edits: &[Edit { within: "deferred_split_folio", from: "if (partially_mapped) {", to: "if (folio) {" }],
        },
        hunts: &[pages_of_huge(MARKED, MARKED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "split-folio-stays-queued",
            about: "a folio that was split stays on the list of those to split",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "__folio_freeze_and_split_unmapped",
                from: "__list_lru_del(&deferred_split_lru, lru,",
                to: "(void)(&deferred_split_lru, lru,",
            }],
        },
        hunts: &[pages_varied(OTHERS_QUEUED, OTHERS_QUEUED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "freed-folio-stays-queued",
            about: "a folio that is freed stays on the list of those to split",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "__folio_unqueue_deferred_split",
                from: "if (__list_lru_del(&deferred_split_lru, lru, &folio->_deferred_list, nid)) {",
                to: "if (list_empty(&folio->_deferred_list)) {",
            }],
        },
        hunts: &[pages_varied(OTHERS_QUEUED, OTHERS_QUEUED)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "failed-memory-is-reclaimed",
            about: "b81679b1633a: a page whose memory has failed is unmapped like one that goes to swap",
            file: "mm/memory-failure.c",
            edits: &[Edit {
                within: "unmap_poisoned_folio",
                from: "TTU_IGNORE_MLOCK | TTU_SYNC | TTU_HWPOISON",
                to: "TTU_IGNORE_MLOCK | TTU_SYNC",
            }],
        },
        hunts: &[pages_varied(Finds(&["differ try_to_unmap events: "]), SWAP_WITHOUT_CACHE)],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "failed-memory-stays-in-the-counters",
            about: "a page whose memory has failed is unmapped, and stays counted in the mm",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_unmap_one",
                from: "pteval = swp_entry_to_pte(make_hwpoison_entry(page));\n\t\t\tdec_mm_counter(mm, mm_counter(folio));",
                to: "pteval = swp_entry_to_pte(make_hwpoison_entry(page));",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["differ try_to_unmap events: "]),
            Finds(&[
                "violate Rss MM_ANONPAGES is not what is mapped",
                "violate Rss MM_FILEPAGES is not what is mapped",
            ]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "migration-forgets-a-write",
            about: "2e3468778dbe: the entry of a migration does not say that its page was written to",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_migrate_one",
                from: "if (pte_dirty(pteval))\n\t\t\t\t\tentry",
                to: "if (pte_none(pteval))\n\t\t\t\t\tentry",
            }],
        },
        hunts: &[pages_varied(
            Finds(&["differ try_to_migrate events: entry migration"]),
            Finds(&["violate Asked entry of a page changed", "violate Asked walk changed a page table"]),
        )],
    },
    InC {
        of: AFTER,
        fault: Fault {
            name: "split-forgets-a-write-to-a-huge-page",
            about: "2e3468778dbe, of a huge page that is split: the migration entries of its pages are clean",
            file: "mm/huge_memory.c",
            edits: &[Edit {
                within: "__split_huge_pmd_locked",
                from: "swp_entry = make_migration_entry_dirty(swp_entry);",
                to: ";",
            }],
        },
        hunts: &[pages_of_huge(Finds(&["differ try_to_migrate events: "]), Finds(&[]))],
    },
];

/// A fault in the port: where it is looked for, and how the divergence's signature begins.
struct InPort {
    kernel: &'static str,
    vma: &'static str,
    mix: &'static str,
    fault: Fault,
    finds: &'static [&'static str],
}

static IN_PORT: &[InPort] = &[
    InPort {
        kernel: BEFORE,
        vma: "model",
        mix: "default",
        fault: Fault {
            name: "clone-not-counted",
            about: "clone does not count the destination among the VMAs of its anon_vma",
            file: "crates/port/src/clone.rs",
            edits: &[Edit { within: "count_active", from: ".wrapping_add(1)", to: ".wrapping_add(0)" }],
        },
        finds: &["differ anon_vma_clone state: anon_vma.num_active_vmas"],
    },
    InPort {
        kernel: AFTER,
        vma: "model",
        mix: "default",
        fault: Fault {
            name: "links-in-the-wrong-order",
            about: "clone links the entries that it allocated from the first to the last",
            file: "crates/port/src/clone.rs",
            edits: &[
                Edit { within: "clone_preallocated", from: ".chain.last;", to: ".chain.first;" },
                Edit { within: "clone_preallocated", from: "linked(avc).prev;", to: "linked(avc).next;" },
            ],
        },
        finds: &["differ anon_vma_fork events: tree_insert vs tree_insert of another object"],
    },
    InPort {
        kernel: BEFORE,
        vma: "model",
        mix: "fork-heavy",
        fault: Fault {
            name: "reuses-with-two-children",
            about: "the condition for reuse is off by one",
            file: "crates/port/src/clone.rs",
            edits: &[Edit { within: "maybe_reuse_anon_vma", from: "num_children < 2", to: "num_children <= 2" }],
        },
        finds: &["differ anon_vma_fork events: alloc anon_vma GFP_KERNEL vs exit anon_vma_fork 0"],
    },
    InPort {
        kernel: AFTER,
        vma: "model",
        mix: "default",
        fault: Fault {
            name: "prepare-may-not-sleep",
            about: "prepare allocates with another GFP flag",
            file: "crates/port/src/prepare.rs",
            edits: &[Edit { within: "__anon_vma_prepare", from: "Gfp::KERNEL", to: "Gfp::NOWAIT_NOWARN" }],
        },
        finds: &["differ anon_vma_prepare events: alloc anon_vma_chain GFP_KERNEL vs"],
    },
    InPort {
        kernel: AFTER,
        vma: "model",
        mix: "default",
        fault: Fault {
            name: "failed-fork-leaks",
            about: "fork keeps its anon_vma when the chain entry cannot be had",
            file: "crates/port/src/fork.rs",
            edits: &[Edit {
                within: "fork_preallocated",
                from: "self.put_anon_vma(anon_vma)?;\n            return Ok(-ENOMEM);",
                to: "return Ok(-ENOMEM);",
            }],
        },
        finds: &["differ anon_vma_fork events: put to zero vs exit anon_vma_fork -ENOMEM"],
    },
    InPort {
        kernel: BEFORE,
        vma: "model",
        mix: "default",
        fault: Fault {
            name: "unlocks-too-late",
            about: "unlink frees emptied anon_vmas before it drops the root's lock",
            file: "crates/port/src/unlink.rs",
            edits: &[Edit {
                within: "unlink_under_lock",
                from: "        match once {\n",
                to: "        self.put_emptied(vma)?;\n        match once {\n",
            }],
        },
        finds: &["differ unlink_anon_vmas events: up_write vs put to zero"],
    },
    InPort {
        kernel: BEFORE,
        vma: "model",
        mix: "wide",
        fault: Fault {
            name: "uncle-stays-red",
            about: "an insertion into the red-black tree does not recolour the uncle",
            file: "crates/port/src/rbtree.rs",
            edits: &[Edit {
                within: "rebalance_insert",
                from: "set_parent_color(nodes, uncle, grandparent, BLACK);",
                to: "",
            }],
        },
        finds: &["differ "],
    },
    InPort {
        kernel: AFTER,
        vma: "model",
        mix: "wide",
        fault: Fault {
            name: "rotation-forgets-the-last-page",
            about: "a rotation does not recompute the last page offset of what went down",
            file: "crates/port/src/interval_tree.rs",
            edits: &[Edit {
                within: "rotate",
                from: "self[old as usize].subtree_last = compute_max(self, old);",
                to: "",
            }],
        },
        finds: &["differ "],
    },
    InPort {
        kernel: AFTER,
        vma: "model",
        mix: "default",
        fault: Fault {
            name: "equal-keys-go-left",
            about: "an entry goes before those of the same first page offset",
            file: "crates/port/src/interval_tree.rs",
            edits: &[Edit {
                within: "insert",
                from: "left = start < node.start_pgoff",
                to: "left = start <= node.start_pgoff",
            }],
        },
        finds: &["differ "],
    },
    InPort {
        kernel: AFTER,
        vma: "kernel",
        mix: "merges",
        fault: Fault {
            name: "resize-forgets-the-tail",
            about: "a resize puts the first chain entry alone back into its tree",
            file: "crates/port/src/vma.rs",
            edits: &[Edit {
                within: "tree_post_update_vma",
                from: "avc = self.avcs.linked(avc).next;",
                to: "avc = NIL;",
            }],
        },
        finds: &["differ tree_post_update_vma events: tree_insert vs nothing"],
    },
    InPort {
        kernel: AFTER,
        vma: "kernel",
        mix: "full",
        fault: Fault {
            name: "shares-across-attributes",
            about: "prepare shares the anon_vma of a neighbour with other flags",
            file: "crates/port/src/prepare.rs",
            edits: &[Edit {
                within: "anon_vma_compatible",
                from: "& !VmaAttributes::IGNORED == 0",
                to: "& !VmaAttributes::IGNORED != !0",
            }],
        },
        finds: &["differ anon_vma_prepare events: alloc anon_vma GFP_KERNEL vs down_write"],
    },
    InPort {
        kernel: AFTER,
        vma: "kernel",
        mix: "merges",
        fault: Fault {
            name: "anon_vma-not-written",
            about: "what the VMA code writes to vma->anon_vma is not taken over",
            file: "crates/port/src/lib.rs",
            edits: &[Edit {
                within: "dispatch",
                from: "self.vmas.get_mut(vma)?.anon_vma = anon_vma;",
                to: "let _ = anon_vma;",
            }],
        },
        finds: &["differ vma_mark_attached state: vma.anon_vma", "differ vma_set_anon_vma state: vma.anon_vma"],
    },
    InPort {
        kernel: AFTER,
        vma: "kernel",
        mix: "full",
        fault: Fault {
            name: "indexed-by-page-offset",
            about: "a folio of a private file mapping has its index from the file",
            file: "crates/port/src/folio.rs",
            edits: &[Edit {
                within: "linear_index",
                from: "let index = vma.key(by_anon)",
                to: "let index = vma.key(false)",
            }],
        },
        finds: &["differ __folio_set_anon state: folio.index"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "full",
        fault: Fault {
            name: "unmap-counts-the-last-mapping-late",
            about: "a page counts as mapped until its mapcount is below zero",
            file: "crates/port/src/mapping.rs",
            edits: &[Edit { within: "folio_remove_rmap", from: "page.mapcount < 1", to: "page.mapcount < 0" }],
        },
        finds: &["differ folio_remove_rmap_ptes events: NR_", "differ try_to_"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "full",
        fault: Fault {
            name: "fork-keeps-pages-exclusive",
            about: "what a fork copies stays exclusive",
            file: "crates/port/src/mapping.rs",
            edits: &[Edit { within: "folio_try_dup_anon_rmap", from: "page.exclusive = false;", to: "" }],
        },
        finds: &["differ folio_try_dup_anon_rmap_ptes state: folio.mapcount"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "full",
        fault: Fault {
            name: "one-slot-owns-all",
            about: "a large folio counts as one mm's alone as soon as another mm is forgotten, though others map it",
            file: "crates/port/src/mapping.rs",
            edits: &[Edit { within: "forget", from: "i32::from(slot.mapcount) == left", to: "slot.mapcount >= 0" }],
        },
        finds: &["differ folio_remove_rmap_ptes state: folio.large", "differ try_to_"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "full",
        fault: Fault {
            name: "unmapping-keeps-its-reference",
            about: "an entry that goes to swap keeps its reference to the folio",
            file: "crates/port/src/walks.rs",
            edits: &[Edit {
                within: "unmap_entries",
                from: "found.references = found.references.wrapping_sub(count as u32);",
                to: "",
            }],
        },
        finds: &["differ try_to_unmap events: left"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "a-batch-takes-what-is-not-alike",
            about: "entries of a lazily freed folio go together though some cannot be written to",
            file: "crates/port/src/walks.rs",
            edits: &[Edit { within: "batch", from: "alike | Entry::PRESENT", to: "Entry::PRESENT" }],
        },
        finds: &["differ try_to_unmap events: "],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "a-devices-page-is-flushed",
            about: "an entry that no TLB knows is flushed",
            file: "crates/port/src/walks.rs",
            edits: &[Edit {
                within: "flush_cleared",
                from: "_ if was.has(Entry::DEVICE)",
                to: "_ if was == Entry::NONE",
            }],
        },
        finds: &["differ try_to_"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "writeback-leaves-entries-dirty",
            about: "an entry of a page that is written back still says that it was written to",
            file: "crates/port/src/walks.rs",
            edits: &[Edit {
                within: "make_clean",
                from: "entry.bits & !(Entry::DIRTY | Entry::WRITE)",
                to: "entry.bits & !Entry::WRITE",
            }],
        },
        finds: &["differ folio_mkclean events: entry"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "walk-comes-to-a-vma-unseen",
            about: "a walk does not say to which VMA it comes",
            file: "crates/port/src/walks.rs",
            edits: &[Edit {
                within: "tell_visit",
                from: "self.task.observed.record(EventKind::Visit, 0, 0, serial, visit.start as u32);",
                to: "let _ = serial;",
            }],
        },
        finds: &["differ folio_referenced events: visit vs ", "differ try_to_unmap events: visit vs "],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "file-tree-in-order-of-birth",
            about: "VMAs that begin at the same page of a file are walked in the order in which they were made",
            file: "crates/port/src/walks.rs",
            edits: &[Edit { within: "file_vmas", from: "rank(vma), vma.serial", to: "0, vma.serial" }],
        },
        finds: &["differ "],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "huge-pages",
        fault: Fault {
            name: "migration-forgets-that-a-huge-page-was-written-to",
            about: "the migration entry of a huge page does not say that it was written to",
            file: "crates/port/src/walks.rs",
            edits: &[Edit {
                within: "migrate_huge",
                from: "entry.bits & KEPT",
                to: "entry.bits & (KEPT & !Entry::DIRTY)",
            }],
        },
        finds: &["differ try_to_migrate events: entry"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "swap-entry-forgets-userfaultfd",
            about: "the entry of a slot does not say that userfaultfd has write-protected the page",
            file: "crates/port/src/walks.rs",
            edits: &[Edit { within: "swap_out", from: "was.bits & TRACKED", to: "was.bits & Entry::SOFT_DIRTY" }],
        },
        finds: &["differ try_to_unmap events: entry swap"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "swap-entry-forgets-that-it-is-soft-dirty",
            about: "the entry of a slot does not say that the page is soft-dirty",
            file: "crates/port/src/walks.rs",
            edits: &[Edit { within: "swap_out", from: "was.bits & TRACKED", to: "was.bits & Entry::UFFD" }],
        },
        finds: &["differ try_to_unmap events: entry swap"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "huge-pages",
        fault: Fault {
            name: "migration-forgets-that-a-huge-page-is-soft-dirty",
            about: "the migration entry of a huge page does not say that it is soft-dirty",
            file: "crates/port/src/walks.rs",
            edits: &[Edit {
                within: "migrate_huge",
                from: "entry.bits & KEPT",
                to: "entry.bits & (KEPT & !Entry::SOFT_DIRTY)",
            }],
        },
        finds: &["differ try_to_migrate events: entry"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "varied",
        fault: Fault {
            name: "failed-memory-stays-counted",
            about: "a page whose memory has failed stays in the counters of the mm",
            file: "crates/port/src/walks.rs",
            edits: &[Edit { within: "poison", from: "self.count_in_mm(mm, counter, -1);", to: "let _ = counter;" }],
        },
        finds: &["differ try_to_"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: "huge-pages",
        fault: Fault {
            name: "huge-page-counts-its-pages-twice",
            about: "pages of a huge page that have entries of their own are counted again when one entry maps all",
            file: "crates/port/src/mapping.rs",
            edits: &[Edit {
                within: "folio_remove_rmap",
                from: "(pages.count as i32 - large.pages_mapped, pages.count as i32)",
                to: "(pages.count as i32, pages.count as i32)",
            }],
        },
        finds: &["differ folio_remove_rmap_ptes "],
    },
    // What follows does the same as ever where nobody else runs, or does it in another order.
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: planted::TOGETHER,
        fault: Fault {
            name: "unlocks-before-the-last-tree-change",
            about: "fork unlocks the root before the child's own entry is in its tree",
            file: "crates/port/src/fork.rs",
            edits: &[
                Edit {
                    within: "fork_own",
                    from: "        self.anon_vma_tree_insert(avc.slot(), anon_vma)?;\n",
                    to: "        self.anon_vma_unlock_write(anon_vma)?;\n",
                },
                Edit {
                    within: "fork_own",
                    from: "        self.anon_vma_unlock_write(anon_vma)?;\n        Ok(0)",
                    to: "        self.anon_vma_tree_insert(avc.slot(), anon_vma)?;\n        Ok(0)",
                },
            ],
        },
        finds: &["differ anon_vma_fork events: tree_insert vs"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: planted::TOGETHER,
        fault: Fault {
            name: "locks-before-it-allocates",
            about: "clone takes the root's lock before it has the entries",
            file: "crates/port/src/clone.rs",
            edits: &[Edit {
                within: "clone_preallocated",
                from: "        let mut source = self.vmas.get(src)?.chain.first;\n",
                to: "        if let Some(active) = active {\n            self.anon_vma_lock_write(active)?;\n        }\n        \
                     let mut source = self.vmas.get(src)?.chain.first;\n",
            }],
        },
        finds: &[
            "differ anon_vma_fork point: alloc anon_vma_chain vs lock anon_vma",
            "differ anon_vma_fork events: alloc anon_vma_chain GFP_KERNEL vs down_write",
            "differ anon_vma_clone point: alloc anon_vma_chain vs lock anon_vma",
        ],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: planted::TOGETHER,
        fault: Fault {
            name: "puts-before-it-is-done",
            about: "unlink frees the chain entry before it drops the reference on the anon_vma",
            file: "crates/port/src/unlink.rs",
            edits: &[Edit {
                within: "put_emptied",
                from: "            self.put_anon_vma(anon_vma)?;\n            self.anon_vma_chain_del(vma, avc)?;\n",
                to: "            self.anon_vma_chain_del(vma, avc)?;\n            self.put_anon_vma(anon_vma)?;\n",
            }],
        },
        finds: &[
            "differ unlink_anon_vmas point: put anon_vma vs free anon_vma_chain",
            "differ unlink_anon_vmas events: put to zero vs free anon_vma_chain",
        ],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: planted::TOGETHER,
        fault: Fault {
            name: "looks-once-whether-a-folio-is-mapped",
            about: "who has got the lock of a folio's anon_vma does not look again whether the folio is mapped (eee0f252c653)",
            file: "crates/port/src/folio.rs",
            edits: &[Edit {
                within: "folio_lock_anon_vma_read",
                from: "let still_mapped = self.folio_mapped(folio, mapped)?;",
                to: "let still_mapped = true;",
            }],
        },
        finds: &[
            "differ try_to_unmap point: read folio vs unrcu",
            "differ folio_referenced point: read folio vs unrcu",
            "differ try_to_migrate point: read folio vs unrcu",
        ],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: planted::TOGETHER,
        fault: Fault {
            name: "looks-before-the-read-section",
            about: "whether a folio is mapped is looked at before the read section of RCU",
            file: "crates/port/src/folio.rs",
            edits: &[Edit {
                within: "folio_get_anon_vma",
                from: "        self.rcu_read_lock();\n",
                to: "        self.folio_mapped(folio, mapped)?;\n        self.rcu_read_lock();\n",
            }],
        },
        finds: &["differ folio_get_anon_vma point: rcu vs read folio"],
    },
    InPort {
        kernel: AFTER,
        vma: "pages",
        mix: planted::TOGETHER,
        fault: Fault {
            name: "drops-its-reference-before-it-has-the-lock",
            about: "a walk that waits for the lock of an anon_vma drops its reference first (of use where it waits alone)",
            file: "crates/port/src/folio.rs",
            edits: &[Edit {
                within: "folio_lock_anon_vma_read",
                from: "            self.down_read(root)?;\n            if self.mapping_now",
                to: "            if self.refcount_dec_and_test(anon_vma)? {\n                return Ok(Locked::No);\n            }\n            \
                     self.down_read(root)?;\n            if self.mapping_now",
            }],
        },
        finds: &[
            "differ try_to_unmap point: lock anon_vma vs put anon_vma",
            "differ try_to_migrate point: lock anon_vma vs put anon_vma",
        ],
    },
];

/// Changes of the newest reference that break no invariant, each with the class that a review must say, and no other.
static BENIGN: &[(Fault, &str)] = &[
    (
        Fault {
            name: "fork-flushes-twice",
            about: "a fork flushes its parent's translations, and once more",
            file: "mm/mmap.c",
            edits: &[Edit {
                within: "dup_mmap",
                from: "flush_tlb_mm(oldmm);",
                to: "{ flush_tlb_mm(oldmm); flush_tlb_mm(oldmm); }",
            }],
        },
        "flush order",
    ),
    (
        Fault {
            name: "unmapping-flushes-at-once",
            about: "what was to be flushed with the batch is flushed when the entry is taken out",
            file: "mm/rmap.c",
            edits: &[Edit {
                within: "try_to_unmap_one",
                from: "set_tlb_ubc_flush_pending(mm, pteval, address, end_addr);",
                to: "flush_tlb_range(vma, address, end_addr);",
            }],
        },
        "flush order",
    ),
    (
        Fault {
            name: "pins-count-twice",
            about: "NR_FOLL_PIN_ACQUIRED counts each pin twice; no invariant says what it is",
            file: "mm/gup.c",
            edits: &[Edit {
                within: "try_grab_folio",
                from: "NR_FOLL_PIN_ACQUIRED, refs);",
                to: "NR_FOLL_PIN_ACQUIRED, 2 * refs);",
            }],
        },
        "statistics",
    ),
];

/// Faults in the kernel's VMA code that a proof compares with the sound reference.
const COMPARED: &[&str] = &["merge-forgets-the-copied-anon_vma", "merges-a-copy-of-a-forked-vma"];

/// Faults in functions whose text says of which generation a tree is.
const IN_TOLD_FUNCTIONS: &[&str] = &["root-referenced-late"];

/// Whether a fault is a reference of its own: what is looked for in the functions that the port has too would not be found where
/// they stand several times, and those that the model drives are small.
fn is_apart(case: &InC) -> bool {
    let own = [COMPARED, planted::COUNTED, IN_TOLD_FUNCTIONS];
    let by_itself = own.iter().any(|names| names.contains(&case.fault.name));
    by_itself || case.hunts.iter().any(|hunt| hunt.vma == "model")
}

static WORKSHOP: LazyLock<Workshop> = LazyLock::new(|| {
    let in_c = IN_C.iter().map(|case| Planted {
        of: case.of,
        fault: &case.fault,
        apart: is_apart(case),
        with_vma_code: case.hunts.iter().any(|hunt| hunt.vma != "model"),
        with_pages: case.hunts.iter().any(|hunt| hunt.vma == "pages"),
    });
    let benign = BENIGN.iter().map(|(fault, _)| Planted {
        of: AFTER,
        fault,
        apart: false,
        with_vma_code: true,
        with_pages: true,
    });
    let in_port: Vec<&Fault> = IN_PORT.iter().map(|case| &case.fault).collect();
    Workshop::open(in_c.chain(benign), &in_port)
});

/// Whether a search came to what was expected; what it came to is printed, one line a fault.
fn judge(
    of: &str,
    fault: &Fault,
    hunt: &Hunt,
    found: Result<Option<Found>, String>,
    expect: &Finds,
) -> Result<(), String> {
    let Hunt { vma, side, mix, ops, .. } = hunt;
    let (took, what) = match &found {
        Ok(Some(found)) => (found.ops, found.signature.as_str()),
        Ok(None) => (*ops, "nothing"),
        Err(error) => (0, error.as_str()),
    };
    println!("{:34} {of:5} {vma:6} {side:5} {mix:15} {took:>7}  {what}", fault.name);
    let Finds(wanted) = expect;
    let as_expected = match &found {
        Ok(Some(_)) => wanted.iter().any(|w| what.starts_with(w)),
        Ok(None) => wanted.is_empty(),
        Err(_) => false,
    };
    let wanted = if wanted.is_empty() { "nothing".to_owned() } else { wanted.join("… or ") };
    let Fault { name, about, .. } = fault;
    match as_expected {
        true => Ok(()),
        false => Err(format!(
            "{name} ({about}):\n    wanted {wanted}\n    within {ops} operations of --vma {vma} --side {side} --mix {mix}\n    got    {what}"
        )),
    }
}

fn none_of(failures: Vec<String>) {
    assert!(
        failures.is_empty(),
        "{} planted faults did not show as expected:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn hunt_in_c(vma: &'static str, side: &'static str, expect: impl Fn(&InCHunt) -> &Finds) {
    let mut failures = Vec::new();
    for InC { of, fault, hunts } in IN_C {
        let runs = |case: &&InCHunt| case.vma == vma && (case.mix != planted::TOGETHER || side == "kernel");
        for case in hunts.iter().filter(runs) {
            let ops = match expect(case) {
                Finds([]) => OPS_OF_NOTHING,
                _ if case.mix == planted::TOGETHER => OPS_TOGETHER,
                _ => OPS_IN_C,
            };
            let hunt = Hunt { kernel: fault.name, vma, side, mix: case.mix, ops, first_seed: 1, in_port: 0 };
            failures.extend(judge(of, fault, &hunt, WORKSHOP.hunt(&hunt), expect(case)).err());
            let Some(at_most) = case.at_most.filter(|_| !expect(case).0.is_empty()) else { continue };
            match WORKSHOP.minimise(&hunt) {
                Ok(ops) => {
                    println!("{:34} minimised to {ops} operations", fault.name);
                    if ops > at_most {
                        failures.push(format!("{}: minimised to {ops} operations, not to {at_most}", fault.name));
                    }
                }
                Err(error) => failures.push(format!("{}: {error}", fault.name)),
            }
        }
    }
    none_of(failures);
}

#[test]
fn each_planted_fault_in_the_c_is_found() {
    hunt_in_c("model", "both", |case| &case.lockstep);
}

#[test]
fn each_planted_fault_in_the_c_is_found_by_the_invariants_alone() {
    hunt_in_c("model", "kernel", |case| &case.alone);
}

#[test]
fn each_planted_fault_in_the_c_is_found_with_the_kernel_driver() {
    hunt_in_c("kernel", "both", |case| &case.lockstep);
}

#[test]
fn each_planted_fault_in_the_c_is_found_with_the_kernel_driver_by_the_invariants_alone() {
    hunt_in_c("kernel", "kernel", |case| &case.alone);
}

#[test]
fn each_planted_fault_in_the_c_is_found_with_the_kernels_own_page_tables() {
    hunt_in_c("pages", "both", |case| &case.lockstep);
}

#[test]
fn each_planted_fault_in_the_c_is_found_with_the_kernels_own_page_tables_by_the_invariants_alone() {
    hunt_in_c("pages", "kernel", |case| &case.alone);
}

/// One process takes the lock of an anon_vma, so that reclaim waits for it with a reference; the last process to have the page ends,
/// and reclaim gets the lock before the anon_vma is freed.
const FREED_UNDER_A_WALK: &str = "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  exit p1
  swapout p1 0x10
  unmap p0 0x10..0x11
  at a lock c
  at c unlock anon_vma b
  at a put anon_vma b
  at b unlock a
end
";

/// On the kernel's side alone, with its page tables.
fn with_page_tables(kernel: &'static str, mix: &'static str) -> Hunt {
    Hunt { kernel, vma: "pages", side: "kernel", mix, ops: 0, first_seed: 1, in_port: 0 }
}

/// The first line of the report of a trace as it is written.
fn as_written(kernel: &'static str, trace: &str) -> String {
    WORKSHOP.run(&with_page_tables(kernel, "written"), trace)
}

#[test]
fn a_race_of_four_switches_is_seen_with_its_schedule() {
    let planted = as_written("freed-under-a-walk", FREED_UNDER_A_WALK);
    assert_eq!(planted, "violate I11 freed while locked after unlink_anon_vmas");
    let sound = as_written(AFTER, FREED_UNDER_A_WALK);
    assert!(sound.contains("every invariant holds"), "{sound}");
}

/// A page moves back, and reclaim comes to its new place before it is there, and to its old one when it is gone.
fn missed_by_reclaim(visit: u32) -> String {
    format!(
        "map p0 0x10..0x13\nfault p0 0x10\nfault p0 0x11\nmove p0 0x11..0x12 0x16\n\
         together\n  move p0 0x16..0x17 0x11\n  swapout p0 0x16\n  at a lock pte b\n  at b resched {visit} a\nend\n"
    )
}

#[test]
fn a_mapping_that_reclaim_misses_is_seen_with_its_schedule() {
    let of = |kernel, visit| as_written(kernel, &missed_by_reclaim(visit));
    for planted in ["move-back-without-locks", "move-back-without-locks-before"] {
        let found: Vec<String> = (1..5).map(|visit| of(planted, visit)).collect();
        let missed = |found: &String| found.starts_with("violate I11 mapping missed by a walk");
        assert!(found.iter().any(missed), "{planted}: {found:?}");
    }
    for found in (1..5).map(|visit| of(AFTER, visit)) {
        assert!(found.contains("every invariant holds"), "{found}");
    }
}

/// Faults that every schedule of a small scope finds, which scope that is, and what is found.
const BY_EVERY_SCHEDULE: &[(&str, &str, Finds)] = &[
    (
        "lock-of-another-life",
        "--procs 3 --pages 1 --depth 5 --only map,fault,fork,unmap,swapout --together 3 --preemptions 1",
        RACE,
    ),
    (
        "put-in-a-read-section",
        "--procs 2 --pages 1 --depth 3 --together 2 --preemptions 1",
        Finds(&["violate I11 sleeps in atomic context"]),
    ),
    (
        "chain-entry-of-the-slower-prepare",
        "--procs 1 --pages 2 --depth 5 --only map,fault,protect --together 2 --preemptions 1",
        Finds(&["violate I12 anon_vma_chain left"]),
    ),
    ("walk-of-what-is-unmapped", "--procs 2 --pages 1 --depth 3 --together 2 --preemptions 1", RACE),
    (
        "put-in-a-read-section-before",
        "--procs 2 --pages 1 --depth 3 --together 2 --preemptions 1",
        Finds(&["violate I11 sleeps in atomic context"]),
    ),
    (
        "chain-entry-of-the-slower-prepare-before",
        "--procs 1 --pages 2 --depth 5 --only map,fault,protect --together 2 --preemptions 1",
        Finds(&["violate I12 anon_vma_chain left"]),
    ),
    ("walk-of-what-is-unmapped-before", "--procs 2 --pages 1 --depth 3 --together 2 --preemptions 1", RACE),
    (
        "merge-without-the-lock-of-its-vma",
        "--procs 1 --pages 2 --depth 4 --only map,fault,protect --failures all --together 2 --preemptions 1",
        Finds(&["violate I11 VMA lock not held"]),
    ),
    (
        "move-back-without-locks",
        "--procs 1 --pages 3 --depth 4 --only map,fault,move,migrate --together 2 --preemptions 1",
        MISSED,
    ),
];

/// Faults that every schedule of three operations or two finds: what comes before these and what they are, with how many preemptions, and
/// what is found.
const BY_EVERY_SCHEDULE_OF: &[(&str, &str, &str, Finds)] = &[
    ("freed-under-a-walk", FREED_UNDER_A_WALK, "--preemptions 3 --preempt-at anon_vma", RACE),
    ("freed-under-a-walk-before", FREED_UNDER_A_WALK, "--preemptions 3 --preempt-at anon_vma", RACE),
    ("lock-of-another-life-before", ANOTHER_LIFE, "--preemptions 1", RACE),
    ("merge-without-the-lock-of-its-vma-before", MERGE, "--failures all --preemptions 1", MERGED),
    ("move-back-without-locks-before", MOVE_BACK, "--preemptions 1", MISSED),
];

const ANOTHER_LIFE: &str = "\
fork p0 p1
map p0 0x10..0x11
fault p0 0x10
map p1 0x20..0x21
fault p1 0x20
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  fork p1 p2
end
";

const MERGE: &str = "\
map p0 0x11..0x12
protect p0 0x11..0x12 r
map p0 0x12..0x13
fault p0 0x12
map p0 0x10..0x11
together
  fault p0 0x10
  protect p0 0x11..0x12 rw
end
";

const MOVE_BACK: &str = "\
map p0 0x10..0x12
fault p0 0x11
move p0 0x11..0x12 0x12
together
  migrate p0 0x12
  move p0 0x12..0x13 0x11
end
";

/// What is wrong, unless the search shows the fault with at most so many lines.
fn missed_by_every_schedule(
    kernel: &'static str,
    mix: &'static str,
    scope: &[&str],
    most: usize,
    Finds(wanted): &Finds,
) -> Option<String> {
    let found = WORKSHOP.exhaust_together(&with_page_tables(kernel, mix), scope);
    println!("{kernel:34} {found:?}");
    match found {
        Ok((found, lines)) if lines <= most && wanted.iter().any(|wanted| found.starts_with(wanted)) => None,
        other => Some(format!("{kernel}: wanted {} with at most {most} at lines, got {other:?}", wanted.join("… or "))),
    }
}

#[test]
fn races_are_found_by_every_schedule_of_their_operations() {
    let failures = BY_EVERY_SCHEDULE_OF.iter().filter_map(|(kernel, trace, bound, finds)| {
        let file = WORKSHOP.trace(&format!("section-{kernel}"), trace);
        let scope: Vec<&str> = ["--from", file.to_str().unwrap()].into_iter().chain(bound.split(' ')).collect();
        missed_by_every_schedule(kernel, "section", &scope, 5, finds)
    });
    none_of(failures.collect());
}

#[test]
fn races_are_found_by_every_schedule_with_one_preemption() {
    let failures = BY_EVERY_SCHEDULE.iter().filter_map(|(kernel, scope, finds)| {
        missed_by_every_schedule(kernel, "every-schedule", &scope.split(' ').collect::<Vec<_>>(), 2, finds)
    });
    none_of(failures.collect());
}

#[test]
fn each_planted_fault_in_the_port_is_found() {
    let failures = IN_PORT.iter().zip(1..).filter_map(|(InPort { kernel, vma, mix, fault, finds }, in_port)| {
        let ops = if *mix == planted::TOGETHER { OPS_TOGETHER } else { OPS_IN_PORT };
        let hunt = Hunt { kernel, vma, side: "both", mix, ops, first_seed: 1, in_port };
        judge(kernel, fault, &hunt, WORKSHOP.hunt(&hunt), &Finds(finds)).err()
    });
    none_of(failures.collect());
}

/// Fault, by which side, what is found, and how many operations the shortest trace has.
const SHORTEST: &[(&str, &str, &str, usize)] = &[
    (
        "fork-leaves-the-parent-writable",
        "kernel",
        "violate Exclusive writable entry of a page that is not exclusive",
        3,
    ),
    ("reclaim-does-not-count-swap", "kernel", "violate Rss MM_SWAPENTS is not what is mapped", 3),
    ("migration-forgets-what-was-written", "both", "differ remove_migration_ptes", 3),
    // With the trace the last process ends.
    ("exit-keeps-a-reference", "kernel", "violate I12 frames or page tables left", 2),
    ("exit-keeps-a-swap-slot", "kernel", "violate I12 frames or page tables left", 3),
    ("page-table-goes-before-its-pages", "kernel", "violate I11 page table freed with entries in it", 3),
    // A folio of several pages that loses one of them.
    ("partially-mapped-folio-is-not-queued", "kernel", "violate Mapcount partially mapped folio that is not queued", 3),
    ("fork-keeps-the-clone", "both", "differ anon_vma_fork events", 3),
    ("fork-keeps-the-clone", "kernel", "violate I10 failed call changed an anon_vma after anon_vma_fork", 3),
    ("failed-clone-keeps-the-anon_vma", "both", "differ anon_vma_clone events", 3),
    (
        "failed-clone-keeps-the-anon_vma",
        "kernel",
        "violate I10 failed call changed an anon_vma after anon_vma_clone",
        3,
    ),
    ("prepare-shares-what-was-forked", "kernel", "violate I1 root not on the chain", 5),
    ("never-reuses", "both", "differ anon_vma_fork events: alloc anon_vma", 6),
    // CVE-2022-42703, which random operations take thousands for.
    ("degree", "kernel", "violate I10 reuse of an anon_vma with VMAs", 7),
    ("degree-7", "kernel", "violate I10 reuse of an anon_vma with VMAs", 7),
    ("cleanup-keeps-the-anon_vma", "kernel", "violate I10 failed call left vma->anon_vma", 3),
];

#[test]
fn a_search_of_every_sequence_finds_planted_faults_with_a_shortest_trace() {
    let mut failures = Vec::new();
    for &(kernel, side, wanted, operations) in SHORTEST {
        let of_pages = IN_C.iter().any(|case| case.fault.name == kernel && case.hunts[0].vma == "pages");
        let vma = if of_pages { "pages" } else { "model" };
        let hunt = Hunt { kernel, vma, side, mix: "", ops: 0, first_seed: 1, in_port: 0 };
        let found = WORKSHOP.exhaust(&hunt);
        println!("{kernel:34} {side:5} {found:?}");
        match &found {
            Ok((found, ops)) if found.starts_with(wanted) && *ops == operations => {}
            _ => failures.push(format!("{kernel} --side {side}: wanted {wanted} with {operations}, got {found:?}")),
        }
    }
    none_of(failures);
}

#[test]
fn a_review_says_what_a_planted_fault_breaks_and_on_which_side() {
    let cases = [
        (BEFORE, "fork-keeps-the-clone", "model", "violate I10", "fork-keeps-the-clone"),
        (BEFORE, "failed-clone-keeps-the-anon_vma", "model", "violate I10", "failed-clone-keeps-the-anon_vma"),
        (BEFORE, "root-not-pinned", "model", "violate I6", "root-not-pinned"),
        (AFTER, "cleanup-keeps-the-anon_vma", "model", "violate I10", "cleanup-keeps-the-anon_vma"),
        (AFTER, "reclaim-does-not-count-swap", "pages", "violate Rss MM_SWAPENTS", "7.x-faults"),
        (AFTER, "writeback-leaves-pages-writable", "pages", "violate I11 page left writable", "7.x-faults"),
        // Rss says what these are, so that no difference in them is benign.
        (AFTER, "statistics-do-not-count", "pages", "violate Rss NR_", "7.x-faults"),
        // A flush that is missing is no other order of flushes.
        (AFTER, "fork-leaves-writable-translations", "pages", "violate I11 TLB not flushed", "7.x-faults"),
    ];
    let mut failures = Vec::new();
    for (base, fault, vma, wanted, kernel) in cases {
        let found = WORKSHOP.review(base, fault, vma);
        println!("{fault:34} {found:?}");
        let is_wanted = |class: &String| class.starts_with(wanted) && class.ends_with(&format!(" of {kernel}"));
        match &found {
            Ok((verdict, classes)) if verdict == "violates" && classes.last().is_some_and(is_wanted) => {}
            _ => failures.push(format!("{fault}: wanted {wanted}, got {found:?}")),
        }
    }
    none_of(failures);
}

#[test]
fn a_review_names_other_flushes_and_statistics_that_break_no_invariant_and_nothing_else() {
    let mut failures = Vec::new();
    for (Fault { name, about, .. }, class) in BENIGN {
        let found = WORKSHOP.review(AFTER, name, "pages");
        println!("{name:34} {found:?}");
        let wanted = ("equivalent but for".to_owned(), vec![(*class).to_owned()]);
        if found.as_ref() != Ok(&wanted) {
            failures.push(format!("{name} ({about}): wanted {wanted:?}, got {found:?}"));
        }
    }
    none_of(failures);
}

#[test]
fn a_fix_is_proven_if_the_fault_is_in_the_tree_without_it_and_breaks_something_if_it_is_in_the_tree_with_it() {
    for (sound, fault, wanted) in [
        (BEFORE, "failed-clone-keeps-the-anon_vma", "violate I10"),
        (AFTER, "cleanup-keeps-the-anon_vma", "violate I10"),
    ] {
        for (without, with, verdict, status, list) in
            [(fault, sound, "proven", 0, "fixed"), (sound, fault, "breaks something else", 1, "broken")]
        {
            let (value, code) = WORKSHOP.prove(without, with, "model", 20_000);
            assert_eq!((value["verdict"].as_str(), code), (Some(verdict), Some(status)), "{value}");
            let shown = &value[list][0];
            assert!(shown["signature"].as_str().is_some_and(|signature| signature.starts_with(wanted)), "{value}");
            assert_eq!((shown["kernel"].as_str(), &shown["separates"]), (Some(fault), &true.into()), "{value}");
            // What the trace says: a failing split or fork after a map and a fault.
            assert_eq!(shown["trace"].as_array().map(Vec::len), Some(3), "{value}");
            let program = std::fs::read_to_string(value["program"].as_str().unwrap()).unwrap();
            assert!(program.contains("int main("), "{program}");
        }
    }
    // One fault instead of another: what fails with the fix does not fail without it, whatever the fix repairs.
    let (value, code) = WORKSHOP.prove("fork-keeps-the-clone", "root-not-pinned", "model", 20_000);
    assert_eq!((value["verdict"].as_str(), code), (Some("breaks something else"), Some(1)), "{value}");
}

#[test]
fn fixes_of_the_history_are_proven() {
    let mut failures = Vec::new();
    for (fix, vma, sound, undone, wanted) in [
        ("4946d54cb55e (2010)", "model", BEFORE, "fork-keeps-the-clone", "violate I10"),
        ("d0e9fe1758f2 (2010)", "kernel", BEFORE, "prepare-shares-what-was-forked", "violate I"),
        ("3fe89b3e2a7b (2015)", "model", BEFORE, "failed-clone-keeps-the-anon_vma", "violate I10"),
        ("2555283eb40d (2022, CVE-2022-42703)", "model", BEFORE, "degree", "violate I"),
        ("3a206a8649f8 (January 2026)", "kernel", AFTER, "cleanup-keeps-the-anon_vma", "violate I10"),
        ("mremap merges (January 2026)", "kernel", AFTER, "merge-forgets-the-copied-anon_vma", "violate I"),
        ("mremap merges (January 2026)", "kernel", AFTER, "merges-a-copy-of-a-forked-vma", "violate I"),
    ] {
        let (value, code) = WORKSHOP.prove(undone, sound, vma, 30_000);
        let first = &value["fixed"][0];
        let signature = first["signature"].as_str().unwrap_or_default();
        println!("{fix:36} {} {signature}", value["verdict"]);
        if code != Some(0) || value["verdict"] != "proven" || !signature.starts_with(wanted) {
            failures.push(format!("{fix}, undone by {undone}: wanted {wanted}, got {value}"));
        }
    }
    none_of(failures);
}

#[test]
fn a_review_says_which_changed_lines_no_trace_reached() {
    let maps = "map p0 0x0..0x1\nfault p0 0x0\n";
    let forks = format!("{maps}fork p0 p1\nfork p1 p2\n");
    for (trace, wanted) in [(maps, "not reached"), (&forks, "ran")] {
        let file = WORKSHOP.trace(wanted.split(' ').next().unwrap(), trace);
        let (lines, reached) = WORKSHOP.changed_lines(BEFORE, planted::COUNTED[0], "model", &file);
        assert!(lines.len() >= 2 && reached == (wanted == "ran"), "{lines:?}");
        for line in lines {
            let text = line["text"].as_str().unwrap();
            assert_eq!(
                (line["runs"].as_str(), line["function"].as_str()),
                (Some(wanted), Some("anon_vma_clone")),
                "{line}"
            );
            assert!(text.contains("num_children") || text.contains('1'), "{line}");
        }
    }
    // Nothing is known to be changed in a reference that no patch made.
    let (lines, reached) = WORKSHOP.changed_lines(BEFORE, "root-not-pinned", "model", &WORKSHOP.trace("ran", &forks));
    assert_eq!((lines, reached), (vec![], true));
}

#[test]
fn a_review_says_which_changed_lines_only_the_page_tables_reach() {
    let faulted = "map p0 0x0..0x1 shared file 0\nfault p0 0x0\n";
    let cleaned = format!("{faulted}clean p0 0x0\n");
    for (vma, trace, wanted) in [
        ("kernel", cleaned.as_str(), "not reached without --vma pages"),
        ("pages", faulted, "not reached"),
        ("pages", &cleaned, "ran"),
    ] {
        let file = WORKSHOP.trace("of-pages", trace);
        let (lines, reached) = WORKSHOP.changed_lines(AFTER, planted::COUNTED[1], vma, &file);
        let said: Vec<_> = lines.iter().map(|line| (line["function"].as_str(), line["runs"].as_str())).collect();
        assert_eq!((said, reached), (vec![(Some("page_mkclean_one"), Some(wanted))], wanted == "ran"), "{vma}");
    }
}

#[test]
fn without_a_planted_fault_nothing_is_found() {
    let mut failures = Vec::new();
    let (small, full) = (["default", "fork-heavy", "wide"], ["full", "full-fork-heavy", "merges"]);
    for kernel in [BEFORE, AFTER] {
        for (vma, mixes, sides) in
            [("model", small, &["both", "kernel", "port"][..]), ("kernel", full, &["both", "kernel"])]
        {
            for (mix, side) in mixes.into_iter().flat_map(|mix| sides.iter().map(move |&side| (mix, side))) {
                let hunt = Hunt { kernel, vma, side, mix, ops: OPS_OF_NOTHING, first_seed: 1, in_port: 0 };
                let what = match WORKSHOP.hunt(&hunt) {
                    Ok(None) => continue,
                    Ok(Some(found)) => found.signature,
                    Err(error) => error,
                };
                failures.push(format!("{kernel} --vma {vma} --side {side} --mix {mix}: {what}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
