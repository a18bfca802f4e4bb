//! Old spellings of the command line: each still means what it meant, and standard error has a line with the new one.

use std::ffi::{OsStr, OsString};

/// An option that has another name, or a value of one that has.
struct Spelling {
    /// The commands that had it.
    commands: &'static [&'static str],
    /// The option, with the dashes.
    option: &'static str,
    /// Its value; none: any.
    value: Option<&'static str>,
    /// The words in its place. `{}` is the value.
    now: &'static [&'static str],
}

/// Those that run sides.
const SIDES: &[&str] = &["run", "random", "exhaust", "minimize", "show", "reproduce"];
/// Those for which VMA code is chosen.
const VMA: &[&str] = &["run", "random", "exhaust", "minimize", "show", "reproduce", "review"];
/// Those that save the trace of a finding.
const SAVE: &[&str] = &["random", "exhaust", "ground-truth"];

/// The first that fits counts.
const SPELLINGS: &[Spelling] = &[
    Spelling { commands: SIDES, option: "--side", value: Some("c"), now: &["--side", "kernel"] },
    Spelling { commands: SIDES, option: "--side", value: Some("rust"), now: &["--side", "port"] },
    Spelling { commands: VMA, option: "--driver", value: Some("rust"), now: &["--vma", "model"] },
    Spelling { commands: VMA, option: "--driver", value: None, now: &["--vma", "{}"] },
    Spelling { commands: SAVE, option: "--save", value: None, now: &["-o", "{}"] },
    Spelling { commands: &["exhaust"], option: "--ops", value: None, now: &["--only", "{}"] },
    Spelling { commands: &["review"], option: "--search-ops", value: None, now: &["--only", "{}"] },
    Spelling { commands: &["show"], option: "--svg", value: None, now: &["--as", "svg", "-o", "{}"] },
    Spelling { commands: &["show"], option: "--html", value: None, now: &["--as", "html", "-o", "{}"] },
    Spelling { commands: &["mutants"], option: "--only", value: None, now: &["--mutants", "{}"] },
];

/// A command line in today's words.
pub(super) struct Modern {
    /// The program and its arguments.
    pub(super) words: Vec<OsString>,
    /// One line for each old spelling: what it is now.
    pub(super) hints: Vec<String>,
}

/// What a command line says, in today's words. `driver` is `$RMAP_DRIVER`, which counts where nothing else chooses the
/// VMA code, and `vma_chosen` whether `$RMAP_VMA` does.
pub(super) fn modern(words: impl IntoIterator<Item = OsString>, driver: Option<OsString>, vma_chosen: bool) -> Modern {
    let mut words = words.into_iter();
    let mut modern = Modern { words: words.next().into_iter().collect(), hints: Vec::new() };
    let mut command = String::new();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if command.is_empty() {
            if !text.starts_with('-') {
                command = text;
            }
            modern.words.push(word);
            continue;
        }
        if text == "--" {
            modern.words.push(word);
            modern.words.extend(words);
            break;
        }
        let (option, attached) = match text.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(OsString::from(value))),
            _ => (text.as_str(), None),
        };
        let of_command = |spelling: &&Spelling| spelling.commands.contains(&command.as_str());
        let mut fitting = SPELLINGS.iter().filter(of_command).filter(|spelling| spelling.option == option).peekable();
        if fitting.peek().is_none() {
            modern.words.push(word);
            continue;
        }
        let is_attached = attached.is_some();
        let Some(value) = attached.or_else(|| words.next()) else {
            modern.words.push(word);
            break;
        };
        match fitting.find(|spelling| spelling.value.is_none_or(|old| value == *old)) {
            Some(spelling) => modern.replace(option, &value, spelling.now),
            None if is_attached => modern.words.push(word),
            None => modern.words.extend([word, value]),
        }
    }
    modern.choose_vma(&command, driver.filter(|_| !vma_chosen));
    modern
}

