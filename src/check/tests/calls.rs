//! I10 to I12: what calls promise, locks and warnings, and that nothing is left.

use super::world::{build, encode, encode_paths};
use crate::check::Invariant::{self, I4, I6, I8, I10, I11, I12};
use crate::check::oracle::{Broken, Oracle, Rules, event_violation};
use crate::rmap::{
    AnonVmaId, Cache, Call, Event, EventKind, FolioId, Gfp, MmId, Revision, Rule, Snapshot, VmaId, VmaOperation,
    VmaRange, VmaState,
};
use crate::trace::{Mapped, MmCounts};

const ANY: Call = Call::MmapUnlock { mm: MmId(0) };
const FORK: Call = Call::AnonVmaFork { vma: VmaId(9), pvma: VmaId(1) };
const CLONE: Call = Call::AnonVmaClone { dst: VmaId(9), src: VmaId(1), operation: VmaOperation::Split };
const ENOMEM: i32 = -12;

/// A parent, a child, and a grandchild whose VMA is gone: anon_vma 2 may be reused.
fn before() -> Snapshot {
    build(
        &[(0, 0, 1, 9, Some(0), &[0]), (1, 1, 1, 9, Some(3), &[3, 2, 0]), (2, 2, 1, 9, None, &[])],
        &[[0, 0, 0], [2, 0, 0], [3, 0, 2]],
    )
}

/// The same with VMA 9, its anon_vma, chain, and that anon_vma's parent if it is new.
fn after(anon_vma: Option<u32>, chain: &[u32], parent: u32) -> Snapshot {
    let mut anon_vmas = vec![[0, 0, 0], [2, 0, 0], [3, 0, 2]];
    if anon_vma == Some(7) {
        anon_vmas.push([7, 0, parent]);
    }
    build(
        &[
            (0, 0, 1, 9, Some(0), &[0]),
            (1, 1, 1, 9, Some(3), &[3, 2, 0]),
            (2, 2, 1, 9, None, &[]),
            (9, 3, 1, 9, anon_vma, chain),
        ],
        &anon_vmas,
    )
}

fn started(state: &Snapshot) -> Oracle {
    started_with(state, Rules::default())
}

fn started_with(state: &Snapshot, rules: Rules) -> Oracle {
    let mut oracle = Oracle::with_rules(rules);
    oracle.begin_operation();
    assert_eq!(oracle.observe(ANY, 0, &[], &encode(state)), Ok(()));
    assert_eq!(oracle.end_operation(), Ok(()));
    oracle.begin_operation();
    oracle
}

/// The same in the middle of an operation.
fn amid(state: &Snapshot) -> Oracle {
    let mut oracle = Oracle::new();
    oracle.begin_operation();
    assert_eq!(oracle.observe(ANY, 0, &[], &encode(state)), Ok(()));
    oracle
}

fn call(call: Call, ret: i32, events: &[Event], state: &Snapshot) -> Result<(), Broken> {
    started(&before()).observe(call, ret, events, &encode(state))
}

#[track_caller]
fn assert_broken(result: Result<(), Broken>, invariant: Invariant, what: &str) {
    match &result {
        Err(Broken::Violations(violations)) => {
            assert!(
                violations.iter().any(|v| v.invariant == invariant && v.what == what),
                "{invariant} {what} is not in {violations:#?}"
            );
        }
        other => panic!("{invariant} {what}: {other:?}"),
    }
}

fn event(kind: EventKind, arg: u8, flags: u16, object: u32, other: u32) -> Event {
    Event::new(kind, arg, flags, object, other)
}

#[test]
fn good_calls_pass() {
    // A fork with an anon_vma of its own, a fork that reuses, a clone, and failures of each.
    assert_eq!(call(FORK, 0, &[], &after(Some(7), &[7, 3, 2, 0], 3)), Ok(()));
    assert_eq!(call(FORK, 0, &[], &after(Some(2), &[0, 2, 3], 0)), Ok(()));
    assert_eq!(call(CLONE, 0, &[], &after(Some(3), &[3, 2, 0], 0)), Ok(()));
    for failing in [FORK, CLONE] {
        assert_eq!(call(failing, ENOMEM, &[], &after(None, &[], 0)), Ok(()));
    }
    // A fork of what has never been faulted.
    let unfaulted = Call::AnonVmaFork { vma: VmaId(9), pvma: VmaId(2) };
    assert_eq!(call(unfaulted, 0, &[], &after(None, &[], 0)), Ok(()));
}

