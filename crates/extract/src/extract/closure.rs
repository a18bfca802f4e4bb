//! Cuts by need: from a few roots, everything that they use, wherever in a list of files it is defined.
//!
//! What `csrc/` defines under a name is never cut: a stand-in takes the place of the kernel's definition by being
//! there. Conditionals on the kernel's configuration are evaluated, so that of a function and its no-op for a kernel
//! without the feature the one is cut that this configuration has.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use super::cut::{called, facts, prototypes_of, words};
use super::write::{failed, framed, under_conditions};
use super::{ExtractError, Parameters, Piece};
use crate::manifest::{Layer, Manifest};
use crate::syntax::{Condition, Definition, Kind, SourceFile, configured};

/// The text of a layer, in the order in which a compiler can read it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Closure {
    /// Macros, then types, each after what it needs.
    pub types: Vec<Piece>,
    /// Prototypes of every function, each with its conditionals.
    pub prototypes: Vec<(Vec<Condition>, String)>,
    /// Variables and functions, in the order of the files.
    pub code: Vec<Piece>,
    /// Functions and macros that are called and not cut: `csrc/` and the whole files provide them.
    pub open_calls: Vec<String>,
    /// Tracepoints and vendor hooks that are called, and that nothing provides: without tracing they do nothing.
    pub tracepoints: Vec<String>,
    /// The macros of the manifest that hold.
    pub facts: Vec<String>,
}

/// The directories of `csrc/` in the include path, in order.
const HEADERS: [&str; 2] = ["pages/include/", "include/"];

/// A tracepoint is called by its name with this before it.
const TRACE: &str = "trace_";

/// What must not be cut: what stands in `csrc/`, what the whole files define, and what the manifest names.
///
/// # Errors
/// If a file of `csrc/` cannot be read.
pub fn provided(csrc: &Path, tree: &Path, manifest: &Manifest) -> Result<HashSet<String>, ExtractError> {
    let mut provided: HashSet<String> = manifest.layer.provided.iter().cloned().collect();
    let mut add = |file: SourceFile| {
        for definition in file.definitions {
            if !possible(&definition.conditions, &manifest.layer) {
                continue;
            }
            provided.insert(definition.name);
            provided.extend(definition.enumerators);
        }
    };
    // Headers below those that come first in the include path and do not include the next one of their name.
    let mut hidden = HashSet::new();
    for place in &manifest.layer.stand_ins {
        if csrc.join(place).is_dir() {
            let entries = std::fs::read_dir(csrc.join(place)).map_err(failed(&csrc.join(place)))?;
            for entry in entries {
                let name = entry.map_err(failed(&csrc.join(place)))?.file_name();
                let path = format!("{place}/{}", name.to_string_lossy());
                let included = HEADERS.iter().find_map(|dir| path.strip_prefix(dir)).unwrap_or(&path).to_owned();
                if !csrc.join(&path).is_file() || hidden.contains(&included) {
                    continue;
                }
                let file = SourceFile::read(csrc, &path)?;
                if !file.text.contains("#include_next") {
                    hidden.insert(included);
                }
                add(file);
            }
        } else {
            add(SourceFile::read(csrc, place)?);
        }
    }
    for whole in &manifest.whole {
        if tree.join(&whole.file).is_file() {
            add(SourceFile::read(tree, &whole.file)?);
        }
    }
    Ok(provided)
}

struct Pool {
    files: Vec<SourceFile>,
    /// Where a name is defined: file and place, of those that this configuration has. A structure's or enumeration's
    /// tag is no other thing's name: `true` goes with tags.
    index: HashMap<(bool, String), Vec<(usize, usize)>>,
}

