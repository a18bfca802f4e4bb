use super::*;

const EXTRACT: &str = "\
#line 10 \"mm/rmap.c\"
int clone(int a)
{
\tif (a)
\t\treturn 1;
\tVM_WARN_ON(a);
\treturn 2;
}
";

fn lcov(path: &str, taken: u64) -> String {
    let mut text = format!("SF:{path}\n");
    for line in 2..=8 {
        let count = if line == 5 { taken } else { 3 };
        text += &format!("DA:{line},{count}\n");
    }
    text += &format!("BRDA:4,0,0,{taken}\nBRDA:4,0,1,3\nBRDA:6,0,0,0\nBRDA:6,0,1,3\nend_of_record\n");
    text
}

fn piece(symbol: &str, place: (&str, usize, usize), into: &str) -> Piece {
    let (file, first_line, last_line) = place;
    let [symbol, file, into] = [symbol, file, into].map(str::to_owned);
    Piece { kind: "function".into(), symbol, file, first_line, last_line, into }
}

fn report(taken: u64, unreached: &str) -> (String, bool) {
    let text = lcov("x/references/6.12/rmap.c", 0) + &lcov("x/references/6.12/vma_code.c", taken);
    let counters = read(&text, |_| Some(EXTRACT.to_owned())).unwrap();
    let cuts = Cuts { small: vec![piece("clone", ("mm/rmap.c", 10, 16), "rmap.c")], pages: Vec::new() };
    let unreached: Unreached = toml::from_str(unreached).unwrap();
    let report = reference("6.12", &cuts, &counters, &unreached);
    summary(&[("6.12".into(), report)], &(String::new(), Reached::default()), &unreached)
}

const ASSERTS: &str = "asserts = [\"VM_WARN_ON\"]\n";

#[test]
fn what_either_unit_reached_is_reached_and_an_assert_is_no_branch() {
    let (text, sound) = report(1, ASSERTS);
    assert!(sound, "{text}");
    assert!(text.contains("7/7"), "{text}");
    let (text, sound) = report(1, "");
    assert!(!sound && text.contains("mm/rmap.c:14 clone(): condition 1 never true: VM_WARN_ON(a);"), "{text}");
}

#[test]
fn a_line_that_is_not_reached_is_named_or_explained() {
    let (text, sound) = report(0, ASSERTS);
    assert!(!sound && text.contains("not reached: 6.12 mm/rmap.c:13 clone(): line: return 1;"), "{text}");
    let entry = "[[unreached]]\nfunction = \"clone\"\nlines = [\"if (a)\", \"return 1;\"]\nreason = \"never\"\n";
    let (text, sound) = report(0, &format!("{ASSERTS}{entry}"));
    assert!(sound, "{text}");
    let (text, sound) = report(1, &format!("{ASSERTS}{entry}"));
    assert!(!sound && text.contains("explains nothing"), "{text}");
}

const PAGES: &str = "\
#line 10 \"mm/rmap.c\"
int clone(int a)
{
\tif (a)
\t\treturn 1;
\tVM_WARN_ON(a);
\treturn 2;
}
#line 30 \"mm/rmap.c\"
int unmap(int a)
{
\tif (huge(a)) {
\t\tif (a)
\t\t\tsplit(a);
\t\tdrop(a);
\t}
\treturn a;
}
#line 5 \"mm/memory.c\"
int zap(void)
{
\treturn 0;
}
";

/// With the page-table code: `clone()` runs as the driver without it has it run, `unmap()` as `unmaps` says, line by line
/// from its brace on.
fn report_with_pages(compiled: &str, unmaps: [u64; 8], unreached: &str) -> (String, bool) {
    let mut text = lcov("x/references/7.3/rmap.c", 1);
    text += &format!("SF:x/references/7.3/{compiled}\n");
    for (at, count) in unmaps.into_iter().enumerate() {
        text += &format!("DA:{},{count}\n", 11 + at);
    }
    text += "BRDA:12,0,0,0\nBRDA:12,0,1,4\nDA:21,0\nDA:22,7\nDA:23,7\nend_of_record\n";
    let counters = read(&text, |path| Some(if path.contains("pages") { PAGES } else { EXTRACT }.to_owned())).unwrap();
    let cut = |symbol, place| piece(symbol, place, "pages_code.c");
    let clone = ("mm/rmap.c", 10, 16);
    let pages = vec![cut("clone", clone), cut("unmap", ("mm/rmap.c", 30, 38)), cut("zap", ("mm/memory.c", 5, 8))];
    let cuts = Cuts { small: vec![piece("clone", clone, "rmap.c")], pages };
    let unreached: Unreached = toml::from_str(&format!("{ASSERTS}{unreached}")).unwrap();
    let report = reference("7.3", &cuts, &counters, &unreached);
    summary(&[("7.3".into(), report)], &(String::new(), Reached::default()), &unreached)
}

fn entry(text: &str) -> String {
    format!("[[unreached]]\nfunction = \"unmap\"\n{text}\nreason = \"never\"\n")
}

