//! Which paths of a kernel tree a reference holds. Stated once: copying a directory, unpacking a
//! tarball, the sparse checkout of git and the choice of a patch's hunks all ask here.

/// One rule about paths, which are relative to the top of the kernel tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// One file.
    File(&'static str),
    /// The files of one directory, not of those below it, with one of these extensions.
    Flat(&'static str, &'static [&'static str]),
    /// A directory and all below it.
    Deep(&'static str),
}

/// The rules. What a tree lacks is no error here: the manifest says what must be there.
pub const RULES: &[Rule] = &[
    // The version.
    Rule::File("Makefile"),
    // The subject, and the VMA layer above it.
    Rule::Flat("mm", &["c", "h"]),
    Rule::Flat("include/linux", &["h"]),
    Rule::File("lib/rbtree.c"),
    Rule::File("lib/maple_tree.c"),
    Rule::File("kernel/fork.c"),
    // The kernel's own userland harness for the VMA layer.
    Rule::Deep("tools/testing/vma"),
    Rule::Deep("tools/testing/shared"),
    Rule::Deep("tools/testing/radix-tree"),
    Rule::Deep("tools/include"),
    Rule::Deep("tools/lib"),
];

/// Whether a reference holds `path` (relative to the top of the tree, with `/`).
pub fn needed(path: &str) -> bool {
    if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return false;
    }
    RULES.iter().any(|rule| match rule {
        Rule::File(file) => path == *file,
        Rule::Flat(dir, extensions) => path.rsplit_once('/').is_some_and(|(parent, name)| {
            parent == *dir && name.rsplit_once('.').is_some_and(|(_, end)| extensions.contains(&end))
        }),
        Rule::Deep(dir) => path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')),
    })
}

/// The rules as patterns of `git sparse-checkout set --no-cone`.
pub fn sparse_patterns() -> Vec<String> {
    let mut patterns = Vec::new();
    for rule in RULES {
        match rule {
            Rule::File(file) => patterns.push(format!("/{file}")),
            Rule::Flat(dir, extensions) => {
                patterns.extend(extensions.iter().map(|end| format!("/{dir}/*.{end}")));
            }
            Rule::Deep(dir) => patterns.push(format!("/{dir}/")),
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn flat_rules_do_not_reach_below_their_directory() {
        assert!(needed("mm/rmap.c") && needed("include/linux/rmap.h") && needed("Makefile"));
        assert!(!needed("mm/kasan/common.c") && !needed("mm/Kconfig") && !needed("include/linux/sched/mm.h"));
        assert!(!needed("arch/Makefile") && !needed("mm/../mm/rmap.c") && !needed("/mm/rmap.c"));
        assert!(needed("tools/testing/vma/vma.c") && !needed("tools/testing/vma"));
    }
}
