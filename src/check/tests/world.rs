//! Hand-made states, right in every respect, to break one thing in.

use crate::rmap::{
    AnonVmaId, AnonVmaState, AvcId, ChainLink, MmId, Node, Snapshot, VmaAttributes, VmaId, VmaRange, VmaState, stream,
};

/// One VMA of a hand-made state: serial, process, first and last + 1 page, `vma->anon_vma`, chain.
pub type VmaSpec<'a> = (u32, u8, u64, u64, Option<u32>, &'a [u32]);

/// A state with the given VMAs and the given anon_vmas (serial, root, parent); everything that can be
/// derived is derived right: chain entries, counters, references, trees.
pub fn build(vmas: &[VmaSpec<'_>], anon_vmas: &[[u32; 3]]) -> Snapshot {
    let mut avcs = 0..;
    let vmas: Vec<VmaState> = vmas
        .iter()
        .map(|&(id, mm, start, end, anon_vma, chain)| VmaState {
            id: VmaId(id),
            mm: MmId(mm),
            attached: true,
            range: VmaRange { start, end, pgoff: start },
            attributes: VmaAttributes::anonymous(VmaRange { start, end, pgoff: start }),
            anon_vma: anon_vma.map(AnonVmaId),
            chain: chain
                .iter()
                .zip(&mut avcs)
                .map(|(&anon_vma, avc)| ChainLink { avc: AvcId(avc), anon_vma: AnonVmaId(anon_vma), vma: VmaId(id) })
                .collect(),
        })
        .collect();
    let states = anon_vmas
        .iter()
        .map(|&[id, root, parent]| {
            let tree = tree(&vmas, AnonVmaId(id));
            let below = anon_vmas.iter().filter(|other| other[1] == id && other[0] != id).count();
            AnonVmaState {
                id: AnonVmaId(id),
                root: AnonVmaId(root),
                parent: AnonVmaId(parent),
                refcount: 1 + below as i64,
                num_children: anon_vmas.iter().filter(|other| other[2] == id).count() as u64,
                num_active_vmas: vmas.iter().filter(|vma| vma.anon_vma == Some(AnonVmaId(id))).count() as u64,
                leftmost: leftmost(&tree),
                tree,
            }
        })
        .collect();
    Snapshot { vmas, anon_vmas: states, folios: Vec::new() }
}

/// Two VMAs of a process, forked twice: a root with its child and grandchild, a second tree beside, and an unfaulted VMA.
pub fn family() -> Snapshot {
    build(
        &[
            (0, 0, 0x10, 0x18, Some(0), &[0]),
            (1, 0, 0x18, 0x20, Some(0), &[0]),
            (2, 1, 0x10, 0x18, Some(1), &[1, 0]),
            (3, 1, 0x18, 0x20, Some(1), &[1, 0]),
            (4, 2, 0x10, 0x18, Some(2), &[2, 1, 0]),
            (5, 0, 0x40, 0x48, Some(3), &[3]),
            (6, 0, 0x80, 0x88, None, &[]),
        ],
        &[[0, 0, 0], [1, 0, 0], [2, 0, 1], [3, 3, 3]],
    )
}

fn leftmost(tree: &[Node]) -> Option<AvcId> {
    let mut at = 0;
    while tree.get(at)?.left {
        at += 1;
    }
    Some(tree[at].avc)
}

/// The tree of everything attached to an anon_vma: as level as can be, its last level red.
fn tree(vmas: &[VmaState], anon_vma: AnonVmaId) -> Vec<Node> {
    let mut entries: Vec<(u64, u64, AvcId, VmaId)> = vmas
        .iter()
        .flat_map(|vma| vma.chain.iter().map(move |link| (vma, link)))
        .filter(|(_, link)| link.anon_vma == anon_vma)
        .map(|(vma, link)| (vma.range.pgoff, vma.range.last_pgoff(), link.avc, vma.id))
        .collect();
    entries.sort_unstable();
    let levels = usize::BITS - entries.len().leading_zeros();
    let mut nodes = Vec::new();
    grow(&entries, 1, levels, &mut nodes);
    nodes
}

fn grow(entries: &[(u64, u64, AvcId, VmaId)], level: u32, levels: u32, nodes: &mut Vec<Node>) {
    if entries.is_empty() {
        return;
    }
    let middle = entries.len() / 2;
    let (left, right) = (&entries[..middle], &entries[middle + 1..]);
    let (_, _, avc, vma) = entries[middle];
    nodes.push(Node {
        avc,
        vma,
        black: level < levels || level == 1,
        left: !left.is_empty(),
        right: !right.is_empty(),
        subtree_last: entries.iter().map(|entry| entry.1).max().unwrap_or(0),
    });
    grow(left, level + 1, levels, nodes);
    grow(right, level + 1, levels, nodes);
}

/// The state in the words of [`stream`], every tree whole.
pub fn encode(snapshot: &Snapshot) -> Vec<u64> {
    let mut words = Vec::new();
    snapshot.vmas.iter().for_each(|vma| encode_vma(vma, &mut words));
    for anon_vma in &snapshot.anon_vmas {
        encode_head(anon_vma, &mut words);
        words.extend([stream::TREE, anon_vma.tree.len() as u64]);
        anon_vma.tree.iter().for_each(|node| words.extend(node_words(node)));
    }
    words
}

/// The same, but the trees told by the paths from each of their nodes.
pub fn encode_paths(snapshot: &Snapshot) -> Vec<u64> {
    let mut words = Vec::new();
    snapshot.vmas.iter().for_each(|vma| encode_vma(vma, &mut words));
    for anon_vma in &snapshot.anon_vmas {
        encode_head(anon_vma, &mut words);
        let tree = &anon_vma.tree;
        words.extend([stream::PATHS, tree.len() as u64, tree.len() as u64]);
        let children = children(tree);
        for mut at in 0..tree.len() {
            let mut path = vec![at];
            while let Some(parent) = (0..tree.len()).find(|&p| children[p].contains(&Some(at))) {
                path.push(parent);
                at = parent;
            }
            words.push(path.len() as u64);
            for at in path {
                let [left, right] = children[at].map(|child| child.map(|c| &tree[c]));
                let black = |child: Option<&Node>, bit| if child.is_some_and(|c| c.black) { bit } else { 0 };
                let [ids, rest] = node_words(&tree[at]);
                let serial = |child: Option<&Node>| child.map_or(0, |c| u64::from(c.avc.0) + 1);
                let last = |child: Option<&Node>| child.map_or(0, |c| c.subtree_last);
                words.extend([
                    ids,
                    rest | black(left, stream::LEFT_BLACK) | black(right, stream::RIGHT_BLACK),
                    serial(left) | serial(right) << 32,
                    last(left),
                    last(right),
                ]);
            }
        }
    }
    words
}

/// The children of each node of a tree in preorder, by index.
fn children(tree: &[Node]) -> Vec<[Option<usize>; 2]> {
    fn visit(tree: &[Node], at: &mut usize, children: &mut Vec<[Option<usize>; 2]>) -> usize {
        let here = *at;
        *at += 1;
        if tree[here].left {
            children[here][0] = Some(visit(tree, at, children));
        }
        if tree[here].right {
            children[here][1] = Some(visit(tree, at, children));
        }
        here
    }
    let mut children = vec![[None; 2]; tree.len()];
    if !tree.is_empty() {
        visit(tree, &mut 0, &mut children);
    }
    children
}

fn encode_vma(vma: &VmaState, words: &mut Vec<u64>) {
    let VmaRange { start, end, pgoff } = vma.range;
    let anon_vma = vma.anon_vma.map_or(0, |a| u64::from(a.0) + 1);
    words.extend([stream::VMA, u64::from(vma.id.0), u64::from(vma.mm.0), u64::from(vma.attached)]);
    words.extend([start, end, pgoff, vma.attributes.anon_pgoff, vma.attributes.kind_word()]);
    words.extend([anon_vma, vma.chain.len() as u64]);
    for link in &vma.chain {
        words.extend([link.avc.0, link.anon_vma.0, link.vma.0].map(u64::from));
    }
}

fn encode_head(anon_vma: &AnonVmaState, words: &mut Vec<u64>) {
    let [id, root, parent] = [anon_vma.id, anon_vma.root, anon_vma.parent].map(|a| u64::from(a.0));
    let leftmost = anon_vma.leftmost.map_or(0, |avc| u64::from(avc.0) + 1);
    words.extend([stream::ANON_VMA, id, root, parent, anon_vma.refcount as u64]);
    words.extend([anon_vma.num_children, anon_vma.num_active_vmas, leftmost]);
}

fn node_words(node: &Node) -> [u64; 2] {
    let bit = |set, bit| if set { bit } else { 0 };
    let bits = bit(node.black, stream::BLACK) | bit(node.left, stream::LEFT) | bit(node.right, stream::RIGHT);
    [u64::from(node.avc.0) | u64::from(node.vma.0) << 32, bits | node.subtree_last << 8]
}

#[test]
fn encoding_is_the_inverse_of_decoding() {
    assert_eq!(Snapshot::decode(&encode(&family())), Ok(family()));
}
