//! Tests of the byte form.

use super::*;
use crate::together::{PointKind, PointObject, Switch};
use crate::{Mix, OpKind, Rng, parse, random_sections, random_trace};
use rmap_seam::MmId;

/// Any operation that has a text form, legal or not.
fn any_op(rng: &mut Rng) -> Op {
    let page = |rng: &mut Rng| match rng.below(4) {
        0 => rng.next_u64() % PAGE_LIMIT,
        1 => PAGE_LIMIT - 1 - u64::from(rng.below(3)),
        _ => u64::from(rng.below(0x60)),
    };
    let (a, b) = (page(rng), page(rng));
    let row = rng.below(OPERATION_COUNT as u32) as usize;
    let args = Args {
        p: rng.below(16) as u8,
        q: rng.below(16) as u8,
        a: a.min(b),
        b: a.max(b),
        c: page(rng).max(1),
        word: rng.below(USES[row].words.into()) as u8,
        number: rng.below(USES[row].numbers.into()) as u8,
    };
    let fails: [Fail; 2] = std::array::from_fn(|_| {
        let far = if rng.below(2) == 0 { 12 } else { u16::MAX };
        let mut attempts: Vec<u16> = (0..rng.below(6)).map(|_| 1 + rng.below(far.into()) as u16).collect();
        attempts.sort_unstable();
        attempts.dedup();
        let from = if attempts.len() > Fail::MAX || rng.below(2) == 0 { attempts.pop() } else { None };
        if rng.below(2) == 0 { Fail::NEVER } else { Fail::new(&attempts, from).unwrap() }
    });
    let [fail, others] = fails;
    let (fail_node, fail_page) = if rng.below(3) == 0 { (Fail::NEVER, others) } else { (others, Fail::NEVER) };
    Op { kind: (OPERATIONS[row].build)(args), fail, fail_node, fail_page }
}

fn round_trips(trace: &Trace) {
    for set in [OpSet::Small, OpSet::Full, OpSet::Pages, OpSet::Together] {
        let bytes = trace.to_bytes_of(set);
        assert_eq!(bytes.len(), trace.ops.len() * RECORD_BYTES);
        assert_eq!(Trace::try_from_bytes_of(set, &bytes).as_ref(), Ok(trace));
    }
    let text = trace.to_string();
    assert_eq!(parse(&text).as_ref(), Ok(trace));
    assert_eq!(Trace::from_bytes(&parse(&text).unwrap().to_bytes()).to_string(), text);
}

#[test]
fn any_trace_round_trips() {
    let mut rng = Rng::new(1);
    for _ in 0..500 {
        let ops = rng.below(60);
        round_trips(&(0..ops).map(|_| any_op(&mut rng)).collect());
    }
}

#[test]
fn random_bytes_round_trip() {
    let mut rng = Rng::new(2);
    for _ in 0..300 {
        let bytes: Vec<u8> = (0..rng.below(80) * RECORD_BYTES as u32).map(|_| rng.next_u64() as u8).collect();
        round_trips(&Trace::from_bytes(&bytes));
        let small = Trace::from_bytes_of(OpSet::Small, &bytes);
        round_trips(&Trace::from_bytes_of(OpSet::Pages, &bytes));
        // What an exact record says is said in any set.
        assert!(small.is_small() || bytes.chunks(RECORD_BYTES).any(|record| record[3] == EXACT), "{small}");
        round_trips(&small);
    }
}

#[test]
fn legal_operations_of_the_window_are_modulo_records() {
    let never_fails = Mix { fail_per_mille: 0, ..Mix::default() };
    // Two sorts of failures at once are of no modulo record.
    let one_sort = |mix: Mix| {
        let none = Mix { fail_per_mille: 0, fail_node_per_mille: 0, fail_page_per_mille: 0, ..mix.clone() };
        [
            Mix { fail_per_mille: mix.fail_per_mille, ..none.clone() },
            Mix { fail_node_per_mille: mix.fail_node_per_mille, ..none.clone() },
            Mix { fail_page_per_mille: mix.fail_page_per_mille, ..none },
        ]
    };
    let mixes = [Mix::full(), Mix::full_fork_heavy(), Mix::merges()];
    let pages = mixes.clone().map(Mix::with_pages);
    let mixes = mixes.into_iter().chain(pages).flat_map(one_sort);
    for mix in [never_fails, Mix::default(), Mix::fork_heavy(), Mix::wide()].into_iter().chain(mixes) {
        let trace = random_trace(&mut Rng::new(3), 2_000, &mix);
        round_trips(&trace);
        assert_eq!(trace.ops.iter().any(|op| !op.fail_page.is_never()), mix.fail_page_per_mille > 0);
        let bytes = trace.to_bytes_of(mix.set);
        assert!(bytes.chunks(RECORD_BYTES).all(|record| record[3] != EXACT));
    }
}

