//! The documentation holds: links lead somewhere, commands exist, and what a command is said to print is what it prints.
//!
//! Conventions of a code block in a Markdown file:
//!
//! - ```` ```console ````: a line that starts with `$ ` is a command, `> ` continues it, and the lines after it are what it
//!   prints (standard output and standard error). `…` stands for any text; alone on a line, for any lines. The commands are
//!   run, in a directory that has the seeds and the findings. A command without claimed output must only not be refused.
//! - ```` ```sh ````: commands that are not run. Their make targets, variables, scripts, subcommands and flags must exist.
//! - no language, or another one: text.
//!
//! The same is asked of commands, flags, variables and paths in `code` within a sentence.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::{NEWEST, reference};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The name of the newest generation in the documentation.
const NEWEST_IN_TEXT: &str = "7.3";

/// The command.
const BINARY: &str = env!("CARGO_BIN_EXE_rmap-diff");

/// Lines of the README at most.
const README_LINES: usize = 150;

/// What is made by a run, or exists only on a machine: no path of the repository.
const MADE: &[&str] = &["target/", "fuzz/corpus", "fuzz/artifacts", "fuzz/target", ".tools", "vmlinuz"];

/// Flags of other programs.
const FOREIGN_FLAGS: &[&str] = &["--llvm-path"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Markdown file, as far as is asked here.
struct Page {
    /// Relative to the root of the repository.
    path: PathBuf,
    links: Vec<String>,
    anchors: BTreeSet<String>,
    /// Language and text.
    blocks: Vec<(String, String)>,
    /// Text in `code`.
    spans: Vec<String>,
}

fn pages() -> Vec<Page> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut directories = vec![PathBuf::new(), "docs".into(), ".github".into(), "tests/cases".into()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).unwrap().map(|entry| entry.unwrap()) {
            let path = directory.join(entry.file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            } else if path.starts_with(".github") && entry.file_type().unwrap().is_dir() {
                directories.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 10 && files.contains(&"README.md".into()), "{files:?}");
    files.into_iter().map(|path| read(&path, &fs::read_to_string(root().join(&path)).unwrap())).collect()
}

fn read(path: &Path, text: &str) -> Page {
    let mut page = Page {
        path: path.to_owned(),
        links: Vec::new(),
        anchors: BTreeSet::new(),
        blocks: Vec::new(),
        spans: Vec::new(),
    };
    let mut heading: Option<String> = None;
    let mut block: Option<(String, String)> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap());
                let again = (1..).map(|nth| format!("{anchor}-{nth}"));
                let free = std::iter::once(anchor.clone()).chain(again).find(|name| !page.anchors.contains(name));
                page.anchors.extend(free);
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.into_string());
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some((language, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
            Event::Text(text) | Event::Code(text) if heading.is_some() => heading.as_mut().unwrap().push_str(&text),
            Event::Text(text) => {
                if let Some((_, block)) = &mut block {
                    block.push_str(&text);
                }
            }
            Event::Code(text) => page.spans.push(text.into_string()),
            _ => {}
        }
    }
    page
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Fails with all that is wrong, not with the first.
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let by_path: BTreeMap<&Path, &Page> = pages.iter().map(|page| (page.path.as_path(), page)).collect();
    let mut wrong = Vec::new();
    let mut followed = 0;
    for page in &pages {
        let at = page.path.display();
        // Nothing is asked of the network.
        for link in page.links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            followed += 1;
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = match file {
                "" => page.path.clone(),
                file => normal(&page.path.with_file_name(file)),
            };
            if !root().join(&target).exists() {
                wrong.push(format!("{at}: ({link}): no {}", target.display()));
                continue;
            }
            let Some(anchor) = anchor else { continue };
            let known = by_path.get(target.as_path()).map(|page| &page.anchors);
            if !known.is_some_and(|anchors| anchors.contains(anchor)) {
                wrong.push(format!("{at}: ({link}): no heading #{anchor}, there are {known:?}"));
            }
        }
    }
    assert!(followed > 20, "{followed} links alone");
    assert_none(wrong);
}