#[test]
fn every_line_of_rmap_c_that_the_page_table_code_adds_is_asked_for_and_of_other_files_none() {
    let (text, sound) = report_with_pages("pages_code.c", [4; 8], "");
    assert!(sound, "{text}");
    assert!(text.contains("7.3: mm/rmap.c: 15 of 15 (100.0 %) lines reached"), "{text}");
    assert!(text.lines().any(|line| line.contains("  mm/memory.c") && line.contains("2/3")), "{text}");
    let (text, sound) = report_with_pages("pages_code.c", [4, 4, 4, 0, 4, 4, 4, 4], "");
    assert!(!sound && text.contains("not reached: 7.3 mm/rmap.c:34 unmap(): line: split(a);"), "{text}");
    assert!(text.contains("7.3: mm/rmap.c: 14 of 15 (93.3 %) lines reached"), "{text}");
}

#[test]
fn a_block_is_explained_by_the_line_before_it_which_is_itself_asked_for() {
    let block = entry("blocks = [\"huge(a)\"]");
    let (text, sound) = report_with_pages("pages_code.c", [4, 4, 0, 0, 0, 0, 4, 4], &block);
    assert!(sound, "{text}");
    assert!(
        text.contains("11 of 15 (73.3 %) lines reached") && text.contains("11 of 11 (100.0 %) of those that can be"),
        "{text}"
    );
    let (text, sound) = report_with_pages("pages_code.c", [4, 0, 0, 0, 0, 0, 0, 4], &block);
    assert!(!sound, "{text}");
    for line in ["mm/rmap.c:32 unmap(): line: if (huge(a)) {", "mm/rmap.c:37 unmap(): line: return a;"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("mm/rmap.c:33"), "{text}");
    let (text, sound) = report_with_pages("pages_code.c", [4; 8], &block);
    assert!(!sound && text.contains("entry 1 of unmap() explains nothing: all of \"huge(a)\""), "{text}");
}

#[test]
fn a_whole_function_is_explained_while_nothing_of_it_is_reached() {
    let (text, sound) = report_with_pages("pages_code.c", [0; 8], &entry(""));
    assert!(sound && text.contains("7 of 15 (46.7 %) lines"), "{text}");
    let (text, sound) = report_with_pages("pages_code.c", [4, 4, 0, 0, 0, 0, 4, 4], &entry(""));
    assert!(!sound && text.contains("entry 1 of unmap() explains nothing: the whole function"), "{text}");
    assert!(text.contains("mm/rmap.c:35 unmap(): line: drop(a);"), "{text}");
}

#[test]
fn an_entry_of_one_kernel_explains_nothing_of_another() {
    let unmaps = [4, 4, 4, 0, 4, 4, 4, 4];
    let (text, sound) = report_with_pages("pages_code.c", unmaps, &entry("lines = [\"split\"]\nkernels = [\"7.3\"]"));
    assert!(sound, "{text}");
    let (text, sound) = report_with_pages("pages_code.c", unmaps, &entry("lines = [\"split\"]\nkernels = [\"6.12\"]"));
    assert!(!sound && text.contains("explains nothing") && text.contains("not reached: 7.3 mm/rmap.c:34"), "{text}");
}

#[test]
fn what_the_compiler_drops_is_no_line_of_what_it_keeps() {
    let unmaps = [4, 4, 0, 0, 0, 0, 4, 4];
    let dropped = entry("blocks = [\"huge(a)\"]\ndropped = true");
    let (text, sound) = report_with_pages("pages_code.c", unmaps, &dropped);
    assert!(sound, "{text}");
    assert!(
        text.contains("11 of 15 (73.3 %) lines reached; 11 of 11 (100.0 %) of those that the compiler keeps"),
        "{text}"
    );
    let kept = entry("blocks = [\"huge(a)\"]");
    let (text, _) = report_with_pages("pages_code.c", unmaps, &kept);
    assert!(text.contains("11 of 15 (73.3 %) of those that the compiler keeps; 11 of 11 (100.0 %)"), "{text}");
}

#[test]
fn comments_and_directives_are_no_lines_of_a_function() {
    let texts = [
        "{",
        "",
        "/* One. */",
        "/*",
        " * Two.",
        " */",
        "#if defined(A) && \\",
        "\tdefined(B)",
        "\t*a = b;",
        "#endif",
        "}",
    ];
    let line = |text: &&str| Line { text: (*text).to_owned(), ..Line::default() };
    let lines: BTreeMap<usize, Line> = texts.iter().map(line).enumerate().collect();
    let kept: Vec<usize> = code(lines.iter()).into_iter().map(|(number, _)| number).collect();
    assert_eq!(kept, [0, 8, 10]);
}

#[test]
fn of_page_table_code_that_was_cut_and_not_compiled_nothing_is_asked_for() {
    let (text, sound) = report_with_pages("pages_types.h", [0; 8], "");
    assert!(sound && text.contains("7.3: no page-table code, so not all of mm/rmap.c is asked for"), "{text}");
}

#[test]
fn what_is_no_counter_is_an_error_with_its_line() {
    let error = read("SF:x\nDA:1,many\n", |_| None).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("DA:1,many"), "{error}");
}
