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

fn report(taken: u64, unreached: &str) -> (String, bool) {
    let text = lcov("x/references/6.12/rmap.c", 0) + &lcov("x/references/6.12/vma_code.c", taken);
    let counters = read(&text, |_| Some(EXTRACT.to_owned())).unwrap();
    let piece = Piece {
        kind: "function".into(),
        symbol: "clone".into(),
        file: "mm/rmap.c".into(),
        first_line: 10,
        last_line: 16,
    };
    let unreached: Unreached = toml::from_str(unreached).unwrap();
    let report = reference("6.12", &[piece], &counters, &unreached);
    summary(&["6.12"], &[("6.12".into(), report)], &(String::new(), Reached::default()), &unreached)
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

#[test]
fn what_is_no_counter_is_an_error_with_its_line() {
    let error = read("SF:x\nDA:1,many\n", |_| None).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("DA:1,many"), "{error}");
}