#[test]
fn a_destination_without_the_sources_chain_is_caught() {
    let what = "destination's chain is not the source's";
    assert_broken(call(FORK, 0, &[], &after(Some(7), &[7, 3, 2], 3)), I10, what);
    assert_broken(call(FORK, 0, &[], &after(None, &[], 0)), I10, what);
    assert_broken(call(CLONE, 0, &[], &after(Some(3), &[3, 0], 0)), I10, what);
    assert_broken(call(CLONE, 0, &[], &after(Some(7), &[7, 2, 0], 3)), I10, what);
    assert_broken(call(CLONE, 0, &[], &after(Some(7), &[7, 3, 2, 0], 3)), I10, what);
    let unfaulted = Call::AnonVmaFork { vma: VmaId(9), pvma: VmaId(2) };
    assert_broken(call(unfaulted, 0, &[], &after(Some(0), &[0], 0)), I10, what);
}

#[test]
fn wrong_reuse_is_caught() {
    assert_broken(call(FORK, 0, &[], &after(Some(0), &[3, 2, 0], 0)), I10, "reuse of a root");
    assert_broken(call(FORK, 0, &[], &after(Some(3), &[3, 2, 0], 0)), I10, "reuse of an anon_vma with VMAs");

    let vmas: &[super::world::VmaSpec<'_>] = &[
        (0, 0, 1, 9, Some(0), &[0]),
        (1, 1, 1, 9, Some(3), &[3, 2, 0]),
        (2, 2, 1, 9, Some(4), &[4, 2, 0]),
        (9, 3, 1, 9, Some(2), &[3, 2, 0]),
    ];
    let anon_vmas = [[0, 0, 0], [2, 0, 0], [3, 0, 2], [4, 0, 2]];
    let mut oracle = started(&build(&vmas[..3], &anon_vmas));
    let result = oracle.observe(FORK, 0, &[], &encode(&build(vmas, &anon_vmas)));
    assert_broken(result, I10, "reuse of an anon_vma with children");
}

/// [`before`], and VMA 9 with this anon_vma and no chain: duplicated, and not cloned or forked yet.
fn duplicated(anon_vma: Option<u32>) -> Snapshot {
    let mut state = before();
    state.vmas.extend(after(None, &[], 0).vmas.pop());
    state.vmas[3].anon_vma = anon_vma.map(AnonVmaId);
    state
}

#[test]
fn what_the_destination_had_before_decides_what_reuse_is() {
    let from = |anon_vma, made, state: &Snapshot| amid(&duplicated(anon_vma)).observe(made, 0, &[], &encode(state));
    // A clone takes the source's.
    assert_eq!(from(None, CLONE, &after(Some(3), &[3, 2, 0], 0)), Ok(()));
    assert_broken(from(None, CLONE, &after(Some(0), &[3, 2, 0], 0)), I10, "reuse of a root");
    // What its caller has given the destination of a clone stays.
    assert_eq!(from(Some(0), CLONE, &after(Some(0), &[3, 2, 0], 0)), Ok(()));
    // A VMA is none of the others that use what it has.
    assert_eq!(from(Some(2), FORK, &after(Some(2), &[3, 2, 0], 0)), Ok(()));
    assert_broken(from(Some(3), FORK, &after(Some(3), &[3, 2, 0], 0)), I10, "reuse of an anon_vma with VMAs");
    // Nothing is reused by a call that fails.
    let Err(Broken::Violations(violations)) = call(FORK, ENOMEM, &[], &after(Some(0), &[], 0)) else { panic!() };
    assert!(violations.iter().all(|v| !v.what.starts_with("reuse")), "{violations:?}");
}

#[test]
fn a_report_says_what_the_vma_has() {
    let Err(Broken::Violations(violations)) = call(CLONE, ENOMEM, &[], &after(Some(3), &[3, 2], 0)) else { panic!() };
    assert_eq!(violations.last().unwrap().detail, "the call failed, but vma9 has anon_vma3 and 2 chain entries");
    let Err(Broken::Violations(violations)) = call(CLONE, 0, &[], &after(None, &[3, 0], 0)) else { panic!() };
    let chains = "the chain of vma9 is [anon_vma3 anon_vma0], the source vma1 has [anon_vma3 anon_vma2 anon_vma0]";
    assert_eq!(violations[0].detail, chains);
}

