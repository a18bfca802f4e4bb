use super::*;

const SEED: &str = "\
map p0 0x10..0x14
fault p0 0x10
fork p0 p1
fault p1 0x11
fork p1 p2 fail=2
exit p1
";

fn seed_records() -> Vec<Record> {
    records_of(&SEED.parse::<Trace>().unwrap().to_bytes())
}

fn after(mutation: Mutation, seed: u64, most: usize) -> Vec<Record> {
    of_set(OpSet::Full, mutation, seed, most)
}

fn of_set(set: OpSet, mutation: Mutation, seed: u64, most: usize) -> Vec<Record> {
    let mut records = records_of(&SEED.parse::<Trace>().unwrap().to_bytes_of(set));
    apply(mutation, set, &mut records, &mut Rng::new(seed), most);
    records
}

fn trace_of(records: &[Record]) -> Trace {
    Trace::from_bytes(&bytes_of(records))
}

#[test]
fn any_bytes_become_whole_records_that_fit() {
    let mut rng = Rng::new(1);
    for round in 0..20_000u32 {
        let set = [OpSet::Full, OpSet::Small, OpSet::Pages, OpSet::Together][round as usize % 4];
        let size = place(&mut rng, 500);
        let most = place(&mut rng, 600);
        let mut data: Vec<u8> = (0..size.max(most)).map(|_| rng.next_u64() as u8).collect();
        let mut again = data.clone();
        let now = mutate(set, &mut data, size, most, round);
        assert!(now <= most && now.is_multiple_of(RECORD_BYTES), "{now} of {most}");
        assert_eq!(mutate(set, &mut again, size, most, round), now);
        assert_eq!(again[..now], data[..now], "one seed, one mutation");
        let mut out = vec![0; most];
        let crossed = crossover(set, &data[..now], &again[..size.min(again.len())], &mut out, round);
        assert!(crossed <= most && crossed.is_multiple_of(RECORD_BYTES));
    }
}

#[test]
fn each_mutation_does_what_it_is_called() {
    let before = trace_of(&seed_records());
    for &(mutation, _) in Mutation::of(OpSet::Full) {
        let mut changed = 0;
        for seed in 0..300 {
            let now = trace_of(&after(mutation, seed, 64));
            changed += u32::from(now != before);
            let (len, old) = (now.ops.len(), before.ops.len());
            match mutation {
                Mutation::Insert => assert!((old + 1..=old + 4).contains(&len), "{len}"),
                Mutation::Phase => assert!((old + 8..=old + 32).contains(&len), "{len}"),
                Mutation::Drop => assert!(len < old, "{len}"),
                // Literally doubled, a fork of a process that exists is illegal, and goes.
                Mutation::Duplicate => assert!((1..=old + 8).contains(&len), "{len}"),
                Mutation::Swap => assert!((1..=old).contains(&len), "{len}"),
                Mutation::Field | Mutation::Failure => assert_eq!(len, old),
                Mutation::Burst => assert!(len > old && len <= 64, "{len}"),
                Mutation::Fresh => assert!((2..=64).contains(&len), "{len}"),
                _ => unreachable!("{mutation:?} is of sections"),
            }
        }
        assert!(changed > 150, "{mutation:?} changed {changed} of 300");
    }
}

#[test]
fn a_failure_is_added_moved_and_taken_away() {
    let (mut none, mut moved, mut nodes) = (false, false, false);
    for seed in 0..2_000 {
        let records = after(Mutation::Failure, seed, 64);
        let now = trace_of(&records);
        none |= now.ops[4].fail.is_never();
        moved |= now.ops[4].fail == Fail::new(&[3], None).unwrap();
        nodes |= now.ops.iter().any(|op| !op.fail_node.is_never());
        let fields = |record: &Record| (record.kind, record.p, record.q, record.a, record.b, record.c);
        let (now, before) = (records.iter().map(fields), seed_records());
        assert!(now.eq(before.iter().map(fields)), "a failure alone is changed");
    }
    assert!(none && moved && nodes);
}

