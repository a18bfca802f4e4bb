//! Two signatures over one body: a conditional before the brace with which a function's body begins. No parser knows it as a
//! function. One of the signatures is kept for the parser, and the text of the file stays as it is, for a compiler.

use std::ops::Range;

use super::configured;

/// What holds in every build of `csrc/`; every other option of the kernel's configuration is off.
const ON: [&str; 2] = ["CONFIG_64BIT", "CONFIG_MMU"];

/// What a type of its own for a checker is marked with, which no compiler sees.
const MARK: &str = "__bitwise";

struct Conditional {
    /// From the directive on.
    start: usize,
    /// Where its first branch starts.
    branch: usize,
    /// Whether the first branch is the one that is compiled; none: it is not known.
    first_holds: Option<bool>,
    /// The line of its only `#else`.
    otherwise: Option<Range<usize>>,
    /// More branches, or one within.
    is_plain: bool,
}

/// The text with such conditionals left out but for one signature, and where they were. What is left out is blank: every
/// byte stays where it is.
pub fn resolve(text: &str) -> (String, Vec<Range<usize>>) {
    let (mut blank, mut places): (Vec<Range<usize>>, Vec<Range<usize>>) = Default::default();
    let on = ON.map(str::to_owned);
    let mut open: Vec<Conditional> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let Some(directive) = line.trim().strip_prefix('#').map(str::trim_start) else { continue };
        let word: &str = directive.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match word {
            "if" | "ifdef" | "ifndef" => {
                open.iter_mut().for_each(|around| around.is_plain = false);
                let first_holds = configured(line.trim(), &on, &[]);
                open.push(Conditional { start, branch: end, first_holds, otherwise: None, is_plain: true });
            }
            "else" => {
                if let Some(last) = open.last_mut() {
                    last.is_plain &= last.otherwise.replace(start..end).is_none();
                }
            }
            "elif" | "elifdef" | "elifndef" => open.iter_mut().for_each(|around| around.is_plain = false),
            "endif" => {
                let Some(Conditional {
                    start: first,
                    branch,
                    first_holds: Some(first_holds),
                    otherwise: Some(otherwise),
                    is_plain: true,
                }) = open.pop()
                else {
                    continue;
                };
                let branches = [branch..otherwise.start, otherwise.end..start];
                let is_signature = |branch: &Range<usize>| {
                    let branch = &text[branch.clone()];
                    branch.trim_end().ends_with(')') && !branch.contains(['{', '}', ';'])
                };
                if text[end..].trim_start().starts_with('{') && branches.iter().all(is_signature) {
                    let left_out = branches[usize::from(first_holds)].clone();
                    blank.extend([first..branch, otherwise, start..end, left_out]);
                    places.push(first..end);
                }
            }
            _ => {}
        }
    }
    // `typedef int __bitwise rmap_t;` would be a type of the name __bitwise.
    let marks = text.match_indices(MARK).map(|(at, _)| at..at + MARK.len());
    blank.extend(marks.filter(|mark| text[..mark.start].ends_with([' ', '\t']) && text[mark.end..].starts_with(' ')));
    let mut bytes = text.as_bytes().to_vec();
    for range in blank {
        bytes[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    // Whole lines were made blank: what is not ASCII in them went as a whole.
    (String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned()), places)
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::syntax::{Kind, SourceFile};

    const TEXT: &str = "\
#include <a.h>

#ifdef CONFIG_PER_VMA_LOCK
static int f(int a, int é)
#else
static int f(int a)
#endif
{
	return a;
}

#ifdef CONFIG_NUMA
static int g(int a);
#else
static int g(int a)
#endif
{
	return a;
}
";

    #[test]
    fn the_signature_that_is_compiled_is_kept_and_every_byte_stays_where_it_is() {
        let (code, places) = resolve(TEXT);
        assert_eq!(code.len(), TEXT.len());
        assert_eq!(code.lines().count(), TEXT.lines().count());
        assert_eq!(places.len(), 1, "a declaration is no signature of the body");
        assert!(TEXT[places[0].clone()].starts_with("#ifdef CONFIG_PER_VMA_LOCK\n") && !code.contains("int é"));
        let first = TEXT.replace("CONFIG_PER_VMA_LOCK", "CONFIG_MMU");
        assert!(resolve(&first).0.contains("int é") && !resolve(&first).0.contains("f(int a)"));
        // What is not about the configuration alone is left to a person: nobody guesses.
        assert!(resolve(&TEXT.replace("CONFIG_PER_VMA_LOCK", "SOMEBODYS_OWN")).1.is_empty());
        let negated = TEXT.replace("#ifdef CONFIG_PER_VMA_LOCK", "#if !IS_ENABLED(CONFIG_PER_VMA_LOCK)");
        assert!(resolve(&negated).0.contains("int é"));
    }

    #[test]
    fn the_definition_is_found_with_its_conditional() {
        let file = SourceFile::parse("mm/a.c", TEXT.to_owned()).unwrap();
        let [definition] = file.find(Kind::Function, "f")[..] else { panic!("{:?}", file.definitions) };
        assert_eq!(definition.parameters, ["a"]);
        let text = &file.text[definition.range.clone()];
        assert!(text.starts_with("#ifdef CONFIG_PER_VMA_LOCK\n") && text.trim_end().ends_with('}'), "{text}");
        assert!(definition.conditions.is_empty() && definition.is_static);
        file.check(definition).unwrap();
    }
}