#[test]
fn a_failed_call_that_changed_something_is_caught() {
    let mut state = after(None, &[], 0);
    state.anon_vmas[1].num_children += 1;
    assert_broken(call(FORK, ENOMEM, &[], &state), I10, "failed call changed an anon_vma");
    let mut state = after(None, &[], 0);
    state.vmas[1].chain.reverse();
    assert_broken(call(FORK, ENOMEM, &[], &state), I10, "failed call changed a VMA");
    assert_broken(call(FORK, ENOMEM, &[], &after(Some(7), &[], 3)), I10, "failed call left an anon_vma");
    assert_broken(call(FORK, ENOMEM, &[], &after(Some(3), &[], 0)), I10, "failed call left vma->anon_vma");
    assert_broken(call(CLONE, ENOMEM, &[], &after(None, &[3], 0)), I10, "failed call left a chain");
    let leak = [event(EventKind::Alloc, Cache::Avc as u8, Gfp::KERNEL, 5, 0)];
    assert_broken(call(CLONE, ENOMEM, &leak, &after(None, &[], 0)), I10, "failed call leaks");
    let prepare = Call::AnonVmaPrepare { vma: VmaId(2), prev: None, next: None };
    let mut state = before();
    state.vmas[2].anon_vma = state.vmas[0].anon_vma;
    assert_broken(call(prepare, ENOMEM, &[], &state), I10, "failed call changed a VMA");
}

#[test]
fn another_order_of_a_tree_after_a_failure_is_a_change() {
    let failing = |before: &[u64], after: &Snapshot| {
        let mut oracle = Oracle::new();
        oracle.begin_operation();
        assert_eq!(oracle.observe(ANY, 0, &[], before), Ok(()));
        assert_eq!(oracle.end_operation(), Ok(()));
        // The tree is not told in the operation before, either.
        for _ in 0..2 {
            oracle.begin_operation();
            assert_eq!(oracle.end_operation(), Ok(()));
        }
        oracle.observe(CLONE, ENOMEM, &[], &encode(after))
    };
    let mut swapped = before();
    let tree = &mut swapped.anon_vmas[0].tree;
    let (a, b) = (tree[0], tree[1]);
    (tree[0].avc, tree[0].vma, tree[1].avc, tree[1].vma) = (b.avc, b.vma, a.avc, a.vma);
    assert_broken(failing(&encode(&before()), &swapped), I10, "failed call changed an anon_vma");
    assert_eq!(failing(&encode(&before()), &before()), Ok(()));
    // What was told by paths, or is now, can be compared by its size alone.
    assert_eq!(failing(&encode_paths(&before()), &before()), Ok(()));
    let mut less = before();
    less.anon_vmas[0].tree.truncate(1);
    (less.anon_vmas[0].tree[0].left, less.anon_vmas[0].tree[0].right) = (false, false);
    assert_broken(failing(&encode_paths(&before()), &less), I10, "failed call changed an anon_vma");
    assert_broken(failing(&encode(&before()), &less), I10, "failed call changed an anon_vma");
}

#[test]
fn another_balance_after_a_failure_is_no_change() {
    // The same two nodes, one or the other on top.
    let mut state = before();
    let tree = &mut state.anon_vmas[0].tree;
    assert_eq!(tree.len(), 2);
    let order = if tree[0].left { [1, 0] } else { [0, 1] };
    let [first, second] = order.map(|i| tree[i]);
    let (mut top, mut below) = if tree[0].left { (first, second) } else { (second, first) };
    (top.black, top.left, top.right) = (true, !tree[0].left, !tree[0].right);
    (below.black, below.left, below.right) = (false, false, false);
    *tree = vec![top, below];
    assert_eq!(super::super::oracle::full(&state, Rules::default()), []);
    assert_eq!(call(CLONE, ENOMEM, &[], &state), Ok(()));
}