/// Without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => assert!(out.pop(), "{} leaves the repository", path.display()),
            part => out.push(part),
        }
    }
    out
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines, {README_LINES} are allowed: move text to docs/");
}

/// A command of a console block, and what it is said to print.
#[derive(Debug, PartialEq)]
struct Claim {
    command: String,
    output: Vec<String>,
}

fn claims(block: &str) -> Result<Vec<Claim>, String> {
    let mut claims: Vec<Claim> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), claims.last_mut()) {
            (Some(command), _) => claims.push(Claim { command: command.to_owned(), output: Vec::new() }),
            (None, None) => return Err(format!("a console block begins with `$ `, not with: {line}")),
            (None, Some(claim)) => match line.strip_prefix("> ").filter(|_| claim.output.is_empty()) {
                Some(more) => claim.command.push_str(&format!("\n{more}")),
                None => claim.output.push(line.to_owned()),
            },
        }
    }
    Ok(claims)
}

/// Whether the text is as claimed: `…` is any text, a line of it any lines.
fn is_as_claimed(claim: &[String], text: &str) -> bool {
    const ANY: char = '…';
    let mut pattern = String::new();
    for line in claim {
        pattern.push_str(line);
        if line.trim() != "…" {
            pattern.push('\n');
        }
    }
    let text = format!("{}\n", text.trim_end());
    let pattern = if pattern.ends_with(ANY) { pattern } else { format!("{}\n", pattern.trim_end()) };
    let Some((first, rest)) = pattern.split_once(ANY) else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split(ANY).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[test]
fn a_claim_is_compared_with_what_is_printed() {
    let claim = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (pattern, text, holds) in [
        ("a\nb", "a\nb\n", true),
        ("a\nb", "a\nc\n", false),
        ("a", "a\nb\n", false),
        ("a\n…", "a\nb\nc\n", true),
        ("a\n…\nc", "a\nc\n", true),
        ("a\n…\nc", "a\nb\nb\nc\n", true),
        ("a\n…\nc", "a\nb\n", false),
        ("a … 5", "a 1 2 5\n", true),
        ("a … 5", "a 1 2 6\n", false),
        ("…\nb …\nd", "a\nb c\nd\n", true),
    ] {
        assert_eq!(is_as_claimed(&claim(pattern), text), holds, "{pattern:?} and {text:?}");
    }
    let parsed = claims("$ a\n> b\nc\n> d\n$ e\n").unwrap();
    let wanted = [("a\nb", vec!["c", "> d"]), ("e", vec![])];
    let wanted = wanted.map(|(command, output)| Claim {
        command: command.into(),
        output: output.into_iter().map(str::to_owned).collect(),
    });
    assert_eq!(parsed, wanted);
    assert!(claims("a\n").is_err());
}

/// A directory with what commands in the documentation speak of.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for from in ["fuzz/seeds", "fuzz/together-seeds", "findings", "tests/cases"] {
        fs::create_dir_all(dir.path().join(from)).unwrap();
        for file in fs::read_dir(root().join(from)).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&file, dir.path().join(from).join(file.file_name().unwrap())).unwrap();
        }
    }
    fs::create_dir(dir.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(BINARY, dir.path().join("bin/rmap-diff")).unwrap();
    // Of another package, so that nobody says where it is.
    let kernels = dir.path().join("bin/rmap-kernels");
    let manifest = root().join("Cargo.toml");
    let run = format!("run -q --release --manifest-path '{}' -p rmap-extract --bin rmap-kernels", manifest.display());
    fs::write(&kernels, format!("#!/bin/sh\nexec '{}' {run} -- \"$@\"\n", env!("CARGO"))).unwrap();
    fs::set_permissions(&kernels, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn commands_print_what_they_are_said_to_print() {
    let path = std::env::var("PATH").unwrap();
    let newest = |text: &str| text.replace(NEWEST_IN_TEXT, reference(NEWEST).name);
    let mut wrong = Vec::new();
    let mut ran = 0;
    for page in pages() {
        let dir = place();
        for (_, block) in page.blocks.iter().filter(|(language, _)| language == "console") {
            for claim in claims(block).unwrap_or_else(|error| panic!("{}: {error}", page.path.display())) {
                ran += 1;
                let command = newest(&claim.command);
                let output = Command::new("bash")
                    .args(["-c", &format!("exec 2>&1\n{command}")])
                    .current_dir(dir.path())
                    .env("PATH", format!("{}:{path}", dir.path().join("bin").display()))
                    .env_remove("RMAP_KERNEL")
                    .env_remove("RMAP_KNOWN")
                    .env_remove("RMAP_VMA")
                    .env_remove("RMAP_DRIVER")
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                let text = String::from_utf8_lossy(&output.stdout);
                let claimed: Vec<String> = claim.output.iter().map(|line| newest(line)).collect();
                let refused = !matches!(output.status.code(), Some(0 | 1 | 3)) || text.contains("panicked");
                if refused || !claimed.is_empty() && !is_as_claimed(&claimed, &text) {
                    let status = output.status;
                    let claimed = claimed.join("\n");
                    let at = page.path.display();
                    wrong.push(format!("--- {at}: $ {command} ({status})\n{text}--- is said to print\n{claimed}"));
                }
            }
        }
    }
    assert!(ran > 10, "{ran} commands alone");
    assert_none(wrong);
}

/// What a program and its subcommands know.
struct Program {
    /// Flags by subcommand.
    flags: BTreeMap<String, BTreeSet<String>>,
    /// All help together.
    help: String,
}

impl Program {
    fn of(run: impl Fn(&[&str]) -> Option<String>) -> Program {
        let help = run(&["--help"]).unwrap_or_else(|| panic!("no help"));
        // Any word that begins a line further in may be a subcommand: it is asked.
        let indented = help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let words = indented.filter_map(|line| line.split_whitespace().next());
        let names: BTreeSet<&str> = words.filter(|word| !word.starts_with('-') && *word != "help").collect();
        let subcommands = names.into_iter().filter_map(|name| Some((name.to_owned(), run(&[name, "--help"])?)));
        let mut program = Program { flags: BTreeMap::new(), help: String::new() };
        for (name, help) in subcommands {
            program.flags.insert(name, flags(&help));
            program.help += &help;
        }
        assert!(!program.flags.is_empty(), "no subcommands in: {help}");
        program
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.flags.values().any(|flags| flags.contains(flag))
    }
}

/// The flags that a help text defines: those at the beginning of a line.
fn flags(help: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
        for word in line.split([' ', ',', '=', '[']).take_while(|word| word.is_empty() || word.starts_with('-')) {
            flags.insert(word.to_owned());
        }
    }
    flags
}

fn rmap_diff() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| Program::of(|args| help_of(Command::new(BINARY).args(args))))
}