#[test]
fn literal_edits_leave_what_follows_as_it_was() {
    let before = trace_of(&seed_records());
    let kept = (0..200).map(|seed| trace_of(&after(Mutation::Drop, seed, 64)));
    // Without the first fault everything else can be said as before.
    let mut want = before.clone();
    want.ops.remove(1);
    assert!(kept.into_iter().any(|trace| trace == want));
}

#[test]
fn a_crossover_is_a_beginning_and_an_end() {
    let one = seed_records();
    let other =
        records_of(&"map p0 0x20..0x22\nfault p0 0x21\nunmap p0 0x20..0x22\n".parse::<Trace>().unwrap().to_bytes());
    let mut lengths = [false; 10];
    for seed in 0..500 {
        let mut out = vec![0; 4096];
        let size = crossover(OpSet::Full, &bytes_of(&one), &bytes_of(&other), &mut out, seed);
        lengths[size / RECORD_BYTES] = true;
    }
    assert!(lengths[1..].iter().all(|&met| met), "{lengths:?}");
}

#[test]
fn a_mutation_of_the_full_set_makes_no_operation_on_pages() {
    assert_eq!(rows_of(OpSet::Full), rows_of(OpSet::Small));
    for (row, operation) in OPERATIONS.iter().enumerate() {
        assert_eq!(row < rows_of(OpSet::Full), operation.is_of(OpSet::Full), "{}", operation.keyword);
        assert!(row < rows_of(OpSet::Pages));
    }
}

#[test]
fn a_mutation_of_the_set_of_pages_makes_operations_on_pages_and_their_failures() {
    for mutation in [Mutation::Phase, Mutation::Fresh] {
        let ops = (0..600).flat_map(|seed| {
            let records = of_set(OpSet::Pages, mutation, seed, 64);
            Trace::from_bytes_of(OpSet::Pages, &bytes_of(&records)).ops
        });
        let ops: Vec<_> = ops.collect();
        assert!(ops.iter().any(|op| !op.fail_page.is_never()), "{mutation:?}");
        for operation in OPERATIONS.iter().filter(|operation| operation.needs_page_tables()) {
            assert!(ops.iter().any(|op| op.kind.keyword() == operation.keyword), "{mutation:?} {}", operation.keyword);
        }
    }
}

#[test]
fn a_failure_of_a_frame_is_added_moved_and_taken_away() {
    let text = "map p0 0x10..0x14\nfault p0 0x10 failpage=3\n";
    // As a modulo record, and as an exact one.
    for exact in [false, true] {
        let trace: Trace = text.parse().unwrap();
        let seed =
            records_of(&if exact { trace.to_exact_bytes(OpSet::Pages) } else { trace.to_bytes_of(OpSet::Pages) });
        assert_eq!(seed[1].is_exact(), exact);
        let changed = |seed_of_change| change_failure(&seed[1], OpSet::Pages, &mut Rng::new(seed_of_change));
        let pages: Vec<Fail> = (0..500).map(|n| changed(n).failures(OpSet::Pages).page).collect();
        for want in [Fail::NEVER, Fail::new(&[2], None).unwrap(), Fail::new(&[4], None).unwrap()] {
            assert!(pages.contains(&want), "exact: {exact}, {want:?}");
        }
        assert!(pages.iter().any(|fail| fail.from().is_some()));
    }
}

const RACE: &str = "\
map p0 0x10..0x14
fault p0 0x10
fork p0 p1
together
  walk p0 0x10
  unmap p0 0x10..0x11
  fork p1 p2 fail=2
  at a trylock b
  at b step 4 anon_vma c
  at c lock 2 a
end
fault p1 0x11
together
  fault p0 0x12
  exit p1
end
";