#[test]
fn prepare_and_unlink_do_what_they_say() {
    let prepare = Call::AnonVmaPrepare { vma: VmaId(2), prev: None, next: None };
    assert_broken(call(prepare, 0, &[], &before()), I10, "prepare without effect");
    let mut state = before();
    state.vmas[2].anon_vma = Some(AnonVmaId(3));
    assert_broken(call(prepare, 0, &[], &state), I10, "prepare without effect");
    let mut state = before();
    state.vmas[1].anon_vma = None;
    let of_the_child = Call::AnonVmaPrepare { vma: VmaId(1), prev: None, next: None };
    assert_broken(call(of_the_child, 0, &[], &state), I10, "prepare without effect");
    let unlink = Call::UnlinkAnonVmas { vma: VmaId(1) };
    assert_broken(call(unlink, 0, &[], &before()), I10, "unlink left something");
    for half in [|vma: &mut VmaState| vma.anon_vma = None, |vma: &mut VmaState| vma.chain.clear()] {
        let mut state = before();
        half(&mut state.vmas[1]);
        assert_broken(call(unlink, 0, &[], &state), I10, "unlink left something");
    }
    // One that had no anon_vma, but a chain, is left as it was by some kernels.
    let mut state = before();
    state.vmas[1].anon_vma = None;
    assert_eq!(amid(&state).observe(unlink, 0, &[], &encode(&state)), Ok(()));
    assert_eq!(call(Call::UnlinkAnonVmas { vma: VmaId(2) }, 0, &[], &before()), Ok(()));
}

#[test]
fn unlink_may_leave_the_pointer_of_the_vma_before_5_12_and_never_a_chain() {
    let unlink = Call::UnlinkAnonVmas { vma: VmaId(1) };
    let unlinked = |generation, state: &Snapshot| {
        let mut oracle = Oracle::of(Revision::of_generation(generation).unwrap());
        oracle.begin_operation();
        assert_eq!(oracle.observe(ANY, 0, &[], &encode(&before())), Ok(()));
        oracle.observe(unlink, 0, &[], &encode(state))
    };
    let mut pointer = before();
    pointer.vmas[1].chain.clear();
    assert_eq!(unlinked("5.10", &pointer), Ok(()));
    assert_broken(unlinked("5.15", &pointer), I10, "unlink left something");
    assert_broken(unlinked("5.10", &before()), I10, "unlink left something");
}

#[test]
fn a_vma_freed_while_attached_is_caught() {
    let free = [event(EventKind::Free, Cache::Vma as u8, 0, 1, 0)];
    let result = call(Call::VmAreaFree { vma: VmaId(1) }, 0, &free, &before());
    assert_broken(result, I4, "VMA freed while attached");
}

#[test]
fn an_anon_vma_freed_too_early_is_caught() {
    let free = |anon_vma| [event(EventKind::Free, Cache::AnonVma as u8, 0, anon_vma, 0)];
    assert_broken(call(ANY, 0, &free(2), &before()), I4, "anon_vma freed while attached");
    // Nothing is attached to it any more, but a child is left.
    let mut state = before();
    state.vmas[1].chain.remove(1);
    assert_broken(call(ANY, 0, &free(2), &state), I4, "anon_vma freed with children");
    // A root whose only child is all that names it, as its parent and as its root.
    let alone = build(&[], &[[0, 0, 0], [2, 0, 0]]);
    let result = amid(&alone).observe(ANY, 0, &free(0), &[]);
    assert_broken(result, I4, "anon_vma freed with children");
}

#[test]
fn an_anon_vma_freed_while_somebody_holds_it_is_caught() {
    let state = build(&[], &[[0, 0, 0]]);
    let mut oracle = amid(&state);
    let pin = Call::FolioGetAnonVma { folio: FolioId(0), mapped: true };
    assert_eq!(oracle.observe(pin, 0, &[], &encode(&state)), Ok(()));
    let free = [event(EventKind::Free, Cache::AnonVma as u8, 0, 0, 0)];
    assert_broken(oracle.observe(ANY, 0, &free, &[]), I6, "anon_vma freed while pinned");

    let mut oracle = amid(&state);
    assert_eq!(oracle.observe(pin, 0, &[], &encode(&state)), Ok(()));
    let put = Call::PutAnonVma { anon_vma: AnonVmaId(0) };
    assert_eq!(oracle.observe(put, 0, &free, &[]), Ok(()));
}

#[test]
fn a_freed_anon_vma_that_a_vma_names_is_caught() {
    let mut oracle = started(&before());
    let mut state = before();
    state.vmas[2].anon_vma = Some(AnonVmaId(3));
    state.vmas[1].anon_vma = None;
    state.vmas[1].chain.clear();
    let free = [event(EventKind::Free, Cache::AnonVma as u8, 0, 3, 0)];
    assert_eq!(oracle.observe(ANY, 0, &free, &encode(&state)), Ok(()));
    assert_broken(oracle.end_operation(), Invariant::I1, "dead anon_vma");
}