fn rmap_kernels() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // A binary of another package, which a test of the workspace has built; a test of this file alone may have to.
        let built = Path::new(BINARY).with_file_name("rmap-kernels");
        Program::of(|args| {
            let mut command = Command::new(if built.is_file() { built.as_os_str() } else { env!("CARGO").as_ref() });
            if !built.is_file() {
                command.args(["run", "-q", "--release", "-p", "rmap-extract", "--bin", "rmap-kernels", "--"]);
            }
            help_of(command.current_dir(root()).args(args))
        })
    })
}

fn help_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Everything in which a variable of make or of the environment can be read.
fn sources() -> &'static str {
    static SOURCES: OnceLock<String> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut text = String::new();
        let mut paths: Vec<PathBuf> =
            ["Makefile", "build.rs", "build", "crates", "scripts", "src", ".clusterfuzzlite", ".ci", "tests"]
                .iter()
                .map(|name| root().join(name))
                .collect();
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if !path.ends_with("docs.rs") {
                text += &fs::read(path).map_or(String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        text
    })
}

/// Whether a word occurs in a text, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

/// What is wrong with a command that is not run.
fn fault_of(command: &str) -> Option<String> {
    let words = shlex::split(command).unwrap_or_default();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(set) = words.next_if(|word| assigned(word).is_some()) {
        let name = assigned(set).unwrap_or_default();
        if name != "RUSTC_BOOTSTRAP" && name != "RUSTDOCFLAGS" && !has_word(sources(), name) {
            return Some(format!("nothing reads the variable {name}"));
        }
    }
    let words: Vec<&str> = words.collect();
    let (&program, arguments) = words.split_first()?;
    match program {
        "make" => arguments.iter().find_map(|word| fault_of_make(word)),
        "rmap-diff" | "target/release/rmap-diff" => fault_of_program("rmap-diff", rmap_diff(), arguments),
        "rmap-kernels" => fault_of_program("rmap-kernels", rmap_kernels(), arguments),
        "cargo" => fault_of_cargo(arguments),
        "git" | "cd" | "bash" | "export" => None,
        script if script.starts_with("scripts/") => {
            (!root().join(script).is_file()).then(|| format!("no script {script}"))
        }
        other => Some(format!("`{other}`: a command that nobody checks")),
    }
}