#[test]
fn every_fail_fits_an_exact_record() {
    let fails = ["1,2,3,4", "9", "65535", "65535+", "1,2,3,4,5+", "300,3000,30000,60000,65535+", "1,2,3,65534,65535+"];
    for fail in fails {
        for op in ["map p15 0xfffffffe..0xffffffff", "fault p15 0xffffffff", "fork p15 p14", "unmap p9 7..7", "exit p3"]
        {
            let trace = parse(&format!("{op} fail={fail} failnode={fail}\n")).unwrap();
            assert_eq!(trace.to_bytes()[3], EXACT, "{trace}");
            round_trips(&trace);
        }
    }
}

#[test]
fn a_malformed_exact_record_is_still_an_operation() {
    let mut rng = Rng::new(4);
    let mut literal = 0;
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..RECORD_BYTES).map(|_| rng.next_u64() as u8).collect();
        bytes[3] = EXACT;
        if rng.below(2) == 0 {
            bytes[16..].fill(0);
        }
        let trace = Trace::from_bytes(&bytes);
        assert_eq!(trace.ops.len(), 1);
        literal += u32::from(decode_exact(&Record::read(bytes.as_chunks().0.first().unwrap())).is_some());
    }
    assert!((100..19_900).contains(&literal), "both ways are taken: {literal}");
}

#[test]
fn a_partial_record_is_left_out_or_refused() {
    let bytes = parse("map p0 1..2\nexit p0\n").unwrap().to_bytes();
    assert_eq!(Trace::from_bytes(&bytes[..49]).to_string(), "map p0 0x1..0x2\n");
    assert_eq!(Trace::try_from_bytes(&bytes[..49]), Err(BytesError::PartialRecord { record: 2, found: 13 }));
    assert!(Trace::from_bytes(&[]).ops.is_empty());
}

#[test]
fn the_layout_is_stable() {
    let trace = parse(
        "map p0 0x12..0x15\nfault p0 0x14 fail=2\nfork p0 p3\nexit p0 fail=1,3+\nexit p3\n\
                       map p3 16..18 grows file 3 fail=1,2+ failnode=65535+\nuffdmove p3 16 17\n",
    )
    .unwrap();
    let hex: Vec<String> = trace.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let records: Vec<String> = hex.chunks(RECORD_BYTES).map(|record| record.concat()).collect();
    assert_eq!(
        records,
        [
            "000000000200000002000000000000000000000000000000000000000000000000000000",
            "040000060200000000000000000000000100000000000000000000000000000000000000",
            "0b0002000000000000000000000000000000000000000000000000000000000000000000",
            "1100002f0000000000000000000000000000010000000000000000000000000000000000",
            "040300ee0000000000000000000000000000000000000000000000000000000000000000",
            "000341ee100000001200000000000000010000000000000002000000000000000000ffff",
            "0d0300ee1000000000000000110000000000000000000000000000000000000000000000",
        ]
    );
}

#[test]
fn zeros_and_ones_are_traces() {
    for byte in [0, 0xee, 0xff] {
        let trace = Trace::from_bytes(&[byte; 200 * RECORD_BYTES]);
        assert_eq!(trace.ops.len(), 200);
        round_trips(&trace);
    }
}

#[test]
fn arbitrary_takes_all_bytes() {
    use arbitrary::{Arbitrary, Unstructured};
    let bytes = random_trace(&mut Rng::new(5), 50, &Mix::default()).to_bytes();
    let expected = Trace::from_bytes(&bytes);
    let mut u = Unstructured::new(&bytes);
    assert_eq!(Trace::arbitrary(&mut u).as_ref(), Ok(&expected));
    assert!(u.is_empty());
    assert_eq!(Trace::arbitrary_take_rest(Unstructured::new(&bytes)).as_ref(), Ok(&expected));
}