#[test]
fn a_broken_rule_or_a_warning_is_a_violation() {
    for kind in [EventKind::Warn, EventKind::Bug, EventKind::Oops] {
        assert_broken(call(ANY, 0, &[event(kind, 0, 0, 0, 0)], &before()), I11, kind.name());
    }
    for &rule in Rule::ALL {
        let events = [event(EventKind::Rule, rule as u8, 0, Event::NONE, 0)];
        assert_broken(call(ANY, 0, &events, &before()), I11, rule.name());
    }
    let warn = event(EventKind::Warn, 0, 0, 0, 0);
    let [a, b] =
        ["vma->x at mm/rmap.c:12", "vma->x at mm/rmap.c:345"].map(|w| event_violation(&warn, Some(w)).unwrap());
    assert_eq!(a.what, b.what);
    assert_ne!(a.detail, b.detail);
}

#[test]
fn lock_rules_are_kept_by_the_oracle_itself() {
    let down = event(EventKind::DownWrite, 0, 0, 0, 0);
    let up = event(EventKind::UpWrite, 0, 0, 0, 0);
    let alloc = event(EventKind::Alloc, Cache::Avc as u8, Gfp::KERNEL, 5, 0);
    let nowait = event(EventKind::Alloc, Cache::Avc as u8, Gfp::NOWAIT_NOWARN, 5, 0);
    let insert = event(EventKind::TreeInsert, 0, 0, 2, 5);
    let read = event(EventKind::DownRead, 0, 0, 0, 0);
    let read_up = event(EventKind::UpRead, 0, 0, 0, 0);
    let on_events = |events: &[Event]| call(ANY, 0, events, &before());

    assert_eq!(on_events(&[down, nowait, insert, up, alloc]), Ok(()));
    assert_broken(on_events(&[down]), I11, "lock held on return");
    assert_broken(on_events(&[up]), I11, "unlock of a lock not held");
    assert_broken(on_events(&[down, read_up, up]), I11, "unlock of a lock not held");
    assert_broken(on_events(&[down, down, up, up]), I11, "lock already held");
    assert_broken(on_events(&[down, alloc, up]), I11, "sleeping allocation under a lock");
    assert_broken(on_events(&[insert]), I11, "tree changed unlocked");
    // Read-locked is not enough, and the anon_vma's own lock is not its root's.
    assert_broken(on_events(&[read, insert, read_up]), I11, "tree changed unlocked");
    let [own, own_up] = [EventKind::DownWrite, EventKind::UpWrite].map(|kind| event(kind, 0, 0, 2, 0));
    assert_broken(on_events(&[own, insert, own_up]), I11, "tree changed unlocked");
    let spin = event(EventKind::SpinLock, 0, 0, 0, 0);
    assert_broken(on_events(&[spin]), I11, "lock held on return");
    let spin_up = event(EventKind::SpinUnlock, 0, 0, 0, 0);
    let [other, other_up] = [EventKind::SpinLock, EventKind::SpinUnlock].map(|kind| event(kind, 0, 0, 1, 0));
    assert_eq!(on_events(&[spin, other, other_up, spin_up]), Ok(()));
    assert_broken(on_events(&[spin, spin, spin_up, spin_up]), I11, "lock already held");
    // A spinlock may be taken under an rwsem, which may not be taken under a spinlock; in which order they go is the kernel's affair.
    assert_eq!(on_events(&[down, spin, up, spin_up]), Ok(()));
    assert_broken(on_events(&[down, spin, up, insert, spin_up]), I11, "tree changed unlocked");
    assert_broken(on_events(&[spin, down, up, spin_up]), I11, "sleeps in atomic context");
    assert_broken(on_events(&[spin, read, read_up, spin_up]), I11, "sleeps in atomic context");
    let [tried, tried_read, busy] =
        [(1, 1), (0, 1), (1, 0)].map(|(write, taken)| event(EventKind::Trylock, write, taken, 0, 0));
    assert_eq!(on_events(&[tried, insert, up]), Ok(()));
    assert_eq!(on_events(&[tried_read, read_up]), Ok(()));
    assert_eq!(on_events(&[busy]), Ok(()));
    assert_broken(on_events(&[tried_read, insert, read_up]), I11, "tree changed unlocked");
    assert_broken(on_events(&[tried]), I11, "lock held on return");
}