impl Modern {
    fn replace(&mut self, option: &str, value: &OsStr, now: &[&str]) {
        let words = now.iter().map(|&word| if word == "{}" { value.to_owned() } else { word.into() });
        let words: Vec<OsString> = words.collect();
        let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        self.hints.push(format!("`{option} {}` is now `{}`", value.to_string_lossy(), text.join(" ")));
        self.words.extend(words);
    }

    /// By `$RMAP_DRIVER`.
    fn choose_vma(&mut self, command: &str, driver: Option<OsString>) {
        let Some(driver) = driver.filter(|driver| !driver.is_empty() && VMA.contains(&command)) else { return };
        let is_vma = |word: &OsString| word == "--vma" || word.to_string_lossy().starts_with("--vma=");
        let Some(at) = self.words.iter().position(|word| word == command) else { return };
        if self.words.iter().any(is_vma) {
            return;
        }
        let vma = if driver == "rust" { "model".into() } else { driver.clone() };
        let text = vma.to_string_lossy();
        self.hints.push(format!("`RMAP_DRIVER={}` is now `RMAP_VMA={text}`", driver.to_string_lossy()));
        self.words.splice(at + 1..at + 1, ["--vma".into(), vma]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, driver: Option<&str>) -> (String, Vec<String>) {
        let modern = modern(line.split(' ').map(OsString::from), driver.map(OsString::from), false);
        let words: Vec<_> = modern.words.iter().map(|word| word.to_str().unwrap()).collect();
        (words.join(" "), modern.hints)
    }

    #[test]
    fn each_old_spelling_becomes_the_new_one_with_a_hint() {
        for (old, new) in [
            ("run - --side c", "run - --side kernel"),
            ("minimize --side rust -", "minimize --side port -"),
            ("show --driver rust x", "show --vma model x"),
            ("review a b --driver kernel", "review a b --vma kernel"),
            ("random --save x", "random -o x"),
            ("exhaust --ops map,fork --depth 3", "exhaust --only map,fork --depth 3"),
            ("review a b --search-ops map", "review a b --only map"),
            ("show x --svg y", "show x --as svg -o y"),
            ("show x --html -", "show x --as html -o -"),
            ("mutants --only 1,2", "mutants --mutants 1,2"),
        ] {
            let (said, hints) = of(&format!("rmap-diff {old}"), None);
            assert_eq!(said, format!("rmap-diff {new}"));
            assert_eq!(hints.len(), 1, "{old}: {hints:?}");
        }
        let (said, hints) = of("rmap-diff run --side=c x", None);
        assert_eq!(
            (said.as_str(), hints.concat()),
            ("rmap-diff run --side kernel x", "`--side c` is now `--side kernel`".into())
        );
    }

    #[test]
    fn what_is_new_or_of_another_command_stays_as_it_is() {
        for line in [
            "rmap-diff run - --side kernel --vma model",
            "rmap-diff run - --side=both",
            "rmap-diff random --ops 3",
            "rmap-diff exhaust --only map",
            "rmap-diff run -- --side c",
            "rmap-diff run x --side",
            "rmap-diff kernels --driver rust",
            "rmap-diff --version",
            "rmap-diff",
        ] {
            assert_eq!(of(line, None), (line.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn the_old_variable_counts_where_nothing_else_chooses() {
        let hint = vec!["`RMAP_DRIVER=rust` is now `RMAP_VMA=model`".to_owned()];
        assert_eq!(of("rmap-diff run x", Some("rust")), ("rmap-diff run --vma model x".to_owned(), hint));
        for line in ["rmap-diff run x --vma kernel", "rmap-diff run x --vma=kernel", "rmap-diff kernels", "rmap-diff"] {
            assert_eq!(of(line, Some("rust")), (line.to_owned(), Vec::new()));
        }
        assert_eq!(of("rmap-diff run x", Some("")).1, Vec::<String>::new());
    }

    #[test]
    fn a_spelling_without_its_command_does_not_exist() {
        let old_only = |spelling: &Spelling| spelling.now[0] != spelling.option || spelling.value.is_some();
        assert!(SPELLINGS.iter().all(|spelling| !spelling.commands.is_empty() && old_only(spelling)));
    }
}
