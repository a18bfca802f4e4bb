//! Defects of the kernel's own past, by generation: what undoes the fix in the text of each. Where a fix is of no use to a
//! generation, as it has no such code, it is not there.

use rmap_extract::edit::Edit;

use super::planted::Fault;

/// A defect in the generations that can have it.
pub struct Historical {
    /// The commit that put it right, and the year.
    pub fix: &'static str,
    /// What was wrong.
    pub about: &'static str,
    /// The mix of random operations that it is looked for with.
    pub mix: &'static str,
    /// By reference: each is planted as a reference of the fault's name.
    pub planted: &'static [(&'static str, Fault)],
}

const fn fault(name: &'static str, file: &'static str, edits: &'static [Edit]) -> Fault {
    Fault { name, about: "", file, edits }
}

const RMAP: &str = "mm/rmap.c";

pub const KEEPS_THE_CLONE: &[Edit] = &[Edit { within: "anon_vma_fork", from: "\tunlink_anon_vmas(vma);\n", to: "" }];
pub const SHARES_WHAT_WAS_FORKED: &[Edit] =
    &[Edit { within: "reusable_anon_vma", from: " && list_is_singular(&old->anon_vma_chain)", to: "" }];
pub const NEVER_REUSES: &[Edit] =
    &[Edit { within: "anon_vma_clone", from: "anon_vma->num_children < 2", to: "anon_vma->num_children < 0" }];
const NEVER_REUSES_7: &[Edit] = &[Edit {
    within: "maybe_reuse_anon_vma",
    from: "anon_vma->num_children > 1",
    to: "anon_vma->num_children + 2 > 1",
}];
pub const KEEPS_THE_ANON_VMA: &[Edit] = &[Edit { within: "anon_vma_clone", from: "\tdst->anon_vma = NULL;\n", to: "" }];
pub const KEEPS_THE_ANON_VMA_7: &[Edit] =
    &[Edit { within: "cleanup_partial_anon_vmas", from: "vma->anon_vma = NULL;", to: "" }];
pub const DEGREE: &[Edit] = &[
    Edit {
        within: "anon_vma_clone",
        from: "anon_vma->num_children < 2",
        to: "anon_vma != src->anon_vma && anon_vma->num_children + anon_vma->num_active_vmas < 2",
    },
    Edit { within: "anon_vma_clone", from: "anon_vma->num_active_vmas == 0", to: "1" },
];
pub const DEGREE_7: &[Edit] = &[
    Edit {
        within: "anon_vma_clone",
        from: "if (operation == VMA_OP_FORK)",
        to: "if (operation == VMA_OP_FORK && anon_vma != active_anon_vma)",
    },
    Edit {
        within: "maybe_reuse_anon_vma",
        from: "anon_vma->num_active_vmas > 0",
        to: "anon_vma->num_children + anon_vma->num_active_vmas > 1",
    },
];

/// All of them, oldest fix first.
pub static HISTORICAL: &[Historical] = &[
    Historical {
        fix: "4946d54cb55e (2010)",
        about: "fork does not undo the clone when its own anon_vma or chain entry cannot be had",
        mix: "full",
        planted: &[
            ("6.1", fault("keeps-the-clone-6.1", RMAP, KEEPS_THE_CLONE)),
            ("6.12", fault("keeps-the-clone-6.12", RMAP, KEEPS_THE_CLONE)),
        ],
    },
    Historical {
        fix: "d0e9fe1758f2 (2010)",
        about: "prepare shares the anon_vma of a neighbour with more than one chain entry",
        mix: "merges",
        planted: &[
            ("6.1", fault("shares-6.1", "mm/mmap.c", SHARES_WHAT_WAS_FORKED)),
            ("6.12", fault("shares-6.12", "mm/vma.c", SHARES_WHAT_WAS_FORKED)),
            ("6.12-fork-preallocates", fault("shares-6.12-fork-preallocates", "mm/vma.c", SHARES_WHAT_WAS_FORKED)),
            ("7.2", fault("shares-7.2", "mm/vma.c", SHARES_WHAT_WAS_FORKED)),
            ("7.3", fault("shares-7.3", "mm/vma.c", SHARES_WHAT_WAS_FORKED)),
        ],
    },
    Historical {
        fix: "7a3ef208e662 (2015)",
        about: "fork and exit in a loop grow the hierarchy without end",
        mix: "full-fork-heavy",
        planted: &[
            ("6.1", fault("never-reuses-6.1", RMAP, NEVER_REUSES)),
            ("6.12", fault("never-reuses-6.12", RMAP, NEVER_REUSES)),
            ("6.12-fork-preallocates", fault("never-reuses-6.12-fork-preallocates", RMAP, NEVER_REUSES)),
            ("7.2", fault("never-reuses-7.2", RMAP, NEVER_REUSES_7)),
            ("7.3", fault("never-reuses-7.3", RMAP, NEVER_REUSES_7)),
        ],
    },
    Historical {
        fix: "3fe89b3e2a7b (2015)",
        about: "a failed clone leaves dst->anon_vma set",
        mix: "full",
        planted: &[
            ("6.1", fault("keeps-the-anon_vma-6.1", RMAP, KEEPS_THE_ANON_VMA)),
            ("6.12", fault("keeps-the-anon_vma-6.12", RMAP, KEEPS_THE_ANON_VMA)),
            ("6.12-fork-preallocates", fault("keeps-the-anon_vma-6.12-fork-preallocates", RMAP, KEEPS_THE_ANON_VMA)),
        ],
    },
    Historical {
        fix: "2555283eb40d (2022, CVE-2022-42703)",
        about: "one degree counts children and VMAs together, so an anon_vma is reused twice",
        mix: "full-fork-heavy",
        planted: &[
            ("6.1", fault("degree-6.1", RMAP, DEGREE)),
            ("6.12", fault("degree-6.12", RMAP, DEGREE)),
            ("6.12-fork-preallocates", fault("degree-6.12-fork-preallocates", RMAP, DEGREE)),
            ("7.2", fault("degree-7.2", RMAP, DEGREE_7)),
            ("7.3", fault("degree-7.3", RMAP, DEGREE_7)),
        ],
    },
    Historical {
        fix: "3a206a8649f8 (2026)",
        about: "cleanup_partial_anon_vmas() leaves vma->anon_vma set",
        mix: "full",
        planted: &[
            ("7.2", fault("cleanup-keeps-7.2", RMAP, KEEPS_THE_ANON_VMA_7)),
            ("7.3", fault("cleanup-keeps-7.3", RMAP, KEEPS_THE_ANON_VMA_7)),
        ],
    },
];