#[test]
fn the_last_process_stays_in_made_up_traces() {
    let mut rng = Rng::new(6);
    let bytes: Vec<u8> =
        (0..4_000 * RECORD_BYTES).map(|i| if i % RECORD_BYTES == 3 { 0 } else { rng.next_u64() as u8 }).collect();
    let mut alive = 1i32;
    for op in Trace::from_bytes(&bytes).ops {
        match op.kind {
            OpKind::Fork { .. } => alive += 1,
            OpKind::Exit { mm: MmId(_) } => alive -= 1,
            _ => (),
        }
        assert!((1..=16).contains(&alive));
    }
}

/// Any schedule of so many tasks.
fn any_switches(rng: &mut Rng, tasks: usize, count: u32) -> Vec<Switch> {
    let any = |rng: &mut Rng, count: usize| rng.below(count as u32) as usize;
    let points = || PointKind::ALL.iter().chain(PointKind::BESIDE);
    (0..count)
        .map(|_| {
            let task = any(rng, tasks);
            Switch {
                task,
                point: points().nth(any(rng, points().count() + 1)).copied(),
                object: PointObject::ALL.get(any(rng, PointObject::ALL.len() + 1)).copied(),
                nth: [1, 2, 32, 33, 65_535, 1 + rng.below(65_535)][any(rng, 6)],
                next: (task + 1 + any(rng, tasks - 1)) % tasks,
            }
        })
        .collect()
}

fn sections_round_trip(trace: &Trace) {
    let bytes = trace.to_bytes_of(OpSet::Together);
    assert_eq!(&Trace::from_bytes_of(OpSet::Together, &bytes), trace);
    assert_eq!(&Trace::from_bytes_of(OpSet::Together, &trace.to_exact_bytes(OpSet::Together)), trace);
    assert_eq!(trace.to_string().parse().as_ref(), Ok(trace));
}

#[test]
fn any_trace_with_sections_round_trips() {
    let mut rng = Rng::new(8);
    let (mut sections, mut exact, mut records) = (0, 0, 0);
    for _ in 0..300 {
        let mut trace = random_sections(&mut rng, 40, &Mix::together());
        for section in &mut trace.sections {
            let count = rng.below(20);
            section.switches = any_switches(&mut rng, section.tasks, count);
        }
        sections += trace.sections.len();
        sections_round_trip(&trace);
        let bytes = trace.to_bytes_of(OpSet::Together);
        exact += bytes.chunks(RECORD_BYTES).filter(|record| record[3] == EXACT).count();
        records += bytes.len() / RECORD_BYTES;
        // Where a set has no sections, the operations remain.
        let apart = Trace { sections: Vec::new(), ..trace.clone() };
        assert_eq!(trace.to_bytes_of(OpSet::Pages), apart.to_bytes_of(OpSet::Pages));
    }
    assert!(sections > 1_000, "{sections}");
    assert!(exact < records, "{exact} of {records} are exact");
}

#[test]
fn sections_of_huge_pages_and_exact_records_round_trip() {
    for section in
        ["  dontneed p0 0x480..0x500\n  fault p0 0x400\n", "  exit p9\n  walk p3 0xfffffffe locked\n  fork p1 p15\n"]
    {
        for before in ["map p0 0x400..0x600\nfault p0 0x400 huge\n", "map p0 16..20\n", ""] {
            let text = format!("{before}together\n{section}  at a step 40000 b\nend\nfork p0 p2\n");
            sections_round_trip(&parse(&text).unwrap());
        }
    }
}