/// Cuts what the roots of a layer need out of a tree.
///
/// # Errors
/// If a root is nowhere, or a definition is broken. The tree can be used without the layer then.
pub fn cut_layer(tree: &Path, manifest: &Manifest, provided: &HashSet<String>) -> Result<Closure, ExtractError> {
    let layer = &manifest.layer;
    if let Some(need) = layer.needs.iter().find(|need| !tree.join(&need.file).is_file()) {
        return Err(ExtractError::NoLayer { file: need.file.clone(), reason: need.reason.clone() });
    }
    let pool = Pool::read(tree, layer)?;
    let mut taken: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut todo: Vec<(usize, usize)> = Vec::new();
    for alternatives in &layer.roots {
        let found = alternatives.iter().find_map(|name| pool.lookup(false, name, None));
        match found {
            Some(found) => todo.extend(found),
            None => {
                return Err(ExtractError::Missing {
                    group: layer.group.clone(),
                    symbols: alternatives.join(" or "),
                    files: format!("the {} files that csrc/{} lists", layer.sources.len(), layer.manifest),
                });
            }
        }
    }
    for path in &layer.every_function_of {
        for (number, file) in pool.files.iter().enumerate().filter(|(_, file)| file.path == *path) {
            let places = file.definitions.iter().enumerate().filter(|(_, definition)| {
                definition.kind == Kind::Function
                    && possible(&definition.conditions, layer)
                    && !provided.contains(&definition.name)
                    && !layer.left.iter().any(|left| left.name == definition.name)
            });
            todo.extend(places.map(|(place, _)| (number, place)));
        }
    }
    for name in &layer.optional {
        todo.extend(pool.lookup(false, name, None).unwrap_or_default());
    }
    let (mut open_calls, mut tracepoints) = (BTreeSet::new(), BTreeSet::new());
    while let Some((number, place)) = todo.pop() {
        if !taken.insert((number, place)) {
            continue;
        }
        let file = &pool.files[number];
        let definition = &file.definitions[place];
        if definition.kind == Kind::Function {
            file.check(definition)?;
        }
        let called: HashSet<&str> = called(file, &definition.range).collect();
        for (tag, name) in used(file, definition) {
            let own = !tag && (name == definition.name || definition.locals.iter().any(|local| local == name));
            if own {
                continue;
            }
            if provided.contains(name) {
                if called.contains(name) {
                    open_calls.insert(name.to_owned());
                }
                continue;
            }
            match pool.lookup(tag, name, Some(number)) {
                Some(found) => todo.extend(found),
                None if called.contains(name) => {
                    let of = if name.starts_with(TRACE) { &mut tracepoints } else { &mut open_calls };
                    of.insert(name.to_owned());
                }
                None => {}
            }
        }
    }
    let mut closure = pool.write(&taken, layer, open_calls);
    closure.tracepoints = tracepoints.into_iter().collect();
    closure.facts = facts(&manifest.fact, closure.types.iter().chain(&closure.code));
    Ok(closure)
}

/// Whether a name after this word is a tag.
fn is_tag(before: Option<&str>) -> bool {
    matches!(before, Some("struct" | "union" | "enum"))
}

/// The names that a definition uses; `true` goes with tags.
fn used<'f>(file: &'f SourceFile, definition: &Definition) -> BTreeSet<(bool, &'f str)> {
    if definition.kind == Kind::Macro {
        let words: Vec<&str> = words(&file.text[definition.range.clone()]).collect();
        return (0..words.len()).map(|n| (is_tag(n.checked_sub(1).map(|n| words[n])), words[n])).collect();
    }
    let tokens = file.tokens(&definition.range);
    let text = |n: usize| &file.text[tokens[n].range.clone()];
    let names = (0..tokens.len()).filter(|&n| tokens[n].is_name);
    names.map(|n| (is_tag(n.checked_sub(1).map(text)), text(n))).collect()
}

impl Pool {
    fn read(tree: &Path, layer: &Layer) -> Result<Pool, ExtractError> {
        let mut pool = Pool { files: Vec::new(), index: HashMap::new() };
        for path in &layer.sources {
            if !tree.join(path).is_file() {
                continue;
            }
            let file = SourceFile::read(tree, path)?;
            let number = pool.files.len();
            for (place, definition) in file.definitions.iter().enumerate() {
                if definition.kind == Kind::Declaration || !possible(&definition.conditions, layer) {
                    continue;
                }
                let tag = matches!(definition.kind, Kind::Struct | Kind::Enum);
                let names = std::iter::once((tag, &definition.name));
                for (tag, name) in names.chain(definition.enumerators.iter().map(|name| (false, name))) {
                    pool.index.entry((tag, name.clone())).or_default().push((number, place));
                }
            }
            pool.files.push(file);
        }
        Ok(pool)
    }

