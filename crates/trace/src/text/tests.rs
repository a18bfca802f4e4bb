//! Tests of the text form.

use super::*;
use crate::{Mix, Rng, random_trace};

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn the_sample_of_the_design() {
    let text = "\
# any comment
map   p0 0x10..0x18           # p0 exists from the start; pages [0x10, 0x18), private anonymous
fault p0 0x12                 # write fault at one page
fork  p0 p1                   # p1 becomes a fork of p0
fork  p1 p2 fail=2            # the 2nd allocation attempt of this operation fails

fork  p1 p2 fail=1,3          # a list;  fail=2+ is the 2nd and all later ones
unmap p0 18..0x14#decimal
\texit  p1\r
";
    let canonical = "\
map p0 0x10..0x18
fault p0 0x12
fork p0 p1
fork p1 p2 fail=2
fork p1 p2 fail=1,3
unmap p0 0x12..0x14
exit p1
";
    let trace = parse(text).unwrap();
    assert_eq!(trace.to_string(), canonical);
    assert_eq!(format!("{trace:?}"), canonical);
    assert_eq!(canonical.parse(), Ok(trace.clone()));
    assert_eq!(parse(&trace.to_file_text()), Ok(trace.clone()));
    assert_eq!(parse_bytes(text.as_bytes()), Ok(trace));
}

#[test]
fn every_word_of_every_operation() {
    let text = "\
map p0 0x10..0x18
map p0 0x20..0x28 grows
map p0 0x30..0x38 file 0
map p0 0x40..0x48 grows file 3 fail=1 failnode=2+
fault p0 0x10
fault p0 0x10 read fail=1
fault p0 0x10 huge
fault p0 0x10 read order 1
protect p0 0x10..0x14 r
protect p0 0x10..0x14 rw failnode=1
advise p0 0x10..0x14 dontfork
advise p0 0x10..0x14 dofork
advise p0 0x10..0x14 wipeonfork
advise p0 0x10..0x14 keeponfork
move p0 0x10..0x14 0x50
move p0 0x10..0x14 0x50 dontunmap fail=1,2
resize p0 0x10..0x14 1
resize p0 0x10..0x14 4294967295
grow p0 0x20 4
pin p15 0x10
unpin 0
unpin 15 fail=1
walk p0 0x10
walk p0 0x10 locked
walk p0 0x10 trylock
walk p0 0x10 contended
uffdmove p0 0x10 0x11
mlock p0 0x10..0x14
munlock p0 0x10..0x14 fail=1
mlockall p0
munlockall p0 failnode=2
brk p0 0x10..0x14 fail=1
touch p0 0x10
touch p0 0x10 write
dontneed p0 0x10..0x14
age p0 0x10
swapout p0 0x10 failpage=1
migrate p0 0x10 failpage=1
lazyfree p0 0x10..0x14
migrate-begin p0 0x10 failpage=1
migrate-end 3
map p0 0x20..0x24 shared file 3
clean p0 0x20
exclusive p0 0x10
split p0 0x10
uffdwp p0 0x10..0x12
uffdwp p0 0x10..0x12 off
poison p0 0x10
";
    let trace = parse(text).unwrap();
    assert_eq!(trace.to_string(), text);
    assert_eq!(Trace::from_bytes(&trace.to_bytes()), trace);
    let keywords: std::collections::BTreeSet<_> = trace.ops.iter().map(|op| op.kind.keyword()).collect();
    assert_eq!(keywords.len(), OPERATIONS.len() - 3, "all but fork, unmap and exit");
    assert!(parse("resize p0 1..2 0x10").is_ok_and(|trace| trace.to_string() == "resize p0 0x1..0x2 16\n"));
}

#[test]
fn nothing_is_a_trace() {
    for text in ["", "\n", "#", "  # x", "\r\n\r\n", "# rmap-diff trace v1\n", "# rmap-diff trace v1"] {
        assert_eq!(parse(text), Ok(Trace::default()), "{text:?}");
    }
}