#[test]
fn random_bytes_are_legal_sections() {
    let mut rng = Rng::new(9);
    let (mut sections, mut of_three, mut lines) = (0, 0, 0);
    for _ in 0..600 {
        let mut bytes: Vec<u8> = (0..rng.below(80) * RECORD_BYTES as u32).map(|_| rng.next_u64() as u8).collect();
        if rng.below(3) == 0 {
            // Records that may be exact.
            bytes.chunks_mut(RECORD_BYTES).for_each(|record| {
                record[3] = [EXACT, 3][rng.below(2) as usize];
                record[4..].fill(0);
            });
        }
        let trace = Trace::from_bytes_of(OpSet::Together, &bytes);
        sections_round_trip(&trace);
        sections += trace.sections.len();
        of_three += trace.sections.iter().filter(|section| section.tasks == 3).count();
        lines += trace.sections.iter().map(|section| section.switches.len()).sum::<usize>();
        // The other sets have none, whatever the bytes are.
        for set in [OpSet::Small, OpSet::Full, OpSet::Pages] {
            let other = Trace::from_bytes_of(set, &bytes);
            assert!(other.sections.is_empty() && other.ops.len() == bytes.len() / RECORD_BYTES);
        }
    }
    assert!(sections > 1_000 && of_three > 300 && lines > 3_000, "{sections}, {of_three}, {lines}");
}

#[test]
fn a_header_of_no_section_says_nothing() {
    let header = |tasks: u8| [&[tasks, 1, 0, 3, 0x30][..], &[0; RECORD_BYTES - 5]].concat();
    let one = parse("lazyfree p0 0x10..0x14\n").unwrap();
    let [map, fault, exit] = ["lazyfree p0 0x10..0x14\n", "fault p0 0x10\n", "exit p7\n"]
        .map(|text| parse(text).unwrap().to_exact_bytes(OpSet::Together));
    let decode = |records: &[&[u8]]| Trace::from_bytes_of(OpSet::Together, &records.concat());
    // At the end, before one operation, and before one that is no task.
    assert_eq!(decode(&[&map, &header(0)]), one);
    assert_eq!(decode(&[&header(1), &map]), one);
    assert_eq!(decode(&[&map, &header(0), &fault]).sections, []);
    // Three are wanted, and two come: what the third would do is left out.
    let two = decode(&[&map, &header(1), &fault, &exit, &map]);
    assert_eq!((two.sections[0].range(), two.sections[0].switches.len(), two.ops.len()), (1..3, 1, 4));
    let switch = [&[1, 1, 0, 3, 0x50][..], &[0; RECORD_BYTES - 5]].concat();
    assert_eq!(decode(&[&map, &switch, &fault, &exit]).sections[0].switches.len(), 1, "b to c, then to a");
}

#[test]
fn the_layout_of_a_section_is_stable() {
    let text = "map p0 0x10..0x14\ntogether\n  fault p0 0x11\n  fork p0 p1\n  at a trylock b\n  at b step 300 anon_vma a\nend\n";
    let trace = parse(text).unwrap();
    let hex: Vec<String> = trace.to_bytes_of(OpSet::Together).iter().map(|byte| format!("{byte:02x}")).collect();
    let records: Vec<String> = hex.chunks(RECORD_BYTES).map(|record| record.concat()).collect();
    assert_eq!(records[1], "000200030300000010822c01000000000000000000000000000000000000000000000000");
}

/// What inputs of the sets without sections mean, and how they are mutated: as before there were sections.
#[test]
fn corpora_without_sections_keep_their_meaning() {
    let mut rng = Rng::new(10);
    let digest = |sum: u64, bytes: &[u8]| {
        bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let mut digests = [0xcbf2_9ce4_8422_2325; 2];
    for _ in 0..400 {
        let mut bytes: Vec<u8> = (0..40 * RECORD_BYTES).map(|_| rng.next_u64() as u8).collect();
        for set in [OpSet::Small, OpSet::Full, OpSet::Pages] {
            let trace = Trace::from_bytes_of(set, &bytes);
            digests[0] = digest(digests[0], trace.to_string().as_bytes());
            digests[0] = digest(digests[0], &trace.to_bytes_of(set));
            let (size, seed) = (bytes.len() / 2, rng.next_u64() as u32);
            let size = crate::mutate(set, &mut bytes, size, 40 * RECORD_BYTES, seed);
            digests[1] = digest(digests[1], &bytes[..size]);
        }
    }
    assert_eq!(digests, [4_848_260_015_045_064_244, 17_918_931_539_566_525_221]);
}