    /// Every definition of a name in one file: that of the user, else the first of the list that has one.
    fn lookup(&self, tag: bool, name: &str, user: Option<usize>) -> Option<Vec<(usize, usize)>> {
        let all = self.index.get(&(tag, name.to_owned()))?;
        let own = user.filter(|user| all.iter().any(|(number, _)| number == user));
        let number = own.unwrap_or_else(|| all.iter().map(|(number, _)| *number).min().unwrap_or(0));
        Some(all.iter().copied().filter(|(n, _)| *n == number).collect())
    }

    fn write(&self, taken: &BTreeSet<(usize, usize)>, layer: &Layer, open_calls: BTreeSet<String>) -> Closure {
        let mut closure = Closure { open_calls: open_calls.into_iter().collect(), ..Closure::default() };
        let definition =
            |&(number, place): &(usize, usize)| (&self.files[number], &self.files[number].definitions[place]);
        let of = |kinds: &'static [Kind]| {
            taken.iter().filter(move |at| kinds.contains(&definition(at).1.kind)).copied().collect::<Vec<_>>()
        };
        let same_name: BTreeMap<(usize, &str), usize> = taken.iter().fold(BTreeMap::new(), |mut count, at| {
            let (_, d) = definition(at);
            *count.entry((at.0, d.name.as_str())).or_default() += 1;
            count
        });
        let piece = |at: &(usize, usize)| {
            let (file, d) = definition(at);
            let repeat = !d.name.is_empty() && same_name[&(at.0, d.name.as_str())] > 1;
            let into = if matches!(d.kind, Kind::Function | Kind::Variable) { &layer.code } else { &layer.types };
            Piece {
                kind: d.kind,
                symbol: d.name.clone(),
                file: file.path.clone(),
                first_line: file.line(d.range.start),
                last_line: file.line(d.range.end.saturating_sub(1)),
                into: into.clone(),
                wrapped: d.kind == Kind::Function && layer.wrap.contains(&d.name),
                text: file.text[d.range.clone()].to_owned(),
                parameters: Parameters::of(file, d),
                conditions: if repeat { d.conditions.clone() } else { Vec::new() },
                order: (at.0, d.range.start),
            }
        };
        closure.types.extend(of(&[Kind::Macro]).iter().map(piece));
        let types = of(&[Kind::Struct, Kind::Enum, Kind::Typedef]);
        closure.types.extend(self.sorted(&types).iter().map(piece));
        for at in of(&[Kind::Function]) {
            let (file, d) = definition(&at);
            let conditions = piece(&at).conditions;
            for text in prototypes_of(file, d, layer.wrap.contains(&d.name)) {
                closure.prototypes.push((conditions.clone(), text));
            }
        }
        closure.code.extend(of(&[Kind::Variable]).iter().map(piece));
        closure.code.extend(of(&[Kind::Function]).iter().map(piece));
        closure
    }

    /// Types in an order in which each stands after those that it holds.
    fn sorted(&self, types: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let mut by_name: HashMap<(bool, &str), Vec<(usize, usize)>> = HashMap::new();
        for at in types {
            let d = &self.files[at.0].definitions[at.1];
            let own = (d.kind != Kind::Typedef, d.name.as_str());
            for name in std::iter::once(own).chain(d.enumerators.iter().map(|name| (false, name.as_str()))) {
                by_name.entry(name).or_default().push(*at);
            }
        }
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        for at in types {
            self.place(*at, &by_name, &mut seen, &mut out);
        }
        out
    }

    fn place(
        &self,
        at: (usize, usize),
        by_name: &HashMap<(bool, &str), Vec<(usize, usize)>>,
        seen: &mut HashSet<(usize, usize)>,
        out: &mut Vec<(usize, usize)>,
    ) {
        if !seen.insert(at) {
            return;
        }
        let file = &self.files[at.0];
        let tokens = file.tokens(&file.definitions[at.1].range);
        for (n, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_name) {
            let word = &file.text[token.range.clone()];
            // A pointer to a structure needs no definition of it.
            let text_of = |n: Option<usize>| n.and_then(|n| tokens.get(n)).map(|t| &file.text[t.range.clone()]);
            let before = text_of(n.checked_sub(1));
            if before == Some("struct") && text_of(Some(n + 1)) == Some("*") {
                continue;
            }
            for &needed in by_name.get(&(is_tag(before), word)).into_iter().flatten() {
                self.place(needed, by_name, seen, out);
            }
        }
        out.push(at);
    }
}