#[test]
fn a_page_offset_that_is_said_to_stay_stays() {
    let halves = |pre: bool, post: bool| {
        let vma = VmaId(0);
        [Call::PreUpdateVma { vma, offset_stays: pre }, Call::PostUpdateVma { vma, offset_stays: post }]
    };
    let [down, up] = [EventKind::DownWrite, EventKind::UpWrite].map(|kind| [event(kind, 0, 0, 0, 0)]);
    let words = encode(&before());
    let mut moved = before();
    moved.vmas[0].range.pgoff += 1;
    moved.vmas[0].attributes.anon_pgoff += 1;
    let moved = encode(&moved);
    let in_place = Rules { updates_in_place: true, ..Rules::default() };
    let run = |rules: Rules, [pre, post]: [Call; 2], after: &[u64]| {
        let mut oracle = started_with(&before(), rules);
        oracle.observe(pre, 0, &down, &words)?;
        let VmaState { range, .. } = before().vmas[0];
        oracle.observe(Call::VmaSetRange { vma: VmaId(0), range }, 0, &[], after)?;
        oracle.observe(post, 0, &up, after)
    };
    assert_eq!(run(in_place, halves(true, true), &words), Ok(()));
    assert_broken(run(in_place, halves(true, true), &moved), I8, "page offset changed in the trees");
    assert_broken(run(in_place, halves(true, false), &words), I8, "halves of an update differ");
    // Where the entries are taken out of their trees, the offset may change.
    assert_eq!(run(in_place, halves(false, false), &words), Ok(()));
}

#[test]
fn the_lock_stays_held_between_the_halves_of_an_update_only() {
    let [pre, post] = [
        Call::PreUpdateVma { vma: VmaId(0), offset_stays: false },
        Call::PostUpdateVma { vma: VmaId(0), offset_stays: false },
    ];
    let [down, up] = [EventKind::DownWrite, EventKind::UpWrite].map(|kind| [event(kind, 0, 0, 0, 0)]);
    let words = encode(&before());
    let set = Call::VmaSetRange { vma: VmaId(0), range: VmaRange { start: 1, end: 9, pgoff: 1 } };
    let grown = Call::VmaSetRange { vma: VmaId(0), range: VmaRange { start: 1, end: 12, pgoff: 1 } };
    assert_broken(started(&before()).observe(grown, 0, &[], &words), I8, "range changed in the trees");

    let mut oracle = started(&before());
    assert_eq!(oracle.observe(pre, 0, &down, &words), Ok(()));
    assert_eq!(oracle.observe(set, 0, &[], &words), Ok(()));
    assert_eq!(oracle.observe(post, 0, &up, &words), Ok(()));
    assert_eq!(oracle.end_operation(), Ok(()));

    // Both halves are over for this VMA, and for no other.
    assert_broken(oracle.observe(grown, 0, &[], &words), I8, "range changed in the trees");
    let other = Call::PreUpdateVma { vma: VmaId(1), offset_stays: false };
    let mut oracle = started(&before());
    for made in [(pre, &down[..]), (other, &[]), (post, &up)] {
        assert_eq!(oracle.observe(made.0, 0, made.1, &words), Ok(()));
    }
    let still = Call::VmaSetRange { vma: VmaId(1), range: VmaRange { start: 1, end: 12, pgoff: 1 } };
    assert_eq!(oracle.observe(still, 0, &[], &words), Ok(()));
    assert_broken(oracle.observe(grown, 0, &[], &words), I8, "range changed in the trees");
    // What is in no tree may get another range, and so may what is emptied to be freed.
    let unlinked = Call::VmaSetRange { vma: VmaId(2), range: VmaRange { start: 1, end: 12, pgoff: 1 } };
    let emptied = Call::VmaSetRange { vma: VmaId(0), range: VmaRange { start: 9, end: 9, pgoff: 9 } };
    for made in [unlinked, emptied] {
        assert_eq!(started(&before()).observe(made, 0, &[], &words), Ok(()));
    }

    let mut oracle = started(&before());
    assert_eq!(oracle.observe(pre, 0, &down, &words), Ok(()));
    assert_broken(oracle.observe(post, 0, &[], &words), I11, "lock held on return");

    let mut oracle = started(&before());
    assert_eq!(oracle.observe(pre, 0, &down, &words), Ok(()));
    // Nothing else is asked of what is not at rest.
    let mut amiss = before();
    amiss.anon_vmas[0].refcount += 1;
    assert_eq!(oracle.observe(ANY, 0, &[], &encode(&amiss)), Ok(()));
    let Err(Broken::Violations(violations)) = oracle.end_operation() else { panic!() };
    assert_eq!(violations.iter().map(|v| &v.what[..]).collect::<Vec<_>>(), ["lock held after the operation"]);
    oracle.reset();
    oracle.begin_operation();
    assert_eq!(oracle.observe(ANY, 0, &[], &words), Ok(()));
    assert_eq!(oracle.end_operation(), Ok(()), "a reset lets go");
    // And the lock of an update that was not ended is no excuse for later calls.
    assert_eq!(oracle.observe(pre, 0, &[], &words), Ok(()));
    assert_eq!(oracle.end_operation(), Ok(()));
    assert_broken(oracle.observe(ANY, 0, &down, &words), I11, "lock held on return");
}