fn assigned(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    is_name.then_some(name)
}

fn fault_of_make(word: &str) -> Option<String> {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    match assigned(word) {
        Some(variable) => (!makefile.contains(&format!("$({variable})")))
            .then(|| format!("the Makefile reads no variable {variable}")),
        None => {
            let names = |line: &str| {
                let (targets, _) = line.split_once(':')?;
                targets.split_whitespace().any(|target| target == word).then_some(())
            };
            (!makefile.lines().any(|line| names(line).is_some())).then(|| format!("the Makefile has no target {word}"))
        }
    }
}

fn fault_of_program(name: &str, program: &Program, arguments: &[&str]) -> Option<String> {
    let (&subcommand, arguments) = arguments.split_first()?;
    if ["--help", "--version", "help"].contains(&subcommand) {
        return None;
    }
    let Some(flags) = program.flags.get(subcommand) else {
        return Some(format!("{name} has no command `{subcommand}`"));
    };
    let given = arguments.iter().filter(|word| word.starts_with('-') && word.len() > 1);
    let mut given = given.map(|word| word.split('=').next().unwrap_or(word));
    given.find(|flag| !flags.contains(*flag)).map(|flag| format!("{name} {subcommand} has no flag {flag}"))
}

fn fault_of_cargo(arguments: &[&str]) -> Option<String> {
    let (&command, rest) = arguments.split_first()?;
    let rmap = rest.iter().position(|word| *word == "--").map(|at| &rest[at + 1..]);
    if command == "run" {
        return match (rest.contains(&"rmap-kernels"), rmap) {
            (true, Some(arguments)) => fault_of_program("rmap-kernels", rmap_kernels(), arguments),
            (false, Some(arguments)) => fault_of_program("rmap-diff", rmap_diff(), arguments),
            (_, None) => None,
        };
    }
    let cargos = ["bench", "build", "check", "clippy", "deny", "doc", "fmt", "fuzz", "mutants", "test"];
    let aliases = fs::read_to_string(root().join(".cargo/config.toml")).unwrap_or_default();
    let is_alias = aliases.lines().any(|line| line.split_once(" = ").is_some_and(|(name, _)| name == command));
    if !cargos.contains(&command) && !is_alias {
        return Some(format!("cargo has no command {command}, and .cargo/config.toml has no such alias"));
    }
    let test = rest.iter().position(|word| *word == "--test").and_then(|at| rest.get(at + 1));
    test.filter(|test| !root().join("tests").join(format!("{test}.rs")).is_file())
        .map(|test| format!("no test tests/{test}.rs"))
}