#[test]
fn errors_name_line_column_found_and_wanted() {
    let words = "an operation (map, fault, fork, unmap, exit, protect, advise, move, resize, grow, pin, unpin, walk, \
                 uffdmove, mlock, munlock, mlockall, munlockall, brk, touch, dontneed, age, swapout, migrate, lazyfree, migrate-begin, migrate-end, clean, exclusive, split, uffdwp, poison), or expect";
    let page = "a page number below 0x100000000, decimal or 0x hex";
    for (text, expected) in [
        ("mapp p0 1..2", format!("line 1, column 1: found \"mapp\", expected {words}")),
        ("# é\n  é", format!("line 2, column 3: found \"é\", expected {words}")),
        ("map p16 1..2", "line 1, column 5: found \"p16\", expected a process, p0 to p15".into()),
        ("exit 3", "line 1, column 6: found \"3\", expected a process, p0 to p15".into()),
        ("exit p+3", "line 1, column 6: found \"p+3\", expected a process, p0 to p15".into()),
        ("fork p0  # p1", "line 1, column 8: found the end of the line, expected q (\"fork p q\")".into()),
        ("\nmap p0", "line 2, column 7: found the end of the line, expected A..B (\"map p A..B [grows|noreserve|shared] [file N]\")".into()),
        ("map p0 17", "line 1, column 8: found \"17\", expected a range of pages, such as 0x10..0x18".into()),
        ("map p0 0x8..0x4", "line 1, column 13: found \"0x4\", the end must not lie before the start".into()),
        ("map p0 ..4", format!("line 1, column 8: found nothing, expected {page}")),
        ("map p0 4..", format!("line 1, column 11: found nothing, expected {page}")),
        ("map p0 1..2..3", format!("line 1, column 11: found \"2..3\", expected {page}")),
        ("fault p0 0x100000000", format!("line 1, column 10: found \"0x100000000\", expected {page}")),
        ("fault p0 99999999999999999999999", format!("line 1, column 10: found \"99999999999999999999999\", expected {page}")),
        ("fault p0 -1", format!("line 1, column 10: found \"-1\", expected {page}")),
        ("fault p0 0x", format!("line 1, column 10: found \"0x\", expected {page}")),
        (
            "fault p0 1 2",
            "line 1, column 12: found \"2\", expected fail=, failnode=, failpage= or the end of the line after \"fault p A [read] [order N|huge]\"".into(),
        ),
        (
            "fault p0 1 fail=1 fail=2",
            "line 1, column 19: found \"fail=2\", expected failnode=, failpage= or the end of the line after \"fault p A [read] [order N|huge]\"".into(),
        ),
        (
            "map p0 1..2 file 3 grows",
            "line 1, column 20: found \"grows\", expected fail=, failnode=, failpage= or the end of the line after \"map p A..B [grows|noreserve|shared] \
             [file N]\""
                .into(),
        ),
        ("map p0 1..2 file", "line 1, column 17: found the end of the line, expected the number of a file (\"map p A..B \
             [grows|noreserve|shared] [file N]\")".into()),
        ("map p0 1..2 file 4", "line 1, column 18: found \"4\", expected a file, 0 to 3".into()),
        ("protect p0 1..2 rx", "line 1, column 17: found \"rx\", expected r or rw".into()),
        ("protect p0 1..2", "line 1, column 16: found the end of the line, expected r|rw (\"protect p A..B r|rw\")".into()),
        (
            "advise p0 1..2 # dontfork",
            "line 1, column 15: found the end of the line, expected dontfork|dofork|wipeonfork|keeponfork (\"advise p A..B \
             dontfork|dofork|wipeonfork|keeponfork\")"
                .into(),
        ),
        ("resize p0 1..2 0", "line 1, column 16: found \"0\", expected a number of pages from 1 to below 0x100000000".into()),
        ("unpin 16", "line 1, column 7: found \"16\", expected a pin, 0 to 15".into()),
        (
            "walk p0 1 held",
            "line 1, column 11: found \"held\", expected fail=, failnode=, failpage= or the end of the line after \"walk p A \
             [locked|trylock|contended]\""
                .into(),
        ),
        (
            "exit p0 failnode=1 fail=1",
            "line 1, column 20: found \"fail=1\", expected the end of the line after \"exit p\"".into(),
        ),
        ("exit p0 failnode=0", "line 1, column 18: found \"0\", attempts count from 1 and must ascend".into()),
        ("fault p0 1 fail=3,1", "line 1, column 17: found \"3,1\", attempts count from 1 and must ascend".into()),
        (
            "exit p0\nexit p0 fail=",
            "line 2, column 14: found nothing, expected an attempt number from 1 to 65535, a list 1,3 or 2+ for the 2nd \
             and all later"
                .into(),
        ),
        (
            "# rmap-diff trace v2\nexit p0",
            "line 1, column 19: found \"v2\", expected v1, the only version known here".into(),
        ),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_long_word_is_cut_in_the_message() {
    let message = error(&"é".repeat(10_000));
    assert!(message.len() < 500, "{message}");
}

#[test]
fn a_file_that_is_not_text() {
    let error = parse_bytes(b"exit p0\n\xc3\xa9 \xff\xfe\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 3: found the byte 0xff, expected UTF-8 text");
    assert_eq!(parse_bytes(b"\xff").unwrap_err().column, 1);
}

#[test]
fn no_text_panics() {
    let mut rng = Rng::new(1);
    let pieces = [
        "map",
        "fault",
        " ",
        "p0",
        "p1",
        "0x10..0x18",
        "..",
        "#",
        "\n",
        "fail=",
        "failnode=",
        "file",
        "move",
        "1,3",
        "+",
        "é",
        "\u{feff}",
        "\r",
        "\0",
        "0x",
        "99999999999",
        "exit",
        "# rmap-diff trace ",
    ];
    for _ in 0..20_000 {
        let text: String = (0..rng.below(12)).map(|_| pieces[rng.below(pieces.len() as u32) as usize]).collect();
        if let Ok(trace) = parse(&text) {
            assert_eq!(parse(&trace.to_string()), Ok(trace));
        }
        let bytes: Vec<u8> = (0..rng.below(30)).map(|_| rng.next_u64() as u8).collect();
        let _ = parse_bytes(&bytes);
    }
}

#[test]
fn a_long_file_takes_linear_time() {
    let trace = random_trace(&mut Rng::new(2), 200_000, &Mix::default());
    let begin = std::time::Instant::now();
    assert_eq!(parse(&trace.to_string()), Ok(trace));
    let _ = parse(&format!("exit p0{}", " ".repeat(4_000_000)));
    assert!(begin.elapsed().as_secs() < 10);
}

#[test]
fn help_names_every_operation() {
    let help = help();
    assert!(OPERATIONS.iter().all(|operation| help.contains(&operation.usage())));
}

#[test]
fn what_is_expected_comes_back_as_it_was_read() {
    let text = "\
map p0 0x10..0x18
expect p0: 0x10..0x18[rw]
expect[7.] p0: 0x10..0x18[ro,grows,!noreserve,accounted,locked,dontfork,!wipeonfork,file,!faulted]
expect[6.16..] p0: 0x10..0x14 0x14..0x18[!locked]
expect[..6.16,7.3,6.17.2..7.1] p15: 0x10..0x14 0x20..0x21
unmap p0 0x10..0x18
expect p0: nothing
";
    let trace = parse(text).unwrap();
    assert_eq!(trace.to_string(), text);
    assert_eq!(parse(&trace.to_file_text()).as_ref(), Ok(&trace));
    let operations: Vec<usize> = trace.expectations.iter().map(|expectation| expectation.operation).collect();
    assert_eq!((trace.ops.len(), operations), (2, vec![1, 1, 1, 1, 2]));
    let bytes = Trace::from_bytes(&trace.to_bytes());
    assert_eq!((bytes.ops, bytes.expectations), (trace.ops, vec![]), "the byte form drops them");
}

#[test]
fn there_is_more_than_one_way_to_write_what_is_expected() {
    for (written, canonical) in [
        ("expect[7] p0: 16..0x18#comment", "expect[7.] p0: 0x10..0x18"),
        ("\texpect  p0:  0x10..0x18[!ro] ", "expect p0: 0x10..0x18[rw]"),
        ("expect[7.3.] p0: 0x1..0x2[!rw,locked]", "expect[7.3] p0: 0x1..0x2[ro,locked]"),
        ("expect p0: 0x1..0x2[!locked] 0x2..0x3 [ro,locked]", "expect p0: 0x1..0x2[ro,!locked] 0x2..0x3[ro,locked]"),
    ] {
        let trace = parse(&format!("exit p0\n{written}\n")).unwrap();
        assert_eq!(trace.expectations[0].to_string(), canonical);
    }
}

#[test]
fn a_wrong_expectation_is_said_with_its_place() {
    for (line, place, wanted) in [
        ("expect", "column 7: found the end of the line", "expected a process"),
        ("expected p0: 1..2", "column 1: found \"expected\"", "or expect"),
        ("expect p0 1..2", "column 8: found \"p0\"", "expected a process and a colon"),
        ("expect p16: 1..2", "column 8: found \"p16\"", "expected a process, p0 to p15"),
        ("expect p0:", "column 11: found the end of the line", "expected ranges of pages, or nothing"),
        ("expect p0: 1", "column 12: found \"1\"", "expected a range of pages"),
        ("expect p0: 2..2", "column 12: found \"2..2\"", "at least one page"),
        ("expect p0: 2..1", "column 15: found \"1\"", "must not lie before"),
        ("expect p0: 4..6 5..7", "column 17: found \"5..7\"", "without overlap"),
        ("expect p0: 4..6 nothing", "column 17: found \"nothing\"", "expected a range of pages"),
        ("expect p0: nothing 4..6", "column 20: found \"4..6\"", "expected the end of the line"),
        ("expect p0: [ro]", "column 12: found nothing", "expected a range of pages"),
        ("expect p0: 4..6[ro", "column 16: found \"[ro\"", "expected ]"),
        ("expect p0: 4..6[ro, rw]", "column 16: found \"[ro,\"", "no blanks"),
        ("expect p0: 4..6[ro,red]", "column 20: found \"red\"", "expected a property of a VMA (ro, rw, grows"),
        ("expect p0: 4..6[ro,rw]", "column 20: found \"rw\"", "each once"),
        ("expect p0: 4..6[]", "column 17: found nothing", "expected a property of a VMA"),
        ("expect p0: 4..6 [ro] 7..8", "column 22: found \"7..8\"", "expected the end of the line"),
        ("expect[] p0: 4..6", "column 8: found nothing", "expected versions of the kernel"),
        ("expect[..] p0: 4..6", "column 8: found \"..\"", "expected versions of the kernel"),
        ("expect[6.1,x] p0: 4..6", "column 12: found \"x\"", "expected versions of the kernel"),
        ("expect[6.1.2.3] p0: 4..6", "column 8: found \"6.1.2.3\"", "expected versions of the kernel"),
        ("expect[7...8] p0: 4..6", "column 8: found \"7...8\"", "expected versions of the kernel"),
        ("expect[7. p0: 4..6", "column 7: found \"[7.\"", "expected ]"),
    ] {
        let error = error(&format!("exit p0\n{line}"));
        assert!(error.starts_with(&format!("line 2, {place}")), "{line}: {error}");
        assert!(error.contains(wanted), "{line}: {error}");
    }
    let first = error("# nothing\nexpect p0: nothing");
    assert!(first.starts_with("line 2, column 1: found \"expect\", expected an operation above"), "{first}");
}

#[test]
fn failing_frames_and_page_tables_are_said_apart_and_not_beside_nodes() {
    let said = "fault p0 0x10 fail=1 failpage=2+\n";
    let trace: Trace = said.parse().unwrap();
    assert_eq!(trace.ops[0].fail_page, "2+".parse().unwrap());
    assert_eq!(trace.to_string(), said);
    assert_eq!(Trace::from_bytes(&trace.to_bytes()), trace);
    let both = "fault p0 0x10 failnode=1 failpage=1".parse::<Trace>().unwrap_err().to_string();
    assert!(both.contains("an operation takes failnode= or failpage=, not both"), "{both}");
}

#[test]
fn sections_come_back_as_they_were_written() {
    let text = "\
map p0 0x10..0x12
together  # a race
 walk p0 0x10
exit p0
    fork p1 p2 fail=2
at a trylock b
at b free anon_vma_chain c
at c lock 2 a
at a step 17 b
end
fault p1 0x10
";
    let canonical = "\
map p0 0x10..0x12
together
  walk p0 0x10
  exit p0
  fork p1 p2 fail=2
  at a trylock b
  at b free anon_vma_chain c
  at c lock 2 a
  at a step 17 b
end
fault p1 0x10
";
    let trace = parse(text).unwrap();
    assert_eq!(trace.to_string(), canonical);
    assert_eq!(canonical.parse(), Ok(trace.clone()));
    assert_eq!((trace.ops.len(), trace.sections.len(), trace.sections[0].range()), (5, 1, 1..4));
    // The first operations are without the section, unless they have all of it.
    assert_eq!([1, 3, 4].map(|operations| trace.first(operations).sections.len()), [0, 0, 1]);
}

#[test]
fn what_is_no_section_is_an_error_that_says_why() {
    let of = |lines: &str| error(&format!("together\n{lines}"));
    assert_eq!(
        error("at a lock b\n"),
        "line 1, column 1: found \"at\", there is no section here: it begins with together"
    );
    let two = "fault p0 1\nfault p0 2\n";
    for (lines, wanted) in [
        ("", "line 1, column 1: found \"together\", the section has no line that says end"),
        ("fault p0 1\nend\n", "line 3, column 1: found \"end\", a section has two operations or three"),
        ("together\n", "line 2, column 1: found \"together\", the section of line 1 has no end yet"),
        (&format!("{two}{two}end\n"), "line 5, column 1: found \"fault\", a section has at most 3 operations"),
        (
            &format!("{two}at a lock b\nfault p0 3\nend\n"),
            "line 5, column 1: found \"fault\", the operations of a section stand above its at lines",
        ),
        (
            &format!("{two}at a lock c\nend\n"),
            "line 4, column 11: found \"c\", the section has no task c above this line",
        ),
        (
            &format!("{two}at a lock -1 b\nend\n"),
            "line 4, column 11: found \"-1\", expected which of these it is, from 1 to 65535",
        ),
        (
            &format!("{two}at a sleep b\nend\n"),
            "line 4, column 6: found \"sleep\", expected step, lock, unlock, trylock, alloc, free, get, put, rcu, unrcu, read, resched, wait, end, load, store",
        ),
        (
            &format!("{two}at a lock 0 b\nend\n"),
            "line 4, column 11: found \"0\", expected which of these it is, from 1 to 65535",
        ),
        (
            &format!("{two}at a lock\nend\n"),
            "line 4, column 10: found the end of the line, expected a task (\"at TASK POINT [N] [OBJECT] TASK\")",
        ),
        (
            &format!("{two}at a lock mutex b\nend\n"),
            "line 4, column 11: found \"mutex\", expected a task, a to c (objects are none, anon_vma, anon_vma_chain, vma, mmap, \
             page_table, folio, file, pte)",
        ),
        (
            &format!("{two}at b lock b\nend\n"),
            "line 4, column 1: found \"at\", the task goes on anyhow: expected another one at the end",
        ),
        (
            &format!("{two}expect p0: nothing\nend\n"),
            "line 4, column 1: found \"expect\", what is expected stands below the end of the section",
        ),
        (
            "fault p0 1\nfault p0 0x10 order 2\nend\n",
            "line 3, column 1: found \"fault p0 0x10 order 2\", a fault that brings in a folio of several pages cannot run \
             beside others",
        ),
        (&format!("{two}end end\n"), "line 4, column 5: found \"end\", expected the end of the line"),
        (
            "fault p0 1\nexit p0\nend\n",
            "line 3, column 1: found \"exit p0\", p0 ends in this section: nothing else of it can run there",
        ),
        (
            "fork p0 p1\nwalk p1 0x10\nend\n",
            "line 3, column 1: found \"walk p1 0x10\", p1 begins in this section: nothing else of it can run there",
        ),
        (
            "fault p0 1\nmlock p0 2..3\nend\n",
            "line 3, column 1: found \"mlock p0 0x2..0x3\", mlock cannot run beside others; these can: fault, fork, map, unmap, \
             protect, move, exit, dontneed, walk, age, swapout, migrate",
        ),
    ] {
        assert_eq!(of(lines), wanted, "{lines}");
    }
}