#[test]
fn what_is_left_at_the_end_is_caught() {
    assert_broken(Oracle::new().end_of_world([0, 0, 1]), I12, "anon_vma_chain left");
    assert_broken(Oracle::new().end_of_world([0, 2, 1]), I12, "anon_vma left");
    assert_broken(Oracle::new().end_of_world([1, 0, 0]), I12, "vm_area_struct left");
    assert_broken(started(&before()).end_of_world([0, 0, 0]), I12, "free not seen");
    assert_broken(amid(&build(&[], &[[0, 0, 0]])).end_of_world([0, 0, 0]), I12, "free not seen");
    assert_broken(amid(&build(&[(0, 0, 1, 9, None, &[])], &[])).end_of_world([0, 0, 0]), I12, "free not seen");
    assert_eq!(Oracle::new().end_of_world([0; 3]), Ok(()));
}

#[test]
fn the_tree_of_an_mm_is_checked_against_what_was_told() {
    let mut oracle = Oracle::new();
    oracle.begin_operation();
    let state = build(&[(0, 0, 1, 4, None, &[]), (1, 0, 4, 9, None, &[]), (2, 1, 1, 4, None, &[])], &[]);
    assert_eq!(oracle.observe(ANY, 0, &[], &encode(&state)), Ok(()));
    let mapped = |vma, start, end| Mapped {
        vma: VmaId(vma),
        range: VmaRange { start, end, pgoff: start },
        writable: true,
        file: false,
        not_told: false,
        dontcopy: false,
        wipeonfork: false,
        flags: 0x83,
        anon_vma: None,
        is_child: false,
    };
    let good = [mapped(0, 1, 4), mapped(1, 4, 9)];
    let counts = MmCounts { map_count: 2, total_vm: 8, in_rcu: true };
    let is = |mapped: &[Mapped], counts, what: Option<&str>| {
        assert_eq!(oracle.check_space(MmId(0), mapped, counts).err().map(|v| v.what).as_deref(), what);
    };
    is(&good, counts, None);
    is(&[], MmCounts::default(), None);
    is(&good, MmCounts { map_count: 3, ..counts }, Some("map_count"));
    is(&good[..1], counts, Some("map_count"));
    is(&good, MmCounts { total_vm: 7, ..counts }, Some("total_vm"));
    is(&good, MmCounts { in_rcu: false, ..counts }, Some("tree not in RCU mode"));
    is(&[mapped(0, 1, 4), mapped(1, 3, 9)], counts, Some("overlap"));
    is(&[mapped(0, 4, 4), mapped(1, 4, 9)], counts, Some("overlap"));
    is(&[mapped(1, 4, 9), mapped(0, 1, 4)], counts, Some("overlap"));
    is(&[mapped(0, 1, 4), mapped(7, 4, 9)], counts, Some("dead VMA in the tree"));
    let elsewhere = Some("VMA elsewhere than its tree says");
    is(&[mapped(0, 1, 3), mapped(1, 4, 9)], counts, elsewhere);
    is(&[mapped(0, 0, 4), mapped(1, 4, 9)], counts, elsewhere);
    is(&[mapped(2, 1, 4), mapped(1, 4, 9)], counts, elsewhere);
}