/// A line of a shell block without its comment.
fn without_comment(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(command, _)| command).trim()
}

#[test]
fn commands_that_are_not_run_exist() {
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for page in pages() {
        let at = page.path.display();
        let lines = page.blocks.iter().filter(|(language, _)| language == "sh").flat_map(|(_, block)| block.lines());
        let lines = lines.map(without_comment).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let programs = ["rmap-diff ", "rmap-kernels ", "make ", "cargo ", "scripts/"];
        let spans = page.spans.iter().map(String::as_str);
        let spans = spans.filter(|span| programs.iter().any(|program| span.starts_with(program)));
        for command in lines.chain(spans) {
            looked_at += 1;
            wrong.extend(fault_of(command).map(|fault| format!("{at}: {command}: {fault}")));
        }
    }
    assert!(looked_at > 30, "{looked_at} commands alone");
    assert_none(wrong);
}

#[test]
fn flags_variables_and_paths_in_sentences_exist() {
    let mut wrong = Vec::new();
    for page in pages().into_iter().filter(|page| page.path != Path::new("CHANGELOG.md")) {
        let at = page.path.display();
        for span in &page.spans {
            let span = span.replace("\\|", "|");
            let words: Vec<&str> = span.split_whitespace().collect();
            let Some((&first, rest)) = words.split_first() else { continue };
            if first.starts_with("--") && first.len() > 2 && !FOREIGN_FLAGS.contains(&first) {
                if !rmap_diff().has_flag(first) && !has_word(sources(), first) {
                    wrong.push(format!("{at}: `{span}`: no such flag"));
                }
                let values = rest.iter().filter(|word| word.contains('|')).flat_map(|word| word.split('|'));
                let unknown = values.filter(|value| !has_word(&rmap_diff().help, value));
                wrong.extend(unknown.map(|value| format!("{at}: `{span}`: no value {value} in any help")));
            } else if let Some(name) = assigned(first) {
                if name != "RUSTC_BOOTSTRAP" && !has_word(sources(), name) {
                    wrong.push(format!("{at}: `{span}`: nothing reads {name}"));
                }
            } else if let Some(path) = path_of(first)
                && !root().join(path).exists()
            {
                wrong.push(format!("{at}: `{span}`: no such path"));
            }
        }
    }
    assert_none(wrong);
}

/// A word that names a path of this repository, without what stands for several.
fn path_of(word: &str) -> Option<&str> {
    let is_made = |path: &str| MADE.iter().any(|made| path.starts_with(made));
    let (top, _) = word.split_once('/')?;
    let ours = !top.is_empty() && top != "." && root().join(top).is_dir() && !is_made(word);
    ours.then(|| word.split(['*', '<']).next().unwrap_or(word).trim_end_matches('/'))
}

#[test]
fn every_flag_is_explained_once() {
    let words = pages().into_iter().find(|page| page.path == Path::new("docs/words.md")).expect("a page of words");
    let mut explained: BTreeMap<&str, u32> = BTreeMap::new();
    for span in words.spans.iter().filter(|span| span.starts_with("--")) {
        *explained.entry(span.split_whitespace().next().unwrap_or(span)).or_default() += 1;
    }
    let all: BTreeSet<&String> = rmap_diff().flags.values().flatten().filter(|flag| flag.starts_with("--")).collect();
    let ours = all.into_iter().filter(|flag| !["--help", "--version"].contains(&flag.as_str()));
    let counts = ours.map(|flag| (flag, explained.get(flag.as_str()).copied().unwrap_or(0)));
    assert_none(
        counts
            .filter(|(_, count)| *count != 1)
            .map(|(flag, count)| format!("docs/words.md explains {flag} {count} times"))
            .collect(),
    );
}