impl Closure {
    /// Writes the files of the extract below `out`.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write_to(&self, out: &Path, layer: &Layer) -> Result<(), ExtractError> {
        for (name, text) in self.files(layer) {
            std::fs::write(out.join(&name), text).map_err(failed(&out.join(&name)))?;
        }
        let Some(name) = &layer.pieces else { return Ok(()) };
        let path = out.join(name);
        let pieces: Vec<&Piece> = self.types.iter().chain(&self.code).collect();
        let json = serde_json::to_string_pretty(&pieces).map_err(|error| failed(&path)(error.into()))?;
        std::fs::write(&path, json).map_err(failed(&path))
    }

    /// The layer as a person reads it: what was cut, file by file, and what stands in for the rest.
    pub fn to_text(&self, layer: &Layer) -> String {
        let (group, manifest) = (&layer.group, &layer.manifest);
        let title = group.strip_prefix("the ").map_or(group.clone(), |rest| format!("The {rest}"));
        let mut text = format!("\n{title}, cut by need from the roots in csrc/{manifest}, byte for byte\n");
        for piece in self.types.iter().chain(&self.code) {
            let place = format!("{}:{}-{}", piece.file, piece.first_line, piece.last_line);
            let kind = format!("{:?}", piece.kind).to_lowercase();
            let wrapped = if piece.wrapped { " (observed by a wrapper)" } else { "" };
            let _ = writeln!(text, "  {place:<44} {kind:<12} {}{wrapped}", piece.symbol);
        }
        text.push_str("\nTracepoints and vendor hooks, which do nothing\n");
        self.tracepoints.iter().for_each(|tracepoint| {
            let _ = writeln!(text, "  {tracepoint}");
        });
        let _ = writeln!(text, "\nCalled by {group} and provided by stand-ins (csrc/vma, csrc/include)");
        self.open_calls.iter().for_each(|call| {
            let _ = writeln!(text, "  {call}");
        });
        text
    }

    /// The files of the extract, by name.
    fn files(&self, layer: &Layer) -> Vec<(String, String)> {
        let mut types = String::new();
        self.facts.iter().for_each(|fact| types.push_str(&format!("#define {fact} 1\n")));
        for tracepoint in &self.tracepoints {
            let does = if tracepoint.ends_with("_enabled") { "0" } else { "do {} while (0)" };
            types.push_str(&format!("#define {tracepoint}(...) {does}\n"));
        }
        for piece in self.types.iter().filter(|piece| piece.kind == Kind::Struct) {
            types.push_str(&format!("struct {};\n", piece.symbol));
        }
        self.types.iter().for_each(|piece| types.push_str(&terminated(framed(piece), piece)));
        for (conditions, text) in &self.prototypes {
            types.push_str(&under_conditions(conditions, text));
        }
        let mut code = String::new();
        for piece in &self.code {
            // All of a reference is one translation unit, and nothing of it is seen from outside.
            if piece.kind == Kind::Variable && !piece.text.split_whitespace().any(|word| word == "static") {
                code.push_str("static\n");
            }
            code.push_str(&framed(piece));
        }
        let mut files = vec![(layer.types.clone(), types), (layer.code.clone(), code)];
        files.extend(layer.options.iter().map(|name| {
            let define = |option: &String| format!("#ifndef {option}\n#define {option} 1\n#endif\n");
            (name.clone(), layer.config.iter().map(define).collect())
        }));
        files
    }
}

/// A type's text ends before the semicolon if something else was declared with it.
fn terminated(text: String, piece: &Piece) -> String {
    if piece.kind == Kind::Macro || piece.text.trim_end().ends_with(';') { text } else { text + ";\n" }
}

/// Whether this configuration can have what stands under these conditionals. One that is not only about the
/// configuration is left to the compiler.
fn possible(conditions: &[Condition], layer: &Layer) -> bool {
    conditions.iter().all(|condition| match configured(&condition.directive, &layer.config, &layer.undefined) {
        Some(holds) => holds != condition.otherwise,
        None => true,
    })
}