fn of_race(mutation: Mutation, seed: u64, most: usize) -> (Vec<Record>, Trace) {
    let mut records = records_of(&RACE.parse::<Trace>().unwrap().to_bytes_of(OpSet::Together));
    apply(mutation, OpSet::Together, &mut records, &mut Rng::new(seed), most);
    let trace = Trace::from_bytes_of(OpSet::Together, &bytes_of(&records));
    (records, trace)
}

/// That it can be written as text and as bytes, and read again.
fn is_legal(trace: &Trace) {
    let text = trace.to_string();
    assert_eq!(text.parse::<Trace>().as_ref(), Ok(trace), "{text}");
    let bytes = trace.to_bytes_of(OpSet::Together);
    assert_eq!(&Trace::from_bytes_of(OpSet::Together, &bytes), trace, "{text}");
}

#[test]
fn whatever_is_mutated_sections_stay_legal() {
    let mut sections = 0;
    let mut rng = Rng::new(7);
    for round in 0..4_000u64 {
        let of = place(&mut rng, Mutation::ALL.len());
        let (records, trace) = of_race(Mutation::ALL[of].0, round, 40);
        is_legal(&trace);
        // And again and again.
        let mut data = bytes_of(&records);
        let mut size = data.len();
        data.resize(64 * RECORD_BYTES, 0);
        for again in 0..4 {
            size = mutate(OpSet::Together, &mut data, size, 64 * RECORD_BYTES, round as u32 * 4 + again);
            let trace = Trace::from_bytes_of(OpSet::Together, &data[..size]);
            sections += trace.sections.len();
            is_legal(&trace);
        }
    }
    assert!(sections > 16_000, "sections are kept and made: {sections}");
}

#[test]
fn a_mutation_of_a_section_does_what_it_is_called() {
    let before: Trace = RACE.parse().unwrap();
    let lines = |trace: &Trace| trace.sections.iter().map(|section| section.switches.len()).sum::<usize>();
    let (mut more, mut fewer, mut later, mut object) = (false, false, false, false);
    for seed in 0..500 {
        let (_, line) = of_race(Mutation::Line, seed, 64);
        assert_eq!(line.ops, before.ops);
        assert_eq!(line.sections.len(), 2);
        more |= lines(&line) > 3;
        fewer |= lines(&line) < 3;
        later |= line.sections[0].switches.iter().any(|switch| switch.nth == 5);
        object |= line.sections[0].switches.iter().filter(|switch| switch.object.is_some()).count() == 2;
        let (_, apart) = of_race(Mutation::Apart, seed, 64);
        assert_eq!(apart.sections.len(), 1);
        assert_eq!(apart.ops.len(), before.ops.len());
        let (_, tasks) = of_race(Mutation::Tasks, seed, 64);
        assert_eq!(lines(&tasks), 3);
        assert_ne!(tasks.ops, before.ops);
        assert_eq!(tasks.sections.iter().map(|section| section.tasks).collect::<Vec<_>>(), [3, 2]);
        let (_, race) = of_race(Mutation::Race, seed, 64);
        assert!(race.ops.len() > before.ops.len());
    }
    assert!(more && fewer && later && object);
    let together = (0..100).filter(|&seed| of_race(Mutation::Together, seed, 64).1.sections.len() > 2).count();
    let races = (0..100).filter(|&seed| of_race(Mutation::Race, seed, 64).1.sections.len() > 2).count();
    assert!(together > 30 && races > 90, "{together} of 100 have one more, and {races}");
}

#[test]
fn a_mutation_of_another_set_makes_no_section() {
    for set in [OpSet::Small, OpSet::Full, OpSet::Pages] {
        assert!(Mutation::of(set).iter().all(|(mutation, _)| *mutation as usize <= Mutation::Fresh as usize));
        let mut data = vec![3; 64 * RECORD_BYTES];
        for seed in 0..200 {
            let size = mutate(set, &mut data, 32 * RECORD_BYTES, 64 * RECORD_BYTES, seed);
            assert!(Trace::from_bytes_of(set, &data[..size]).sections.is_empty());
        }
    }
}
